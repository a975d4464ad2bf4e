"""A table takes no memory: what reads a long one needs hardly more than with a shorter one."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

import keyart
from keyart.catalog import content
from keyart.prediction import Failure
from keyart.queries import NamedFilms
from keyart.sources import plan
from keyart.writers import write_predictions
from tests.tiny_catalog import encoded, poster, write_posters

FEW = 500  # rows; `python -m benchmarks.million` has the real sizes


def build(table: Path, work: Path) -> int:
    """Make a catalog of three films that have a poster."""
    catalog = keyart.Catalog.build(table, work.parent / "posters", work / "catalog")
    (counted,) = catalog.facts["tables"]
    assert (counted["films"], counted["rejections"]) == (3, 0)
    return int(counted["films"] + counted["without_poster"])


def predict(table: Path, work: Path) -> int:
    """Write an answer of each film, and an error."""
    films = NamedFilms([table])
    assert films.without_posters == len(films)
    answers = (Failure("-", "painted", film.film_id, film.title) for film in films)
    errors = work / "errors.csv"
    written = write_predictions(answers, work / "answers.csv", genres=["Drama"], errors=errors)
    assert errors.read_text(encoding="utf-8").count("\n") == written.failed + 1
    return written.films


def plan_fetch(table: Path, work: Path) -> int:
    """Plan where the poster of each film is."""
    address = "https://example.org/{film_id}.jpg"
    fetch = keyart.Fetch.plan([table], work / "fetch", url_template=address)
    return fetch.status().films


# Decoding posters takes some megabytes for a moment: the rows have to be more than that.
@pytest.mark.parametrize(("work", "many"), [(build, 12_000), (predict, 4_000), (plan_fetch, 4_000)])
def test_many_times_the_rows_take_no_more_memory(
    work: Callable[[Path, Path], int], many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_PIECE", 10_000)
    monkeypatch.setattr(plan, "BATCH", 256)
    names = [f"f{number * 100}.png" for number in range(3)]
    pictures = {name: encoded(poster(seed), "PNG") for seed, name in enumerate(names)}
    write_posters(tmp_path / "posters", pictures)
    peaks = []
    for rows in (10, FEW, many):  # the first one imports what it needs
        folder = tmp_path / str(rows)
        folder.mkdir()
        table = folder / "films.csv"
        films = [f"f{n},The Film {n} of Them,1990,Drama|War\n" for n in range(500, 500 + rows - 3)]
        films += [f"f{n},With a Poster,1990,Drama\n" for n in (0, 100, 200)]
        table.write_text("".join(["film_id,title,year,genres\n", *films]), encoding="utf-8")
        del films
        tracemalloc.start()
        assert work(table, folder) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 100 * (many - FEW)  # a film in memory takes 500 bytes and more
