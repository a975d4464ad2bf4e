"""Confidence intervals: drawn by group, equal for equal seeds, and as wide as they should be."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from keyart.evaluation import metrics
from keyart.evaluation.bootstrap import (
    bootstrap,
    group_numbers,
    paired_bootstrap,
    resampled_weights,
)
from keyart.evaluation.ranking import Floats

RNG = np.random.default_rng(11)
TRUTH = RNG.random((120, 3)) < (0.1, 0.3, 0.6)
SCORES = np.clip(0.3 * TRUTH + 0.7 * RNG.random(TRUTH.shape), 0, 1).round(2)
GROUPS = np.array([f"group {number // 2:02}" for number in range(len(TRUTH))], dtype=object)


def both(weights: Floats) -> dict[str, Floats]:
    return {
        "top_class": metrics.top_class(SCORES, TRUTH, weights),
        "average_precision": metrics.average_precision(SCORES, TRUTH, weights),
    }


def test_films_of_one_group_are_drawn_together() -> None:
    (weights,) = resampled_weights(GROUPS, 50, seed=1)
    assert weights.shape == (50, len(GROUPS))
    np.testing.assert_array_equal(weights[:, 0::2], weights[:, 1::2])
    # As many groups as there are, with replacement: some twice, some never.
    np.testing.assert_array_equal(weights.sum(axis=1), len(GROUPS))
    assert weights.max() > 1
    assert (weights == 0).any()


def test_groups_are_drawn_evenly() -> None:
    (weights,) = resampled_weights(np.arange(10), 4000, seed=2, chunk=4000)
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.08)
    counts = Counter(weights[:, 0])
    assert counts[0.0] / 4000 == pytest.approx(0.9**10, abs=0.03)


def test_the_size_of_chunks_changes_nothing() -> None:
    whole = np.concatenate(list(resampled_weights(GROUPS, 23, seed=3, chunk=23)))
    pieces = np.concatenate(list(resampled_weights(GROUPS, 23, seed=3, chunk=4)))
    np.testing.assert_array_equal(whole, pieces)


def test_the_seed_decides_the_interval() -> None:
    first, again, other = (
        bootstrap(both, GROUPS, resamples=60, seed=seed)["average_precision"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first.low != other.low).any()


def test_intervals_are_those_of_a_plain_loop_over_drawn_groups() -> None:
    rng = np.random.default_rng(7)
    names = sorted(set(GROUPS))
    draws = []
    for _ in range(200):
        drawn = [names[place] for place in rng.integers(len(names), size=len(names))]
        films = [film for name in drawn for film in np.flatnonzero(name == GROUPS)]
        draws.append(metrics.top_class(SCORES[films], TRUTH[films]))
    interval = bootstrap(both, GROUPS, resamples=200, seed=7, chunk=30)["top_class"]
    # Efron and Tibshirani 1993, equations 14.9 to 14.14, with no acceleration.
    below = np.mean(np.array(draws) < interval.value - 1e-9)
    upto = np.mean(np.array(draws) < interval.value + 1e-9)
    bias = norm.ppf((below + upto) / 2)
    expected = np.quantile(draws, norm.cdf(2 * bias + norm.ppf([0.025, 0.975])))
    assert interval.value == metrics.top_class(SCORES, TRUTH)
    np.testing.assert_allclose([interval.low, interval.high], expected)


def test_average_precision_of_a_rare_genre_is_not_pushed_up() -> None:
    """A true film drawn twice ranks with itself; plain percentiles are then above the value."""
    rng = np.random.default_rng(5)
    truth = np.zeros((400, 40), dtype=bool)
    truth[:6] = True
    scores = rng.random(truth.shape)

    def mean(weights: Floats) -> dict[str, Floats]:
        return {"map": metrics.mean_average_precision(scores, truth, weights)}

    interval = bootstrap(mean, np.arange(400), resamples=150)["map"]
    draws = [mean(weights)["map"] for weights in resampled_weights(np.arange(400), 150)]
    assert np.mean(np.concatenate(draws) > interval.value) > 0.7
    assert np.quantile(np.concatenate(draws), 0.975) > interval.high
    assert interval.low < interval.value < interval.high


def test_an_interval_mostly_holds_what_it_estimates() -> None:
    rng = np.random.default_rng(8)
    held = []
    for _ in range(80):
        hits = rng.random((60, 1)) < 0.4

        def rate(weights: Floats, hits: metrics.Flags = hits) -> dict[str, Floats]:
            return {"rate": metrics.film_mean(hits[:, 0], weights)}

        interval = bootstrap(rate, np.arange(60), resamples=200)["rate"]
        held.append(interval.low <= 0.4 <= interval.high)
    assert 0.86 <= np.mean(held) <= 1


def test_one_group_gives_an_interval_without_width() -> None:
    interval = bootstrap(both, ["only"] * len(TRUTH), resamples=10)["top_class"]
    assert interval.low == interval.value == interval.high


def test_an_undefined_metric_stays_undefined() -> None:
    interval = bootstrap(
        lambda weights: {"rate": np.full(len(weights), np.nan)}, [1, 2, 3], resamples=10
    )["rate"]
    assert np.isnan(interval).all()


def test_draws_without_the_genre_are_left_out() -> None:
    truth = np.array([[1], [0], [0]])
    scores = np.array([[0.9], [0.1], [0.2]])
    interval = bootstrap(
        lambda weights: {"auc": metrics.roc_auc(scores, truth, weights)}, [1, 2, 3], resamples=50
    )["auc"]
    np.testing.assert_array_equal(interval, [[1], [1], [1]])


@given(st.lists(st.integers(0, 3), min_size=2, max_size=30), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_a_value_is_never_outside_its_interval(values: list[int], seed: int) -> None:
    films = np.array(values, dtype=np.float64)

    def spread(weights: Floats) -> dict[str, Floats]:
        mean = metrics.film_mean(films, weights)
        return {"variance": metrics.film_mean(films**2, weights) - mean**2}

    interval = bootstrap(spread, np.arange(len(films)), resamples=40, seed=seed)["variance"]
    assert interval.low <= interval.value <= interval.high


def test_a_model_does_not_differ_from_itself() -> None:
    difference = paired_bootstrap(both, both, GROUPS, resamples=30)["top_class"]
    np.testing.assert_array_equal(difference, 0)


def test_pairing_finds_a_difference_that_two_intervals_hide() -> None:
    rng = np.random.default_rng(3)
    hard = rng.random(300)

    def first(weights: Floats) -> dict[str, Floats]:
        return {"metric": metrics.film_mean(hard, weights)}

    def second(weights: Floats) -> dict[str, Floats]:
        return {"metric": metrics.film_mean(hard + 0.01, weights)}

    one = bootstrap(first, np.arange(300), resamples=100)["metric"]
    two = bootstrap(second, np.arange(300), resamples=100)["metric"]
    difference = paired_bootstrap(second, first, np.arange(300), resamples=100)["metric"]
    assert one.high > two.low
    assert difference.low > 0
    assert difference.value == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("groups", "films", "message"),
    [
        ([], None, "one for each film"),
        ([1, 2], 3, r"\(3,\), got the shape \(2,\)"),
        (5, None, "one for each film"),
    ],
)
def test_groups_that_do_not_fit_are_named(groups: object, films: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        group_numbers(groups, films)  # type: ignore[arg-type]
