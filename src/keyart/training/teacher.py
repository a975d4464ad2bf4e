"""A teacher: a finished run that answers for each batch just as its student sees it.

A teacher asked once for every film, beforehand, tells a student little more than the genres did:
it knows these films by heart, and cannot answer for posters that are cropped, blanked or mixed.
Asked for the very pixels of each step it has as many answers as there are changes to posters, and
the student learns the function, not the films (Beyer et al., arXiv 2106.05237). One that looks
several times at a poster does so here too, at as many times the cost.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from keyart.calibration import Calibration
from keyart.images.spec import ImageSpec
from keyart.models.classifier import GenreClassifier
from keyart.training.machine import Machine


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
            if self._network.looks == 1:
                logits = self._network.head.decide(features)
            else:  # what its calibration is made for
                logits = self._network(pixels)
        scores = self._calibration.apply(logits.float().cpu().numpy())
        return torch.from_numpy(scores).float().to(pixels.device), features
