"""How a catalog is split, and how leakage is prevented.

Several films may share one artwork: re-releases, series, copies in two databases. With one copy in
train and another in test, a network would be tested on what it has seen. A title model would be
tested on "Saw II" after it has read "Saw III". So films with near-duplicate posters
(near_duplicates.py) or of one series (series.py) form a group, and groups are dealt, never films:

1. a group lies in one split;
2. every split has each genre in proportion (iterative stratification: Sechidis, Tsoumakas and
   Vlahavas 2011, "On the Stratification of Multi-Label Data", algorithm 1, on groups);
3. a film never changes its split: when a catalog grows, the old films stay, and the new groups are
   dealt so that old and new films together come close to the proportions.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from keyart.errors import CatalogError

SPLITS = ("train", "validation", "test")
Fractions = tuple[float, float, float]
DEFAULT_FRACTIONS: Fractions = (0.6, 0.2, 0.2)

# Which films of a catalog were grouped by series. Older keyarts grouped none.
ALL_FILMS, NEW_FILMS = "all films", "films added later"


def parse_fractions(split: str | Sequence[float]) -> Fractions:
    """The fractions of train, validation and test.

    split: per cent, as in "60/20/20", or fractions, as in (0.6, 0.2, 0.2). Raises CatalogError.
    """
    try:
        if isinstance(split, str):
            train, validation, test = (float(number) / 100 for number in split.split("/"))
        else:
            train, validation, test = map(float, split)
    except (TypeError, ValueError) as error:
        raise CatalogError(f"split {split}: write three numbers, as in 60/20/20") from error
    fractions = (train, validation, test)
    if not (min(fractions) >= 0 and train > 0 and abs(sum(fractions) - 1) <= 1e-9):  # NaN fails all
        total = "100" if isinstance(split, str) else "1"
        raise CatalogError(
            f"split {split}: expected three numbers that sum to {total}, the first above 0"
        )
    return fractions


def split_groups(
    genres: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    *,
    fractions: Fractions = DEFAULT_FRACTIONS,
    seed: int = 0,
    given: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None,
) -> npt.NDArray[np.int64]:
    """Deal groups into train, validation and test.

    genres: (groups, genres), how many films of a group have a genre. sizes: (groups,), its films.
    fractions: of the three splits, summing to 1. given: what the splits have already, as films
    with a genre (3, genres) and films (3,). Returns the split of each group, 0 to 2.
    """
    count = len(SPLITS)
    have_genres, have_films = given or (np.zeros((count, genres.shape[1])), np.zeros(count))
    share = np.array(fractions)
    # What each split still wants: its share of everything, less what it has.
    wanted = share[:, None] * (genres.sum(0) + have_genres.sum(0)) - have_genres
    wanted_films = share * (sizes.sum() + have_films.sum()) - have_films

    random = np.random.default_rng(seed)
    # Large groups first, while there is room everywhere; equals in random order.
    order = np.lexsort((random.random(len(sizes)), -sizes))
    split = np.full(len(sizes), -1)
    left = genres.sum(0)
    while left.any():
        # The rarest genre first: a common one can be evened out later, a rare one cannot.
        rarest = int(np.where(left > 0, left, np.iinfo(np.int64).max).argmin())
        for group in order[(split[order] < 0) & (genres[order, rarest] > 0)]:
            split[group] = _neediest(wanted[:, rarest], wanted_films, share, random)
            wanted[split[group]] -= genres[group]
            wanted_films[split[group]] -= sizes[group]
            left -= genres[group]
    for group in order[split[order] < 0]:  # films without a genre
        split[group] = _neediest(wanted_films, wanted_films, share, random)
        wanted_films[split[group]] -= sizes[group]
    return split


def _neediest(
    wanted: npt.NDArray[np.float64],
    wanted_films: npt.NDArray[np.float64],
    share: npt.NDArray[np.float64],
    random: np.random.Generator,
) -> int:
    """The split that wants most of a genre; of equals, most films; of equals, a random one."""
    open_splits = np.flatnonzero(share > 0)
    most = open_splits[wanted[open_splits] >= wanted[open_splits].max() - 1e-9]
    if len(most) > 1:
        most = most[wanted_films[most] >= wanted_films[most].max() - 1e-9]
    return int(most[0] if len(most) == 1 else random.choice(most))
