"""service/: titles and years that come with posters are evidence, as in Python."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from keyart.predictor import Predictor
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
        answer = send(client, [RED, b"\xff\xd8 broken", GREEN], title=["Moon", "Saw", ""],
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
        ({"year": ["1950", "soon"]}, "year"),
        ({"year": ["1950", "1066"]}, "expected 1870 to 2100, got 1066"),
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
