"""A film's answer rests on what is known of it: poster, title and year, or some of them."""

import csv
import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keyart.bundle import content_of, read_bundle, write_bundle
from keyart.cli import app
from keyart.errors import BundleError, PosterError
from keyart.evidence import POSTER
from keyart.manifest import MANIFEST
from keyart.prediction import Failure, Prediction, Query
from keyart.predictor import Predictor
from tests.hostile_models import forge
from tests.tiny import tiny_bundle
from tests.tiny_titles import titled_bundle


@pytest.fixture
def model(tmp_path: Path) -> Predictor:
    return Predictor(titled_bundle(tmp_path / "titled"))


@pytest.fixture
def poster(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 60), (160, 128, 96)).save(tmp_path / "film.png")
    return tmp_path / "film.png"


def sigmoid(*logits: float) -> list[float]:
    return list(1 / (1 + np.exp(-np.array(logits))))


def test_without_a_title_the_answer_is_exactly_the_posters(
    model: Predictor, poster: Path, tmp_path: Path
) -> None:
    plain = Predictor(tiny_bundle(tmp_path / "plain")).predict(poster)
    for title, year in ((None, None), ("", None), ("Unheard of", None), (None, 1999)):
        film = model.predict(poster, title=title, year=year)
        assert film.scores == plain.scores
        assert film.genres == plain.genres
        assert film.thresholds == plain.thresholds
        assert film.evidence == ("poster",)


@pytest.mark.parametrize(
    ("title", "year", "evidence", "logits", "threshold"),
    [
        ("Moon", None, ("poster", "title"), (2, 0.25, -2 + 12.7 / 2 - 0.25), 0.65),
        ("Moon", 1950, ("poster", "title", "year"), (2, 0.25, -2 + 12.7 / 2 + 0.5 - 0.25), 0.6),
        ("Love", None, ("poster", "title"), (2, 3 + 0.25, -2 - 1 - 0.25), 0.65),
    ],
)
def test_a_title_and_a_year_are_added_to_the_poster(
    model: Predictor, poster: Path, title: str, year: int | None,
    evidence: tuple[str, ...], logits: tuple[float, ...], threshold: float,
) -> None:  # fmt: skip
    film = model.predict(poster, title=title, year=year)
    assert film.evidence == evidence
    assert list(film.scores.values()) == pytest.approx(sigmoid(*logits), abs=1e-6)
    assert list(film.thresholds.values()) == pytest.approx([threshold] * 3)
    above = [name for name, score in film.scores.items() if score >= threshold]
    assert list(film.genres) == above
    assert (film.title, film.year) == (title, year)
    assert film.to_dict()["evidence"] == list(evidence)


def test_a_title_does_without_a_poster_and_a_year_does_not(model: Predictor) -> None:
    film = model.predict(title="Moon", year=1950)
    assert film.evidence == ("title", "year")
    assert list(film.scores.values()) == pytest.approx(sigmoid(0, 0.25, 6.35 + 0.5 - 0.25))
    assert film.poster == "Moon"
    assert not film.problem
    with pytest.raises(PosterError, match="it has no poster and no title"):
        model.predict(year=1950)
    with pytest.raises(PosterError, match="nothing in the title 'Unheard of' is known"):
        model.predict(title="Unheard of")
    with pytest.raises(PosterError, match=r"^film: it has no poster and no title$"):
        model.predict(title=" ")


def test_a_title_stands_in_for_a_poster_that_cannot_be_read_and_says_so(
    model: Predictor, tmp_path: Path
) -> None:
    film = model.predict(tmp_path / "nowhere.jpg", title="Moon")
    assert film.evidence == ("title",)
    assert film.problem == film.to_dict()["reason"] == "no such file or folder"
    for shown in (repr(film), film._repr_html_()):
        assert "without the poster: no such file or folder" in shown
    with pytest.raises(PosterError, match="no such file or folder; nothing in the title"):
        model.predict(tmp_path / "nowhere.jpg", title="Unheard of")


def test_a_model_without_titles_makes_no_use_of_them(tmp_path: Path, poster: Path) -> None:
    model = Predictor(tiny_bundle(tmp_path / "plain"))
    assert model.predict(poster, title="Moon", year=1950).scores == model.predict(poster).scores
    assert model.predict(poster, title="Moon", year=1950).evidence == ("poster",)
    with pytest.raises(PosterError, match="this model has learned no titles"):
        model.predict(title="Moon")


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"title": float("nan")}, "title: expected text or None, got nan"),
        ({"title": 3}, "title: expected text or None, got 3"),
        ({"year": "1979"}, "year: expected an integer or None, got '1979'"),
        ({"year": 1979.0}, "year: expected an integer or None, got 1979.0"),
        ({"year": True}, "year: expected an integer or None, got True"),
    ],
)
def test_what_is_no_title_and_no_year_is_an_error_before_any_poster_is_read(
    model: Predictor, poster: Path, known: dict[str, Any], message: str
) -> None:
    for ask in (Query, model.predict, model.explain):
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            ask(poster, **known)
    with pytest.raises(TypeError, match="film_id: expected text or None, got 7"):
        Query(poster, 7)  # type: ignore[arg-type]
    assert Query(poster, year=np.int64(1979)).year == 1979  # type: ignore[arg-type]


def test_a_year_that_cannot_be_is_an_error_alone_and_no_evidence_among_many(
    model: Predictor, poster: Path
) -> None:
    with pytest.raises(ValueError, match="1870 to 2100"):
        model.predict(poster, title="Moon", year=20015)
    (film,) = model.predict_many([Query(poster, title="Moon", year=20015)])
    assert isinstance(film, Prediction)
    assert film.evidence == ("poster", "title")


@pytest.mark.parametrize("evidence", ["poster", ("titles",), ()])
def test_unknown_evidence_is_an_error(model: Predictor, poster: Path, evidence: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a collection of 'poster', 'title', 'year'"):
        model.predict_many([poster], evidence=evidence)


def test_many_films_are_answered_as_each_one_alone(
    model: Predictor, poster: Path, tmp_path: Path
) -> None:
    queries = [
        Query(poster),
        Query(poster, "f1", "Moon", 1950),
        Query(None, "f2", "Love"),
        Query("line 4", "f3", "Saw", problem="no such poster"),
        Query(None, "f4"),
        Query(tmp_path / "no.jpg", "f5"),
        Query(poster, "f6", "Love", None),
    ]
    films = list(model.predict_many(queries * 9))
    for number, (film, query) in enumerate(zip(films, queries * 9, strict=True)):
        if number % 7 in (4, 5):
            assert isinstance(film, Failure)
            assert film.film_id == query.film_id
        else:
            assert isinstance(film, Prediction)
            path = query.poster if not query.problem else None
            alone = model.predict(path, title=query.title, year=query.year)
            assert film.scores == alone.scores
            assert film.evidence == alone.evidence
            assert (film.film_id, film.title) == (query.film_id, query.title)
    assert isinstance(films[3], Prediction)
    assert films[3].problem == "no such poster"
    assert films[4].poster == "f4"


def test_a_wanted_precision_counts_for_all_evidence(tmp_path: Path, poster: Path) -> None:
    bundle = titled_bundle(tmp_path / "titled").at_precision(0.8)
    model = Predictor(bundle)
    for film in (model.predict(poster), model.predict(poster, title="Moon")):
        assert set(film.thresholds.values()) == {0.8}


def test_a_bundle_keeps_its_titles(tmp_path: Path) -> None:
    bundle = titled_bundle(tmp_path / "titled")
    again = read_bundle(bundle.path)
    copy = write_bundle(tmp_path / "copy", content_of(again))
    assert copy.fingerprint == again.fingerprint
    assert copy.films is not None
    assert list(copy.films.fusions) == list(again.films.fusions if again.films else ())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: one["evidence"].update(year=one["evidence"]["title"]), "no kind of evidence"),
        (lambda one: one["evidence"]["title"]["weights"].update(title=-1), "from 0 to 1e+06"),
        (lambda one: one["evidence"]["title"]["weights"].update(year=1), "unknown key 'year'"),
        (lambda one: one["evidence"]["title"]["intercept"].pop(), "a list of 3, got 2"),
        (lambda one: one["evidence"]["title"]["thresholds"].pop("Red"), "has no 'Red'"),
        (lambda one: one["evidence"]["title"].pop("calibration"), "has no 'calibration'"),
        (lambda one: one["evidence"]["title"]["precision_thresholds"].clear(), "other precisions"),
        (lambda one: one["titles"].update(ngrams=5), "do not hold 5 n-grams"),
        (lambda one: one["titles"].update(ngrams=10**12), "from 1 to 10,000,000"),
        (lambda one: one["titles"]["years"].pop(), "a list of 13, got 12"),
        (lambda one: one.pop("evidence"), "has no 'evidence'"),
        (lambda one: one["files"].pop("titles.bin"), "titles.bin is not listed"),
    ],
)
def test_a_manifest_that_is_wrong_about_titles_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    folder = titled_bundle(tmp_path / "titled").path
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    forge(folder, manifest)
    with pytest.raises(BundleError, match=re.escape(reason)):
        read_bundle(folder)


def test_a_changed_title_table_is_refused(tmp_path: Path) -> None:
    folder = titled_bundle(tmp_path / "titled").path
    file = folder / "titles.bin"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(BundleError, match=r"titles\.bin: changed since it was written"):
        read_bundle(folder)
    file.unlink()
    with pytest.raises(BundleError, match=r"titles\.bin: missing"):
        read_bundle(folder)


def test_posters_by_themselves_on_request(model: Predictor, poster: Path) -> None:
    queries = [Query(poster, "f1", "Moon", 1950), Query(None, "f2", "Moon")]
    film, without = model.predict_many(queries, evidence=POSTER)
    assert isinstance(film, Prediction)
    assert film.scores == model.predict(poster).scores
    assert film.evidence == ("poster",)
    assert film.title == "Moon"
    assert isinstance(without, Failure)
    assert without.reason == "it has no poster"
    film, _ = model.predict_many(queries, evidence=("title", "year"))
    assert isinstance(film, Prediction)
    assert film.scores == model.predict(title="Moon", year=1950).scores


def test_a_table_of_titles_is_predicted_and_says_on_what_it_rests(
    model: Predictor, poster: Path, tmp_path: Path
) -> None:
    (tmp_path / "films.csv").write_text(
        'film_id,title,year\nfilm,"Moon, The",1950\nf2,Love,\nf3,Unheard of,1999\nf4,,1999\n'
    )
    common = ["predict", str(tmp_path / "films.csv"), "--model", str(model.bundle.path)]

    def run(*more: str) -> tuple[list[dict[str, str]], str]:
        done = CliRunner().invoke(app, [*common, *more, "--format", "csv"], catch_exceptions=False)
        return list(csv.DictReader(done.stdout.splitlines())), done.stderr

    rows, told = run()
    assert [row["evidence"] for row in rows] == ["title|year", "title", "", ""]
    assert "4 of 4 films without a poster: only title and year count" in told
    assert "2 of 4 films could not be predicted" in told
    assert rows[2]["Red"] == ""
    assert "--errors FILE lists them" in run("--posters", str(tmp_path))[1]
    rows, told = run("--posters", str(tmp_path), "--errors", str(tmp_path / "errors.csv"))
    assert [row["evidence"] for row in rows] == ["poster|title|year", "title", "", ""]
    assert rows[1]["reason"] == "no poster found"
    assert "1 of 4 films predicted by their titles" in told
    assert f"see {tmp_path / 'errors.csv'}" in told
    errors = csv.DictReader((tmp_path / "errors.csv").read_text().splitlines())
    assert {row["film_id"] for row in errors} == {"f2", "f3", "f4"}
    rows, _ = run("--posters", str(tmp_path), "--evidence", "poster")
    assert [row["evidence"] for row in rows] == ["poster", "", "", ""]


def test_the_names_of_posters_are_evidence_unless_posters_alone_are_asked_for(
    model: Predictor, poster: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "library"
    (folder / "Moon (1950)").mkdir(parents=True)
    for name in ("Love (1999).png", "Moon (1950)/poster.png", "other.png"):
        shutil.copy(poster, folder / name)
    common = ["predict", str(folder), "--model", str(model.bundle.path), "--format", "ndjson"]

    def run(*more: str) -> list[dict[str, Any]]:
        done = CliRunner().invoke(app, [*common, *more], catch_exceptions=False)
        return [json.loads(line) for line in done.stdout.splitlines()]

    love, moon, other = run()
    for film, title, year in ((love, "Love", 1999), (moon, "Moon", 1950)):
        assert film["title"] == title
        assert film["evidence"] == ["poster", "title", "year"]
        alone = model.predict(poster, title=title, year=year)
        assert film["scores"] == pytest.approx(dict(alone.scores), abs=1e-6)
    assert (other["title"], other["evidence"]) == (None, ["poster"])
    plain = model.predict(poster).scores
    for film in run("--evidence", "poster"):
        assert film["evidence"] == ["poster"]
        assert film["scores"] == pytest.approx(dict(plain), abs=1e-6)


def rated(model: Predictor, folder: Path) -> Predictor:
    """The model, which also says how many films have each genre."""
    content = content_of(model.bundle)
    provenance = {**content.provenance, "rates": {"Red": 0.3, "Green": 0.1, "Blue": 0.05}}
    return Predictor(write_bundle(folder, replace(content, provenance=provenance)))


def log_odds(score: float) -> float:
    return math.log(score / (1 - score))


@pytest.mark.parametrize("with_poster", [True, False])
@pytest.mark.parametrize(("title", "year"), [("Saw Love", 1950), ("Saw Love", None), (None, None)])
def test_what_each_kind_moved_adds_up_to_the_score(
    model: Predictor, poster: Path, tmp_path: Path, title: str | None, year: int | None,
    with_poster: bool,
) -> None:  # fmt: skip
    if not (with_poster or title):
        return
    chosen = poster if with_poster else None
    for known in (model, rated(model, tmp_path / "rated")):
        film = known.predict(chosen, title=title, year=year)
        for one in known.explain(chosen, known.genres, title=title, year=year):
            assert one.score == film.scores[one.genre] == list(one.steps.values())[-1]
            assert one.threshold == film.thresholds[one.genre]
            assert tuple(one.steps) == tuple(one.parts) == film.evidence
            start = 0.0 if one.rate is None else log_odds(one.rate)
            assert start + sum(one.parts.values()) == pytest.approx(log_odds(one.score))
            if "poster" in one.steps:
                assert one.steps["poster"] == known.predict(poster).scores[one.genre]
            if "year" in one.steps:
                before = known.predict(chosen, title=title).scores[one.genre]
                assert one.parts["year"] == pytest.approx(log_odds(one.score) - log_odds(before))
            if title and (with_poster or one.rate is not None):
                assert sum(one.words.values()) == pytest.approx(one.parts["title"])


def test_an_explanation_says_which_words_spoke_for_a_genre(model: Predictor, poster: Path) -> None:
    film = model.predict(poster, title="Saw Love", year=1950)
    red, green, blue = model.explain(poster, model.genres, title="Saw Love", year=1950)
    # The title moves Red by what its words say, and Green by the intercept of 0.25 as well, of
    # which each of the three n-grams has a third.
    assert list(red.words) == ["saw", "saw love", "love"]
    assert red.words == pytest.approx({"saw": 4.5 / 3**0.5, "saw love": 1.5 / 3**0.5, "love": 0})
    assert green.words["love"] == pytest.approx(3 / 3**0.5 + 0.25 / 3)
    assert green.words["saw"] == pytest.approx(0.25 / 3)
    assert list(green.telling) == ["love"]
    assert green.moved == "with the poster 50%, with the title 88%, with the year 88%"
    assert blue.telling["love"] < -0.5
    every = model.explain(poster, title="Saw Love", year=1950)
    assert [one.genre for one in every] == sorted(film.scores, key=lambda name: -film.scores[name])
    assert [one.genre for one in every if one.score >= one.threshold] == list(film.genres)
    (alone,) = model.explain(poster, ["Red"], title="Unheard of")
    assert alone.score == model.predict(poster).scores["Red"]
    assert not alone.words


def test_a_title_is_explained_without_a_poster(model: Predictor) -> None:
    film = model.predict(title="Saw Love")
    (red, *_) = model.explain(title="Saw Love")
    assert (red.genre, red.score) == ("Red", film.scores["Red"])
    assert (red.where, red.method, red.map.size, red.heat.size) == ("", None, 0, 0)
    assert red.words["saw"] == pytest.approx(4.5 / 3**0.5)
    for reason, title in (("no poster and no title", None), ("nothing in the title", "X")):
        with pytest.raises(PosterError, match=reason):
            model.explain(title=title)


def test_explain_prints_draws_and_gives_json(
    model: Predictor, poster: Path, tmp_path: Path
) -> None:
    def run(*options: str, code: int = 0) -> str:
        command = ["explain", *options, "--model", str(model.bundle.path)]
        done = CliRunner().invoke(app, command, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout

    out = tmp_path / "why.png"
    shown = run(str(poster), "--title", "Saw Love", "--out", str(out))
    assert "with the poster 88%, with the title 100%" in shown
    assert "words of the title: saw +2.6, saw love +0.9" in shown
    with Image.open(out) as picture:
        drawn = np.asarray(picture.convert("RGB"))
    gold, blue = ((drawn == colour).all(2) for colour in ((255, 176, 32), (118, 158, 214)))
    lowest = np.flatnonzero(gold.any(1)).max()
    assert lowest > 480 + 3 * 26  # under the map, below the steps
    assert blue.any()  # the third genre is Blue
    alone = run("--title", "Saw Love", "--genre", "Blue", "--out", str(out))
    assert "mostly from" not in alone
    with Image.open(out) as picture:
        drawn = np.asarray(picture.convert("RGB"))
    assert (drawn == (118, 158, 214)).all(2).any()  # "love" speaks against Blue
    assert drawn.shape[0] < 300
    (record,) = json.loads(run("--title", "Saw Love", "--genre", "Red", "--json"))
    (red,) = model.explain(None, ["Red"], title="Saw Love")
    assert record == red.to_dict()
    run(str(poster), "--year", "1066", code=2)
    run(code=2)
