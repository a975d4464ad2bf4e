"""From a bundle to logits: by one network, or by the average of several models.

An ensemble averages its members' scores after each member's own calibration, in float64. Members
may prepare posters in different ways, so a scorer takes a poster once for each of its image specs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from keyart.bundle import Bundle
from keyart.calibration import Calibration
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec
from keyart.network import Device, Logits, Network, check_device
from keyart.trial import open_network, open_text, try_out

# No average is closer to 0 or 1 than this, so that each has a logit.
_EDGE = 1e-12

Scores = npt.NDArray[np.float64]
Pictures = Sequence[Pixels]
"""For each of a scorer's specs the prepared posters (films, height, width, 3)."""


class Scorer(Protocol):
    """What a model's logits come from. specs: how posters are prepared for it, each one once."""

    @property
    def specs(self) -> tuple[ImageSpec, ...]:
        """The different preparations that `logits` takes, in order."""
        ...

    @property
    def network(self) -> Network | None:
        """The only network; None for an ensemble."""
        ...

    def logits(self, pictures: Pictures) -> Logits:
        """pictures: for each of `specs`. Returns (films, genres)."""
        ...


@dataclass(frozen=True)
class SingleScorer:
    """One network, which sees posters as one spec prepares them."""

    network: Network
    spec: ImageSpec

    @property
    def specs(self) -> tuple[ImageSpec, ...]:
        """The network's own preparation."""
        return (self.spec,)

    def logits(self, pictures: Pictures) -> Logits:
        """pictures: one array (films, ...). Returns (films, genres)."""
        (pixels,) = pictures
        return self.network.logits(pixels)


@dataclass(frozen=True)
class EnsembleScorer:
    """Several models. calibrations, weights: of each; the weights sum to 1."""

    members: tuple[Scorer, ...]
    calibrations: tuple[Calibration, ...]
    weights: tuple[float, ...]
    network: None = None

    @property
    def specs(self) -> tuple[ImageSpec, ...]:
        """The members' preparations; what several of them share is made once."""
        found: dict[str, ImageSpec] = {}
        for member in self.members:
            for spec in member.specs:
                found.setdefault(spec.key, spec)
        return tuple(found.values())

    def logits(self, pictures: Pictures) -> Logits:
        """The logit (films, genres) of the weighted average of the members' calibrated scores."""
        seen = {spec.key: one for spec, one in zip(self.specs, pictures, strict=True)}
        scores = [
            calibration.apply(member.logits([seen[spec.key] for spec in member.specs]))
            for member, calibration in zip(self.members, self.calibrations, strict=True)
        ]
        return average_logits(np.stack(scores), self.weights)


def average_logits(scores: Scores, weights: npt.ArrayLike) -> Logits:
    """The logits (films, genres) of an average of calibrated scores.

    scores: (members, films, genres). weights: (members,), which sum to 1.
    """
    average = np.tensordot(np.asarray(weights, np.float64), scores, axes=1)
    average = np.clip(average, _EDGE, 1 - _EDGE)
    logits: Logits = np.log(average / (1 - average)).astype(np.float32)
    return logits


def open_scorer(bundle: Bundle, device: Device = "cpu") -> Scorer:
    """The scorer of a bundle, tried out and probed, see trial.py. Raises BundleError."""
    check_device(device)  # before the work
    try_out(bundle)
    open_text(bundle)
    return _scorer(bundle, device)


def _scorer(bundle: Bundle, device: Device) -> Scorer:
    if bundle.spec is not None:
        return SingleScorer(open_network(bundle, device), bundle.spec)
    return EnsembleScorer(
        tuple(_scorer(member.bundle, device) for member in bundle.members),
        tuple(member.bundle.calibration for member in bundle.members),
        tuple(member.weight for member in bundle.members),
    )
