"""catalog/catalog.py: films and their posters in Python."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

import keyart
from keyart.catalog.catalog import Catalog
from keyart.errors import CatalogError, KeyartError, VocabularyError
from keyart.film import Film
from keyart.genres import STUDY_GENRES, Vocabulary
from tests.tiny_catalog import tiny_films, write_table


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    films, posters = tiny_films(tmp_path, range(30))
    return Catalog.build(films=films, posters=posters, out=tmp_path / "cat")


def test_a_catalog_is_a_sequence_of_its_films(catalog: Catalog) -> None:
    films = list(catalog)
    assert films == catalog.films()
    assert len(films) == len(catalog) == 30
    assert all(isinstance(film, Film) for film in films)
    rows = catalog.to_table().to_pylist()
    assert [(f.film_id, f.title, f.year, list(f.genres)) for f in films] == [
        (row["film_id"], row["title"], row["year"], row["genres"]) for row in rows
    ]
    assert films[7].film_id == "f0007"


def test_the_table_has_every_column_but_the_posters(catalog: Catalog) -> None:
    table = catalog.to_table()
    assert isinstance(table, pa.Table)
    assert "poster" not in table.column_names
    assert {"film_id", "genres", "group", "split", "poster_sha256"} <= set(table.column_names)
    assert table is catalog.to_table()  # read once


def test_a_catalog_says_what_it_is_in_one_line(catalog: Catalog) -> None:
    assert repr(catalog) == f"<Catalog '{catalog.path}': 30 films>"


def test_a_notebook_shows_films_by_genre_and_split(catalog: Catalog, tmp_path: Path) -> None:
    page = catalog._repr_html_()
    assert f"{catalog.path}: 30 films" in page
    train, validation, test = catalog.facts["splits"].values()
    assert f"<td>all</td><td>{train}</td><td>{validation}</td><td>{test}</td>" in page
    folder = catalog.path.rename(tmp_path / "<b>")
    assert "<b>" not in Catalog.open(folder)._repr_html_()


def test_paths_may_be_text_everywhere(tmp_path: Path) -> None:
    films, posters = map(str, tiny_films(tmp_path / "old", range(30)))
    out = str(tmp_path / "cat")
    built = keyart.Catalog.build(films=films, posters=posters, out=out)
    assert Catalog.open(out).fingerprint == built.fingerprint
    more, others = map(str, tiny_films(tmp_path / "new", range(30, 34)))
    grown = built.grow(films=more, posters=others)
    assert type(grown) is Catalog
    assert (len(built), len(grown), len(Catalog.open(out))) == (30, 34, 34)
    sample = grown.sample(20, out=str(tmp_path / "sample"))
    assert type(sample) is Catalog
    grown.contact_sheet(str(tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1_000


def test_all_that_a_command_shows_is_one_call_away(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text("film_id,genres,poster\nnone,Drama,none.png\n")
    grown = catalog.grow(tmp_path / "films.csv", tmp_path / "posters")
    assert [(one.film_id, one.reason) for one in grown.rejections()] == [
        ("none", f"no poster found: none.png is not in {tmp_path / 'posters'}")
    ]
    assert grown.summary().rejections == {"no poster found": 1}
    done: list[int] = []
    assert grown.check(lambda so_far, _: done.append(so_far)) == []
    assert done[-1] == 30
    shard = grown.shards[0]
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert grown.check() == [f"{shard}: changed since it was written"]


@pytest.mark.parametrize("split", ["80/20/0", (0.8, 0.2, 0.0), [0.8, 0.2, 0]])
def test_a_split_is_per_cent_or_fractions(tmp_path: Path, split: str | list[float]) -> None:
    films, posters = tiny_films(tmp_path, range(30))
    catalog = Catalog.build(films=films, posters=posters, out=tmp_path / "cat", split=split)
    counts = catalog.facts["splits"]
    assert counts["test"] == 0
    assert abs(counts["train"] - 24) <= 2
    assert [len(catalog.rows(name)) for name in counts] == list(counts.values())


@pytest.mark.parametrize("split", ["60/20", (0.6, 0.2), (60, 20, 20), (0.5, 0.5, None), "x"])
def test_an_impossible_split_is_refused_before_anything_is_read(
    tmp_path: Path, split: str | tuple[float, ...]
) -> None:
    none = tmp_path / "none"
    with pytest.raises(CatalogError, match=r"^split .*: (write three|expected three)"):
        Catalog.build(films=none, posters=none, out=tmp_path / "cat", split=split)


# A pipe, as a device would take all memory if the test failed.
def test_a_pipe_in_place_of_a_catalog_s_or_a_vocabulary_s_file_is_not_waited_for(
    catalog: Catalog, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(VocabularyError, match=r"pipe: is a device or a pipe, not a regular file; "):
        Vocabulary.read(pipe)
    facts = catalog.path / "catalog.json"
    facts.unlink()
    facts.symlink_to(pipe)
    with pytest.raises(CatalogError, match=r"catalog\.json: damaged \(.*not a regular file"):
        Catalog.open(catalog.path)


def test_deep_json_in_place_of_a_catalog_s_is_refused(catalog: Catalog) -> None:
    (catalog.path / "catalog.json").write_text("[" * 100_000)
    with pytest.raises(CatalogError, match=r"catalog\.json: damaged \(.*levels"):
        Catalog.open(catalog.path)


def test_a_vocabulary_may_be_a_file(tmp_path: Path) -> None:
    films, posters = tiny_films(tmp_path, range(3))
    write_table(films, [("f0000", "Noir"), ("f0001", "dark"), ("f0002", "Drama")])
    (tmp_path / "genres.txt").write_text("Noir = Dark\nBright\n")
    default = Catalog.build(films=films, posters=posters, out=tmp_path / "default")
    assert default.vocabulary.names == STUDY_GENRES
    given = Catalog.build(
        films=films, posters=posters, out=tmp_path / "given", vocabulary=tmp_path / "genres.txt"
    )
    assert [film.genres for film in given] == [("Noir",), ("Noir",)]
    with pytest.raises(VocabularyError, match=r"none\.txt"):
        Catalog.build(
            films=films,
            posters=posters,
            out=tmp_path / "none",
            vocabulary=str(tmp_path / "none.txt"),
        )


def test_an_unknown_split_names_the_known_ones(catalog: Catalog) -> None:
    with pytest.raises(KeyartError, match="no split 'dev'; the splits are train, validation, test"):
        catalog.rows("dev")
