"""What posters look like: whether a picture may be one, from what prediction has at hand anyway.

A picture is summed up by its logits and by eighteen simple numbers of its pixels: how bright,
colourful, busy and flat it is, and whether it is composed of large parts. If these are farther
from those of training films (by Mahalanobis) than nearly all validation films are, or if it is
wider or narrower than they are, it does not look like a poster: blank pages, gradients, noise,
pages of text, landscape stills.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.images.decode import Pixels

Floats = npt.NDArray[np.float64]

NUMBERS = 18  # of the pixels
NUMBERS_BEFORE = 16  # without the last two, of bundles that keyart wrote before it had them
FEWEST_FILMS = 200  # to know what posters look like
_ROWS, _COLUMNS = 64, 43  # a grid of pixels says enough, at a tenth of the cost
_PARTS = 8, 5  # large parts of a picture, each of 8x8 pixels of the grid
_SHADES = 16
_FLAT = 0.01  # neighbours that differ by less are flat
_RIDGE = 1e-3  # added to the variances, so that numbers that go together can be told apart
# Of the validation films, this share is nearer, and this share is neither wider nor narrower.
_NEARER, _BETWEEN = 0.994, 0.998


@dataclass(frozen=True, eq=False)
class Typical:
    """What the posters of the training films look like.

    mean: (numbers,). whitening: (numbers, numbers); numbers minus mean, times it, have the length
    that is their distance. limit: the longest of a poster. narrowest, widest: width over height.
    """

    mean: Floats
    whitening: Floats
    limit: float
    narrowest: float
    widest: float

    def includes(
        self, logits: npt.ArrayLike, pixels: Pixels, aspects: npt.ArrayLike
    ) -> npt.NDArray[np.bool_]:
        """Whether pictures look like posters: (films,).

        logits: (films, genres), before calibration. pixels: (films, height, width, 3). aspects:
        (films,), width over height.
        """
        near = self.distances(summary(logits, pixels)) <= self.limit
        wide = np.asarray(aspects, np.float64)
        found: npt.NDArray[np.bool_] = near & (wide >= self.narrowest) & (wide <= self.widest)
        return found

    def distances(self, numbers: Floats) -> Floats:
        """How far from the mean (films,). numbers: (films, numbers), by `summary`."""
        known = numbers[:, : len(self.mean)]
        length: Floats = np.linalg.norm((known - self.mean) @ self.whitening, axis=1)
        return length

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "mean": self.mean.tolist(),
            "whitening": self.whitening.tolist(),
            "limit": self.limit,
            "narrowest": self.narrowest,
            "widest": self.widest,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Typical":
        """The inverse of `to_json`, of a checked manifest."""
        return cls(
            np.array(plain["mean"], np.float64),
            np.array(plain["whitening"], np.float64),
            float(plain["limit"]),
            float(plain["narrowest"]),
            float(plain["widest"]),
        )


def fit_typical(training: Floats, validation: Floats, aspects: npt.ArrayLike) -> Typical:
    """What posters look like.

    training, validation: (films, numbers), by `summary`. aspects: width over height of both.
    """
    mean, scale = training.mean(0), np.maximum(training.std(0), 1e-6)
    scaled = (training - mean) / scale
    spread = scaled.T @ scaled / len(scaled) + _RIDGE * np.eye(len(mean))
    values, vectors = np.linalg.eigh(spread)
    whitening = vectors / np.sqrt(values) / scale[:, None]
    distances = Typical(mean, whitening, 0.0, 0.0, 0.0).distances(validation)
    outside = (1 - _BETWEEN) / 2
    narrowest, widest = np.quantile(np.asarray(aspects, np.float64), [outside, 1 - outside])
    limit = np.quantile(distances, _NEARER, method="higher")
    return Typical(mean, whitening, float(limit), float(narrowest), float(widest))


def summary(logits: npt.ArrayLike, pixels: Pixels) -> Floats:
    """What pictures are summed up by: (films, genres + NUMBERS). logits, pixels: as `includes`."""
    films, height, width, _ = pixels.shape
    rows = (np.arange(_ROWS) * height + height // 2) // _ROWS
    columns = (np.arange(_COLUMNS) * width + width // 2) // _COLUMNS
    # Channel by channel: a mean over an axis of three takes NumPy several times as long.
    found = pixels[:, rows[:, None], columns].astype(np.float32) / 255
    red, green, blue = (np.ascontiguousarray(found[..., channel]) for channel in range(3))
    grey = (red + green + blue) / 3
    highest, lowest = np.maximum(red, green), np.minimum(red, green)
    colour = np.maximum(highest, blue) - np.minimum(lowest, blue)
    across, down = np.abs(np.diff(grey, axis=2)), np.abs(np.diff(grey, axis=1))
    inner = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    by_row, by_column = grey.mean(2), grey.mean(1)
    shade = np.minimum((grey * _SHADES).astype(np.int64), _SHADES - 1)
    shade += _SHADES * np.arange(films)[:, None, None]
    counts = np.bincount(shade.ravel(), minlength=_SHADES * films).reshape(films, _SHADES)
    shares = counts / (_ROWS * _COLUMNS)
    numbers = (
        by_row.mean(1),
        grey.std((1, 2)),
        colour.mean((1, 2)),
        colour.std((1, 2)),
        _log(across.mean((1, 2))),
        _log(down.mean((1, 2))),
        _log(np.abs(4 * inner - around).mean((1, 2))),
        -(shares * np.log(shares + 1e-9)).sum(1),
        shares.max(1),
        (across < _FLAT).mean((1, 2)),
        by_row.std(1),
        by_column.std(1),
        across.std((1, 2)),
        down.std((1, 2)),
        _log(np.abs(np.diff(by_row, axis=1)).mean(1)),
        _log(np.abs(np.diff(by_column, axis=1)).mean(1)),
        np.log(_composed(grey) + np.float32(0.05)),
        _composed(red - green, red + green - blue - blue),
    )
    return np.column_stack([np.asarray(logits, np.float64), *numbers])


def _composed(*planes: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """The share of the spread of values that is between large parts: next to none in noise."""
    films, down, across = len(planes[0]), *_PARTS
    between = within = np.zeros(films, np.float32)
    for plane in planes:
        parts = plane[:, :, 1:-2].reshape(films, down, _ROWS // down, across, -1).mean((2, 4))
        between = between + parts.std((1, 2))
        within = within + plane.std((1, 2))
    share: npt.NDArray[np.float32] = between / (within + np.float32(0.02 * len(planes)))
    return share


def _log(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    logs: npt.NDArray[np.float32] = np.log(values + np.float32(0.002))
    return logs
