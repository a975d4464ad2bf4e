"""The dictionaries of metrics.json: whole, plain, and equal to the figures they are made of."""

import json
from typing import Any

import numpy as np
import pytest

from keyart.evaluation import metrics
from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.bootstrap import bootstrap
from keyart.evaluation.ranking import Floats
from keyart.evaluation.scoring import (
    FIGURES,
    GENRE_FIGURES,
    all_figures,
    compare_scores,
    score_split,
)
from keyart.genres import Vocabulary

VOCABULARY = Vocabulary(("Action", "Comedy", "Drama", "Western"))
RNG = np.random.default_rng(6)
TRUTH = RNG.random((90, 4)) < (0.2, 0.3, 0.6, 0.0)
SCORES = np.clip(0.3 * TRUTH + 0.7 * RNG.random(TRUTH.shape), 0, 1).round(2)
THRESHOLDS = np.array([0.4, 0.5, 0.45, 0.9])
GROUPS = np.array([f"g{film // 2}" for film in range(90)], dtype=object)


def scored(**changes: Any) -> dict[str, Any]:
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


@pytest.fixture(scope="module")
def split() -> dict[str, Any]:
    return scored()


def test_a_split_has_every_figure_for_the_model_and_for_each_baseline(
    split: dict[str, Any],
) -> None:
    assert (split["films"], split["groups"]) == (90, 45)
    assert list(split["baselines"]) == ["nothing", "genre_rates", "most_frequent"]
    for entry in (split["model"], *split["baselines"].values()):
        assert tuple(entry["figures"]) == FIGURES
        assert tuple(entry["genres"]) == VOCABULARY.names
        for genre in entry["genres"].values():
            assert list(genre) == [*GENRE_FIGURES, "threshold", "predicted", "true"]
        for interval in entry["figures"].values():
            assert interval["low"] <= interval["value"] <= interval["high"]


def test_it_is_plain_json_without_nan(split: dict[str, Any]) -> None:
    assert json.loads(json.dumps(split, allow_nan=False)) == split


def test_values_are_the_plain_figures(split: dict[str, Any]) -> None:
    predicted = SCORES >= THRESHOLDS
    figures = split["model"]["figures"]
    for name in FIGURES:
        if hasattr(metrics, name):
            of = predicted if name in ("label_accuracy", "hamming_loss") else SCORES
            expected = getattr(metrics, name)(of, TRUTH)
        else:
            part, average = name.rsplit("_", 1)
            rates = metrics.precision_recall_f1(predicted, TRUTH, average)  # type: ignore[arg-type]
            expected = getattr(rates, part)
        assert figures[name]["value"] == pytest.approx(float(expected)), name
    comedy = split["model"]["genres"]["Comedy"]
    assert comedy["threshold"] == 0.5
    assert comedy["predicted"] == predicted[:, 1].sum()
    assert comedy["true"] == TRUTH[:, 1].sum()
    assert comedy["roc_auc"]["value"] == pytest.approx(metrics.roc_auc(SCORES, TRUTH)[1])
    assert split["baselines"]["nothing"]["genres"]["Comedy"]["threshold"] is None


def test_intervals_are_those_of_a_loop_that_calls_the_figures_one_by_one(
    split: dict[str, Any],
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
            for name in ("average_precision", *FIGURES[11:]):
                found[name] = getattr(metrics, name)(SCORES, TRUTH, row)
            rows.append(found)
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    expected = bootstrap(one_by_one, GROUPS, resamples=40)
    for name, interval in expected.items():
        if name in FIGURES:
            found = split["model"]["figures"][name]
            assert tuple(found.values()) == pytest.approx(tuple(map(float, interval))), name
        else:
            for column, genre in enumerate(VOCABULARY.names[:3]):
                found = split["model"]["genres"][genre][name]
                ends = [float(part[column]) for part in interval]
                assert list(found.values()) == pytest.approx(ends), (name, genre)


def test_what_no_film_has_is_null(split: dict[str, Any]) -> None:
    western = split["model"]["genres"]["Western"]
    assert western["average_precision"] is western["roc_auc"] is western["f1"] is None
    assert western["true"] == 0
    hopeless = scored(truth=np.zeros_like(TRUTH))["model"]["figures"]
    assert hopeless["mean_average_precision"] is hopeless["f1_micro"] is None
    assert hopeless["label_accuracy"]["value"] < 1


def test_one_film_and_one_genre_can_be_scored() -> None:
    split = score_split([[0.7]], [[True]], [0.5], ["only"], Vocabulary(("Drama",)), {}, resamples=5)
    assert split["model"]["figures"]["f1_micro"] == {"value": 1, "low": 1, "high": 1}
    assert split["model"]["figures"]["mean_roc_auc"] is None


def test_the_seed_settles_the_intervals(split: dict[str, Any]) -> None:
    assert scored() == split
    assert scored(seed=1) != split


def test_unsure_films_are_counted_and_the_others_judged(split: dict[str, Any]) -> None:
    strict = np.array([0.8, 0.9, 0.8, 0.9])
    unsure = scored(thresholds=strict)["model"]["unsure"]
    sure = (strict <= SCORES).any(axis=1)
    assert 0 < unsure["films"] == (~sure).sum() < 90
    assert unsure["share"]["value"] == pytest.approx(1 - sure.mean())
    expected = metrics.top_class(SCORES[sure], TRUTH[sure])
    assert unsure["others"]["top_class"]["value"] == pytest.approx(float(expected))
    last = unsure["curve"][-1]
    assert last["coverage"] == 1
    assert last["confidence"] == SCORES.max(axis=1).min()
    assert last["top_class"] == split["model"]["figures"]["top_class"]
    # The curve is of confidence alone: thresholds do not move it.
    assert unsure["curve"] == split["model"]["unsure"]["curve"]


def test_where_all_films_are_unsure_the_others_are_null() -> None:
    unsure = scored(thresholds=[1.0] * 4, scores=SCORES * 0.9)["model"]["unsure"]
    assert unsure["films"] == 90
    assert unsure["share"] == {"value": 1, "low": 1, "high": 1}
    assert unsure["others"] == {"top_class": None, "precision": None}
    json.dumps(unsure, allow_nan=False)


def test_a_run_compared_with_itself_does_not_differ() -> None:
    same = compare_scores(
        SCORES, THRESHOLDS, SCORES, THRESHOLDS, TRUTH, GROUPS, VOCABULARY, resamples=20
    )
    assert (same["films"], same["groups"]) == (90, 45)
    assert same["figures"]["f1_micro"] == {"value": 0, "low": 0, "high": 0, "real": False}
    assert same["genres"]["Western"]["f1"] is None
    assert same["unsure"]["share"] == {"value": 0, "low": 0, "high": 0, "real": False}


def test_a_better_run_is_found_to_be_really_better() -> None:
    better = np.clip(SCORES + 0.4 * TRUTH, 0, 1)
    found = compare_scores(
        SCORES, THRESHOLDS, better, THRESHOLDS, TRUTH, GROUPS, VOCABULARY, resamples=60
    )
    difference = found["figures"]["mean_average_precision"]
    expected = metrics.mean_average_precision(better, TRUTH) - metrics.mean_average_precision(
        SCORES, TRUTH
    )
    assert difference["value"] == pytest.approx(expected)
    assert difference["real"] is True
    assert found["genres"]["Drama"]["average_precision"]["real"] is True
    assert found["unsure"]["others"]["precision"]["real"] is True
    json.dumps(found, allow_nan=False)


def test_all_figures_are_those_of_the_lists() -> None:
    found = all_figures(SCORES, SCORES > 0.5, TRUTH)(np.ones((2, 90)))
    assert set(found) == {*FIGURES, *GENRE_FIGURES}
    assert all(found[name].shape == (2,) for name in FIGURES)
    assert all(found[name].shape == (2, 4) for name in GENRE_FIGURES)


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
