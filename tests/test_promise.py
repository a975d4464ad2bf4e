"""A wanted precision is kept: on other films, in all but few draws, or nothing is predicted."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from keyart.evaluation.metrics import Flags
from keyart.evaluation.promise import SILENT, binomial_tail, promised_thresholds
from keyart.evaluation.ranking import Floats


def films(count: int, seed: int, *, liar: bool = False) -> tuple[Floats, Flags]:
    """Scores of four genres that are the chances of their truth; of a liar's last genre, twice."""
    rng = np.random.default_rng(seed)
    scores = 1 / (1 + np.exp(-rng.normal(-0.7, 1.3, (count, 4))))
    chances = scores.copy()
    if liar:
        chances[:, 3] /= 2
    return scores, rng.random(scores.shape) < chances


def precision_of(thresholds: Floats, scores: Floats, truth: Flags) -> float:
    predicted = (scores >= thresholds) & (thresholds < SILENT)
    return float((predicted & truth).sum() / max(1, predicted.sum()))


def alone(count: int) -> npt.NDArray[np.object_]:
    return np.arange(count).astype(object)


def test_the_precision_is_kept_on_as_many_other_films_in_95_of_100_draws() -> None:
    kept, genres = [], []
    for seed in range(100):
        found = promised_thresholds(*films(400, seed), alone(400), 0.6)
        other = films(400, seed + 1_000)
        kept.append(precision_of(found, *other) >= 0.6)
        genres.append((other[0] >= found).sum() / 400)
    assert np.mean(kept) >= 0.95
    # One threshold of true chances, the lowest that keeps it, gives 1.1 genres a film.
    assert np.mean(genres) > 0.7


def test_a_genre_that_contradicts_the_precision_hardly_speaks_and_costs_the_others_nothing() -> (
    None
):
    scores, truth = films(3_000, 1, liar=True)
    found = promised_thresholds(scores, truth, alone(3_000), 0.6)
    honest = promised_thresholds(scores[:, :3], truth[:, :3], alone(3_000), 0.6)
    assert found[3] > 0.9
    assert (scores[:, 3] >= found[3]).mean() < 0.01
    np.testing.assert_array_equal(found[:3], honest)
    assert len(set(honest)) == 1
    assert honest[0] < 0.6


def test_a_genre_whose_high_scores_alone_are_true_is_predicted_by_them() -> None:
    scores, truth = films(3_000, 1)
    truth[:, 3] = scores[:, 3] >= 0.7
    scores[:, 0] = 0  # a genre that is never predicted contradicts nothing
    found = promised_thresholds(scores, truth, alone(3_000), 0.6)
    assert len(set(found[:3])) == 1
    assert found[0] < found[3] < 0.7
    predicted = scores[:, 3] >= found[3]
    assert 0.6 <= truth[predicted, 3].mean() < 0.64
    assert truth[scores[:, 3] >= found[3] - 0.01, 3].mean() < 0.6


def test_a_genre_with_few_predictions_that_contradict_the_precision_is_silent() -> None:
    scores, truth = films(3_000, 1)
    scores[:, 3] = 0
    scores[:12, 3] = np.repeat([0.5, 0.9], [8, 4])
    truth[:12, 3] = scores[:12, 3] > 0.8  # four right ones are too few to show it
    assert promised_thresholds(scores, truth, alone(3_000), 0.6)[3] == SILENT


@pytest.mark.parametrize("precision", [0.6, 0.95])
def test_what_cannot_be_shown_is_never_predicted(precision: float) -> None:
    scores, truth = films(12, 3)  # too few to show anything
    assert (promised_thresholds(scores, truth, alone(12), precision) == SILENT).all()
    scores, truth = films(300, 3)
    assert (promised_thresholds(scores, truth & False, alone(300), precision) == SILENT).all()


@given(
    st.sampled_from([0.0, 1e-300, 0.5, 0.99, np.nextafter(1, 0), 1.0, None]),
    st.sampled_from(["none", "all", "some"]), st.sampled_from([1, 2, 40, 400]), st.integers(1, 3),
    st.sampled_from([0.5, 0.6, 0.8, 0.95]), st.integers(0, 999),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_is_returned_passes_the_test_whatever_the_scores(
    score: float | None, kind: str, count: int, genres: int, precision: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = np.full((count, genres), score)
    if score is None:
        scores = rng.choice([0, 0.3, 0.7, 1.0], (count, genres))
    truth = {"none": scores < 0, "all": scores >= 0, "some": rng.random(scores.shape) < scores}[
        kind
    ]
    found = promised_thresholds(scores, truth, alone(count), precision)
    assert ((found > 0) & (found <= SILENT)).all()
    predicted = (scores >= found) & (found < SILENT)
    if predicted.any():
        rates = [cells.sum(1).astype(float) for cells in (predicted, predicted & truth)]
        chance = binom.sf(rates[1].sum() - 1, rates[0].sum(), precision)
        assert chance <= 0.01 + 1e-9


def test_films_of_a_group_count_as_one_if_they_say_the_same() -> None:
    scores, truth = films(60, 5)
    scores, truth = np.repeat(scores, 20, axis=0), np.repeat(truth, 20, axis=0)
    groups = np.repeat(alone(60), 20)
    by_group = promised_thresholds(scores, truth, groups, 0.6)
    by_film = promised_thresholds(scores, truth, alone(1_200), 0.6)
    assert by_group.min() > by_film.min()


def test_a_higher_precision_never_predicts_more() -> None:
    scores, truth = films(3_000, 7)
    counts = [
        (scores >= promised_thresholds(scores, truth, alone(3_000), wanted)).sum()
        for wanted in (0.5, 0.6, 0.7, 0.8)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] > 0


def known_thresholds(seed: int = 0) -> Floats:
    return promised_thresholds(*films(3_000, seed), alone(3_000), 0.6)


def test_few_films_keep_the_thresholds_that_are_known_and_that_they_do_not_contradict() -> None:
    known = known_thresholds()
    assert (promised_thresholds(*films(25, 1), alone(25), 0.6) == SILENT).all()
    kept = [
        np.array_equal(promised_thresholds(*films(25, seed), alone(25), 0.6, known), known)
        for seed in range(100)
    ]
    assert np.mean(kept) >= 0.9


def test_the_precision_is_kept_with_known_thresholds_too() -> None:
    known = known_thresholds()
    for count in (25, 100, 400):
        kept = []
        for seed in range(50):
            found = promised_thresholds(*films(count, seed), alone(count), 0.6, known)
            kept.append(precision_of(found, *films(4_000, seed + 1_000)) >= 0.6)
        assert np.mean(kept) >= 0.95


@pytest.mark.parametrize(("count", "least"), [(25, 0.51), (100, 0.57), (400, 0.6), (3_000, 0.6)])
def test_films_that_contradict_known_thresholds_outweigh_them(count: int, least: float) -> None:
    known = np.full(4, 0.25)  # half of such predictions are right
    reached = []
    for seed in range(20):
        found = promised_thresholds(*films(count, seed), alone(count), 0.6, known)
        assert (found >= known).all()
        reached.append(precision_of(found, *films(4_000, seed + 1_000)))
    assert np.mean(reached) >= least
    assert precision_of(known, *films(4_000, 1)) < 0.51


def test_many_films_prove_more_than_is_known() -> None:
    scores, truth = films(3_000, 1)
    own = promised_thresholds(scores, truth, alone(3_000), 0.6)
    cautious = np.full(4, 0.9)
    found = promised_thresholds(scores, truth, alone(3_000), 0.6, cautious)
    np.testing.assert_array_equal(found, own)
    nothing = np.full(4, SILENT)
    found = promised_thresholds(scores, truth, alone(3_000), 0.6, nothing)
    np.testing.assert_array_equal(found, own)


@pytest.mark.parametrize("precision", [0.5, 0.6, 0.75, 0.8, 0.9])
def test_few_films_that_agree_keep_every_precision(precision: float) -> None:
    known = promised_thresholds(*films(60_000, 0), alone(60_000), precision)
    kept = [
        np.array_equal(promised_thresholds(*films(25, seed), alone(25), precision, known), known)
        for seed in range(100)
    ]
    assert np.mean(kept) >= 0.9


def test_films_that_reach_no_threshold_speak_against_none() -> None:
    scores, truth = np.array([[0.3, 0.2, 0.1, 0.05]]), np.array([[True, False, False, False]])
    known = np.array([0.42, 0.42, 0.5, SILENT])
    np.testing.assert_array_equal(promised_thresholds(scores, truth, alone(1), 0.6, known), known)


def test_a_genre_that_is_not_known_is_predicted_if_its_own_films_keep_the_precision() -> None:
    known = known_thresholds()
    known[3] = np.nan
    assert promised_thresholds(*films(8, 1), alone(8), 0.6, known)[3] == SILENT
    scores, truth = films(400, 2)
    found = promised_thresholds(scores, truth, alone(400), 0.6, known)
    assert known[0] <= found[3] < SILENT
    assert truth[scores[:, 3] >= found[3], 3].mean() >= 0.6
    scores[:, 3] = 1 - scores[:, 3]  # now its highest scores are wrong
    assert promised_thresholds(scores, truth, alone(400), 0.6, known)[3] == SILENT
    nothing = np.full(4, np.nan)
    without = promised_thresholds(*films(100, 2), alone(100), 0.6)
    found = promised_thresholds(*films(100, 2), alone(100), 0.6, nothing)
    np.testing.assert_array_equal(found, without)


@pytest.mark.parametrize("count", [12, 25, 100])
def test_a_genre_that_is_not_known_and_that_a_coin_decides_is_hardly_ever_predicted(
    count: int,
) -> None:
    known = np.append(known_thresholds(), np.nan)
    predicted = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores, truth = films(count, seed)
        scores = np.hstack([scores, rng.uniform(0.4, 0.6, (count, 1))])
        truth = np.hstack([truth, rng.random((count, 1)) < 0.5])
        predicted.append(promised_thresholds(scores, truth, alone(count), 0.6, known)[4] < SILENT)
    assert np.mean(predicted) <= 0.1


def test_a_genre_that_was_silent_stays_so_until_there_are_films_enough() -> None:
    known = known_thresholds()
    known[3] = SILENT
    assert promised_thresholds(*films(25, 1), alone(25), 0.6, known)[3] == SILENT
    assert promised_thresholds(*films(3_000, 1), alone(3_000), 0.6, known)[3] < 0.6


@given(st.integers(1, 40), st.integers(0, 10_000), st.sampled_from([0.05, 0.5, 0.6, 0.95]))
@settings(max_examples=50)
def test_known_thresholds_are_never_undercut_by_few_films(
    count: int, seed: int, precision: float
) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = rng.random((count, 3)), rng.random((count, 3)) < 0.5
    known = rng.choice([0.2, 0.35, 0.5, SILENT], 3)
    found = promised_thresholds(scores, truth, alone(count), precision, known)
    without = promised_thresholds(scores, truth, alone(count), precision)
    low, silent = (found < known).any(), (found == SILENT).all()
    assert not low or np.array_equal(found, without)
    if not (scores >= 0.2).any():
        assert silent == (known == SILENT).all()
    assert ((scores >= found) & (found < SILENT)).sum() >= (
        (scores >= without) & (without < SILENT)
    ).sum()


def test_choosing_again_from_what_was_chosen_changes_nothing() -> None:
    known = known_thresholds()
    for seed in range(20):
        given = (*films(60, seed), alone(60), 0.6)
        once = promised_thresholds(*given, known)
        np.testing.assert_array_equal(promised_thresholds(*given, once), once)


@pytest.mark.parametrize(
    ("successes", "trials", "rate"), [(0, 5, 0.2), (3, 10, 0.6), (10, 10, 0.9), (900, 1_400, 0.62)]
)
def test_the_tail_is_that_of_scipy(successes: int, trials: int, rate: float) -> None:
    expected = binom.sf(successes - 1, trials, rate)
    assert binomial_tail(successes, trials, rate) == pytest.approx(expected, rel=1e-9)
