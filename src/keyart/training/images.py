"""Images: the posters, and flipped copies of them, in the three splits of one training.

The catalog's own splits keep near-duplicates together. Two others are here for comparison: random
by film, and the 2017 study's, random by image after copying. The study's leaks: copies of one film
are in several splits.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.errors import TrainingError, nearest

_STUDY = (0.6, 0.2)  # train and validation; the rest is the test split


@dataclass(frozen=True)
class Images:
    """Images of a catalog. rows: (images,), the film of each. flipped: (images,), left to right."""

    rows: npt.NDArray[np.int64]
    flipped: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: npt.NDArray[np.int64]) -> "Images":
        """The chosen images, by place."""
        return Images(self.rows[chosen], self.flipped[chosen])


def as_found(rows: npt.NDArray[np.int64]) -> Images:
    """Films' posters as they are."""
    return Images(rows, np.zeros(len(rows), np.bool_))


def choose_images(
    catalog: Catalog, split: str, upsample: int, genres: tuple[str, ...], seed: int
) -> dict[str, Images]:
    """The images of each split: train, validation, test.

    split: 'catalog' (as the catalog says), 'random' (films drawn uniformly, 60/20/20), 'leaky'
    (copies first, then images drawn uniformly, 60/20/20). upsample: number of flipped copies of
    every film that has one of `genres`; in the training split alone unless the split is leaky.
    Raises TrainingError for a genre that the catalog does not have, or an empty split.
    """
    names = catalog.vocabulary.names
    for genre in genres:
        if genre not in names:
            raise TrainingError(f"upsample_genres: no genre {genre!r}{nearest(genre, names)}")
    columns = [names.index(genre) for genre in genres]
    rare = catalog.truth[:, columns].sum(1) > 0

    def with_copies(rows: npt.NDArray[np.int64]) -> Images:
        copied = np.repeat(rows[rare[rows]], upsample)
        flipped = np.concatenate([np.zeros(len(rows)), np.ones(len(copied))])
        return Images(np.concatenate([rows, copied]), flipped.astype(np.bool_))

    draws = np.random.default_rng([seed, 60_20_20])
    if split == "leaky":
        everything = with_copies(np.arange(len(catalog)))
        places = _study_splits(draws.permutation(len(everything)))
        splits = {name: everything.take(chosen) for name, chosen in places.items()}
    else:
        rows = (
            {name: catalog.rows(name) for name in SPLITS}
            if split == "catalog"
            else _study_splits(draws.permutation(len(catalog)))
        )
        splits = {name: as_found(rows[name]) for name in SPLITS}
        splits["train"] = with_copies(rows["train"])
    for name, images in splits.items():
        if len(images) == 0:
            raise TrainingError(
                f"{catalog.path}: its {name} split has no films; build a larger catalog or use "
                "another split"
            )
    return splits


def _study_splits(order: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
    first = round(_STUDY[0] * len(order))
    second = first + round(_STUDY[1] * len(order))
    cuts = np.split(order, [first, second])
    return {name: np.sort(cut) for name, cut in zip(SPLITS, cuts, strict=True)}
