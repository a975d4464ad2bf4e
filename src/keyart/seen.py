"""A poster on its way through a model: prepared for it, and seen by it."""

from dataclasses import dataclass

from keyart.images.decode import Pixels
from keyart.network import Logits


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
