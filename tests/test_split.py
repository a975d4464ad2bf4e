"""catalog/split.py: each split has each genre in proportion, as iterative-stratification has it."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

from keyart.catalog.split import DEFAULT_FRACTIONS, split_groups

Counts = npt.NDArray[np.int64]


def films(count: int, seed: int = 0) -> Counts:
    """Genres as uneven as those of films, (films, genres): from a half of them to one in 200."""
    rates = np.geomspace(0.5, 0.005, 12)
    return (np.random.default_rng(seed).random((count, len(rates))) < rates).astype(np.int64)


def ones(genres: Counts) -> Counts:
    return np.ones(len(genres), np.int64)


def worst(genres: Counts, split: Counts) -> npt.NDArray[np.float64]:
    """How far each genre's share of a split is from what it should be, at its worst, (genres,)."""
    shares = np.stack([genres[split == number].sum(0) for number in range(3)]) / genres.sum(0)
    deviations = np.abs(shares - np.array(DEFAULT_FRACTIONS)[:, None])
    most: npt.NDArray[np.float64] = deviations.max(0)
    return most


@pytest.mark.parametrize("seed", range(5))
def test_genres_lie_as_evenly_as_in_the_reference_s_folds(seed: int) -> None:
    genres = films(2_000, seed)
    ours = worst(genres, split_groups(genres, ones(genres), seed=seed))

    folds = MultilabelStratifiedKFold(5, shuffle=True, random_state=seed)
    fold = np.empty(len(genres), np.int64)
    for number, (_, chosen) in enumerate(folds.split(genres, genres)):
        fold[chosen] = number
    reference = worst(genres, np.array([0, 0, 0, 1, 2])[fold])
    chance = worst(genres, np.random.default_rng(seed).choice(3, len(genres), p=DEFAULT_FRACTIONS))
    # A film more or less, in a genre that ten films have, is a tenth of it.
    film = 1 / genres.sum(0)
    assert (ours <= reference + 2 * film).all()
    assert ours.mean() <= reference.mean() + film.mean()
    assert ours.mean() < chance.mean() / 3


def test_splits_have_their_share_of_films() -> None:
    genres = films(2_000)
    split = split_groups(genres, ones(genres))
    assert np.abs(np.bincount(split, minlength=3) - [1200, 400, 400]).max() <= 20


def test_groups_weigh_as_many_films_as_they_have() -> None:
    random = np.random.default_rng(1)
    sizes = random.choice([1, 2, 10, 60], 800, p=[0.9, 0.07, 0.025, 0.005])
    genres = films(len(sizes)) * sizes[:, None]
    split = split_groups(genres, sizes)
    share = np.array([sizes[split == number].sum() for number in range(3)]) / sizes.sum()
    assert np.abs(share - DEFAULT_FRACTIONS).max() < 0.02
    # The rarest genres have few films, in groups that cannot be cut.
    assert worst(genres, split)[:6].max() < 0.03


def test_the_seed_decides_and_nothing_else_does() -> None:
    genres = films(500)
    first = split_groups(genres, ones(genres), seed=3)
    assert (first == split_groups(genres.copy(), ones(genres), seed=3)).all()
    assert (first != split_groups(genres, ones(genres), seed=4)).any()


def test_what_a_split_has_already_counts() -> None:
    old, new = films(300, seed=1), films(1_200, seed=2)
    # All that was there lies in test: more than its share is, so nothing new goes there.
    had = (np.stack([0 * old.sum(0), 0 * old.sum(0), old.sum(0)]), np.array([0, 0, len(old)]))
    split = split_groups(new, ones(new), given=had)
    together = np.concatenate([old, new])
    assert worst(together, np.concatenate([np.full(len(old), 2), split]))[:8].max() < 0.03
    assert np.abs(np.bincount(split, minlength=3) - [900, 300, 0]).max() <= 20


def test_more_than_a_share_is_never_added_to() -> None:
    old, new = films(1_000, seed=1), films(300, seed=2)
    had = (np.stack([0 * old.sum(0), 0 * old.sum(0), old.sum(0)]), np.array([0, 0, len(old)]))
    split = split_groups(new, ones(new), given=had)
    assert (split != 2).all()


def test_films_without_a_genre_are_dealt_too() -> None:
    genres = np.zeros((100, 4), np.int64)
    split = split_groups(genres, ones(genres))
    assert np.bincount(split, minlength=3).tolist() == [60, 20, 20]


def test_no_groups_are_no_error() -> None:
    assert len(split_groups(np.zeros((0, 4), np.int64), np.zeros(0, np.int64))) == 0


def test_a_split_of_no_share_stays_empty() -> None:
    genres = films(300)
    split = split_groups(genres, ones(genres), fractions=(0.8, 0.2, 0.0))
    assert np.abs(np.bincount(split, minlength=3) - [240, 60, 0]).max() <= 6
    assert (split != 2).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5))
def test_every_group_gets_one_split_and_the_films_are_shared_out(
    seed: int, count: int, columns: int
) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 5, count)
    genres = np.minimum(random.integers(0, 5, (count, columns)), sizes[:, None])
    split = split_groups(genres, sizes, seed=seed)
    assert split.shape == (count,)
    assert set(split.tolist()) <= {0, 1, 2}
