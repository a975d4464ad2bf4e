"""A poster on its way through a model: prepared for it, and seen by it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keyart.images.decode import Pixels
from keyart.network import Logits
from keyart.prediction import NOT_A_POSTER
from keyart.typical import Typical


class Prepared(tuple[Pixels, ...]):
    """One poster, once for each image spec of a model: (height, width, 3) each, uint8."""

    aspect: float
    """The width of the picture as found over its height."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model sees in a poster.

    logits: (genres,), before calibration. warning: that it does not look like a poster; or empty.
    """

    logits: Logits
    warning: str = ""


def seen_as(typical: Typical | None, logits: Logits, posters: Sequence[Prepared]) -> list[Seen]:
    """What a model sees in posters. logits: (posters, genres). typical: None warns of none."""
    if typical is None:
        return [Seen(row) for row in logits]
    pixels = np.stack([pictures[0] for pictures in posters])
    like = typical.includes(logits, pixels, [poster.aspect for poster in posters])
    return [Seen(row, "" if one else NOT_A_POSTER) for row, one in zip(logits, like, strict=True)]
