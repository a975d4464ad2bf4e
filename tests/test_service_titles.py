"""service/: titles and years that come with posters are evidence, as in Python."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service import schemas
from keyart.service.app import create_app
from tests.tiny_titles import titled_bundle
from tests.wire import GREEN, RED

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


@pytest.fixture
def model(tmp_path: Path) -> Predictor:
    return Predictor(titled_bundle(tmp_path / "titled"))


def send(client: httpx.Client, posters: list[bytes], **fields: list[str]) -> httpx.Response:
    files = [("poster", (f"p{n}.jpg", data, "image/jpeg")) for n, data in enumerate(posters)]
    return client.post("/v1/predictions", files=files, data=fields)


def test_each_poster_takes_its_own_title_and_year(model: Predictor, client_of: Serve) -> None:
    with client_of(create_app(model)) as client:
        answer = send(client, [RED, b"\xff\xd8\xff broken", GREEN], title=["Moon", "", ""],
                      year=["1950", "", "1999"])  # fmt: skip
        plain = send(client, [GREEN])
    assert answer.status_code == 200, answer.text
    first, broken, last = schemas.Predictions.model_validate(answer.json()).predictions
    assert isinstance(first, schemas.Prediction)
    assert isinstance(last, schemas.Prediction)
    assert isinstance(broken, schemas.Unread)
    expected = model.predict(RED, title="Moon", year=1950)
    assert first.scores == pytest.approx(dict(expected.scores), abs=1e-6)
    assert first.genres == list(expected.genres)
    assert first.evidence == ["poster", "title", "year"]
    assert last.evidence == ["poster"]
    record: dict[str, Any] = plain.json()["predictions"][0]
    assert last.scores == record["scores"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"title": ["Moon"]}, "1 fields 'title' for 2 posters; send one for each"),
        ({"year": ["1950"] * 3}, "3 fields 'year' for 2 posters"),
        ({"year": ["1950", "soon"]}, "year: expected 1870 to 2100, got 'soon'"),
        ({"year": ["1950", "1979.0"]}, "year: expected 1870 to 2100, got '1979.0'"),
        ({"year": ["1950", "1066"]}, "expected 1870 to 2100, got '1066'"),
        ({"title": ["Moon", "x" * 1_001]}, "title"),
    ],
)
def test_fields_that_do_not_fit_are_refused(
    model: Predictor, client_of: Serve, fields: dict[str, list[str]], reason: str
) -> None:
    with client_of(create_app(model)) as client:
        answer = send(client, [RED, GREEN], **fields)
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]


def test_a_title_stands_in_for_a_poster_that_cannot_be_read_and_the_reason_is_given(
    model: Predictor, client_of: Serve
) -> None:
    bad = [b"\xff\xd8\xff broken", b"PK\x03\x04 zip", b"PK\x03\x04 zip", b"\xff\xd8\xff broken"]
    titles = ["Moon", "Saw", "", "Unheard of"]
    with client_of(create_app(model)) as client:
        answer = send(client, [*bad, RED], title=[*titles, "Moon"])
        alone = send(client, [b"\xff\xd8\xff broken"], title=["Moon"])
        refused = send(client, [b"PK\x03\x04 zip"], title=["Unheard of"])
    assert answer.status_code == 200, answer.text
    moon, saw, zipped, unheard, red = schemas.Predictions.model_validate(answer.json()).predictions
    for one, title in ((moon, "Moon"), (saw, "Saw")):
        assert isinstance(one, schemas.Prediction)
        expected = model.predict(title=title)
        assert one.scores == pytest.approx(dict(expected.scores), abs=1e-6)
        assert (one.evidence, one.title, one.genres) == (["title"], title, list(expected.genres))
    assert isinstance(moon, schemas.Prediction)
    assert isinstance(saw, schemas.Prediction)
    assert moon.reason

    assert saw.reason == "this is a ZIP archive; send JPEG, PNG or WebP"
    assert isinstance(zipped, schemas.Unread)
    assert zipped.problem.status == 415
    assert isinstance(unheard, schemas.Unread)
    assert unheard.problem.status == 422
    assert "nothing in the title 'Unheard of' is known" in unheard.problem.detail
    assert isinstance(red, schemas.Prediction)
    assert red.reason is None
    assert alone.json()["predictions"][0]["scores"] == moon.scores
    assert refused.status_code == 415
    assert "nothing in the title" in refused.json()["detail"]


def test_titles_need_no_posters(model: Predictor, client_of: Serve) -> None:
    with client_of(create_app(model)) as client:
        answer = send(client, [], title=["Moon", "Saw Love"], year=["1950", ""])
        nothing = send(client, [], title=[""])
        unheard = send(client, [], title=["Unheard of"], year=["1950"])
        year = send(client, [], year=["1950"])
        many = send(client, [], title=["Moon"] * 81)
        long = send(client, [], title=["x" * 2_001])
    moon, saw = schemas.Predictions.model_validate(answer.json()).predictions
    for one, film in (
        (moon, model.predict(title="Moon", year=1950)),
        (saw, model.predict(title="Saw Love")),
    ):
        assert isinstance(one, schemas.Prediction)
        assert one.scores == pytest.approx(dict(film.scores), abs=1e-6)
        assert one.evidence == list(film.evidence)
        assert (one.poster, one.sha256, one.title, one.year) == (None, None, film.title, film.year)
    assert (many.status_code, long.status_code) == (413, 413)
    for refused, reason in (
        (nothing, "it has no poster and no title"),
        (unheard, "nothing in the title 'Unheard of' is known to this model"),
        (year, "there is no poster and no title in the request"),
    ):
        assert refused.status_code == 422
        assert reason in refused.json()["detail"]


def test_the_thresholds_of_an_answer_are_those_of_its_evidence(
    model: Predictor, client_of: Serve
) -> None:
    with client_of(create_app(model)) as client:
        answer = send(client, [RED, RED], title=["Moon", ""])
    for record in answer.json()["predictions"]:
        plain = model.predict(RED, title=record["title"])
        assert record["thresholds"] == dict(plain.thresholds)
        assert record["genres"] == [
            name for name, score in record["scores"].items() if score >= record["thresholds"][name]
        ]
    first, second = answer.json()["predictions"]
    assert first["thresholds"] != second["thresholds"]


def test_a_form_of_all_posters_has_room_for_a_title_and_a_year_of_each(
    model: Predictor, client_of: Serve
) -> None:
    with client_of(create_app(model)) as client:
        answer = send(client, [RED] * 32, title=["Moon"] * 32, year=["1950"] * 32)
    assert len(answer.json()["predictions"]) == 32


def test_a_correction_keeps_the_scores_that_the_title_gave(
    model: Predictor, client_of: Serve, tmp_path: Path
) -> None:
    store = Corrections(f"sqlite:///{tmp_path / 'corrections.sqlite'}")
    with client_of(create_app(model, corrections=store)) as client:
        files = {"poster": ("a.jpg", RED, "image/jpeg")}
        data = {"genre": "Green", "title": "Moon", "year": "1950"}
        kept = client.post("/v1/corrections", files=files, data=data).json()
        broken = {"poster": ("a.jpg", b"\xff\xd8\xff broken", "image/jpeg")}
        refused = client.post("/v1/corrections", files=broken, data=data)
    shown = model.predict(RED, title="Moon", year=1950)
    assert kept["scores"] == pytest.approx(dict(shown.scores), abs=1e-6)
    assert kept["old_genres"] == list(shown.genres)
    assert kept["title"] == "Moon"
    assert refused.status_code == 422


def test_an_explanation_says_what_each_kind_of_evidence_moved(
    model: Predictor, client_of: Serve
) -> None:
    files = {"poster": ("a.jpg", RED, "image/jpeg")}
    film = {"title": "Saw Love", "year": "1950"}
    with client_of(create_app(model)) as client:
        explained = client.post("/v1/explanations", files=files, data=film)
        alone = client.post("/v1/explanations?genre=red", data=film)
        picture = client.post(
            "/v1/explanations?genre=red", files=files, data=film, headers={"accept": "image/png"}
        )
        refused = [
            client.post("/v1/explanations", data={"title": "Unheard of"}),
            client.post("/v1/explanations", data={"year": "1950"}),
            client.post("/v1/explanations?genre=red", data=film, headers={"accept": "image/png"}),
        ]
    found = schemas.Explanations.model_validate(explained.json())
    expected = model.explain(RED, model.genres, title="Saw Love", year=1950)
    for one, wanted in zip(found.explanations, expected, strict=True):
        assert (one.genre, one.threshold) == (wanted.genre, wanted.threshold)
        assert one.steps == pytest.approx(dict(wanted.steps), abs=1e-6)
        assert one.parts == pytest.approx(dict(wanted.parts), abs=1e-4)
        assert one.words == pytest.approx(dict(wanted.words), abs=1e-4)
    (red,) = schemas.Explanations.model_validate(alone.json()).explanations
    assert (red.where, red.map, red.heat, list(red.steps)) == (None, [], [], ["title", "year"])
    assert picture.headers["content-type"] == "image/png"
    assert [one.status_code for one in refused] == [422] * 3
    assert "nothing in the title" in refused[0].json()["detail"]
    assert "no poster and no title" in refused[1].json()["detail"]
