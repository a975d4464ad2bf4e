"""The curves against scikit-learn, and against the metrics that they draw."""

import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve as oracle_calibration

from keyart.evaluation import curves, metrics

RNG = np.random.default_rng(4)
TRUTH = RNG.random((80, 4)) < 0.3
SCORES = np.clip(0.3 * TRUTH + 0.7 * RNG.random(TRUTH.shape), 0, 1).round(2)
WEIGHTS = RNG.integers(1, 4, len(TRUTH)).astype(np.float64)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_precision_and_recall_match_the_oracle(weights: np.ndarray | None) -> None:
    scores, truth = SCORES[:, 0], TRUTH[:, 0]
    curve = curves.precision_recall_curve(scores, truth, weights)
    precision, recall, thresholds = oracle.precision_recall_curve(
        truth, scores, sample_weight=weights
    )
    np.testing.assert_allclose(curve.precision, precision[-2::-1])
    np.testing.assert_allclose(curve.recall, recall[-2::-1])
    np.testing.assert_array_equal(curve.thresholds, thresholds[::-1])
    area = np.sum(np.diff(curve.recall, prepend=0) * curve.precision)
    expected = metrics.average_precision(SCORES, TRUTH, weights)[0]
    assert area == pytest.approx(expected)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_roc_matches_the_oracle(weights: np.ndarray | None) -> None:
    scores, truth = SCORES[:, 1], TRUTH[:, 1]
    curve = curves.roc_curve(scores, truth, weights)
    expected = oracle.roc_curve(truth, scores, sample_weight=weights, drop_intermediate=False)
    for found, right in zip(curve, expected, strict=True):
        np.testing.assert_allclose(found, right)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(metrics.roc_auc(SCORES, TRUTH, weights)[1])


def test_a_curve_without_positives_is_undefined_and_does_not_fail() -> None:
    scores, truth = SCORES[:, 0], np.zeros(len(SCORES), dtype=bool)
    assert np.isnan(curves.precision_recall_curve(scores, truth).recall).all()
    assert np.isnan(curves.roc_curve(scores, truth).true_positive_rate).all()
    assert curves.roc_curve(scores, truth).false_positive_rate[-1] == 1


@pytest.mark.parametrize(("strategy", "name"), [("width", "uniform"), ("mass", "quantile")])
def test_the_calibration_curve_matches_the_oracle(strategy: str, name: str) -> None:
    # Distinct scores off the edges: scikit-learn puts a score on an edge into the lower bin.
    scores, truth = RNG.random(400), RNG.random(400) < 0.5
    curve = curves.calibration_curve(scores, truth, bins=8, strategy=strategy)  # type: ignore[arg-type]
    rate, score = oracle_calibration(truth, scores, n_bins=8, strategy=name)
    np.testing.assert_allclose(curve.rate, rate)
    np.testing.assert_allclose(curve.score, score)
    assert curve.cells.sum() == 400


def test_the_calibration_curve_draws_the_calibration_error() -> None:
    curve = curves.calibration_curve(SCORES.ravel(), TRUTH.ravel())
    gap = np.average(np.abs(curve.score - curve.rate), weights=curve.cells)
    assert gap == pytest.approx(metrics.expected_calibration_error(SCORES, TRUTH))


@pytest.mark.parametrize("strategy", ["width", "mass"])
def test_constant_scores_make_one_point(strategy: str) -> None:
    curve = curves.calibration_curve(np.full(80, 0.3), TRUTH[:, 0], strategy=strategy)  # type: ignore[arg-type]
    np.testing.assert_allclose(curve.score, [0.3])
    np.testing.assert_allclose(curve.rate, [TRUTH[:, 0].mean()])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_sweep_has_each_metric_at_each_threshold(weights: np.ndarray | None) -> None:
    sweep = curves.threshold_sweep(SCORES, TRUTH, weights)
    assert len(sweep.thresholds) == 101
    for place in (0, 33, 50, 100):
        predicted = sweep.thresholds[place] <= SCORES
        accuracy = metrics.label_accuracy(predicted, TRUTH, weights)
        assert sweep.label_accuracy[place] == pytest.approx(accuracy)
        assert sweep.hamming_loss[place] == pytest.approx(1 - accuracy)
        for average in ("samples", "micro"):
            rates = metrics.precision_recall_f1(predicted, TRUTH, average, weights)
            for name, rate in rates._asdict().items():
                assert getattr(sweep, f"{name}_{average}")[place] == pytest.approx(rate)
        macro = metrics.precision_recall_f1(predicted, TRUTH, "macro", weights).f1
        assert sweep.f1_macro[place] == pytest.approx(macro)
        count = np.average(predicted.sum(axis=1), weights=weights)
        assert sweep.genres_per_film[place] == pytest.approx(count)
    assert sweep.recall_micro[0] == 1


def test_tables_are_refused_if_cells_are_expected() -> None:
    with pytest.raises(ValueError, match=r"as \(cells,\), got \(80, 4\)"):
        curves.roc_curve(SCORES, TRUTH)
