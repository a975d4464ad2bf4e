"""Images: which posters, and which of them mirrored, make the three parts of one training.

The catalog's own split keeps near-duplicates together. The 2017 study's are here to be compared
with: uniformly random by film, and by image after copies were made, which leaks: a film's copies
then stand on both sides.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.errors import TrainingError, nearest

_STUDY = (0.6, 0.2)  # train and validation; the rest is the test part


@dataclass(frozen=True)
class Images:
    """Images of a catalog. rows: (images,), the film of each. flipped: (images,), mirrored ones."""

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
    """The images of each part: train, validation, test.

    split: 'catalog' (as the catalog says), 'random' (films drawn uniformly, 60/20/20), 'leaky'
    (copies first, then images drawn uniformly, 60/20/20). upsample: mirrored copies of every film
    that has one of `genres`; in the training part alone unless the split is leaky.
    Raises TrainingError for a genre that the catalog does not have, or an empty part.
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
        places = _study_parts(draws.permutation(len(everything)))
        parts = {part: everything.take(chosen) for part, chosen in places.items()}
    else:
        rows = (
            {part: catalog.rows(part) for part in SPLITS}
            if split == "catalog"
            else _study_parts(draws.permutation(len(catalog)))
        )
        parts = {part: as_found(rows[part]) for part in SPLITS}
        parts["train"] = with_copies(rows["train"])
    for part, images in parts.items():
        if len(images) == 0:
            raise TrainingError(
                f"{catalog.path}: its {part} part has no films; build a larger catalog or "
                "another split"
            )
    return parts


def _study_parts(order: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
    first = round(_STUDY[0] * len(order))
    second = first + round(_STUDY[1] * len(order))
    cuts = np.split(order, [first, second])
    return {part: np.sort(cut) for part, cut in zip(SPLITS, cuts, strict=True)}
