"""Calibration: nearer to the truth, never a changed ranking, and plain JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from keyart.calibration import Calibration, GenreCalibration, sigmoid
from keyart.evaluation import calibrators, metrics
from keyart.evaluation.bootstrap import folds_of
from keyart.evaluation.calibrators import FEWEST_FILMS, fit_calibration
from keyart.evaluation.ranking import Floats

CURVES = (
    GenreCalibration("identity"),
    GenreCalibration("temperature", 0.5),
    GenreCalibration("platt", 2.0, -1.0),
    GenreCalibration("isotonic", 0.05, 0.0, ((-1.0, -2.0), (0.0, 0.0), (3.0, 0.5))),
)


def drawn(
    films: int, curve: GenreCalibration, genres: int = 1, seed: int = 0
) -> tuple[Floats, metrics.Flags]:
    """Logits, and truth drawn by the chance that `curve` says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 2, (films, genres))
    return logits, rng.random(logits.shape) < sigmoid(curve.apply(logits))


def log_loss(scores: Floats, truth: metrics.Flags) -> float:
    return float(-np.mean(np.log(np.where(truth, scores, 1 - scores))))


def test_lines_and_knots_give_what_they_say() -> None:
    scores = Calibration(CURVES).apply([[2.0, 2.0, 2.0, 1.5], [0.0, 0.0, 0.0, 5.0]])
    expected = sigmoid(np.array([[2.0, 1.0, 3.0, 0.25], [0.0, 0.0, -1.0, 0.6]]))
    np.testing.assert_allclose(scores, expected)


def test_one_film_may_come_without_a_table() -> None:
    row = Calibration(CURVES).apply(np.zeros(4))
    assert row.shape == (4,)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
def test_any_finite_logit_gets_a_score_and_keeps_its_place(logits: list[float]) -> None:
    ordered = np.sort(logits)
    scores = Calibration(CURVES).apply(np.tile(ordered[:, None], 4))
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores, axis=0) >= 0).all()


def test_apart_from_rounding_no_two_films_become_equal() -> None:
    logits = np.linspace(-8, 8, 2000)
    scores = Calibration(CURVES).apply(np.tile(logits[:, None], 4))
    assert (np.diff(scores, axis=0) > 0).all()


@pytest.mark.parametrize("logits", [[[np.nan] * 4], [[np.inf] * 4]])
def test_logits_that_are_no_numbers_are_refused(logits: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="expected finite numbers"):
        Calibration(CURVES).apply(logits)


def test_logits_of_another_number_of_genres_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(..., 4\), got \(2, 3\)"):
        Calibration(CURVES).apply(np.zeros((2, 3)))


def test_json_and_back_is_the_same_calibration() -> None:
    calibration = Calibration(CURVES)
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"method": "platt"}, "expected a list, got dict"),
        ([{"method": "magic", "slope": 1, "intercept": 0}], "genre 0: .*unknown method 'magic'"),
        ([{"method": "platt", "slope": 1}], "genre 0: .*intercept"),
        ([{"method": "platt", "slope": -1, "intercept": 0}], "a slope above 0"),
        ([{"method": "platt", "slope": 1, "intercept": float("inf")}], "finite"),
        ([{"method": "isotonic", "slope": 1, "intercept": 0, "knots": [[0, 0], [1, 0]]}], "rise"),
        ([{"method": "isotonic", "slope": 1, "intercept": 0, "knots": [[0]]}], "genre 0"),
        ([7], "genre 0"),
    ],
)
def test_damaged_json_is_refused(value: list[dict[str, object]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Calibration.from_json(value)


def test_platt_is_logistic_regression() -> None:
    logits, truth = drawn(3000, GenreCalibration("platt", 0.6, -1.0))
    curve = calibrators._platt(logits[:, 0], truth[:, 0])
    oracle = LogisticRegression(C=np.inf, tol=1e-8).fit(logits, truth[:, 0])
    # Platt's targets draw it a little inwards.
    assert curve.slope == pytest.approx(oracle.coef_[0, 0], abs=0.01)
    assert curve.intercept == pytest.approx(oracle.intercept_[0], abs=0.01)


def test_temperature_is_logistic_regression_without_a_shift() -> None:
    logits, truth = drawn(3000, GenreCalibration("temperature", 0.4))
    curve = calibrators._temperature(logits[:, 0], truth[:, 0])
    oracle = LogisticRegression(C=np.inf, tol=1e-8, fit_intercept=False).fit(logits, truth[:, 0])
    assert curve.slope == pytest.approx(oracle.coef_[0, 0], abs=0.01)
    assert curve.intercept == 0


def test_isotonic_goes_through_the_blocks_of_the_oracle() -> None:
    logits, truth = drawn(40, GenreCalibration("identity"), seed=3)
    curve = calibrators._isotonic(logits[:, 0], truth[:, 0])  # at most a film a bin
    oracle = IsotonicRegression().fit(logits[:, 0], calibrators._targets(truth[:, 0]))
    levels = oracle.predict(logits[:, 0])
    for at, value in curve.knots:
        block = np.isclose(levels, sigmoid(np.array(value)))
        assert logits[block, 0].mean() == pytest.approx(at)
    assert len(curve.knots) == len(np.unique(levels.round(9))) > 3


def test_platt_stays_finite_for_separated_classes() -> None:
    logits = np.concatenate([np.full(50, -4.0), np.full(50, 4.0)])
    curve = calibrators._platt(logits, logits > 0)
    assert sigmoid(curve.apply(logits)).max() == pytest.approx(51 / 52, abs=1e-6)


def test_a_genre_ranked_the_wrong_way_round_becomes_constant_and_is_not_reversed() -> None:
    logits, truth = drawn(500, GenreCalibration("identity"))
    for fit in calibrators._FITS[1:]:
        curve = fit(-logits[:, 0], truth[:, 0])
        scores = sigmoid(curve.apply(np.linspace(-3, 3, 50)))
        assert (np.diff(scores) > 0).all()
        assert scores.max() - scores.min() < 0.1


@pytest.mark.parametrize(
    "curve",
    [
        GenreCalibration("platt", 0.5, -1.5),
        GenreCalibration("temperature", 0.3),
        GenreCalibration("isotonic", 0.05, 0.0, ((-2.0, -3.0), (0.0, -0.5), (1.0, 2.0))),
    ],
)
def test_fitting_brings_scores_near_the_truth(curve: GenreCalibration) -> None:
    logits, truth = drawn(4000, curve, genres=2)
    fitted = fit_calibration(logits, truth)
    assert fitted.fallbacks == {}
    fresh, fresh_truth = drawn(4000, curve, genres=2, seed=9)
    before, after = sigmoid(fresh), fitted.calibration.apply(fresh)
    best = sigmoid(curve.apply(fresh))
    assert log_loss(after, fresh_truth) < log_loss(best, fresh_truth) + 0.004
    assert log_loss(after, fresh_truth) < log_loss(before, fresh_truth) - 0.02
    assert metrics.expected_calibration_error(after, fresh_truth) < 0.02
    np.testing.assert_allclose(
        metrics.average_precision(after, fresh_truth),
        metrics.average_precision(before, fresh_truth),
    )


def test_a_curve_that_bends_is_found_by_isotonic() -> None:
    bent = GenreCalibration("isotonic", 0.05, 0.0, ((-2.0, -4.0), (-1.9, 0.0), (3.0, 0.3)))
    logits, truth = drawn(4000, bent)
    assert fit_calibration(logits, truth).calibration.genres[0].method == "isotonic"


def test_folds_keep_groups_together() -> None:
    groups = np.repeat(np.arange(40), 5)
    fold = folds_of(groups, 5, seed=1)
    assert all(len(set(fold[groups == group])) == 1 for group in range(40))
    np.testing.assert_array_equal(np.bincount(fold), 40)


@given(st.sampled_from(CURVES), st.sampled_from(CURVES), st.floats(-20, 20))
def test_one_curve_after_the_other_is_one_curve(
    first: GenreCalibration, second: GenreCalibration, logit: float
) -> None:
    at = np.array([logit])
    expected = second.apply(first.apply(at))
    np.testing.assert_allclose(first.then(second).apply(at), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(first.then(second).undo(expected), at, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("curve", CURVES)
def test_known_curves_stay_for_genres_that_few_films_have(curve: GenreCalibration) -> None:
    logits, truth = drawn(70, GenreCalibration("identity"), genres=2)
    known = Calibration((curve, CURVES[1]))
    fitted = fit_calibration(logits, truth, known=known)
    assert fitted.calibration == known
    assert "the model that it started from" in fitted.fallbacks[0]


@pytest.mark.parametrize("curve", CURVES)
def test_known_curves_stay_if_they_are_right_and_change_if_not(curve: GenreCalibration) -> None:
    logits, truth = drawn(6_000, curve)
    fresh, fresh_truth = drawn(20_000, curve, seed=8)
    best = log_loss(Calibration((curve,)).apply(fresh), fresh_truth)
    for known in CURVES:
        found = fit_calibration(logits, truth, known=Calibration((known,))).calibration
        assert log_loss(found.apply(fresh), fresh_truth) < best + 0.003


def test_the_seed_decides_the_fit() -> None:
    logits, truth = drawn(300, CURVES[2], genres=3)
    assert fit_calibration(logits, truth, seed=4) == fit_calibration(logits, truth, seed=4)


@pytest.mark.parametrize("value", [False, True])
def test_a_genre_of_too_few_films_gets_the_line_of_all_and_says_so(value: bool) -> None:
    logits, truth = drawn(400, GenreCalibration("platt", 0.5, -1.0), genres=3)
    truth[:, 1] = value
    truth[: FEWEST_FILMS - 1, 1] = not value
    fitted = fit_calibration(logits, truth)
    count = int(truth[:, 1].sum())
    assert fitted.fallbacks == {
        1: f"{count} of 400 films have it; calibrated on all genres together"
    }
    assert fitted.calibration.genres[1] == calibrators._platt(logits.ravel(), truth.ravel())
    truth[FEWEST_FILMS - 1, 1] = not value
    assert fit_calibration(logits, truth).fallbacks == {}


@pytest.mark.parametrize("value", [False, True])
@pytest.mark.parametrize("films", [1, 30])
def test_without_two_kinds_of_films_scores_are_the_plain_sigmoid(value: bool, films: int) -> None:
    logits = np.linspace(-2, 2, films * 2).reshape(films, 2)
    fitted = fit_calibration(logits, np.full(logits.shape, value))
    assert fitted.calibration == Calibration.identity(2)
    assert list(fitted.fallbacks) == [0, 1]
    assert "nothing: plain sigmoid" in fitted.fallbacks[0]


def test_films_of_a_single_group_cannot_be_held_out() -> None:
    logits, truth = drawn(100, GenreCalibration("identity"))
    assert list(fit_calibration(logits, truth, ["same"] * 100).fallbacks) == [0]


def test_constant_logits_become_the_rate() -> None:
    truth = np.arange(100)[:, None] % 4 == 0
    scores = fit_calibration(np.full((100, 1), 2.0), truth).calibration.apply([[2.0]])
    assert scores[0, 0] == pytest.approx(0.25, abs=0.02)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 1e4]))
@settings(max_examples=25, deadline=None)
def test_whatever_was_fitted_rises(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    logits = (rng.normal(0, scale, (60, 1)) + rng.normal() * scale).round(3)
    fitted = fit_calibration(logits, rng.random((60, 1)) < 0.4, folds=3)
    grid = np.linspace(-3 * scale, 3 * scale, 101)[:, None]
    scores = fitted.calibration.apply(grid)
    assert np.isfinite(scores).all()
    assert (np.diff(scores, axis=0) >= 0).all()


def test_bad_logits_are_named() -> None:
    with pytest.raises(ValueError, match="logits: expected numbers, got NaN"):
        fit_calibration([[np.nan]], [[True]])
    with pytest.raises(ValueError, match=r"logits: expected .* got inf"):
        fit_calibration([[np.inf]], [[True]])
    with pytest.raises(ValueError, match=r"groups: expected \(2,\)"):
        fit_calibration([[0.0], [1.0]], [[True], [False]], [1, 2, 3])


def test_undoing_gives_the_plain_sigmoid_again_also_from_rounded_scores() -> None:
    calibration = Calibration(CURVES)
    logits = np.linspace(-6, 6, 41)[:, None] * np.ones(len(CURVES))
    scores = calibration.apply(logits)
    assert np.allclose(calibration.undo(scores), sigmoid(logits), atol=1e-9)
    assert np.allclose(calibration.undo(scores.astype(np.float32)), sigmoid(logits), atol=1e-4)
    edges = np.array([[0.0] * len(CURVES), [1.0] * len(CURVES)])
    assert np.isfinite(calibration.undo(edges)).all()
