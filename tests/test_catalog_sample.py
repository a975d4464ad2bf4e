"""catalog/sample.py: a smaller catalog, whole groups, nothing moved, every genre in proportion."""

from pathlib import Path

import numpy as np
import pytest

from keyart.catalog.catalog import Catalog
from keyart.catalog.check import check_catalog
from keyart.catalog.sample import sampled_rows
from keyart.errors import CatalogError
from tests.tiny_catalog import encoded, poster, some_genres, write_posters, write_table


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """200 films, of which each tenth has the poster of the one before it."""
    folder = tmp_path_factory.mktemp("whole")
    seeds = [film - 1 if film % 10 == 9 else film for film in range(200)]
    posters = {f"f{film:04}.png": encoded(poster(s), "PNG") for film, s in enumerate(seeds)}
    table = write_table(folder / "films.csv", [(f"f{n:04}", some_genres(n)) for n in range(200)])
    return Catalog.build(table, write_posters(folder / "posters", posters), folder / "catalog")


@pytest.fixture(scope="module")
def sample(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return catalog.sample(100, out=tmp_path_factory.mktemp("sample") / "catalog")


def test_a_sample_is_a_sound_catalog_of_about_as_many_films(sample: Catalog) -> None:
    assert 90 <= len(sample) <= 110
    assert check_catalog(sample.path) == []


def test_films_keep_split_group_genres_and_poster(catalog: Catalog, sample: Catalog) -> None:
    known = {row["film_id"]: row for row in catalog.to_table().to_pylist()}
    places = {film: place for place, film in enumerate(catalog.to_table()["film_id"].to_pylist())}
    for place, row in enumerate(sample.to_table().to_pylist()):
        assert row == known[row["film_id"]]
        assert sample.poster(place) == catalog.poster(places[row["film_id"]])


def test_groups_are_taken_whole(catalog: Catalog, sample: Catalog) -> None:
    for group in set(sample.groups):
        assert (sample.groups == group).sum() == (catalog.groups == group).sum()
    assert len(set(sample.groups)) < len(sample)


def test_common_genres_stay_in_proportion(catalog: Catalog, sample: Catalog) -> None:
    common = catalog.truth.sum(0) >= 40
    before, after = catalog.truth.mean(0)[common], sample.truth.mean(0)[common]
    assert common.any()
    assert np.abs(after / before - 1).max() < 0.15


def test_the_seed_decides_the_sample(catalog: Catalog) -> None:
    first, again, other = (sampled_rows(catalog, 60, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("films", "message"),
    [(201, "fewer than the 201"), (1, "1 films are too few: the ")],
)
def test_an_impossible_sample_is_refused(
    catalog: Catalog, tmp_path: Path, films: int, message: str
) -> None:
    with pytest.raises(CatalogError, match=message):
        catalog.sample(films, out=tmp_path / "catalog")
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_without_test_films_has_samples_without_them(tmp_path: Path) -> None:
    posters = {f"f{film:04}.png": encoded(poster(film), "PNG") for film in range(20)}
    table = write_table(tmp_path / "films.csv", [(f"f{n:04}", "Drama") for n in range(20)])
    folder = write_posters(tmp_path / "posters", posters)
    catalog = Catalog.build(table, folder, tmp_path / "catalog", split="80/20/0")
    sample = catalog.sample(10, out=tmp_path / "sample")
    assert len(sample) == 10
    assert sample.facts["splits"]["test"] == 0


def test_an_existing_folder_is_not_overwritten(catalog: Catalog, sample: Catalog) -> None:
    with pytest.raises(CatalogError, match="already exists"):
        catalog.sample(50, out=sample.path)
