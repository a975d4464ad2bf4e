"""The metrics of a split: complete, written and read as JSON, equal to the plain functions."""

import json
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest

from keyart.evaluation import metrics
from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.bootstrap import bootstrap
from keyart.evaluation.ranking import Floats
from keyart.evaluation.scoring import all_metrics, compare_scores, score_split
from keyart.genres import Vocabulary
from keyart.metric_table import MetricTable, SplitMetrics
from keyart.model_metrics import BASELINES, GENRE_METRICS, METRICS, Difference, Interval, Unsure
from keyart.run import ScoredFilms

VOCABULARY = Vocabulary(("Action", "Comedy", "Drama", "Western"))
RNG = np.random.default_rng(6)
TRUTH = RNG.random((90, 4)) < (0.2, 0.3, 0.6, 0.0)
SCORES = np.clip(0.3 * TRUTH + 0.7 * RNG.random(TRUTH.shape), 0, 1).round(2)
THRESHOLDS = np.array([0.4, 0.5, 0.45, 0.9])
GROUPS = np.array([f"g{film // 2}" for film in range(90)], dtype=object)
FLAGS = ("label_accuracy", "hamming_loss")  # of predicted genres; the others are of scores


def scored(**changes: Any) -> SplitMetrics:
    arguments: dict[str, Any] = {
        "scores": SCORES,
        "truth": TRUTH,
        "thresholds": THRESHOLDS,
        "groups": GROUPS,
        "vocabulary": VOCABULARY,
        "baselines": fit_baselines(TRUTH),
        "resamples": 40,
    }
    return score_split(**(arguments | changes))


def value(found: Interval | None) -> float:
    assert found is not None
    return found.value


def unsure_of(split: SplitMetrics) -> Unsure:
    assert split.model.unsure is not None
    return split.model.unsure


def films(scores: Floats, thresholds: Floats = THRESHOLDS) -> ScoredFilms:
    names = [f"f{film}" for film in range(90)]
    return ScoredFilms(
        VOCABULARY, names, names, GROUPS.tolist(), TRUTH, scores >= thresholds, scores
    )


@pytest.fixture(scope="module")
def split() -> SplitMetrics:
    return scored()


def test_a_split_has_every_metric_for_the_model_and_for_each_baseline(split: SplitMetrics) -> None:
    assert (split.films, split.groups) == (90, 45)
    assert list(split.baselines) == ["nothing", "genre_rates", "most_frequent"] == list(BASELINES)
    for entry in (split.model, *split.baselines.values()):
        assert tuple(entry.metrics) == tuple(METRICS)
        assert tuple(entry.genres) == VOCABULARY.names
        for interval in entry.metrics.values():
            assert interval is not None
            assert interval.low <= interval.value <= interval.high


@pytest.mark.parametrize(("criterion", "precision"), [("f1", None), ("hamming", 0.8)])
def test_a_table_is_the_same_after_writing_and_reading(
    split: SplitMetrics, criterion: str, precision: float | None
) -> None:
    sizes = {"train": 270, "validation": 90, "test": 90}
    table = MetricTable(
        "run",
        "c0ffee",
        VOCABULARY.names,
        sizes,
        criterion,
        ("a note",),
        {"test": split},
        {"poster+title": split},
        {"poster": split},
        precision,
    )
    plain = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert plain == table.to_json()
    assert plain["format"] == 4
    assert MetricTable.from_json(plain) == table


def test_values_are_the_plain_metrics(split: SplitMetrics) -> None:
    predicted = SCORES >= THRESHOLDS
    for name in METRICS:
        if hasattr(metrics, name):
            of = predicted if name in FLAGS else SCORES
            expected = getattr(metrics, name)(of, TRUTH)
        else:
            part, average = name.rsplit("_", 1)
            rates = metrics.precision_recall_f1(predicted, TRUTH, average)  # type: ignore[arg-type]
            expected = getattr(rates, part)
        assert value(split.model[name]) == pytest.approx(float(expected)), name
    comedy = split.model.genres["Comedy"]
    assert comedy.threshold == 0.5
    assert comedy.predicted == predicted[:, 1].sum()
    assert comedy.true == TRUTH[:, 1].sum()
    assert value(comedy.roc_auc) == pytest.approx(metrics.roc_auc(SCORES, TRUTH)[1])
    assert split.baselines["nothing"].genres["Comedy"].threshold is None


def test_intervals_are_those_of_a_loop_that_calls_the_metrics_one_by_one(
    split: SplitMetrics,
) -> None:
    predicted = SCORES >= THRESHOLDS

    def one_by_one(weights: Floats) -> dict[str, Floats]:
        rows = []
        for row in weights:
            micro = metrics.precision_recall_f1(predicted, TRUTH, "micro", row)
            macro = metrics.precision_recall_f1(predicted, TRUTH, "macro", row)
            samples = metrics.precision_recall_f1(predicted, TRUTH, "samples", row)
            genre = metrics.precision_recall_f1(predicted, TRUTH, "genre", row)
            found: dict[str, Any] = {
                "precision_samples": samples.precision,
                "recall_micro": micro.recall,
                "f1_macro": macro.f1,
                "f1": genre.f1,
                "label_accuracy": metrics.label_accuracy(predicted, TRUTH, row),
            }
            for name in (
                "average_precision",
                *(name for name in METRICS if hasattr(metrics, name) and name not in FLAGS),
            ):
                found[name] = getattr(metrics, name)(SCORES, TRUTH, row)
            rows.append(found)
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    expected = bootstrap(one_by_one, GROUPS, resamples=40)
    assert len(expected) == 14
    for name, interval in expected.items():
        if name in METRICS:
            found = split.model[name]
            assert found is not None
            assert astuple(found) == pytest.approx(tuple(map(float, interval))), name
        else:
            for column, genre in enumerate(VOCABULARY.names[:3]):
                found = split.model.genres[genre][name]
                assert found is not None
                ends = [float(part[column]) for part in interval]
                assert astuple(found) == pytest.approx(ends), (name, genre)


def test_what_no_film_has_is_undefined(split: SplitMetrics) -> None:
    western = split.model.genres["Western"]
    assert western.average_precision is western.roc_auc is western.f1 is None
    assert western.true == 0
    hopeless = scored(truth=np.zeros_like(TRUTH)).model
    assert hopeless["mean_average_precision"] is hopeless["f1_micro"] is None
    assert value(hopeless["label_accuracy"]) < 1


def test_one_film_and_one_genre_can_be_scored() -> None:
    split = score_split([[0.7]], [[True]], [0.5], ["only"], Vocabulary(("Drama",)), {}, resamples=5)
    assert split.model["f1_micro"] == Interval(1, 1, 1)
    assert split.model["mean_roc_auc"] is None


def test_the_seed_decides_the_intervals(split: SplitMetrics) -> None:
    assert scored() == split
    assert scored(seed=1) != split


def test_unsure_films_are_counted_and_the_others_judged(split: SplitMetrics) -> None:
    strict = np.array([0.8, 0.9, 0.8, 0.9])
    unsure = unsure_of(scored(thresholds=strict))
    sure = (strict <= SCORES).any(axis=1)
    assert 0 < unsure.films == (~sure).sum() < 90
    assert value(unsure.share) == pytest.approx(1 - sure.mean())
    expected = metrics.top_class(SCORES[sure], TRUTH[sure])
    assert value(unsure.top_class) == pytest.approx(float(expected))
    last = unsure.curve[-1]
    assert last.coverage == 1
    assert last.confidence == SCORES.max(axis=1).min()
    assert last.top_class == split.model["top_class"]
    # The curve depends on confidence only: thresholds do not move it.
    assert unsure.curve == unsure_of(split).curve


def test_if_all_films_are_unsure_there_is_nothing_to_say_of_the_others() -> None:
    unsure = unsure_of(scored(thresholds=[1.0] * 4, scores=SCORES * 0.9))
    assert unsure.films == 90
    assert unsure.share == Interval(1, 1, 1)
    assert unsure.top_class is unsure.precision is None


def test_a_model_compared_with_itself_does_not_differ() -> None:
    same = compare_scores(films(SCORES), films(SCORES), resamples=20)
    assert (same.films, same.groups) == (90, 45)
    f1 = same["f1_micro"]
    assert f1 is not None
    assert (f1.value, f1.low, f1.high, f1.is_real) == (0, 0, 0, False)
    assert f1.model == f1.other == value(scored().model["f1_micro"])
    assert f1.verdict() == "none"
    assert same.genres["Western"]["f1"] is None
    unsure = same.unsure["share"]
    assert unsure is not None
    assert not unsure.is_real


def test_a_better_model_is_found_to_be_better() -> None:
    better = np.clip(SCORES + 0.4 * TRUTH, 0, 1)
    found = compare_scores(films(better), films(SCORES), resamples=60)
    difference = found["mean_average_precision"]
    assert difference is not None
    assert difference.model == pytest.approx(metrics.mean_average_precision(better, TRUTH))
    assert difference.other == pytest.approx(metrics.mean_average_precision(SCORES, TRUTH))
    assert difference.value == pytest.approx(difference.model - difference.other)
    assert difference.verdict() == "better"
    assert difference.verdict(lower_is_better=True) == "worse"
    for real in (found.genres["Drama"]["average_precision"], found.unsure["precision"]):
        assert real is not None
        assert real.is_real
    plain = found.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["metrics"]["mean_average_precision"]["real"] is True


@pytest.mark.parametrize(
    ("low", "high", "real"), [(-0.1, 0.1, False), (0.01, 0.1, True), (-0.1, -0.01, True)]
)
def test_a_difference_is_real_if_its_interval_leaves_out_0(
    low: float, high: float, *, real: bool
) -> None:
    assert Difference(0.5, 0.5, (low + high) / 2, low, high).is_real is real


def test_models_of_other_films_or_truths_are_not_compared() -> None:
    one = films(SCORES)
    with pytest.raises(ValueError, match="same films and genres"):
        compare_scores(one, one.take(range(89)))
    with pytest.raises(ValueError, match="same true genres"):
        compare_scores(one, replace(one, truth=~TRUTH))


def test_all_metrics_are_those_of_the_lists() -> None:
    found = all_metrics(SCORES, SCORES > 0.5, TRUTH)(np.ones((2, 90)))
    assert set(found) == {*METRICS, *GENRE_METRICS}
    assert all(found[name].shape == (2,) for name in METRICS)
    assert all(found[name].shape == (2, 4) for name in GENRE_METRICS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": [0.5]}, r"thresholds \(4,\), got \(90, 4\) and \(1,\)"),
        ({"groups": GROUPS[:3]}, r"groups: expected \(90,\)"),
        ({"scores": SCORES[:3]}, r"scores: expected .*\(90, 4\), got \(3, 4\)"),
        ({"vocabulary": Vocabulary(("Drama",))}, r"truth \(films, 1\)"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scored(**changes)
