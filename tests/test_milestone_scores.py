"""milestone/scores.py: against naive loops, and against scikit-learn."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import hamming_loss, log_loss, precision_score, recall_score, roc_curve

from keyart.milestone.scores import POINTS, cross_entropy, null_model, study_scores, sweep

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def films(seed: int, count: int = 40, genres: int = 5) -> tuple[Floats, Flags]:
    """Scores that know something; the last film is given nothing, and no film has genre 4."""
    random = np.random.default_rng(seed)
    truth = random.random((count, genres)) < 0.3
    truth[:, 4] = False
    drawn = 0.6 * random.random((count, genres)) + 0.38 * truth
    # Equal scores there are, but none equal to a threshold, where the last bit would decide.
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
            said = score >= threshold
            hits += said and true
            false += said and not true
            right += said == true
        assert found.label_accuracy[point] == pytest.approx(right / cells)
        assert found.hamming_loss[point] == pytest.approx(1 - right / cells)
        assert found.hits_of_cells[point] == pytest.approx(hits / cells)
        assert found.false_of_cells[point] == pytest.approx(false / cells, abs=1e-12)
        assert found.true_positive_rate[point] == pytest.approx(hits / positives)
        assert found.false_positive_rate[point] == pytest.approx(
            false / (cells - positives), abs=1e-12
        )


def test_the_roc_as_it_is_lies_on_scikit_learns() -> None:
    scores, truth = films(2)
    found = sweep(scores, truth)
    false, true, thresholds = roc_curve(truth.ravel(), scores.ravel(), drop_intermediate=False)
    for point, threshold in enumerate(found.thresholds):
        # The last of its points whose threshold is no lower than ours counts the same cells.
        place = int(np.flatnonzero(thresholds >= threshold)[-1])
        assert found.true_positive_rate[point] == pytest.approx(true[place])
        assert found.false_positive_rate[point] == pytest.approx(false[place], abs=1e-12)


def test_the_studys_roc_never_reaches_one() -> None:
    scores, truth = films(3)
    found = sweep(scores, truth)
    assert found.true_positive_rate[0] == pytest.approx(1)
    assert found.hits_of_cells[0] == pytest.approx(truth.mean())
    assert found.false_of_cells[0] == pytest.approx(1 - truth.mean())


def test_the_best_threshold_has_the_least_hamming_loss_and_is_the_lowest_of_equals() -> None:
    truth = np.array([[True, False], [False, False]])
    scores = np.array([[0.8, 0.4], [0.3, 0.1]])
    found = sweep(scores, truth)
    assert found.hamming_loss[found.best] == 0
    assert found.thresholds[found.best] == pytest.approx(0.41)


@pytest.mark.parametrize("seed", [4, 5])
def test_the_figures_are_scikit_learns(seed: int) -> None:
    scores, truth = films(seed)
    found, chosen = study_scores(scores, truth), scores >= 0.5
    options = {"average": "samples", "zero_division": 0}
    assert found.films == 40
    assert found.hamming_loss == pytest.approx(hamming_loss(truth, chosen))
    assert found.hamming_loss_low == pytest.approx(hamming_loss(truth, scores >= 0.33))
    assert found.label_accuracy == pytest.approx(1 - found.hamming_loss)
    assert found.precision == pytest.approx(precision_score(truth, chosen, **options))
    assert found.recall == pytest.approx(recall_score(truth, chosen, **options))
    assert found.loss == pytest.approx(log_loss(truth.ravel(), scores.ravel()))
    assert found.predicted == tuple(chosen.sum(axis=0))
    top = [truth[film, row.argmax()] for film, row in enumerate(scores)]
    assert found.top_class == pytest.approx(np.mean(top))
    assert found.best_label_accuracy >= found.label_accuracy


def test_the_null_model_is_right_about_every_false_cell() -> None:
    truth = np.array([[True, False, False, False], [False, False, True, True]])
    assert null_model(truth) == 5 / 8
    silent = study_scores(np.zeros((2, 4)), truth)
    assert silent.null == silent.label_accuracy == 5 / 8


def test_a_film_with_nothing_predicted_has_precision_zero() -> None:
    truth = np.array([[True, False], [True, False]])
    scores = np.array([[0.9, 0.1], [0.2, 0.1]])
    assert study_scores(scores, truth).precision == 0.5


def test_the_loss_of_a_sure_mistake_is_finite_as_keras_has_it() -> None:
    assert cross_entropy([[0.0]], [[True]]) == pytest.approx(-np.log(1e-7))
    assert cross_entropy([[1.0]], [[True]]) == pytest.approx(0, abs=1e-6)


def test_without_a_true_cell_rates_are_undefined_not_wrong() -> None:
    found = sweep(np.full((3, 2), 0.4), np.zeros((3, 2), np.bool_))
    assert np.isnan(found.true_positive_rate).all()
    assert found.hits_of_cells.tolist() == [0.0] * POINTS
    assert found.false_positive_rate[0] == 1


@pytest.mark.parametrize("scores", [[[1.2]], [[float("nan")]], [[0.1, 0.2]]])
def test_scores_that_are_none_are_refused(scores: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="scores"):
        study_scores(scores, [[True]])
