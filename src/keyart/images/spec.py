"""How posters become a network's input, the same in training and in serving.

ImageSpec: a poster's pixels. FilmSpec: facts of a film (title and year), with the poster or alone.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from keyart.images.decode import MAX_PIXELS, Pixels, check_size, decode, decoding

# In the key: raise it when prepare() changes what it returns, so that no old pixels or features
# are used.
_PREPARATION = 3
_FIRST_YEAR = 1880  # of film; 255 years fit a byte

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
        if not isinstance(poster, bytes):
            return self.resize(self.decode(poster, max_pixels))
        with decoding(
            poster, at_least=self.at_least, max_pixels=max_pixels, patience=patience
        ) as rgb:
            return self.resize(rgb)

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


@dataclass(frozen=True)
class FilmSpec:
    """How a film becomes a network's input: the poster's pixels if `uses_poster`, then facts.

    Facts are bytes, as pixels are: the year, counted from 1880, and for each of `words` a 1 if the
    title has it. year: used for films without a year.
    """

    image: ImageSpec
    uses_poster: bool
    words: tuple[str, ...]
    year: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a prepared film."""
        return (self.uses_poster * math.prod(self.image.shape) + 1 + len(self.words),)

    def facts(self, titles: Iterable[str], years: Iterable[int | None]) -> Pixels:
        """The facts (films, 1 + words) of films."""
        place = {word: 1 + number for number, word in enumerate(self.words)}
        rows = []
        for title, year in zip(titles, years, strict=True):
            row = np.zeros(1 + len(self.words), np.uint8)
            row[0] = np.clip((self.year if year is None else year) - _FIRST_YEAR, 0, 255)
            row[[place[word] for word in title_words(title) if word in place]] = 1
            rows.append(row)
        return np.stack(rows)

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which spec_from_json makes an equal FilmSpec."""
        return {
            "image": self.image.to_json(),
            "uses_poster": self.uses_poster,
            "words": list(self.words),
            "year": self.year,
        }


def title_words(title: str) -> set[str]:
    """The words of a title, in lower case."""
    return set(re.findall(r"\w+", title.casefold()))


def spec_from_json(value: dict[str, Any]) -> ImageSpec | FilmSpec:
    """The spec that to_json was called on. Raises KeyError, TypeError or ValueError otherwise."""
    if "words" in value:
        image = ImageSpec.from_json(value["image"])
        return FilmSpec(
            image, bool(value["uses_poster"]), tuple(value["words"]), int(value["year"])
        )
    return ImageSpec.from_json(value)
