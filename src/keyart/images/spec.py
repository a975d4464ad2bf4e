"""How posters become a network's input, the same in training and in serving."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from keyart.images.decode import MAX_PIXELS, Pixels, check_size, decode, decoding

# In the key: raise it when prepare() changes what it returns, so that no old pixels or features
# are used.
_PREPARATION = 3

Fit = Literal["squash", "pad"]


@dataclass(frozen=True)
class ImageSpec:
    """How a poster becomes a network's input.

    height, width: in pixels; the default has a poster's own 3:2. fit: 'squash' resizes to exactly
    this size, 'pad' keeps the aspect ratio and fills the rest with black; neither crops. mean, std:
    of RGB in [0, 1]; the network subtracts and divides, so everything outside it handles bytes.
    """

    height: int = 176
    width: int = 120
    fit: Fit = "squash"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def prepare(
        self,
        poster: bytes | Pixels,
        max_pixels: int = MAX_PIXELS,
        patience: float | None = None,
    ) -> Pixels:
        """Decode and resize a poster.

        poster: a file's content, or RGB pixels (any height, any width, 3). patience: seconds to
        wait for memory while others are decoded; None means without end. Returns (height, width,
        3) RGB. Raises PosterError, and PosterWaitsError after `patience`.
        """
        return self.prepare_sized(poster, max_pixels, patience)[0]

    def prepare_sized(
        self,
        poster: bytes | Pixels,
        max_pixels: int = MAX_PIXELS,
        patience: float | None = None,
    ) -> tuple[Pixels, float]:
        """As `prepare`, and the poster's own width over its height."""
        if not isinstance(poster, bytes):
            rgb = self.decode(poster, max_pixels)
            return self.resize(rgb), rgb.shape[1] / rgb.shape[0]
        with decoding(
            poster, at_least=self.at_least, max_pixels=max_pixels, patience=patience
        ) as rgb:
            return self.resize(rgb), rgb.shape[1] / rgb.shape[0]

    def decode(self, poster: bytes | Pixels, max_pixels: int = MAX_PIXELS) -> Pixels:
        """The poster's pixels; a JPEG is decoded at a scale that suffices. Raises PosterError."""
        if isinstance(poster, bytes):
            return decode(poster, at_least=self.at_least, max_pixels=max_pixels)
        check_size(poster.shape[1], poster.shape[0], max_pixels)
        return poster

    @property
    def at_least(self) -> tuple[int, int]:
        """The least height and width at which a poster is decoded.

        Twice the size that is needed: below that, libjpeg's coarse scaling would be visible.
        """
        return 2 * self.height, 2 * self.width

    def resize(self, rgb: Pixels) -> Pixels:
        """Resize with an anti-aliased bicubic filter. rgb: (any height, any width, 3)."""
        image = Image.fromarray(rgb)
        top, left, height, width = self.place(image.height, image.width)
        resized = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
        if self.fit == "squash":
            return resized
        canvas = np.zeros((self.height, self.width, 3), np.uint8)
        canvas[top : top + height, left : left + width] = resized
        return canvas

    def place(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Where a poster of this size lies in the network's input: top, left, height, width."""
        if self.fit == "squash":
            return 0, 0, self.height, self.width
        scale = min(self.width / width, self.height / height)
        inner_width = min(self.width, max(1, round(width * scale)))
        inner_height = min(self.height, max(1, round(height * scale)))
        top, left = (self.height - inner_height) // 2, (self.width - inner_width) // 2
        return top, left, inner_height, inner_width

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a prepared poster."""
        return self.height, self.width, 3

    @property
    def key(self) -> str:
        """A short digest of what defines the prepared bytes; mean and std do not."""
        defined = [_PREPARATION, self.height, self.width, self.fit]
        return hashlib.sha256(json.dumps(defined).encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which from_json makes an equal ImageSpec."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ImageSpec":
        """The inverse of to_json. Raises KeyError, TypeError or ValueError for anything else."""
        red, green, blue = (float(x) for x in value["mean"])
        r, g, b = (float(x) for x in value["std"])
        if value["fit"] not in ("squash", "pad"):
            raise ValueError(f"fit must be 'squash' or 'pad', not {value['fit']!r}")
        return cls(
            int(value["height"]), int(value["width"]), value["fit"], (red, green, blue), (r, g, b)
        )
