"""Catalogs of real posters, as they are found, if KEYART_REAL_POSTERS names a folder of them."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from keyart.catalog.catalog import Catalog
from keyart.catalog.check import check_catalog
from keyart.catalog.split import SPLITS

FOLDER = Path(os.environ.get("KEYART_REAL_POSTERS", ""))
pytestmark = pytest.mark.skipif(
    not os.environ.get("KEYART_REAL_POSTERS"),
    reason="KEYART_REAL_POSTERS names no folder of real posters",
)


def listed() -> list[dict[str, str]]:
    with (FOLDER / "films.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, films: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(films[0]))
        writer.writeheader()
        writer.writerows(films)
    return path


def test_a_catalog_of_real_posters_is_sound_balanced_and_accounts_for_every_film(
    tmp_path: Path,
) -> None:
    films = listed()[:300]
    table = write_table(tmp_path / "films.csv", films)
    catalog = Catalog.build(table, FOLDER / "images", tmp_path / "catalog")
    assert check_catalog(catalog.path) == []

    rejected = {one.film_id: one.reason for one in catalog.rejections()}
    kept = set(catalog.to_table()["film_id"].to_pylist())
    assert kept | rejected.keys() == {film["imdb_id"] for film in films}
    assert not kept & rejected.keys()
    assert {reason.partition(" (")[0] for reason in rejected.values()} == {
        "no genre of the vocabulary",
        "no genre given",
    }
    shorts = sum("Short" in film["genres"].split("|") for film in films)
    assert catalog.facts["unmapped"]["Short"] == shorts > 50

    films_by_genre = catalog.truth.sum(0)
    for split, fraction in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        found = catalog.truth[catalog.rows(split)].sum(0)
        assert np.abs(found - fraction * films_by_genre).max() < 2
    # Three films of 1911 to 1914 share one poster.
    groups = dict(zip(catalog.to_table()["film_id"].to_pylist(), catalog.groups, strict=True))
    assert sum(group == "tt0001789" for group in groups.values()) == 3


def test_another_copy_of_a_real_poster_lands_in_the_split_of_the_first(tmp_path: Path) -> None:
    # The copies are the posters as they were found: larger, JPEG, some grey.
    originals = sorted((FOLDER / "originals").iterdir())[::4]
    by_id = {film["imdb_id"]: film for film in listed()}
    films = [by_id[file.stem] for file in originals if by_id[file.stem]["genres"]]
    table = write_table(tmp_path / "films.csv", films)
    catalog = Catalog.build(table, FOLDER / "images", tmp_path / "catalog")

    copies = [
        {**film, "imdb_id": f"copy of {film['imdb_id']}", "poster": f"{film['imdb_id']}.jpg"}
        for film in films
    ]
    table = write_table(tmp_path / "copies.csv", copies)
    grown = catalog.grow(table, FOLDER / "originals")
    assert check_catalog(grown.path) == []
    assert len(grown) == 2 * len(catalog) > 300
    before, after = (
        {row["film_id"]: (row["group"], row["split"]) for row in films.to_table().to_pylist()}
        for films in (catalog, grown)
    )
    for film, place in before.items():
        assert after[film] == after[f"copy of {film}"] == place
