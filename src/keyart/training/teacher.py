"""Distillation: a finished run is the teacher of another, on the pixels of each batch.

The teacher scores the batch that the student sees: augmented, and mixed. Its scores of the
original posters would add little to the labels, since it has memorised these films, and would not
fit cropped, erased or mixed ones (Beyer et al., arXiv 2106.05237). A teacher with test-time
augmentation uses it here too, which takes as many times longer.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from keyart.bundle import read_bundle
from keyart.calibration import Calibration
from keyart.catalog.catalog import Catalog
from keyart.errors import RunError
from keyart.images.spec import ImageSpec
from keyart.models.classifier import GenreClassifier
from keyart.run import Run
from keyart.training.machine import Machine
from keyart.training.networks import load_best


class Teacher:
    """Calibrated scores and features of a finished run's network."""

    def __init__(
        self,
        network: GenreClassifier,
        spec: ImageSpec,
        calibration: Calibration,
        machine: Machine,
    ) -> None:
        self._network = network.eval().to(machine.device)
        self._size = spec.height, spec.width
        self._calibration, self._machine = calibration, machine
        with torch.no_grad():
            blank = torch.zeros(1, *self._size, 3, device=machine.device)
            self.width = network.pooled(blank).shape[1]

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels: (films, height, width, 3), RGB in [0, 255], of any size.

        Returns scores (films, genres) in [0, 1], and features (films, `width`).
        """
        with torch.no_grad(), self._machine.arithmetic():
            if tuple(pixels.shape[1:3]) != self._size:
                planes = pixels.permute(0, 3, 1, 2).float()
                planes = F.interpolate(planes, self._size, mode="bilinear", antialias=True)
                pixels = planes.permute(0, 2, 3, 1)
            features = self._network.pooled(pixels).float()
            if self._network.tta == 1:
                logits = self._network.head.decide(features)
            else:  # its calibration was fitted to logits with test-time augmentation
                logits = self._network(pixels)
        scores = self._calibration.apply(logits.float().cpu().numpy())
        return torch.from_numpy(scores).float().to(pixels.device), features


def open_teacher(run: Run, spec: ImageSpec, catalog: Catalog, machine: Machine) -> Teacher:
    """A finished run as the teacher of a student with posters prepared by `spec`.

    Raises RunError if the run is not finished, or has other genres or another shape of posters.
    """
    if not run.is_finished:
        raise RunError(f"teacher {run.path}: not a finished run")
    bundle = read_bundle(run.bundle_path)
    if bundle.vocabulary.names != catalog.vocabulary.names:
        raise RunError(f"teacher {run.path}: has other genres than the catalog {catalog.path}")
    network, recipe = load_best(run)
    data = recipe.data
    if data.fit != spec.fit:
        raise RunError(
            f"teacher {run.path}: prepares posters with fit={data.fit}, the student with "
            f"fit={spec.fit}; use the same"
        )
    if spec.fit == "pad" and data.height * spec.width != data.width * spec.height:
        raise RunError(
            f"teacher {run.path}: pads posters to {data.height}x{data.width}, which does not have "
            f"the shape of {spec.height}x{spec.width}; use fit=squash, or sizes of one shape"
        )
    return Teacher(network, recipe.spec, bundle.calibration, machine)
