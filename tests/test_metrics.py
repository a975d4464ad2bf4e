"""Every metric against scikit-learn, with and without weights, and at the edges."""

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from keyart.evaluation import metrics
from keyart.evaluation.ranking import Floats

Table = tuple[Floats, metrics.Flags, Floats]


def random_table(seed: int, films: int = 60, genres: int = 5) -> Table:
    """Scores with many ties, truth where every genre occurs, and film weights of 0 to 3."""
    rng = np.random.default_rng(seed)
    truth = rng.random((films, genres)) < np.linspace(0.1, 0.7, genres)
    truth[0], truth[1] = True, False
    scores = np.clip(0.4 * truth + rng.random((films, genres)) * 0.6, 0, 1).round(1)
    weights = rng.integers(0, 4, films).astype(np.float64)
    weights[:2] = 1
    return scores, truth, weights


AVERAGES: tuple[Literal["samples", "micro", "macro", "genre"], ...] = (
    "samples",
    "micro",
    "macro",
    "genre",
)
TABLES = [random_table(seed) for seed in range(3)] + [random_table(3, films=2, genres=1)]


def by_genre(metric: Callable[..., Any]) -> Callable[..., Floats]:
    """A scikit-learn metric of one genre, for each genre."""

    def weighted_metric(scores: Floats, truth: metrics.Flags, weights: Floats | None) -> Floats:
        return np.array(
            [
                metric(true, column, sample_weight=weights)
                for column, true in zip(scores.T, truth.T, strict=True)
            ]
        )

    return weighted_metric


def best_of(count: int) -> Callable[..., Any]:
    def metric(scores: Floats, truth: metrics.Flags, weights: Floats | None) -> Any:
        hits = [
            any(true[genre] for genre in sorted(range(len(true)), key=lambda g: -row[g])[:count])
            for row, true in zip(scores, truth, strict=True)
        ]
        return np.average(hits, weights=weights)

    return metric


def binned_error(scores: Floats, truth: metrics.Flags, weights: Floats | None) -> Any:
    """The expected calibration error, cell by cell."""
    count = np.ones(len(truth)) if weights is None else weights
    gaps: dict[int, Any] = {}
    for film, genre in np.ndindex(scores.shape):
        place = min(int(scores[film, genre] * 15), 14)
        gap = scores[film, genre] - truth[film, genre]
        gaps[place] = gaps.get(place, 0.0) + count[film] * gap
    return sum(map(abs, gaps.values())) / (count.sum() * scores.shape[1])


SCORE_FIGURES: dict[str, Callable[..., Any]] = {
    "average_precision": by_genre(oracle.average_precision_score),
    "mean_average_precision": lambda s, t, w: oracle.average_precision_score(t, s, sample_weight=w),
    "micro_average_precision": lambda s, t, w: oracle.average_precision_score(
        t, s, sample_weight=w, average="micro"
    ),
    "roc_auc": by_genre(oracle.roc_auc_score),
    "mean_roc_auc": lambda s, t, w: by_genre(oracle.roc_auc_score)(s, t, w).mean(),
    # scikit-learn takes no single genre: there is no pair to order then.
    "ranking_loss": lambda s, t, w: (
        oracle.label_ranking_loss(t, s, sample_weight=w) if t.shape[1] > 1 else 0
    ),
    "brier": lambda s, t, w: np.mean(by_genre(oracle.brier_score_loss)(s, t, w)),
    "top_class": best_of(1),
    "top_three": best_of(3),
    "expected_calibration_error": binned_error,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", SCORE_FIGURES)
def test_metrics_of_scores_match_the_oracle(name: str, table: Table, weighted: bool) -> None:
    scores, truth, weights = table
    given_weights = weights if weighted else None
    expected = SCORE_FIGURES[name](scores, truth, given_weights)
    np.testing.assert_allclose(
        getattr(metrics, name)(scores, truth, given_weights), expected, atol=1e-12
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_metrics_of_predicted_genres_match_the_oracle(table: Table, weighted: bool) -> None:
    scores, truth, weights = table
    predicted, given_weights = scores >= 0.6, weights if weighted else None
    for average in AVERAGES:
        if truth.shape[1] == 1:  # scikit-learn takes a single column for a binary task
            break
        expected = oracle.precision_recall_fscore_support(
            truth,
            predicted,
            average=None if average == "genre" else average,
            sample_weight=given_weights,
            zero_division=0,
        )[:3]
        found = metrics.precision_recall_f1(predicted, truth, average, given_weights)
        np.testing.assert_allclose(found, expected, atol=1e-12)
    cells = None if given_weights is None else given_weights.repeat(truth.shape[1])
    right = oracle.accuracy_score(truth.ravel(), predicted.ravel(), sample_weight=cells)
    assert metrics.label_accuracy(predicted, truth, given_weights) == pytest.approx(right)
    assert metrics.hamming_loss(predicted, truth, given_weights) == pytest.approx(1 - right)


def all_metrics(scores: Floats, truth: metrics.Flags, weights: Floats | None) -> dict[str, Any]:
    found = {name: getattr(metrics, name)(scores, truth, weights) for name in SCORE_FIGURES}
    found["label_accuracy"] = metrics.label_accuracy(scores > 0.5, truth, weights)
    for average in AVERAGES:
        rates = metrics.precision_recall_f1(scores > 0.5, truth, average, weights)
        found |= {f"{name} {average}": rate for name, rate in rates._asdict().items()}
    return found


def test_rows_of_weights_give_what_each_row_gives() -> None:
    scores, truth, _ = TABLES[0]
    rows = np.random.default_rng(5).integers(0, 3, (7, len(truth))).astype(np.float64)
    rows[3] = 0  # nothing drawn: undefined, not an error
    together = all_metrics(scores, truth, rows)
    one_by_one = [all_metrics(scores, truth, row) for row in rows]
    for name, metric in together.items():
        np.testing.assert_allclose(metric, [one[name] for one in one_by_one], atol=1e-12)
        assert np.isnan(metric[3]).all()
        assert not np.isnan(metric[2]).any()


def test_whole_weights_count_like_repeated_films() -> None:
    scores, truth, weights = TABLES[1]
    times = weights.astype(int)
    weighted = all_metrics(scores, truth, weights)
    repeated = all_metrics(scores.repeat(times, axis=0), truth.repeat(times, axis=0), None)
    for name, metric in weighted.items():
        np.testing.assert_allclose(metric, repeated[name], atol=1e-12)


def test_a_genre_that_no_film_has_is_undefined_and_left_out_of_means() -> None:
    scores, truth, _ = TABLES[0]
    truth = truth.copy()
    truth[:, 2] = False
    others = [0, 1, 3, 4]
    predicted = scores > 0.5
    assert np.isnan(metrics.average_precision(scores, truth)[2])
    assert np.isnan(metrics.roc_auc(scores, truth)[2])
    assert np.isnan(metrics.precision_recall_f1(predicted, truth, "genre").f1[2])
    np.testing.assert_allclose(
        metrics.precision_recall_f1(predicted, truth, "macro"),
        metrics.precision_recall_f1(predicted[:, others], truth[:, others], "macro"),
    )
    assert metrics.mean_average_precision(scores, truth) == pytest.approx(
        metrics.mean_average_precision(scores[:, others], truth[:, others])
    )


def test_if_no_film_has_any_genre_there_is_nothing_to_find() -> None:
    scores, truth = np.full((3, 2), 0.25), np.zeros((3, 2), dtype=bool)
    for name in ("mean_average_precision", "micro_average_precision", "mean_roc_auc"):
        assert np.isnan(getattr(metrics, name)(scores, truth))
    assert np.isnan(metrics.precision_recall_f1(scores > 0.5, truth, "micro").f1)
    assert np.isnan(metrics.precision_recall_f1(scores > 0.5, truth, "macro").f1)
    assert metrics.label_accuracy(scores > 0.5, truth) == 1
    assert metrics.ranking_loss(scores, truth) == 0
    assert metrics.brier(scores, truth) == pytest.approx(0.0625)


def test_if_every_film_has_every_genre_only_the_roc_is_undefined() -> None:
    scores, truth = np.full((3, 2), 0.25), np.ones((3, 2), dtype=bool)
    assert metrics.mean_average_precision(scores, truth) == 1
    assert metrics.micro_average_precision(scores, truth) == 1
    assert np.isnan(metrics.roc_auc(scores, truth)).all()
    assert metrics.top_class(scores, truth) == 1
    assert metrics.ranking_loss(scores, truth) == 0
    assert metrics.expected_calibration_error(scores, truth) == pytest.approx(0.75)


def test_predicting_nothing_scores_nothing() -> None:
    truth = TABLES[0][1]
    for average in AVERAGES:
        rates = metrics.precision_recall_f1(np.zeros_like(truth), truth, average)
        np.testing.assert_array_equal(rates, 0)


def test_constant_scores_rank_at_random() -> None:
    truth = TABLES[0][1]
    scores = np.full(truth.shape, 0.5)
    np.testing.assert_allclose(metrics.average_precision(scores, truth), truth.mean(axis=0))
    np.testing.assert_allclose(metrics.roc_auc(scores, truth), 0.5)
    assert metrics.micro_average_precision(scores, truth) == pytest.approx(truth.mean())


def test_of_equal_scores_the_first_genre_is_the_top() -> None:
    scores = np.array([[0.2, 0.7, 0.7, 0.7, 0.7]])
    assert metrics.top_class(scores, np.array([[0, 1, 0, 0, 0]])) == 1
    assert metrics.top_class(scores, np.array([[0, 0, 1, 0, 0]])) == 0
    assert metrics.top_three(scores, np.array([[0, 0, 0, 1, 0]])) == 1
    assert metrics.top_three(scores, np.array([[1, 0, 0, 0, 1]])) == 0


def test_a_score_on_the_edge_of_two_bins_is_in_the_upper_one() -> None:
    truth = np.array([[1, 0]])
    # 0.5 and 0.75 in one bin of two would cancel to |0.25 + ...|; in four bins they do not.
    assert metrics.expected_calibration_error([[0.5, 0.75]], truth, bins=2) == pytest.approx(0.125)
    assert metrics.expected_calibration_error([[0.5, 0.75]], truth, bins=4) == pytest.approx(0.625)
    assert metrics.expected_calibration_error([[1.0, 0.0]], truth, bins=2) == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_ranking_metrics_see_only_the_order_of_scores(seed: int) -> None:
    scores, truth, weights = random_table(seed, films=20, genres=3)
    for name in ("average_precision", "micro_average_precision", "roc_auc", "ranking_loss"):
        metric = getattr(metrics, name)
        np.testing.assert_allclose(
            metric(scores, truth, weights), metric(np.exp(3 * scores) - 7, truth, weights)
        )


def test_infinite_logits_can_be_ranked() -> None:
    scores = np.array([[np.inf], [0.0], [-np.inf]])
    truth = np.array([[True], [False], [True]])
    assert metrics.average_precision(scores, truth)[0] == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize(
    ("scores", "truth", "weights", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), None, r"scores: expected .*\(3, 4\), got \(3, 2\)"),
        (np.zeros(3), np.zeros(3), None, r"truth: expected \(films, genres\) .* got \(3,\)"),
        (np.zeros((0, 2)), np.zeros((0, 2)), None, r"at least one of each, got \(0, 2\)"),
        (np.zeros((1, 2)), np.array([[0, 2]]), None, "truth: expected true or false"),
        (np.array([[0, np.nan]]), np.zeros((1, 2)), None, "NaN at film 0, genre 1"),
        (np.array([[0, 1.5]]), np.zeros((1, 2)), None, "expected 0 to 1, got 0 to 1.5"),
        (np.zeros((3, 2)), np.zeros((3, 2)), np.ones(2), r"weights: expected \(3,\) or"),
        (np.zeros((3, 2)), np.zeros((3, 2)), [1, -1, 1], "weights: expected finite numbers"),
    ],
)
def test_what_does_not_fit_is_named(
    scores: Floats, truth: Floats, weights: Floats | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.brier(scores, truth, weights)


def test_predicted_genres_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"predicted: expected .* \(2, 3\), got \(3, 2\)"):
        metrics.label_accuracy(np.zeros((3, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="predicted: expected true or false"):
        metrics.label_accuracy(np.full((2, 3), 0.5), np.zeros((2, 3)))


def test_no_metric_warns() -> None:
    scores, truth, weights = TABLES[2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in SCORE_FIGURES:
            getattr(metrics, name)(scores, np.zeros_like(truth), weights)
