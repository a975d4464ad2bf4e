"""How posters become a network's input, in training and in serving alike.

ImageSpec: the one preparation. PackedSpec: several. FilmSpec: facts beside the poster, or alone.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from keyart.images.decode import MAX_PIXELS, Pixels, decode, decode_for

# Part of the key: raise it when prepare() changes what it returns, so that no stale pixels or
# features are used.
_PREPARATION = 1
_FIRST_YEAR = 1880  # of film; 255 years fit a byte

Fit = Literal["squash", "pad"]


@dataclass(frozen=True)
class ImageSpec:
    """How a poster becomes a network's input.

    height, width: pixels, the poster's own 3:2 by default. fit: 'squash' resizes to exactly
    that, 'pad' keeps the aspect ratio and fills the rest with black; neither cuts anything off.
    mean, std: of RGB in [0, 1], subtracted and divided inside the network, so that everything
    outside it handles bytes.
    """

    height: int = 176
    width: int = 120
    fit: Fit = "squash"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def prepare(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
        """Decode and resize a poster. Returns (height, width, 3) RGB. Raises PosterError."""
        return self.resize(decode(data, at_least=self.at_least, max_pixels=max_pixels))

    @property
    def at_least(self) -> tuple[int, int]:
        """Height and width that a poster is decoded at, or more.

        Twice the size that is needed: below that, libjpeg's coarse scaling would show.
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
        """Of a prepared poster."""
        return self.height, self.width, 3

    @property
    def parts(self) -> tuple["ImageSpec", ...]:
        """The preparations that this one is made of: itself."""
        return (self,)

    def pack(self, pictures: Sequence[Pixels]) -> Pixels:
        """What each part prepared, (films, height, width, 3), as a network takes it: unchanged."""
        (only,) = pictures
        return only

    @property
    def key(self) -> str:
        """A short digest of the prepared bytes' definition; mean and std play no part in them."""
        parts = [_PREPARATION, self.height, self.width, self.fit]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which from_json makes an equal ImageSpec."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ImageSpec":
        """The inverse of to_json. Raises KeyError, TypeError or ValueError where it is not one."""
        red, green, blue = (float(x) for x in value["mean"])
        r, g, b = (float(x) for x in value["std"])
        if value["fit"] not in ("squash", "pad"):
            raise ValueError(f"fit must be 'squash' or 'pad', not {value['fit']!r}")
        return cls(
            int(value["height"]), int(value["width"]), value["fit"], (red, green, blue), (r, g, b)
        )


@dataclass(frozen=True)
class PackedSpec:
    """How a poster becomes the input of several networks: prepared for each, laid end to end.

    parts: the different preparations. Each gives the very bytes that it gives by itself.
    """

    parts: tuple[ImageSpec, ...]

    def prepare(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
        """Decode and resize a poster. Returns (length,), RGB bytes. Raises PosterError."""
        decoded = decode_for(data, [part.at_least for part in self.parts], max_pixels=max_pixels)
        pictures = [part.resize(rgb) for part, rgb in zip(self.parts, decoded, strict=True)]
        return np.concatenate([picture.ravel() for picture in pictures])

    def pack(self, pictures: Sequence[Pixels]) -> Pixels:
        """What each part prepared, (films, height, width, 3), as a network takes it.

        Returns (films, length).
        """
        return np.concatenate([picture.reshape(len(picture), -1) for picture in pictures], axis=1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a prepared poster."""
        return (sum(math.prod(part.shape) for part in self.parts),)

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which spec_from_json makes an equal PackedSpec."""
        return {"parts": [part.to_json() for part in self.parts]}


Spec = ImageSpec | PackedSpec


@dataclass(frozen=True)
class FilmSpec:
    """How a film becomes a network's input: its poster's pixels, where it `looks`, then its facts.

    Facts are bytes as pixels are: the year, counted from 1880, and for each of `words` 1 where the
    title has it. year: what stands for an unknown one.
    """

    image: ImageSpec
    looks: bool
    words: tuple[str, ...]
    year: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a prepared film."""
        return (self.looks * math.prod(self.image.shape) + 1 + len(self.words),)

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
            "looks": self.looks,
            "words": list(self.words),
            "year": self.year,
        }


def title_words(title: str) -> set[str]:
    """The words of a title, in lower case."""
    return set(re.findall(r"\w+", title.casefold()))


def pack_specs(specs: Iterable[Spec]) -> Spec:
    """One preparation for networks that ask for these; what several ask for is made once."""
    parts = {part.key: part for spec in specs for part in spec.parts}
    different = tuple(parts.values())
    return different[0] if len(different) == 1 else PackedSpec(different)


def spec_from_json(value: dict[str, Any]) -> Spec | FilmSpec:
    """What to_json was called on. Raises KeyError, TypeError or ValueError where it is none."""
    if "words" in value:
        image = ImageSpec.from_json(value["image"])
        return FilmSpec(image, bool(value["looks"]), tuple(value["words"]), int(value["year"]))
    if "parts" not in value:
        return ImageSpec.from_json(value)
    return PackedSpec(tuple(ImageSpec.from_json(part) for part in value["parts"]))
