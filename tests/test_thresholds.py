"""Thresholds: best by their criterion, stable for few films, and marked if there are none."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyart.evaluation import metrics, thresholds
from keyart.evaluation.ranking import Floats
from keyart.evaluation.thresholds import check_criterion, choose_thresholds


def calibrated(films: int, rates: list[float], seed: int = 0) -> tuple[Floats, metrics.Flags]:
    """Scores that are the very chances by which the truth was drawn."""
    rng = np.random.default_rng(seed)
    odds = np.log(np.array(rates) / (1 - np.array(rates)))
    scores = 1 / (1 + np.exp(-odds - rng.normal(0, 1.2, (films, len(rates)))))
    return scores, rng.random(scores.shape) < scores


def micro_f1(predicted: metrics.Flags, truth: metrics.Flags) -> float:
    return float(metrics.precision_recall_f1(predicted, truth, "micro").f1)


def test_the_shared_threshold_is_best_for_micro_f1() -> None:
    scores, truth = calibrated(300, [0.1, 0.4])
    chosen = choose_thresholds(scores, truth, "micro_f1").values
    assert chosen[0] == chosen[1]
    best = max(micro_f1(scores >= cut, truth) for cut in np.unique(scores))
    assert micro_f1(scores >= chosen, truth) == pytest.approx(best)
    # Lipton et al.: of calibrated scores, half the best F1.
    assert chosen[0] == pytest.approx(best / 2, abs=0.06)


def test_a_single_genre_gets_the_threshold_of_its_best_f1() -> None:
    scores, truth = calibrated(400, [0.3])
    chosen = choose_thresholds(scores, truth, "f1").values
    best = max(micro_f1(scores >= cut, truth) for cut in np.unique(scores))
    assert micro_f1(scores >= chosen, truth) == pytest.approx(best)


def test_few_positives_leave_a_genre_near_the_shared_threshold() -> None:
    scores, truth = calibrated(3000, [0.4, 0.4])
    # Two lucky films at the very top: alone they would set the threshold there.
    scores[:, 1] = np.linspace(0.01, 0.1, 3000)
    scores[-2:, 1] = 0.9
    truth[:, 1] = False
    truth[-2:, 1] = True
    shared = choose_thresholds(scores, truth, "micro_f1").values[1]
    rare = choose_thresholds(scores, truth, "f1").values[1]
    assert shared < 0.4
    assert rare == pytest.approx(shared, abs=0.01)
    assert choose_thresholds(scores[:, 1:], truth[:, 1:], "f1").values[0] == pytest.approx(
        0.5, abs=0.01
    )


def test_own_and_shared_thresholds_count_equally_at_the_shrinkage() -> None:
    count = thresholds.SHRINKAGE
    truth = np.zeros((4 * count, 2), dtype=bool)
    truth[:count, 0] = truth[:, 1] = True
    scores = np.where(truth, [0.4, 0.3], [0.1, 0.0])
    shared = choose_thresholds(scores, truth, "micro_f1").values[0]
    own = choose_thresholds(scores[:, :1], truth[:, :1], "f1").values[0]
    assert own == pytest.approx(0.25)
    assert shared == pytest.approx(0.2)
    assert choose_thresholds(scores, truth, "f1").values[0] == pytest.approx((own + shared) / 2)


def test_least_hamming_loss_of_calibrated_scores_is_near_a_half() -> None:
    scores, truth = calibrated(4000, [0.2, 0.5])
    chosen = choose_thresholds(scores, truth, "hamming").values
    np.testing.assert_allclose(chosen, 0.5, atol=0.06)
    one = choose_thresholds(scores[:, :1], truth[:, :1], "hamming").values
    losses = [metrics.hamming_loss(scores[:, :1] >= cut, truth[:, :1]) for cut in np.unique(scores)]
    assert metrics.hamming_loss(scores[:, :1] >= one, truth[:, :1]) == pytest.approx(min(losses))


def test_if_predicting_nothing_has_the_least_loss_nothing_is_predicted() -> None:
    scores, truth = np.array([[0.1], [0.4], [0.9]]), np.array([[1], [0], [0]])
    chosen = choose_thresholds(scores, truth, "hamming").values
    assert not (scores >= chosen).any()


@pytest.mark.parametrize("criterion", ["f1", "micro_f1", "hamming"])
def test_a_genre_without_positives_takes_the_shared_threshold_and_says_so(
    criterion: thresholds.Criterion,
) -> None:
    scores, truth = calibrated(2000, [0.5, 0.5, 0.3])
    truth[:, 2] = False
    found = choose_thresholds(scores, truth, criterion)
    assert list(found.fallbacks) == [2]
    assert "none of 2000 films" in found.fallbacks[2]
    assert 0 < found.values[2] < 1


@pytest.mark.parametrize("criterion", ["f1", "hamming"])
def test_without_any_positive_every_genre_falls_back(criterion: thresholds.Criterion) -> None:
    found = choose_thresholds(np.full((3, 2), 0.3), np.zeros((3, 2)), criterion)
    np.testing.assert_array_equal(found.values, 0.5)
    assert list(found.fallbacks) == [0, 1]


@pytest.mark.parametrize("criterion", ["f1", "micro_f1", "hamming"])
def test_if_every_film_has_every_genre_all_are_predicted(
    criterion: thresholds.Criterion,
) -> None:
    scores = np.array([[0.6, 0.7]])
    found = choose_thresholds(scores, [[True, True]], criterion)
    assert (scores >= found.values).all()
    assert found.fallbacks == {}


@given(st.integers(0, 2**32 - 1), st.sampled_from(["f1", "micro_f1", "hamming"]))
@example(5405099, "hamming")  # drawn onto a score
@settings(max_examples=40, deadline=None)
def test_no_threshold_equals_a_score(seed: int, criterion: thresholds.Criterion) -> None:
    """So that scores stored as float32 give the same genres."""
    scores, truth = calibrated(30, [0.2, 0.5], seed)
    scores = scores.round(2)
    found = choose_thresholds(scores, truth, criterion).values
    assert ((found > 0) & (found <= 1)).all()
    np.testing.assert_array_equal(scores >= found, scores.astype(np.float32) >= found)


@pytest.mark.parametrize("criterion", ["accuracy", 0.0, 1.0, 1.2, float("nan")])
def test_an_unknown_criterion_is_refused(criterion: thresholds.Criterion) -> None:
    with pytest.raises(ValueError, match="criterion: expected 'f1', 'micro_f1', 'hamming'"):
        choose_thresholds([[0.5]], [[True]], criterion)
    with pytest.raises(ValueError, match="criterion: expected 'f1', 'micro_f1', 'hamming' or a"):
        check_criterion(criterion)


def test_few_films_leave_the_thresholds_that_are_known() -> None:
    rng = np.random.default_rng(4)
    known = np.array([0.2, 0.4, 0.6])
    scores = rng.random((12, 3))
    truth = rng.random((12, 3)) < scores
    found = choose_thresholds(scores, truth, "f1", known).values
    alone = choose_thresholds(scores, truth, "f1").values
    assert (np.abs(found - known) < 0.06).all()
    assert (np.abs(alone - known) > 0.06).any()
    nothing = choose_thresholds(scores, truth & False, "f1", known).values
    np.testing.assert_allclose(nothing, known)
    rng = np.random.default_rng(5)
    scores = rng.random((20_000, 3))
    truth = rng.random(scores.shape) < scores
    many = choose_thresholds(scores, truth, "f1", known).values
    np.testing.assert_allclose(many, choose_thresholds(scores, truth, "f1").values, atol=0.01)
    for chosen in (found, nothing, many):
        assert not np.isin(chosen.astype(np.float32), scores.astype(np.float32)).any()
