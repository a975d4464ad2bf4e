"""catalog/check.py and opening: every kind of damage gets one line that says where it is."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import keyart.catalog.write as write
from keyart.catalog.catalog import Catalog
from keyart.catalog.check import check_catalog
from keyart.catalog.table import SCHEMA, Fingerprint
from keyart.errors import CatalogError
from tests.tiny_catalog import encoded, poster, tiny_films, write_posters, write_table

Row = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog of two shards: nine films, two of them of one artwork, and a rejection."""
    monkeypatch.setattr(write, "SHARD", 6)
    table, posters = tiny_films(tmp_path, range(8))
    torn = encoded(poster(9), "PNG")[:99]
    write_posters(posters, {"f0008.png": encoded(poster(0, (90, 135)), "PNG"), "f0009.png": torn})
    films = [(f"f{seed:04}", "Drama" if seed % 2 else "War|Comedy") for seed in range(10)]
    Catalog.build(write_table(table, films), posters, tmp_path / "cat")
    return tmp_path / "cat"


def facts(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / "catalog.json").read_text())
    return found


def put_facts(path: Path, **changed: Any) -> None:
    (path / "catalog.json").write_text(json.dumps(facts(path) | changed))


def tamper(path: Path, change: Callable[[list[Row]], None], *, honest: bool = False) -> None:
    """Rewrite the first shard with its rows changed, and catalog.json's hashes with it.

    honest: also the fingerprint, as if keyart itself had written it.
    """
    shard = path / "films-00000.parquet"
    rows = pq.ParquetFile(shard).read().to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), shard)
    shards = facts(path)["shards"]
    content = shard.read_bytes()
    shards[0] |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    put_facts(path, shards=shards)
    if honest:
        catalog = Catalog.open(path)
        fingerprint = Fingerprint(catalog.vocabulary)
        films = catalog.to_table().to_pylist()
        for row in films:
            fingerprint.add(row)
        counts = write.count_films(catalog.vocabulary, films)
        put_facts(path, films=len(films), fingerprint=fingerprint.hex(), **counts)


def test_a_sound_catalog_has_no_problems(path: Path) -> None:
    calls: list[tuple[int, int]] = []
    assert check_catalog(path, lambda done, of: calls.append((done, of))) == []
    assert calls == [(9, 9)]


def test_rewriting_a_catalog_unchanged_is_not_damage(path: Path) -> None:
    tamper(path, lambda rows: None, honest=True)
    assert check_catalog(path) == []


@pytest.mark.parametrize("place", [0.01, 0.5, 0.99])
def test_one_changed_byte_is_reported(path: Path, place: float) -> None:
    shard = path / "films-00001.parquet"
    content = bytearray(shard.read_bytes())
    content[int(place * len(content))] ^= 1
    shard.write_bytes(content)
    assert check_catalog(path) == [f"{shard}: changed since it was written"]


def test_a_cut_shard_is_reported(path: Path) -> None:
    shard = path / "films-00001.parquet"
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-9])
    message = f"{shard}: has {size - 9:,} bytes, expected {size:,}; build the catalog again"
    assert check_catalog(path) == [message]
    with pytest.raises(CatalogError) as caught:
        Catalog.open(path)
    assert str(caught.value) == message


def test_a_missing_shard_is_reported(path: Path) -> None:
    shard = path / "films-00001.parquet"
    shard.unlink()
    assert check_catalog(path) == [f"{shard}: missing from the catalog"]


def test_a_shard_that_is_not_parquet_is_reported(path: Path) -> None:
    shard = path / "films-00000.parquet"
    shard.write_bytes(b"PAR1 or not")
    shards = facts(path)["shards"]
    shards[0] |= {"size": 11, "sha256": hashlib.sha256(b"PAR1 or not").hexdigest()}
    put_facts(path, shards=shards)
    (problem,) = check_catalog(path)
    assert problem.startswith(f"{shard}: not Parquet (")
    assert "\n" not in problem
    with pytest.raises(CatalogError, match="damaged"):
        _ = Catalog.open(path).to_table()


@pytest.mark.parametrize("read", ["films", "posters", "poster"])
def test_reading_a_damaged_shard_is_one_line(path: Path, read: str) -> None:
    shard = path / "films-00001.parquet"
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:9] + bytes(size - 9))
    catalog = Catalog.open(path)
    reads: dict[str, Callable[[], Any]] = {
        "films": lambda: catalog.to_table(),
        "posters": lambda: list(catalog.posters()),
        "poster": lambda: catalog.poster(8),
    }
    with pytest.raises(CatalogError) as caught:
        reads[read]()
    assert str(caught.value).startswith(f"{path}: damaged (")
    assert "\n" not in str(caught.value)


def test_a_shard_without_a_column_is_one_line(path: Path) -> None:
    shard = path / "films-00000.parquet"
    pq.write_table(pq.ParquetFile(shard).read().drop_columns(["split"]), shard)
    shards = facts(path)["shards"]
    shards[0] |= {"size": shard.stat().st_size}
    put_facts(path, shards=shards)
    with pytest.raises(CatalogError, match="damaged"):
        Catalog.open(path).rows("train")


def test_other_columns_are_reported(path: Path) -> None:
    shard = path / "films-00000.parquet"
    table = pq.ParquetFile(shard).read().drop_columns(["width"])
    pq.write_table(table, shard)
    content = shard.read_bytes()
    shards = facts(path)["shards"]
    shards[0] |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    put_facts(path, shards=shards)
    assert check_catalog(path) == [f"{shard}: its columns are not those of a catalog"]


def test_a_film_in_another_split_than_its_group_is_reported(path: Path) -> None:
    # f0000 and f0008 show the same artwork and lie in different shards.
    films = {row["film_id"]: row for row in Catalog.open(path).to_table().to_pylist()}
    assert films["f0000"]["group"] == films["f0008"]["group"] == "f0000"
    split = films["f0008"]["split"]
    other = "test" if split == "train" else "train"
    tamper(path, lambda rows: rows[0].update(split=other), honest=True)
    first, second = sorted([split, other])
    assert check_catalog(path) == [f"group f0000: is in {first} and {second}; that leaks"]


def test_a_split_changed_by_hand_is_reported_even_if_no_group_is_cut(path: Path) -> None:
    def swap(rows: list[Row]) -> None:
        rows[1]["split"] = "test" if rows[1]["split"] == "train" else "train"

    tamper(path, swap)
    problems = check_catalog(path)
    assert f"{path}: its films are not those that catalog.json was written for" in problems


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"split": "holdout"}, "f0001: is in an unknown split ('holdout')"),
        ({"genres": ["Noir"]}, "f0001: has genres that are not in the vocabulary: ['Noir']"),
        ({"genres": []}, "f0001: has no genre"),
        ({"film_id": "f0002"}, "f0002: is in the catalog 2 times"),
        ({"width": 61}, "f0001: its poster has 60x90 pixels, not 61x90"),
        ({"poster": b"x"}, "f0001: its poster is not the one that was put in"),
        ({"poster": None}, "f0001: its poster is not the one that was put in"),
        (
            {"poster": b"x", "poster_sha256": hashlib.sha256(b"x").hexdigest()},
            "f0001: not a picture in a known format (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIF)",
        ),
    ],
    ids=["split", "genre", "no genre", "id", "width", "poster", "no poster", "undecodable"],
)
def test_a_row_that_breaks_a_rule_is_reported(path: Path, change: Row, problem: str) -> None:
    tamper(
        path, lambda rows: rows[1].update(change), honest=not {"genres", "split"} & change.keys()
    )
    problems = check_catalog(path)
    assert problems[0] == problem
    assert problems[1:] in (
        [],
        [f"{path}: its films are not those that catalog.json was written for"],
    )


@pytest.mark.parametrize("column", ["film_id", "genres", "group", "split", "poster_sha256"])
def test_an_empty_cell_is_reported(path: Path, column: str) -> None:
    tamper(path, lambda rows: rows[1].update({column: None}))
    assert check_catalog(path) == [f"{path}: 1 film without {column}"]


def test_a_lost_row_is_reported(path: Path) -> None:
    tamper(path, lambda rows: rows.__delitem__(-1))
    assert f"{path}: has 8 films, but catalog.json says 9" in check_catalog(path)


def test_counts_that_do_not_fit_the_films_are_reported(path: Path) -> None:
    counts = facts(path)["counts"]
    counts["Drama"]["train"] += 1
    put_facts(path, counts=counts)
    assert check_catalog(path) == [f"{path}: the counts in catalog.json are not those of its films"]


def test_lost_rejections_are_reported(path: Path) -> None:
    rejections = path / "rejections.csv"
    rejections.write_text("film_id,reason\n")
    assert check_catalog(path) == [f"{path}: rejections are missing from rejections.csv"]
    rejections.unlink()
    assert check_catalog(path) == [f"{rejections}: missing or damaged; build the catalog again"]


def test_a_newer_format_is_refused_and_says_what_to_do(path: Path) -> None:
    put_facts(path, format=3)
    (problem,) = check_catalog(path)
    assert problem.startswith(f"{path}: format 3, written by a newer keyart; this ")
    assert problem.endswith(" reads format 2: upgrade keyart")


def test_an_older_format_says_to_build_it_again(path: Path) -> None:
    put_facts(path, format=1)
    assert check_catalog(path) == [
        f"{path}: format 1, a catalog of an older keyart; build it again with keyart catalog build"
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b'{"format": 2}', b'{"format": "one"}'],
)
def test_a_damaged_catalog_json_is_one_line(path: Path, content: bytes) -> None:
    (path / "catalog.json").write_bytes(content)
    (problem,) = check_catalog(path)
    assert str(path) in problem
    assert "\n" not in problem


@pytest.mark.parametrize("series", [None, [], 3, {}, {"of": "all films"}, {"ignored": [1]}])
def test_damage_in_how_series_were_kept_is_one_line(path: Path, series: object) -> None:
    put_facts(path, split=facts(path)["split"] | {"series": series})
    (problem,) = check_catalog(path)
    assert problem.startswith(f"{path / 'catalog.json'}: damaged (")
    assert "\n" not in problem


@pytest.mark.parametrize(
    "key", ["vocabulary", "films", "fingerprint", "splits", "counts", "split", "unmapped", "shards"]
)
def test_a_catalog_json_that_lacks_something_is_one_line(path: Path, key: str) -> None:
    left = facts(path)
    del left[key]
    (path / "catalog.json").write_text(json.dumps(left))
    (problem,) = check_catalog(path)
    assert problem.startswith(f"{path / 'catalog.json'}: damaged (")


def test_a_folder_that_is_not_a_catalog_is_reported(tmp_path: Path) -> None:
    make = "with keyart catalog build"
    assert check_catalog(tmp_path) == [
        f"{tmp_path}: no catalog here (no catalog.json); make one {make}"
    ]
    none = tmp_path / "none"
    assert check_catalog(none) == [f"{none}: no such folder; make a catalog {make}"]
