"""Unsure films are counted, and the metrics of the others equal a plain loop over films."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyart.evaluation import metrics
from keyart.evaluation.coverage import (
    COVERAGES,
    answered,
    coverage_curve,
    top_class_at,
    unsure_metrics,
)
from keyart.evaluation.ranking import Floats

RNG = np.random.default_rng(5)
SCORES = RNG.random((40, 3)).round(1)  # with ties
TRUTH = RNG.random((40, 3)) < SCORES
CHOSEN = SCORES >= (0.9, 0.8, 1.0)


def slowly(scores: Floats, truth: metrics.Flags, share: float, weights: Floats) -> float:
    """`top_class_at` of one share: films one by one, those of equal confidence in equal part."""
    left = share * weights.sum()
    hits = wanted = left
    hits = 0.0
    for level in sorted({float(row.max()) for row in scores}, reverse=True):
        block = [film for film in range(len(scores)) if scores[film].max() == level]
        held = sum(weights[film] for film in block)
        part = min(1.0, left / held) if held else 0.0
        hits += sum(
            part * weights[film] for film in block if truth[film, list(scores[film]).index(level)]
        )
        left = max(0.0, left - held)
    return float(hits / wanted)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.sampled_from([1, 4]))
@settings(max_examples=60, deadline=None)
def test_the_curve_is_that_of_a_loop_over_films(seed: int, films: int, genres: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.random((films, genres)).round(1)
    truth = random.random((films, genres)) < 0.5
    weights = random.integers(0, 3, (5, films)).astype(np.float64)
    weights[0] = 1
    found = top_class_at(scores, truth, COVERAGES, weights)
    assert found.shape == (5, len(COVERAGES))
    for row, counted in zip(found, weights, strict=True):
        if counted.sum() == 0:
            assert np.isnan(row).all()
        else:
            expected = [slowly(scores, truth, share, counted) for share in COVERAGES]
            assert row == pytest.approx(expected)


@given(st.permutations(range(40)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_films_does_not_matter(order: list[int]) -> None:
    expected = top_class_at(SCORES, TRUTH, COVERAGES)
    assert top_class_at(SCORES[order], TRUTH[order], COVERAGES) == pytest.approx(expected)


def test_a_film_of_weight_two_counts_as_two_films() -> None:
    weights = np.where(np.arange(40) < 10, 2.0, 1.0)
    twice = np.concatenate([np.arange(40), np.arange(10)])
    expected = top_class_at(SCORES[twice], TRUTH[twice], COVERAGES)
    assert top_class_at(SCORES, TRUTH, COVERAGES, weights) == pytest.approx(expected)
    for found, other in zip(
        answered(SCORES, CHOSEN, TRUTH, weights),
        answered(SCORES[twice], CHOSEN[twice], TRUTH[twice]),
        strict=True,
    ):
        assert found == pytest.approx(other)


def test_answering_every_film_is_right_as_often_as_the_top_class_metric() -> None:
    everyone = metrics.top_class(SCORES, TRUTH)
    assert top_class_at(SCORES, TRUTH, [1.0])[0] == pytest.approx(everyone)
    curve = coverage_curve(SCORES, TRUTH)
    assert curve.covered[-1] == 1
    assert curve.top_class[-1] == pytest.approx(everyone)
    assert (np.diff(curve.covered) > 0).all()
    assert (np.diff(curve.confidence) < 0).all()
    assert top_class_at(SCORES, TRUTH, curve.covered) == pytest.approx(curve.top_class)


def test_the_answered_films_are_those_with_a_predicted_genre() -> None:
    found = answered(SCORES, CHOSEN, TRUTH)
    sure = CHOSEN.any(axis=1)
    assert 0 < sure.mean() < 1
    assert found.share == sure.mean()
    assert found.top_class == pytest.approx(metrics.top_class(SCORES[sure], TRUTH[sure]))
    micro = metrics.precision_recall_f1(CHOSEN, TRUTH, "micro").precision
    assert found.precision == pytest.approx(float(micro))


def test_if_no_film_is_answered_there_is_nothing_to_be_right_about() -> None:
    silent = np.zeros_like(CHOSEN)
    found = answered(SCORES, silent, TRUTH)
    assert found.share == 0
    assert np.isnan(found.top_class)
    assert np.isnan(found.precision)


def test_all_metrics_come_from_one_ordering() -> None:
    weights = RNG.integers(0, 3, (6, 40)).astype(np.float64)
    found_metrics = unsure_metrics(SCORES, CHOSEN, TRUTH)(weights)
    found = answered(SCORES, CHOSEN, TRUTH, weights)
    assert found_metrics["share"] == pytest.approx(1 - found.share)
    assert found_metrics["top_class"] == pytest.approx(found.top_class)
    assert found_metrics["precision"] == pytest.approx(found.precision)
    assert found_metrics["curve"] == pytest.approx(top_class_at(SCORES, TRUTH, COVERAGES, weights))
