"""Distillation: finished runs are the teachers of another, on the pixels of each batch.

The teacher scores the batch that the student sees: augmented, and mixed. Its scores of the
original posters would add little to the labels, since it has memorised these films, and would not
fit cropped, erased or mixed ones (Beyer et al., arXiv 2106.05237). A teacher with test-time
augmentation uses it here too, which takes as many times longer. Several teachers are a committee:
their scores are averaged, and the student learns the features of all.
"""

from collections.abc import Callable, Sequence

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
from keyart.training.machine import Compiled, Machine
from keyart.training.networks import load_best


class _Member:
    """A teacher: calibrated scores and features of a finished run's network."""

    def __init__(
        self,
        network: GenreClassifier,
        spec: ImageSpec,
        calibration: Calibration,
        machine: Machine,
        say: Callable[[str], None],
    ) -> None:
        network = network.eval().to(machine.device)
        # With test-time augmentation its calibration was fitted to the mean over the views.
        self._look = Compiled(network.with_features, machine, say, frozen=True)
        self._pool = network.head.pool
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
            logits, features = self._look(pixels)
            pooled = self._pool(features).float()
        scores = self._calibration.apply(logits.float().cpu().numpy())
        return torch.from_numpy(scores).float().to(pixels.device), pooled


class Teacher:
    """The mean of the scores of some finished runs, and the features of all of them.

    width: number of features.
    """

    def __init__(self, members: Sequence[_Member]) -> None:
        self._members = members
        self.width = sum(member.width for member in members)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels: (films, height, width, 3), RGB in [0, 255], of any size.

        Returns scores (films, genres) in [0, 1], and features (films, `width`). Those of each
        member have length 1, so that each counts as much as any other.
        """
        answers = [member(pixels) for member in self._members]
        scores = torch.stack([scores for scores, _ in answers]).mean(0)
        return scores, torch.cat([F.normalize(features) for _, features in answers], 1)


def open_teacher(
    runs: Sequence[Run],
    spec: ImageSpec,
    catalog: Catalog,
    machine: Machine,
    say: Callable[[str], None],
) -> Teacher:
    """Finished runs as the teacher of a student with posters prepared by `spec`.

    say: gets a line if they cannot be compiled.
    Raises RunError if a run is not finished, or has other genres or another shape of posters.
    """
    return Teacher([_open_member(run, spec, catalog, machine, say) for run in runs])


def _open_member(
    run: Run, spec: ImageSpec, catalog: Catalog, machine: Machine, say: Callable[[str], None]
) -> _Member:
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
    return _Member(network, recipe.spec, bundle.calibration, machine, say)
