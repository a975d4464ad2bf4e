"""Python, the command line, the service and the report give equal scores for one model."""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

import keyart
from keyart.catalog.catalog import Catalog
from keyart.cli import app
from keyart.images.spec import ImageSpec
from keyart.run import Run
from keyart.service.app import create_app
from tests.colours import colours_run
from tests.tiny import VOCABULARY
from tests.tiny_catalog import encoded, poster, write_posters, write_table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on 120 JPEG posters, with its report."""
    folder = tmp_path_factory.mktemp("interfaces")
    random = np.random.default_rng(0)
    films, posters = [], {}
    for film in range(120):
        image = poster(film, (90, 132))
        excess = np.asarray(image).mean((0, 1)) - 128 + random.normal(0, 6, 3)
        genres = [name for name, e in zip(VOCABULARY.names, excess, strict=True) if e > 0]
        films.append((f"f{film:03}", "|".join(genres or ["Red"])))
        posters[f"f{film:03}.jpg"] = encoded(image, "JPEG", quality=90)
    table = write_table(folder / "films.csv", films)
    pictures = write_posters(folder / "posters", posters)
    catalog = Catalog.build(table, pictures, folder / "catalog", vocabulary=VOCABULARY)
    path = colours_run(folder / "run", catalog, ImageSpec(32, 24), 9)
    keyart.write_report(path, path / "report.html")
    return Run.open(path)


def test_python_the_command_line_the_service_and_the_report_give_equal_scores(
    run: Run, client_of: Callable[[FastAPI], AbstractContextManager[httpx.Client]]
) -> None:
    scored = run.predictions("test")
    folder = run.path.parent / "posters"
    files = [folder / f"{film_id}.jpg" for film_id in scored.film_ids]
    assert len(files) >= 20

    answers = list(keyart.load(run).predict_many(files))
    by_python = [one.scores for one in answers if isinstance(one, keyart.Prediction)]
    one_by_one = [keyart.load(run).predict(file).scores for file in files[:3]]

    arguments = ["predict", *map(str, files), "--model", str(run.path), "--format", "json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    by_command = [record["scores"] for record in json.loads(done.stdout)]

    by_service = []
    with client_of(create_app(keyart.load(run))) as http:
        posters = [("poster", (file.name, file.read_bytes(), "image/jpeg")) for file in files]
        for start in range(0, len(posters), 20):
            answered = http.post("/v1/predictions", files=posters[start : start + 20]).json()
            by_service += [one["scores"] for one in answered["predictions"]]

    by_report = [dict(zip(VOCABULARY.names, row, strict=True)) for row in scored.scores]
    assert by_python[:3] == one_by_one
    for films in (by_command, by_service, by_report):
        assert len(films) == len(by_python)
        for film, expected in zip(films, by_python, strict=True):
            assert list(film) == list(expected)
            assert film == pytest.approx(expected, abs=1e-6)


def test_the_page_of_the_report_shows_these_scores(run: Run) -> None:
    scored = run.predictions("test")
    page = run.report_path.read_text(encoding="utf-8")
    surest = int(scored.scores.max(axis=1).argmax())
    assert scored.titles[surest] in page
    shown = {int(percent) for percent in re.findall(r"(\d+)%", page)}
    assert round(100 * float(scored.scores[surest].max())) in shown or "&gt;99%" in page


def test_genres_are_the_same_in_every_interface(run: Run, tmp_path: Path) -> None:
    scored = run.predictions("test")
    model, balanced = keyart.load(run), keyart.load(run, balanced=True)
    for row, film_id in enumerate(scored.film_ids):
        poster = run.path.parent / "posters" / f"{film_id}.jpg"
        film = balanced.predict(poster)
        assert film.genres == scored.vocabulary.decode(scored.predicted[row])
        kept = model.predict(poster)
        assert {*kept.genres, *kept.maybe} >= set(film.genres)
