"""Sets of genres: their scores against a sum over every set that there can be, and their use."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays
from scipy.optimize import approx_fprime

from keyart.bundle import content_of, read_bundle, write_bundle
from keyart.decisions import Films
from keyart.errors import BundleError
from keyart.evaluation.fusing import Known, _shared_sets, fit_films, fit_fusion
from keyart.evidence import Evidence, Fusion, Kind
from keyart.genre_sets import MOST_SETS, GenreSets
from keyart.genres import Vocabulary
from keyart.manifest import MANIFEST, digest_of
from tests.known import decision_of
from tests.tiny_titles import tiny_titles, titled_bundle

ROWS = np.array([[1, 0, 0, 0]] * 5 + [[1, 1, 0, 0]] * 3 + [[0, 0, 1, 1]] * 2 + [[0, 1, 0, 0]], bool)


def some_sets() -> GenreSets:
    sets = GenreSets.from_labels(ROWS)
    assert sets is not None
    return sets


def by_all_sets(logits: np.ndarray, weight: float) -> np.ndarray:
    """The log-odds of each genre for one film, by the formula, over all 16 sets of four genres."""
    films, rates = len(ROWS), (ROWS.sum(0) + 0.5) / (len(ROWS) + 1)
    unseen = (1 + 1) / (films + 2)  # one set has a film of its own
    has, lacks = np.zeros(4), np.zeros(4)
    for one in itertools.product((False, True), repeat=4):
        same = int((np.array(one) == ROWS).all(1).sum())
        expected = films * np.where(one, rates, 1 - rates).prod()
        share = unseen + ((1 - unseen) * (same / expected) ** weight if same > 1 else 0)
        share *= np.exp(logits[np.array(one)].sum())
        has += share * np.array(one)
        lacks += share * ~np.array(one)
    return np.log(has) - np.log(lacks)


@given(
    arrays.arrays(float, 4, elements=some.floats(-100, 100)),
    some.floats(0, 3),
)
def test_a_genre_gets_the_scores_of_all_sets_that_have_it(
    logits: np.ndarray, weight: float
) -> None:
    expected = by_all_sets(logits, weight)
    found = some_sets().log_odds(logits, weight)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-7)


def test_many_films_are_scored_as_one_by_one_and_none_as_none() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (2_500, 4))
    together = some_sets().log_odds(logits, 0.5)
    alone = [some_sets().log_odds(row, 0.5) for row in logits]
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)
    assert some_sets().log_odds(logits[:0], 0.5).shape == (0, 4)


def test_extreme_logits_give_finite_log_odds() -> None:
    found = some_sets().log_odds(np.array([[1e6, -1e6, 1e6, -1e6], [-1e6] * 4]), 1.0)
    assert np.isfinite(found).all()
    assert (found[0] > 0).tolist() == [True, False, True, False]
    assert (found[1] < -50).all()


def test_without_a_set_of_several_films_genres_are_independent() -> None:
    sets = GenreSets.from_labels(np.eye(4, dtype=bool))
    assert sets is not None
    logits = np.random.default_rng(0).normal(0, 3, (50, 4))
    np.testing.assert_allclose(sets.log_odds(logits, 1.0), logits, atol=1e-9)


@settings(max_examples=20)
@given(some.integers(0, 1_000), some.floats(0.05, 2))
def test_the_slopes_of_the_loss_are_those_that_small_steps_find(seed: int, weight: float) -> None:
    random = np.random.default_rng(seed)
    logits, truth = random.normal(0, 2, (3, 4)), random.random((3, 4)) < 0.4
    sets = some_sets()
    losses, slopes, by_weight = sets.loss(logits, weight, truth)
    scores = 1 / (1 + np.exp(-sets.log_odds(logits, weight)))
    assert losses == pytest.approx(-np.log(np.where(truth, scores, 1 - scores)).sum(1))

    def total(at: np.ndarray) -> float:
        return float(sets.loss(at[:-1].reshape(3, 4), at[-1], truth)[0].sum())

    expected = approx_fprime(np.append(logits.ravel(), weight), total, 1e-6)
    assert np.append(slopes.ravel(), by_weight) == pytest.approx(expected, abs=1e-4)


def test_sets_of_other_films_are_added() -> None:
    once, again = some_sets(), some_sets().merged(some_sets())
    assert again.films.tolist() == (2 * once.films).tolist()
    assert (again.members == once.members).all()
    assert GenreSets.from_labels(np.zeros((3, 4), bool)) is None


def test_sets_that_are_too_many_to_list_still_count_as_unseen() -> None:
    random = np.random.default_rng(0)
    once = random.random((30_000, 40)) < 0.5  # each set has one film
    often = np.repeat(np.eye(40, dtype=bool), 100, axis=0)
    sets = GenreSets.from_labels(np.concatenate([once, often]))
    assert sets is not None
    assert len(sets.films) == MOST_SETS
    assert sets.total == 34_000
    assert (sets.films[:40] == 100).all()
    few = GenreSets(sets.members[:40], sets.films[:40], 30_000)
    again = GenreSets.from_json(json.loads(json.dumps(sets.to_json())), 40)
    logits = random.normal(0, 1, (5, 40))
    same, twice = sets.project([[genre] for genre in range(40)]), sets.merged(sets)
    assert same is not None
    assert (same.total, twice.total) == (34_000, 68_000)
    for one in (sets, few, again):
        assert one._unseen == pytest.approx(30_001 / 34_002)
    np.testing.assert_allclose(again.log_odds(logits, 0.5), sets.log_odds(logits, 0.5))


def test_of_very_many_sets_the_commonest_have_a_lift() -> None:
    random = np.random.default_rng(0)
    sets = GenreSets.from_labels(np.repeat(random.random((3_000, 40)) < 0.5, 2, axis=0))
    assert sets is not None
    assert sets._lift.shape == (2_000,)
    assert sets._unseen == pytest.approx(2_001 / 6_002)
    wide = GenreSets.from_labels(np.repeat(np.eye(500, 1_000, dtype=bool), 2, axis=0))
    assert wide is not None
    assert wide._lifted.shape == (200, 1_000)


def test_sets_have_a_form_in_the_genres_of_another_vocabulary() -> None:
    # The new genres are: the second, a new one, the first or third.
    moved = some_sets().project([[1], [], [0, 2]])
    assert moved is not None
    found = {
        tuple(np.flatnonzero(row)): films
        for row, films in zip(moved.members, moved.films, strict=True)
    }
    assert found == {(2,): 7, (0, 2): 3, (0,): 1}
    assert some_sets().project([[], []]) is None


def painted(films: int, seed: int) -> tuple[dict[Kind, np.ndarray], np.ndarray]:
    """Films of one or two genres that go together, and evidence that sees each genre apart."""
    random = np.random.default_rng(seed)
    truth = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 0]], bool)[random.integers(0, 3, films)]
    found: dict[Kind, np.ndarray] = {
        kind: np.where(truth, 1.0, -1.0) + random.normal(0, 1.5, truth.shape)
        for kind in ("poster", "title")
    }
    return found, truth


def test_sets_are_used_where_they_lower_the_loss_of_validation_films() -> None:
    found, truth = painted(400, 1)
    sets = GenreSets.from_labels(painted(1_000, 2)[1])
    fusion, plain = fit_fusion(found, truth, sets=sets), fit_fusion(found, truth)
    assert fusion.sets is sets
    assert plain.sets is None
    kept, wanted = painted(2_000, 3)

    def loss(one: Fusion) -> float:
        signs = np.where(wanted, 1.0, -1.0)
        return float(np.logaddexp(0, -signs * one.logits(kept)).mean())

    assert loss(fusion) < 0.8 * loss(plain)


def test_sets_that_say_nothing_of_the_films_are_left_out() -> None:
    random = np.random.default_rng(0)
    truth = random.random((400, 4)) < 0.3  # independent genres
    found: dict[Kind, np.ndarray] = {
        "poster": np.where(truth, 1.0, -1.0) + random.normal(size=truth.shape)
    }
    assert fit_fusion(found, truth, sets=GenreSets.from_labels(painted(1_000, 2)[1])).sets is None


def test_sets_of_a_start_are_spread_over_a_genre_that_it_does_not_know() -> None:
    random = np.random.default_rng(7)
    three = GenreSets.from_labels(
        np.hstack([random.random((3_000, 3)) < 0.3, np.zeros((3_000, 1), bool)])
    )
    own = GenreSets.from_labels(random.random((200, 4)) < [0.3, 0.3, 0.3, 0.5])
    assert three is not None
    assert own is not None
    unknown = Fusion({"title": 1.0}, np.array([0.0, 0.0, 0.0, np.nan]), three, 0.4)
    shared = _shared_sets(own, [unknown])
    assert shared is not None
    assert shared.total == three.total + own.total
    assert shared.rate(3) == pytest.approx(own.rate(3), abs=0.02)
    known = _shared_sets(own, [replace(unknown, intercept=np.zeros(4))])
    assert known is not None
    assert known.rate(3) < 0.1


def test_a_genre_that_a_start_does_not_know_is_spread_over_its_sets() -> None:
    random = np.random.default_rng(5)
    truth = random.random((4_000, 3)) < 0.3
    known = GenreSets.from_labels(np.hstack([truth, np.zeros((4_000, 1), bool)]))
    assert known is not None
    spread = known.spread({3: 0.25})
    assert spread.total == known.total
    assert spread.rate(3) == pytest.approx(0.25, abs=0.01)
    for genre in range(3):
        assert spread.rate(genre) == pytest.approx(known.rate(genre))
    # It says nothing of the others, and they nothing of it.
    logits = random.normal(size=(50, 4))
    moved = spread.log_odds(logits, 1.0)
    np.testing.assert_allclose(moved[:, 3], logits[:, 3], atol=0.15)
    np.testing.assert_allclose(moved[:, :3], known.log_odds(logits, 1.0)[:, :3], atol=0.15)
    assert (np.abs(known.log_odds(logits, 1.0)[:, 3] - logits[:, 3]) > 1).all()


def fitted(
    found: dict[Kind, np.ndarray], truth: np.ndarray, start: Films | None, own: GenreSets | None
) -> Films:
    nothing = np.full(truth.shape, np.nan)
    known: dict[Evidence, Known] = {}
    if start is not None:
        for evidence, fusion in start.fusions.items():
            known[evidence] = Known(fusion, decision_of(start.decisions[evidence]))
    return fit_films(
        tiny_titles(),
        {"year": nothing, **found},
        truth,
        np.arange(len(truth)).astype(object),
        Vocabulary(("Red", "Green", "Blue", "Grey")),
        "f1",
        known,
        own,
    )


def test_a_model_that_starts_from_another_keeps_its_sets_and_adds_its_own() -> None:
    found, truth = painted(400, 1)
    before = fitted(found, truth, None, GenreSets.from_labels(painted(1_000, 2)[1]))
    known = before.fusions["poster", "title"]
    few, wanted = painted(5, 4)
    own = GenreSets.from_labels(np.array([[1, 0, 0, 1]] * 7, bool))
    after = fitted(few, wanted, before, own)
    fusion = after.fusions["poster", "title"]
    assert after.sets is fusion.sets
    assert after.sets is not None
    assert after.sets.total == 1_007
    assert fusion.sets_weight == pytest.approx(known.sets_weight, abs=0.05)
    assert fitted(few, wanted, before, None).sets is before.sets
    more = GenreSets.from_labels(painted(1_000, 5)[1])
    assert fitted(few, wanted, before, more).sets is more, "no film counts twice"


def test_all_evidence_of_a_model_shares_its_sets() -> None:
    found, truth = painted(400, 1)
    before = fitted(found, truth, None, GenreSets.from_labels(painted(1_000, 2)[1]))
    mixed = {
        evidence: replace(one, sets=None) if evidence == ("title",) else one
        for evidence, one in before.fusions.items()
    }
    own = GenreSets.from_labels(np.array([[1, 0, 0, 1]] * 7, bool))
    after = fitted(found, truth, replace(before, fusions=mixed), own)
    assert [one.sets for one in after.fusions.values()] == [after.sets] * len(after.fusions)
    other = replace(after.fusions["title",], sets=own)
    with pytest.raises(ValueError, match="different sets"):
        _ = replace(after, fusions={**after.fusions, ("title",): other}).sets


def test_a_few_films_do_not_decide_on_sets() -> None:
    found, truth = painted(400, 1)
    sets = GenreSets.from_labels(painted(1_000, 2)[1])
    plain, joint = fit_fusion(found, truth), fit_fusion(found, truth, sets=sets)
    for seed in range(20):
        few, wanted = painted(2, seed)
        assert fit_fusion(few, wanted, plain, sets).sets is None
        assert fit_fusion(few, wanted, joint, sets).sets is sets


def test_sets_of_a_start_that_do_harm_are_dropped() -> None:
    random = np.random.default_rng(0)
    found, truth = painted(400, 1)
    sets = GenreSets.from_labels(painted(1_000, 2)[1])
    known = fit_fusion(found, truth, sets=sets)
    wanted = random.random((300, 4)) < 0.4  # independent genres
    own: dict[Kind, np.ndarray] = {
        kind: np.where(wanted, 1.0, -1.0) + random.normal(0, 1.5, wanted.shape)
        for kind in ("poster", "title")
    }
    assert fit_fusion(own, wanted, known, sets).sets is None


def test_a_bundle_keeps_the_sets(tmp_path: Path) -> None:
    bundle = titled_bundle(tmp_path / "plain")
    assert bundle.films is not None
    sets = GenreSets.from_labels(ROWS[:, :3])
    fusions = {
        evidence: Fusion(one.weights, one.intercept, sets, 0.3) if "year" in evidence else one
        for evidence, one in bundle.films.fusions.items()
    }
    films = replace(bundle.films, fusions=fusions)
    again = write_bundle(tmp_path / "sets", replace(content_of(bundle), films=films)).films
    assert again is not None
    logits = {kind: np.array([0.5, -1.0, 0.2]) for kind in ("poster", "title", "year")}
    for evidence, fusion in fusions.items():
        assert (again.fusions[evidence].sets is None) == (fusion.sets is None)
        found = {kind: logits[kind] for kind in evidence}
        assert again.fusions[evidence].logits(found) == pytest.approx(fusion.logits(found))


@pytest.mark.parametrize(
    ("sets", "problem"),
    [
        ({"genres": [[0], [0]], "films": [2, 3], "others": 0}, "listed twice"),
        ({"genres": [[1, 0]], "films": [2], "others": 0}, "places that rise"),
        ({"genres": [[0, 3]], "films": [2], "others": 0}, "genre_sets genres"),
        ({"genres": [[]], "films": [2], "others": 0}, "genre_sets genres"),
        ({"genres": [], "films": [], "others": 0}, "genre_sets genres"),
        ({"genres": [[0]], "films": [0], "others": 0}, "genre_sets films"),
        ({"genres": [[0]], "films": [2, 2], "others": 0}, "genre_sets films"),
        ({"genres": [[0]], "others": 0}, "has no 'films'"),
        ({"genres": [[0]], "films": [2], "others": -1}, "genre_sets others"),
        (None, "there are no genre_sets"),
    ],
)
def test_damaged_sets_are_refused_in_one_line(tmp_path: Path, sets: object, problem: str) -> None:
    path = titled_bundle(tmp_path / "damaged").path
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["genre_sets"] = sets
    manifest["evidence"]["title"]["sets_weight"] = 0.4
    manifest["digest"] = digest_of(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=problem) as refused:
        read_bundle(path)
    assert "\n" not in str(refused.value)


def test_a_bundle_of_the_format_before_has_independent_genres(tmp_path: Path) -> None:
    path = titled_bundle(tmp_path / "before").path
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["format"] = 4
    del manifest["genre_sets"]
    for plain in manifest["evidence"].values():
        del plain["sets_weight"]
    manifest["digest"] = digest_of(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest))
    films = read_bundle(path).films
    assert films is not None
    assert films.sets is None
    assert films.decisions["title",].precision_thresholds
