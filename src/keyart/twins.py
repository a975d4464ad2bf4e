"""Near-duplicates among the posters of an index: the same artwork in another size, crop or colour.

The network's embeddings find candidates among all pairs; the pictures themselves decide, for two
posters that are almost black, or almost white, look alike to a network whatever they show.

Measured on 24,675 real posters with PosterNet's embeddings, in two halves, of which the first chose
the limits: of the pairs that a catalog's perceptual hashes know, 46 of 47 are found in the first
half and 58 of 62 in the second; other pairs found are 3 and 2, and all five were looked at: each is
one template of a publisher's series, filled in for two films. Embeddings alone, at 0.985, found 101
of the 109 and 82 others, none of them the same artwork.
"""

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from keyart.predictor import Predictor
from keyart.similar import PosterIndex

CANDIDATE = 0.95  # cosine of embeddings
LEAST_LIKENESS = 0.9  # correlation of small grey pictures
_SMALL = (16, 24)  # width and height of these
_BLOCK = 1_024  # posters compared at once


@dataclass(frozen=True, slots=True)
class Twins:
    """Two films of one index whose posters are near-duplicates.

    similarity: cosine of their embeddings. grouped: the catalog knows it, and keeps them in one
    part of its split.
    """

    first: str
    second: str
    similarity: float
    grouped: bool


def find_twins(model: Path, index: Path) -> list[Twins]:
    """The near-duplicates among the posters of an index, most similar first.

    Exact: all pairs are compared. Raises BundleError, PosterIndexError.
    """
    known = PosterIndex.open(index, Predictor.load(model).bundle)
    pairs, similarities = near_pairs(known)
    alike = _same_picture(known, pairs)
    films = known.films(("film_id", "grouped", "poster_sha256"))
    found = [
        Twins(films[a][0], films[b][0], similarity, films[a][1] == films[b][1])
        for (a, b), similarity, same in zip(
            pairs.tolist(), similarities.tolist(), alike.tolist(), strict=True
        )
        # A poster of one colour is like none but its exact copies: nothing in it could tell.
        if same or films[a][2] == films[b][2]
    ]
    return sorted(found, key=lambda pair: (-pair.similarity, pair.first, pair.second))


def near_pairs(
    index: PosterIndex, least: float = CANDIDATE
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """All pairs (earlier, later) whose embeddings are at least so similar, and how similar.

    A block at a time, at the speed of a matrix product. Returns (pairs, 2) and (pairs,).
    """
    pairs, similarities = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for start in range(0, len(index), _BLOCK):
        rows = index.embeddings[start : start + _BLOCK]
        for other in range(start, len(index), _BLOCK):
            likeness = rows @ index.embeddings[other : other + _BLOCK].T
            first, second = np.nonzero(likeness >= least)
            later = start + first < other + second
            found = np.stack([start + first, other + second], axis=1)
            pairs.append(found[later])
            similarities.append(likeness[first, second][later])
    return np.concatenate(pairs), np.concatenate(similarities)


def _same_picture(index: PosterIndex, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether the pictures of each pair correlate. Returns (pairs,)."""
    places, numbers = np.unique(pairs, return_inverse=True)
    looks = np.empty((len(places), math.prod(_SMALL)), np.float32)
    for number, place in enumerate(places.tolist()):
        looks[number] = _look(index.thumbnail(place))
    first, second = numbers.reshape(pairs.shape).T
    alike = np.empty(len(pairs), bool)
    for start in range(0, len(pairs), _BLOCK):
        some = slice(start, start + _BLOCK)
        alike[some] = (looks[first[some]] * looks[second[some]]).sum(1) >= LEAST_LIKENESS
    return alike


def _look(thumbnail: bytes) -> npt.NDArray[np.float32]:
    """A small grey picture, so that the dot product of two is their correlation."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        grey = np.asarray(image.convert("L").resize(_SMALL, Image.Resampling.BOX), np.float32)
    centred: npt.NDArray[np.float32] = grey.ravel() - grey.mean()
    return centred / max(1.0, float(np.linalg.norm(centred)))
