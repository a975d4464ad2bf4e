"""How a catalog is split, and how leakage is prevented.

The same artwork stands under several films: re-releases, series, two databases' copies. Were one
copy in train and another in test, the network would be asked what it has been told. So films whose
posters are near-duplicates form a group (duplicates.py), and what is dealt out here is groups,
never films. Three rules hold:

1. a group lies in one part;
2. every part has each genre in proportion (iterative stratification: Sechidis, Tsoumakas and
   Vlahavas 2011, "On the Stratification of Multi-Label Data", algorithm 1, on groups);
3. a film never changes sides: when a catalog grows, the old films' parts are given, and the new
   groups are dealt so that old and new together come close to the proportions.
"""

import numpy as np
import numpy.typing as npt

SPLITS = ("train", "validation", "test")
Fractions = tuple[float, float, float]
DEFAULT_FRACTIONS: Fractions = (0.6, 0.2, 0.2)


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
    fractions: of the three parts, summing to 1. given: what lies in the parts already, as films
    with a genre (3, genres) and films (3,). Returns the part of each group, 0 to 2.
    """
    parts = len(SPLITS)
    have_genres, have_films = given or (np.zeros((parts, genres.shape[1])), np.zeros(parts))
    share = np.array(fractions)
    # What each part still wants: its share of everything, less what it has.
    wanted = share[:, None] * (genres.sum(0) + have_genres.sum(0)) - have_genres
    wanted_films = share * (sizes.sum() + have_films.sum()) - have_films

    random = np.random.default_rng(seed)
    # Large groups first, while there is room everywhere; equals in random order.
    order = np.lexsort((random.random(len(sizes)), -sizes))
    part = np.full(len(sizes), -1)
    left = genres.sum(0)
    while left.any():
        # The rarest genre first: a common one can be evened out later, a rare one cannot.
        rarest = int(np.where(left > 0, left, np.iinfo(np.int64).max).argmin())
        for group in order[(part[order] < 0) & (genres[order, rarest] > 0)]:
            part[group] = _neediest(wanted[:, rarest], wanted_films, share, random)
            wanted[part[group]] -= genres[group]
            wanted_films[part[group]] -= sizes[group]
            left -= genres[group]
    for group in order[part[order] < 0]:  # films without a genre
        part[group] = _neediest(wanted_films, wanted_films, share, random)
        wanted_films[part[group]] -= sizes[group]
    return part


def _neediest(
    wanted: npt.NDArray[np.float64],
    wanted_films: npt.NDArray[np.float64],
    share: npt.NDArray[np.float64],
    random: np.random.Generator,
) -> int:
    """The part that wants most of a genre; of equals the one that wants most films, then chance."""
    open_parts = np.flatnonzero(share > 0)
    most = open_parts[wanted[open_parts] >= wanted[open_parts].max() - 1e-9]
    if len(most) > 1:
        most = most[wanted_films[most] >= wanted_films[most].max() - 1e-9]
    return int(most[0] if len(most) == 1 else random.choice(most))
