"""service/: what the API answers, and that it answers what its OpenAPI document says."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from pydantic import TypeAdapter

from keyart.bundle import content_of, write_bundle
from keyart.predictor import Predictor
from keyart.review.corrections import Correction, Corrections
from keyart.service import schemas
from keyart.service.app import create_app
from keyart.service.problems import ProblemDocument
from keyart.similar import Index
from tests.tiny import tiny_bundle
from tests.wire import DARK, GREEN, RED, encoded, plain

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def api(
    tiny_predictor: Predictor,
    film_index: Index,
    client_of: Serve,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    store = Corrections(f"sqlite:///{tmp_path_factory.mktemp('store') / 'corrections.sqlite'}")
    app = create_app(tiny_predictor, index=film_index, corrections=store)
    with client_of(app) as talking:
        yield talking


def form(*posters: bytes, **fields: Any) -> dict[str, Any]:
    files = [("poster", (f"p{n}.jpg", data, "image/jpeg")) for n, data in enumerate(posters)]
    return {"files": files, "data": fields}


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    ProblemDocument.model_validate(response.json())
    assert response.json()["status"] == status
    document: dict[str, Any] = response.json()
    return document


def test_one_poster_or_many_are_answered_in_order(
    api: httpx.Client, tiny_predictor: Predictor
) -> None:
    answer = api.post("/v1/predictions", **form(RED, GREEN, DARK))
    assert answer.status_code == 200
    found = schemas.Predictions.model_validate(answer.json())
    assert found.model == tiny_predictor.bundle.fingerprint
    assert [one.poster for one in found.predictions] == ["p0.jpg", "p1.jpg", "p2.jpg"]
    red, green, dark = found.predictions
    assert isinstance(red, schemas.Prediction)
    assert isinstance(green, schemas.Prediction)
    assert isinstance(dark, schemas.Prediction)
    assert (red.genres, green.genres, dark.genres) == (["Red"], ["Green"], [])
    assert (red.unsure, dark.unsure) == (False, True)
    assert red.sha256 == hashlib.sha256(RED).hexdigest()


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", None])
def test_a_picture_alone_may_be_the_body(api: httpx.Client, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = api.post("/v1/predictions", content=RED, headers=headers)
    assert answer.json()["predictions"][0]["genres"] == ["Red"]


def test_scores_are_those_of_the_command_line(api: httpx.Client, tiny_predictor: Predictor) -> None:
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (444, 300, 3), dtype=np.uint8)
    for format in ("JPEG", "PNG", "WEBP"):
        data = encoded(rgb, format)
        (answer,) = api.post("/v1/predictions", content=data).json()["predictions"]
        expected = tiny_predictor.predict(data).scores
        assert answer["scores"] == pytest.approx(expected, abs=1e-6)
        explained = api.post("/v1/explanations", content=data).json()["explanations"]
        scores = {one["genre"]: one["score"] for one in explained}
        assert scores == pytest.approx(expected, abs=1e-6)


def test_a_request_may_want_a_precision_or_balanced_genres(
    tmp_path: Path, client_of: Serve
) -> None:
    whole = content_of(tiny_bundle(tmp_path / "plain"))
    promises = {0.6: np.full(3, 0.8), 0.8: np.array([0.99, 1.0, 1.0])}
    decisions = replace(whole.decisions, precision_thresholds=promises, precision=0.6)
    model = Predictor(write_bundle(tmp_path / "b", replace(whole, decisions=decisions)))
    poster = encoded(plain((138, 172, 0), (32, 24)), "PNG")  # Red 0.65, Green 0.94
    with client_of(create_app(model)) as talking:

        def found(wanted: str) -> tuple[list[str], list[str]]:
            answer = talking.post(f"/v1/predictions{wanted}", content=poster)
            (one,) = answer.json()["predictions"]
            return one["genres"], one["maybe"]

        assert found("") == (["Green"], ["Red"])
        assert found("?balanced=true") == (["Red", "Green"], [])
        assert found("?precision=0.7") == ([], ["Red", "Green"])
        assert found("") == (["Green"], ["Red"])  # other requests are decided as before
        for wanted, reason in (
            ("?precision=0.9", "can promise 0.6 to 0.8"),
            ("?precision=0.6&balanced=true", "not both"),
        ):
            answer = talking.post(f"/v1/predictions{wanted}", content=poster)
            assert reason in problem(answer, 422)["detail"]


def test_a_bad_poster_among_good_ones_is_a_problem_of_its_own(api: httpx.Client) -> None:
    answer = api.post("/v1/predictions", **form(RED, b"PK\x03\x04zip", b"\xff\xd8\xff broken"))
    assert answer.status_code == 200
    good, zip_, broken = answer.json()["predictions"]
    schemas.Predictions.model_validate(answer.json())
    assert good["genres"] == ["Red"]
    assert "ZIP" in zip_["problem"]["detail"]
    assert broken["problem"]["status"] == 422
    document = problem(api.post("/v1/predictions", **form(b"PK\x03\x04", b"GIF89a")), 422)
    assert len(document["predictions"]) == 2


def test_explanations_find_the_region_for_every_genre(api: httpx.Client) -> None:
    rgb = plain((30, 30, 30), (96, 72))
    rgb[4:20, 50:66] = (255, 30, 30)
    for method in ("activation", "occlusion"):
        answer = api.post(f"/v1/explanations?method={method}", content=encoded(rgb))
        found = schemas.Explanations.model_validate(answer.json())
        assert [one.genre for one in found.explanations] == ["Red", "Green", "Blue"]
        assert found.explanations[0].where == "top right"
        assert found.method == method
    one = api.post("/v1/explanations?genre=green", content=encoded(rgb)).json()["explanations"]
    assert [place["genre"] for place in one] == ["Green"]


def test_an_explanation_may_be_a_picture(api: httpx.Client) -> None:
    rgb = plain((128, 128, 128), (96, 72))
    rgb[4:20, 50:66] = (255, 100, 100)
    headers = {"accept": "image/png"}
    answer = api.post("/v1/explanations?genre=Red", content=encoded(rgb), headers=headers)
    assert answer.headers["content-type"] == "image/png"
    lit = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert lit.shape == (96, 72, 3)
    assert lit[4:20, 50:66].mean() > lit[60:, :20].mean()
    problem(api.post("/v1/explanations", content=encoded(rgb), headers=headers), 422)


def test_similar_films_come_with_genres_and_thumbnails(api: httpx.Client) -> None:
    answer = api.post("/v1/similar?count=2", content=RED)
    found = schemas.SimilarFilms.model_validate(answer.json())
    assert len(found.similar) == 2
    first = found.similar[0]
    assert (first.film_id, first.genres, first.year, first.same) == ("red", ["Red"], 1976, False)
    picture = api.get(first.thumbnail)
    assert picture.headers["content-type"] == "image/jpeg"
    assert np.asarray(Image.open(io.BytesIO(picture.content))).mean((0, 1))[0] > 200
    problem(api.get("/v1/similar/3.jpg"), 404)
    problem(api.get("/v1/similar/-1.jpg"), 422)
    problem(api.post("/v1/similar?count=0", content=RED), 422)


def test_a_correction_is_kept_with_what_was_shown(
    api: httpx.Client, tiny_predictor: Predictor
) -> None:
    data = encoded(plain((250, 240, 10)), "JPEG")
    sha256 = hashlib.sha256(data).hexdigest()
    assert api.get(f"/v1/corrections/{sha256}").json() == {"correction": None}
    sent = form(data, genre=["Blue", "red"], title="Jaune", author="Ada")
    answer = api.post("/v1/corrections", **sent)
    assert answer.status_code == 201
    kept = TypeAdapter(Correction).validate_python(answer.json())
    assert (kept.old_genres, kept.new_genres) == (("Red", "Green"), ("Red", "Blue"))
    assert (kept.author, kept.title) == ("Ada", "Jaune")
    assert kept.model == tiny_predictor.bundle.fingerprint
    assert kept.scores["Red"] > 0.99
    assert api.get(f"/v1/corrections/{sha256}").json()["correction"] == answer.json()
    assert api.post("/v1/corrections", **sent).status_code == 200
    other = form(data, genre="Green", author="Bob")
    assert "Ada already corrected" in problem(api.post("/v1/corrections", **other), 409)["detail"]
    replaced = api.post("/v1/corrections", **form(data, genre="Green", replace="true"))
    assert replaced.status_code == 201
    assert replaced.json()["author"] == "anonymous"


def test_a_correction_needs_known_genres_and_the_model_that_was_shown(api: httpx.Client) -> None:
    assert "give the genres" in problem(api.post("/v1/corrections", **form(RED)), 422)["detail"]
    wrong = problem(api.post("/v1/corrections", **form(RED, genre="Reed")), 422)
    assert "did you mean 'Red'" in wrong["detail"]
    problem(api.post("/v1/corrections", **form(RED, genre="Red", model="0" * 64)), 409)
    problem(api.post("/v1/corrections", **form(b"PK\x03\x04", genre="Red")), 415)
    problem(api.get("/v1/corrections/nothex"), 422)


def test_the_model_is_described(api: httpx.Client) -> None:
    model = schemas.ModelCard.model_validate(api.get("/v1/model").json())
    assert [(genre.name, genre.threshold) for genre in model.genres][2] == ("Blue", 0.9)
    assert model.card == "# A tiny model\n"
    assert model.offers == schemas.Offers(
        evidence=[["poster"]], explanations=True, similar=3, corrections=True, token=False
    )


def test_health_and_metrics(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {"status": "ok"}
    api.post("/v1/predictions", content=RED)
    api.get("/no/such/page")
    text = api.get("/metrics").text
    assert 'keyart_requests_total{method="POST",route="/v1/predictions",status="200"}' in text
    assert 'keyart_posters_total{outcome="answered"}' in text
    assert "/no/such/page" not in text


def test_errors_of_the_router_are_problems_too(api: httpx.Client) -> None:
    problem(api.get("/v2/predictions"), 404)
    document = problem(api.get("/v1/predictions"), 405)
    assert document["type"] == "urn:keyart:problem:method"
    assert api.get("/v1/predictions").headers["allow"] == "POST"


def test_the_openapi_document_is_whole_and_its_examples_hold(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/healthz", "/readyz", "/metrics", "/v1/predictions", "/v1/explanations", "/v1/similar",
        "/v1/similar/{place}.jpg", "/v1/corrections", "/v1/corrections/{sha256}", "/v1/model",
    }  # fmt: skip
    names = set(document["components"]["schemas"])
    references = {
        part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]
    }
    assert references <= names
    for name in ("Predictions", "Explanations", "SimilarFilms", "StandingCorrection"):
        schema = document["components"]["schemas"][name]
        getattr(schemas, name).model_validate(schema["example"])


def test_a_feature_that_was_not_started_is_a_problem(
    tiny_predictor: Predictor, client_of: Serve
) -> None:
    with client_of(create_app(tiny_predictor)) as talking:
        assert "--index" in problem(talking.post("/v1/similar", content=RED), 501)["detail"]
        sent = form(RED, genre="Red")
        assert "--corrections" in problem(talking.post("/v1/corrections", **sent), 501)["detail"]
        problem(talking.get(f"/v1/corrections/{'0' * 64}"), 501)
        problem(talking.get("/v1/similar/0.jpg"), 501)
