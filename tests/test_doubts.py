"""doubts/: doubtful genres, judged by what has not seen the film."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from keyart.catalog.catalog import Catalog
from keyart.cli import app
from keyart.doubts.find import doubtfulness, find_doubts, nearest, poster_features
from keyart.doubts.out_of_fold import FOLDS, combined, poster_logits, title_logits
from keyart.errors import DoubtsError, OutputError
from keyart.evaluation.bootstrap import folds_of
from keyart.predictor import Predictor
from keyart.review.doubts import Doubt, Doubts, percent
from tests.tiny_catalog import tiny_films
from tests.tiny_doubts import FILMS, WRONG, doubtful_catalog, true_genre


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return doubtful_catalog(tmp_path_factory.mktemp("doubtful"))


@pytest.fixture(scope="module")
def doubts(catalog: Catalog, tiny_predictor: Predictor) -> Doubts:
    return find_doubts(catalog, tiny_predictor, most=40)


def test_planted_genres_come_first_as_wrong_and_the_true_ones_as_missing(doubts: Doubts) -> None:
    wrong = [one for one in doubts if one.kind == "wrong"]
    missing = [one for one in doubts if one.kind == "missing"]
    assert {(one.film_id, one.genre) for one in wrong[:3]} == set(WRONG.items())
    expected = {(name, true_genre(int(name[1:]))) for name in WRONG}
    assert {(one.film_id, one.genre) for one in missing[:3]} == expected
    assert len(wrong) == len(missing) == 40


def test_doubts_are_ranked_and_say_why(doubts: Doubts, catalog: Catalog) -> None:
    ranks = [one.doubt for one in doubts]
    assert ranks == sorted(ranks, reverse=True)
    first = doubts.cases[0]
    assert first.evidence["poster"] < 0.1 or first.kind == "missing"
    assert set(first.evidence) == {"poster", "title", "year"}
    own = true_genre(int(first.film_id[1:]))
    assert sum(own in film.genres for film in first.similar) >= 4
    assert first.listed == catalog.films()[first.row].genres
    assert catalog.films()[first.row].film_id == first.film_id


def test_a_film_is_judged_by_models_that_have_not_seen_it() -> None:
    # Each film has a feature of its own: a model that saw the film knows it by heart.
    truth = np.random.default_rng(0).random((60, 2)) < 0.5
    fold = folds_of(np.arange(60))
    logits = poster_logits(np.eye(60), truth, fold)
    for number in range(FOLDS):
        assert np.ptp(logits[fold == number], axis=0).max() < 1e-6
    # Each fold has letters of its own.
    titles = ["abcde"[number] * 5 for number in fold]
    assert not title_logits(titles, [None] * 60, truth, fold)["title"].any()
    assert title_logits(titles, [None] * 60, truth, np.arange(60) % FOLDS)["title"].any()


def test_what_a_fold_is_calibrated_by_leaves_the_fold_out() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(300, 1)) * 3
    truth = random.random((300, 1)) < 1 / (1 + np.exp(-logits))
    fold = folds_of(np.arange(300))
    before = combined({"poster": logits}, truth, np.arange(300), fold).together
    turned = truth.copy()
    turned[fold == 0] = ~truth[fold == 0]
    after = combined({"poster": logits}, turned, np.arange(300), fold).together
    assert np.array_equal(before[fold == 0], after[fold == 0])
    assert not np.array_equal(before[fold == 1], after[fold == 1])


def test_films_of_one_group_share_a_fold() -> None:
    groups = np.array([f"group {row % 40}" for row in range(200)], dtype=object)
    fold = folds_of(groups)
    assert all(len(set(fold[groups == name])) == 1 for name in set(groups))
    assert set(fold) == set(range(FOLDS))


def test_a_rare_genre_is_not_doubtful_because_it_is_rare() -> None:
    listed = np.zeros((1_000, 2), bool)
    listed[:500, 0] = listed[:10, 1] = True
    likely = np.tile([0.5, 0.01], (1_000, 1))
    right, doubt = doubtfulness(likely, listed)
    assert right[0].tolist() == [0.5, 0.01]
    assert right[-1].tolist() == [0.5, 0.99]
    assert np.abs(doubt[listed]).max() < 0.1  # as likely as for any film: no doubt at all
    assert doubt[-1].tolist() == pytest.approx([-np.log(0.5), -np.log(0.99)])


def test_similar_films_are_of_other_groups() -> None:
    features = np.array([[1, 0], [1, 0.01], [0.9, 0.1], [-1, 0]], np.float32)
    groups = np.array(["a", "a", "b", "c"], dtype=object)
    ((rows, likeness),) = nearest(features, groups, np.array([0]), 2)
    assert rows.tolist() == [2, 3]
    assert likeness[0] > likeness[1]


@pytest.mark.parametrize("count", [1, 6, 59, 60, 90])
def test_similar_films_are_the_first_of_all_in_order_also_of_equals(count: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.integers(0, 2, (60, 3)).astype(np.float32)  # so there are many equals
    groups = np.array([f"group-{number}" for number in rng.integers(0, 20, 60)], dtype=object)
    apart = features - features.mean(0)
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    for row, (rows, likeness) in enumerate(nearest(features, groups, np.arange(60), count)):
        cosines = apart @ apart[row]
        ranked = [int(one) for one in np.argsort(-cosines, kind="stable")]
        expected = [one for one in ranked if groups[one] != groups[row]][:count]
        assert rows.tolist() == expected
        np.testing.assert_array_equal(likeness, cosines[expected])


def test_features_are_kept_and_not_computed_again(
    catalog: Catalog, doubts: Doubts, tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny_predictor.scorer.network
    assert network is not None
    monkeypatch.setattr(type(network), "run", None)
    assert find_doubts(catalog, tiny_predictor, most=40) == doubts


def test_progress_never_goes_back_or_past_its_end(
    catalog: Catalog, tiny_predictor: Predictor
) -> None:
    shutil.rmtree(catalog.folder / "features", ignore_errors=True)
    calls: list[tuple[int, int]] = []
    poster_features(catalog, tiny_predictor, lambda *at: calls.append(at))
    assert calls == sorted(calls)
    assert calls[-1] == (len(catalog), len(catalog))


def test_the_notes_say_which_films_the_features_have_seen(
    catalog: Catalog, doubts: Doubts, tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any("learned from their genres" in note for note in doubts.notes)
    monkeypatch.setattr("keyart.doubts.find.is_box", lambda bundle: True)
    monkeypatch.setattr("keyart.doubts.find.trained_on", lambda catalog, rows: rows < 7)
    seen = find_doubts(catalog, tiny_predictor, most=1)
    assert any("the features of 7 films" in note for note in seen.notes)


def test_doubts_are_the_same_after_json_and_rows_of_a_csv(doubts: Doubts, tmp_path: Path) -> None:
    doubts.write(tmp_path / "doubts.json")
    assert Doubts.read(tmp_path / "doubts.json") == doubts
    (tmp_path / "link.json").symlink_to("doubts.json")
    assert Doubts.read(tmp_path / "link.json") == doubts
    doubts.write(tmp_path / "doubts.csv")
    with (tmp_path / "doubts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["film_id"] for row in rows] == [one.film_id for one in doubts]
    assert rows[0]["evidence"] == doubts.cases[0].explained()
    with pytest.raises(OutputError, match="csv"):
        doubts.write(tmp_path / "doubts.txt")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"format": 1}', '{"format": 9}', '{"format": 1, "doubts": [{"row": 1}]}'],
)
def test_a_file_that_has_no_doubts_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "doubts.json").write_text(text)
    with pytest.raises(DoubtsError) as error:
        Doubts.read(tmp_path / "doubts.json")
    assert "\n" not in str(error.value)
    assert "doubts.json" in str(error.value)


def test_a_catalog_that_is_too_small_is_refused(tmp_path: Path, tiny_predictor: Predictor) -> None:
    films, posters = tiny_films(tmp_path, range(12))
    small = Catalog.build(films, posters, tmp_path / "catalog")
    with pytest.raises(DoubtsError, match="too few to judge each other"):
        find_doubts(small, tiny_predictor)


def test_percentages_of_small_chances_are_not_zero() -> None:
    assert [percent(one) for one in (0.0003, 0.0123, 0.5, 1.0)] == ["0.03%", "1.2%", "50%", "100%"]


def test_the_command_prints_a_table_json_and_a_file(
    catalog: Catalog, doubts: Doubts, tiny_model: Path, tmp_path: Path
) -> None:
    command = ["catalog", "doubts", str(catalog.path), "--model", str(tiny_model), "--most", "40"]
    out = tmp_path / "doubts.json"
    said = CliRunner().invoke(app, [*command, "--out", str(out)], env={"COLUMNS": "200"}).stdout
    assert "not Green" in said
    assert "40 listed genres probably wrong and 40 missing" in said
    assert Doubts.read(out) == doubts
    for kind, expected in (("wrong", "40 listed genres probably wrong, in "),
                           ("missing", "40 missing genres, in ")):  # fmt: skip
        said = CliRunner().invoke(app, [*command, "--kind", kind], env={"COLUMNS": "200"}).stdout
        assert f"\n{expected}" in said
    found = CliRunner().invoke(app, [*command, "--json", "--kind", "wrong", "--quiet"]).stdout
    assert {one["kind"] for one in json.loads(found)["doubts"]} == {"wrong"}


def test_a_file_of_another_kind_is_refused_before_the_work(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyart.doubts.find.find_doubts", None)
    command = ["catalog", "doubts", str(catalog.path), "--out", "doubts.txt"]
    assert isinstance(CliRunner().invoke(app, command).exception, OutputError)


def test_a_doubt_is_what_a_decision_is_about(doubts: Doubts) -> None:
    one = doubts[0]
    assert isinstance(one, Doubt)
    assert (one.case.film_id, one.case.genre, one.case.kind) == (one.film_id, one.genre, one.kind)
    assert doubts.films == FILMS
