"""milestone/metrics.py: against naive loops, and against scikit-learn."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import hamming_loss, log_loss, precision_score, recall_score, roc_curve

from keyart.milestone.metrics import (
    POINTS,
    STUDY_METRICS,
    TABLE,
    accuracy_of_nothing,
    cross_entropy,
    describe,
    study_metrics,
    sweep,
)
from keyart.model_metrics import METRICS

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def films(seed: int, count: int = 40, genres: int = 5) -> tuple[Floats, Flags]:
    """Scores better than chance. The last film has no predicted genre, and no film has genre 4."""
    random = np.random.default_rng(seed)
    truth = random.random((count, genres)) < 0.3
    truth[:, 4] = False
    drawn = 0.6 * random.random((count, genres)) + 0.38 * truth
    # Some scores are equal, but none equals a threshold, where the last bit would decide.
    scores = np.floor(drawn * 50) / 50 + 0.005
    scores[-1] = 0.1
    return scores.astype(np.float64), truth


@pytest.mark.parametrize("seed", [0, 1])
def test_the_sweep_counts_cell_by_cell(seed: int) -> None:
    scores, truth = films(seed)
    found = sweep(scores, truth)
    assert len(found.thresholds) == POINTS == 101
    cells, positives = truth.size, int(truth.sum())
    for point, threshold in enumerate(np.linspace(0, 1, 101)):
        hits = false = right = 0
        for score, true in zip(scores.ravel().tolist(), truth.ravel().tolist(), strict=True):
            predicted = score >= threshold
            hits += predicted and true
            false += predicted and not true
            right += predicted == true
        assert found.label_accuracy[point] == pytest.approx(right / cells)
        assert found.hamming_loss[point] == pytest.approx(1 - right / cells)
        assert found.hits_of_cells[point] == pytest.approx(hits / cells)
        assert found.false_of_cells[point] == pytest.approx(false / cells, abs=1e-12)
        assert found.true_positive_rate[point] == pytest.approx(hits / positives)
        assert found.false_positive_rate[point] == pytest.approx(
            false / (cells - positives), abs=1e-12
        )


def test_the_roc_curve_is_that_of_scikit_learn() -> None:
    scores, truth = films(2)
    found = sweep(scores, truth)
    false, true, thresholds = roc_curve(truth.ravel(), scores.ravel(), drop_intermediate=False)
    for point, threshold in enumerate(found.thresholds):
        # Its last point with a threshold no lower than ours counts the same cells.
        place = int(np.flatnonzero(thresholds >= threshold)[-1])
        assert found.true_positive_rate[point] == pytest.approx(true[place])
        assert found.false_positive_rate[point] == pytest.approx(false[place], abs=1e-12)


def test_the_curve_of_the_study_never_reaches_one() -> None:
    scores, truth = films(3)
    found = sweep(scores, truth)
    assert found.true_positive_rate[0] == pytest.approx(1)
    assert found.hits_of_cells[0] == pytest.approx(truth.mean())
    assert found.false_of_cells[0] == pytest.approx(1 - truth.mean())


def test_the_best_threshold_has_the_lowest_hamming_loss_and_is_the_lowest_of_equals() -> None:
    truth = np.array([[True, False], [False, False]])
    scores = np.array([[0.8, 0.4], [0.3, 0.1]])
    found = sweep(scores, truth)
    assert found.hamming_loss[found.best] == 0
    assert found.thresholds[found.best] == pytest.approx(0.41)


@pytest.mark.parametrize("seed", [4, 5])
def test_the_metrics_are_those_of_scikit_learn(seed: int) -> None:
    scores, truth = films(seed)
    found, chosen = study_metrics(scores, truth), scores >= 0.5
    options = {"average": "samples", "zero_division": 0}
    assert found.films == 40
    assert found.hamming_loss == pytest.approx(hamming_loss(truth, chosen))
    assert found.hamming_loss_low == pytest.approx(hamming_loss(truth, scores >= 0.33))
    assert found.label_accuracy == pytest.approx(1 - found.hamming_loss)
    assert found.precision_samples == pytest.approx(precision_score(truth, chosen, **options))
    assert found.recall_samples == pytest.approx(recall_score(truth, chosen, **options))
    assert found.loss == pytest.approx(log_loss(truth.ravel(), scores.ravel()))
    assert found.predicted == tuple(chosen.sum(axis=0))
    top = [truth[film, row.argmax()] for film, row in enumerate(scores)]
    assert found.top_class == pytest.approx(np.mean(top))
    assert found.best_label_accuracy >= found.label_accuracy


def test_predicting_nothing_is_right_about_every_false_pair() -> None:
    truth = np.array([[True, False, False, False], [False, False, True, True]])
    assert accuracy_of_nothing(truth) == 5 / 8
    silent = study_metrics(np.zeros((2, 4)), truth)
    assert silent.nothing == silent.label_accuracy == 5 / 8


def test_a_film_with_nothing_predicted_has_precision_zero() -> None:
    truth = np.array([[True, False], [True, False]])
    scores = np.array([[0.9, 0.1], [0.2, 0.1]])
    assert study_metrics(scores, truth).precision_samples == 0.5


def test_the_loss_of_a_certain_mistake_is_finite_as_in_keras() -> None:
    assert cross_entropy([[0.0]], [[True]]) == pytest.approx(-np.log(1e-7))
    assert cross_entropy([[1.0]], [[True]]) == pytest.approx(0, abs=1e-6)


def test_without_a_true_pair_rates_are_undefined_not_wrong() -> None:
    found = sweep(np.full((3, 2), 0.4), np.zeros((3, 2), np.bool_))
    assert np.isnan(found.true_positive_rate).all()
    assert found.hits_of_cells.tolist() == [0.0] * POINTS
    assert found.false_positive_rate[0] == 1


@pytest.mark.parametrize("scores", [[[1.2]], [[float("nan")]], [[0.1, 0.2]]])
def test_scores_that_are_not_scores_are_refused(scores: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="scores"):
        study_metrics(scores, [[True]])


def test_metrics_are_known_by_name_and_those_that_keyart_has_are_described_once() -> None:
    scores, truth = films(6)
    found = study_metrics(scores, truth)
    assert all(found[name] >= 0 for name in STUDY_METRICS)
    assert [name for name in TABLE if name in METRICS and describe(name) is not METRICS[name]] == []
    with pytest.raises(KeyError):
        found["films"]
