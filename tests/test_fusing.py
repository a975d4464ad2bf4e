"""Fusions of posters, titles and years: fitted like a logistic regression, for each evidence."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from keyart.decisions import Films
from keyart.evaluation.calibrators import FEWEST_TO_CHANGE
from keyart.evaluation.decide import decide
from keyart.evaluation.fusing import (
    FEWEST_FILMS,
    Known,
    decide_films_again,
    fit_films,
    fit_fusion,
    fit_parts,
)
from keyart.evaluation.thresholds import choose_thresholds
from keyart.evidence import FUSED, Evidence, Kind, best_evidence
from keyart.genres import Vocabulary
from tests.known import decision_of
from tests.tiny_titles import tiny_titles

VOCABULARY = Vocabulary(("Red", "Green", "Blue"))


def fitted(films: int, seed: int, known: Mapping[Evidence, Known] | None = None) -> Films:
    found, truth = painted(films, seed)
    groups = np.arange(films).astype(object)
    return fit_films(tiny_titles(), found, truth, groups, VOCABULARY, "f1", known)


def known_from(films: Films) -> dict[Evidence, Known]:
    return {
        evidence: Known(fusion, decision_of(films.decisions[evidence]))
        for evidence, fusion in films.fusions.items()
    }


@pytest.mark.parametrize("films", [1, 4, 60, 300])
def test_a_known_fusion_that_is_right_stays_as_it_is(films: int) -> None:
    start = fitted(3_000, 1)
    near = fitted(films, 2, known_from(start))
    for evidence, fusion in near.fusions.items():
        assert fusion is start.fusions[evidence]
        if films < 2 * FEWEST_TO_CHANGE:
            assert near.decisions[evidence].calibration == start.decisions[evidence].calibration


def test_a_known_fusion_that_is_wrong_moves_once_films_say_so() -> None:
    start = fitted(3_000, 1)
    wrong = {
        evidence: Known(replace(known.fusion, intercept=np.array([1.0, 0, -1.0])), known.decision)
        for evidence, known in known_from(start).items()
    }
    near = fitted(400, 2, wrong)
    for evidence, fusion in near.fusions.items():
        true = start.fusions[evidence].intercept
        away = np.abs(fusion.intercept - true).sum()
        assert away < np.abs(wrong[evidence].fusion.intercept - true).sum() - 1


def painted(films: int, seed: int = 0) -> tuple[dict[Kind, np.ndarray], np.ndarray]:
    """Logits of which truth takes 1.5 of the poster, 0.5 of the title and nothing of the year."""
    random = np.random.default_rng(seed)
    found: dict[Kind, np.ndarray] = {
        kind: random.normal(size=(films, 3)) for kind in ("poster", "title", "year")
    }
    total = 1.5 * found["poster"] + 0.5 * found["title"] + np.array([-1.0, 0.0, 1.0])
    return found, random.random((films, 3)) < 1 / (1 + np.exp(-total))


def test_a_fusion_is_a_logistic_regression_of_all_genres_together() -> None:
    found, truth = painted(3_000)
    fusion = fit_fusion(found, truth)
    cells = [np.stack([found[kind][:, genre] for kind in found], 1) for genre in range(3)]
    inputs = np.concatenate(
        [np.hstack([cells[genre], np.tile(np.eye(3)[genre], (3_000, 1))]) for genre in range(3)]
    )
    oracle = LogisticRegression(C=1e6, fit_intercept=False, tol=1e-8).fit(
        inputs, np.concatenate(list(truth.T))
    )
    year = oracle.coef_[0][2]
    expected = oracle.coef_[0][:3] if year > 0 else [*oracle.coef_[0][:2], 0]
    assert list(fusion.weights.values()) == pytest.approx(expected, abs=0.01)
    assert fusion.intercept == pytest.approx(oracle.coef_[0][3:], abs=0.01)


def test_two_parts_of_one_evidence_count_as_a_logistic_regression_says() -> None:
    found, truth = painted(3_000)
    parts = [found[kind] for kind in found]
    assert fit_parts(parts, truth) == pytest.approx([1.5, 0.5, 0], abs=0.06)
    assert fit_parts([-found["title"]], truth) == [0], "no part speaks against itself"


def test_no_evidence_speaks_against_itself() -> None:
    found, truth = painted(500)
    found["title"] = -found["title"]
    fusion = fit_fusion(found, truth)
    assert fusion.weights["title"] == 0
    assert fusion.weights["poster"] == pytest.approx(1.5, abs=0.4)


def test_a_genre_that_no_film_or_every_film_has_stays_finite() -> None:
    found, truth = painted(60)
    truth[:, 0], truth[:, 1] = False, True
    fusion = fit_fusion(found, truth)
    assert fusion.intercept[0] < -2
    assert fusion.intercept[1] > 2
    assert np.isfinite(fusion.intercept).all()


def test_each_evidence_is_fitted_on_the_films_that_have_it() -> None:
    found, truth = painted(200)
    found["title"][FEWEST_FILMS - 1 :] = np.nan  # too few have a title
    films = fit_films(tiny_titles(), found, truth, np.arange(200).astype(object), VOCABULARY, "f1")
    assert list(films.fusions) == [("poster", "year")]
    found, truth = painted(200)
    found["year"][FEWEST_FILMS:] = np.nan
    films = fit_films(tiny_titles(), found, truth, np.arange(200).astype(object), VOCABULARY, "f1")
    assert list(films.fusions) == list(films.decisions) == list(FUSED)
    alone = fit_fusion({"poster": found["poster"], "title": found["title"]}, truth)
    assert films.fusions["poster", "title"].weights == alone.weights


def test_other_thresholds_leave_fusion_and_calibration_as_they_are() -> None:
    found, truth = painted(300)
    films = fit_films(tiny_titles(), found, truth, np.arange(300).astype(object), VOCABULARY, "f1")
    groups = np.arange(300).astype(object)
    posters = decide(found["poster"].astype(np.float32), truth, groups, VOCABULARY)
    given = (films, found, truth, groups, VOCABULARY, posters)
    again = decide_films_again(*given, "hamming", leaning=False)
    for evidence in FUSED:
        assert again.fusions[evidence] is films.fusions[evidence]
        before, after = films.decisions[evidence], again.decisions[evidence]
        assert after.calibration == before.calibration
        scores = after.calibration.apply(again.fusions[evidence].logits(found))
        expected = choose_thresholds(scores, truth, "hamming").values
        np.testing.assert_allclose(after.thresholds, expected, atol=1e-3)
        assert (after.thresholds != before.thresholds).any()
        assert after.precision_thresholds.keys() == before.precision_thresholds.keys()


def test_evidence_that_no_film_has_keeps_its_thresholds_and_promises_nothing_new() -> None:
    found, truth = painted(300)
    groups = np.arange(300).astype(object)
    films = fit_films(tiny_titles(), found, truth, groups, VOCABULARY, "f1")
    posters = decide(found["poster"].astype(np.float32), truth, groups, VOCABULARY)
    without = {**found, "year": np.full_like(found["year"], np.nan)}
    given = (films, without, truth, groups, VOCABULARY, posters)
    again = decide_films_again(*given, 0.72, leaning=False)
    before, after = (one.decisions["title", "year"] for one in (films, again))
    assert after.calibration == before.calibration
    assert np.array_equal(after.thresholds, before.thresholds)
    assert np.array_equal(after.precision_thresholds[0.7], before.precision_thresholds[0.7])
    assert set(after.precision_thresholds) == {*posters.precision_thresholds, 0.72}
    assert after.precision == 0.72
    assert not after.predicted(np.ones(len(VOCABULARY))).any()  # it was never tested


def test_balanced_thresholds_of_few_films_are_near_those_of_the_start() -> None:
    known = {}
    for evidence, one in known_from(fitted(3_000, 1)).items():
        cuts = np.array([0.15, 0.45, 0.85])
        known[evidence] = Known(one.fusion, replace(one.decision, thresholds=cuts))
    for evidence, decisions in fitted(8, 2, known).decisions.items():
        cuts = known[evidence].decision.thresholds
        assert (np.abs(decisions.thresholds - cuts) < 0.05).all()
    hamming = {
        evidence: Known(one.fusion, replace(one.decision, criterion="hamming"))
        for evidence, one in known.items()
    }
    for decisions in fitted(8, 2, hamming).decisions.values():
        assert np.ptp(decisions.thresholds) < 0.3


def test_another_precision_leaves_balanced_thresholds_that_lean_on_a_start() -> None:
    found, truth = painted(300)
    groups = np.arange(300).astype(object)
    films = fit_films(tiny_titles(), found, truth, groups, VOCABULARY, "f1")
    other, truth = painted(100, 5)
    posters = decide(other["poster"].astype(np.float32), truth, groups[:100], VOCABULARY)
    given = (films, other, truth, groups[:100], VOCABULARY, posters)
    again = decide_films_again(*given, 0.72, leaning=True)
    for evidence, decisions in again.decisions.items():
        np.testing.assert_array_equal(decisions.thresholds, films.decisions[evidence].thresholds)
        assert decisions.precision == 0.72
    chosen = decide_films_again(*given, "f1", leaning=False)
    kept = decide_films_again(*given, "f1", leaning=True)
    for evidence, before in films.decisions.items():
        assert (chosen.decisions[evidence].thresholds != before.thresholds).any()
        np.testing.assert_array_equal(kept.decisions[evidence].thresholds, before.thresholds)


def test_a_genre_that_the_start_does_not_know_starts_at_its_rate() -> None:
    start = fitted(3_000, 1)
    half = {
        evidence: Known(
            replace(known.fusion, intercept=np.array([*known.fusion.intercept[:2], np.nan])),
            known.decision,
        )
        for evidence, known in known_from(start).items()
    }
    near = fitted(60, 2, half)
    for evidence, fusion in near.fusions.items():
        known = start.fusions[evidence].intercept
        np.testing.assert_array_equal(fusion.intercept[:2], known[:2])
        assert fusion.intercept[2] != known[2]
        assert abs(fusion.intercept[2] - known[2]) < 1.5


@pytest.mark.parametrize(
    ("found", "used"),
    [
        (["poster"], ("poster",)),
        (["poster", "title"], ("poster", "title")),
        (["year", "title", "poster"], ("poster", "title", "year")),
        (["poster", "year"], ("poster", "year")),
        (["title"], ("title",)),
        (["title", "year"], ("title", "year")),
        (["year"], None),
        ([], None),
    ],
)
def test_a_model_uses_all_the_evidence_that_it_can(
    found: list[str], used: tuple[str, ...] | None
) -> None:
    assert best_evidence(found, FUSED) == used
    assert best_evidence(found, ()) == (("poster",) if "poster" in found else None)
