"""catalog/build.py: what a new catalog holds, and the reason for each film that it does not."""

import csv
import errno
import json
import os
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import keyart.catalog.write as write
from keyart.catalog.catalog import Catalog
from keyart.catalog.check import check_catalog
from keyart.catalog.poster_folder import PosterFolder
from keyart.catalog.split import parse_fractions
from keyart.catalog.table import SCHEMA
from keyart.errors import CatalogError, KeyartError, TableError
from keyart.genres import Vocabulary
from tests.tiny_catalog import encoded, poster, tiny_films, write_posters, write_table


def rejections(catalog: Catalog) -> list[tuple[str, str]]:
    return [(one.film_id, one.reason) for one in catalog.rejections()]


def test_a_catalog_holds_each_film_with_its_poster_as_found(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(60))
    calls: list[tuple[int, int]] = []
    catalog = Catalog.build(
        table, posters, tmp_path / "cat", progress=lambda done, of: calls.append((done, of))
    )
    films = catalog.to_table().to_pylist()
    assert len(catalog) == len(films) == 60
    assert [film["film_id"] for film in films] == [f"f{seed:04}" for seed in range(60)]
    with table.open(newline="") as file:
        listed = {row["film_id"]: row for row in csv.DictReader(file)}
    for row, (film, content) in enumerate(zip(films, catalog.posters(), strict=True)):
        assert content == (posters / f"{film['film_id']}.png").read_bytes() == catalog.poster(row)
        assert (film["width"], film["height"]) == (60, 90)
        assert film["title"] == f"Film {film['film_id']}"
        assert film["year"] == int(listed[film["film_id"]]["year"])
        assert set(film["genres"]) == set(listed[film["film_id"]]["genres"].split("|"))
        assert catalog.vocabulary.decode(catalog.truth[row]) == tuple(film["genres"])
        assert film["group"] == film["film_id"]
    splits = Counter(film["split"] for film in films)
    assert splits == catalog.facts["splits"]
    assert abs(splits["train"] - 36) <= 3
    assert sorted(np.concatenate([catalog.rows(split) for split in splits])) == list(range(60))
    assert calls[-1] == (60, 60)
    assert check_catalog(tmp_path / "cat") == []


def test_pyarrow_alone_reads_it(tmp_path: Path) -> None:
    Catalog.build(*tiny_films(tmp_path, range(3)), tmp_path / "cat")
    table = pq.ParquetFile(tmp_path / "cat" / "films-00000.parquet").read()
    assert table.schema.equals(SCHEMA)
    facts = json.loads((tmp_path / "cat" / "catalog.json").read_text())
    assert (facts["format"], facts["films"]) == (2, 3)
    assert sorted(path.name for path in (tmp_path / "cat").iterdir()) == [
        "catalog.json", "films-00000.parquet", "rejections.csv",
    ]  # fmt: skip


def test_one_seed_makes_one_catalog_and_another_seed_another(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(40))
    made = [Catalog.build(table, posters, tmp_path / f"c{n}", seed=n // 2) for n in range(3)]
    assert made[0].fingerprint == made[1].fingerprint != made[2].fingerprint
    assert [one.name for one in made[0].shards] == [one.name for one in made[1].shards]
    for one, other in zip(made[0].shards, made[1].shards, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_many_films_make_many_shards_and_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "SHARD", 10)
    monkeypatch.setattr(write, "ROW_GROUP", 4)
    table, posters = tiny_films(tmp_path, range(25))
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    assert [shard["films"] for shard in catalog.facts["shards"]] == [10, 10, 5]
    assert pq.ParquetFile(catalog.shards[0]).num_row_groups == 3
    found = list(catalog.posters())
    assert found == [(posters / f"f{seed:04}.png").read_bytes() for seed in range(25)]
    assert [catalog.poster(row) for row in (0, 9, 10, 24)] == [found[r] for r in (0, 9, 10, 24)]
    for row in (25, -1):
        with pytest.raises(CatalogError, match=rf"cat: no row {row}; its films are 0 to 24$"):
            catalog.poster(row)
    assert check_catalog(tmp_path / "cat") == []


def test_near_duplicates_form_a_group_in_one_split(tmp_path: Path) -> None:
    films = [(f"f{seed:02}{copy}", "Drama") for seed in range(20) for copy in "abc"]
    posters = {
        f"f{seed:02}{copy}.jpg": encoded(poster(seed, size), "JPEG", quality=quality)
        for seed in range(20)
        for copy, size, quality in (("a", (90, 135), 90), ("b", (60, 90), 60), ("c", (44, 66), 95))
    }
    catalog = Catalog.build(
        write_table(tmp_path / "films.csv", films),
        write_posters(tmp_path / "posters", posters),
        tmp_path / "cat",
    )
    assert catalog.groups.tolist() == [f"f{seed:02}a" for seed in range(20) for _ in "abc"]
    sides = {(film["group"], film["split"]) for film in catalog.to_table().to_pylist()}
    assert len(sides) == 20
    assert catalog.facts["splits"] == {"train": 36, "validation": 12, "test": 12}


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        sum_ = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", sum_)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def animated() -> bytes:
    first, second = poster(41), poster(42)
    return encoded(first, "GIF", save_all=True, append_images=[second])


def test_strange_posters_are_taken_and_broken_ones_rejected_each_with_its_reason(
    tmp_path: Path,
) -> None:
    whole = encoded(poster(30, (120, 180)), "JPEG")
    ramp = np.linspace(0, 65_535, 90 * 60).astype(np.uint16).reshape(90, 60)
    posters = {
        "ok-animated.gif": animated(),
        "ok-cmyk.jpg": encoded(poster(31).convert("CMYK"), "JPEG"),
        "ok-deep.png": encoded(Image.fromarray(ramp), "PNG"),
        "ok-disguised.jpg": encoded(poster(32), "WEBP"),
        "ok-palette.png": encoded(poster(33).convert("P"), "PNG"),
        "ok-plain.JPEG": encoded(poster(34), "JPEG"),
        "bad-bomb.png": png_header(60_000, 60_000),
        "bad-cut.jpg": whole[: len(whole) // 3],
        "bad-dot.png": encoded(Image.new("RGB", (1, 1)), "PNG"),
        "bad-empty.jpg": b"",
        "bad-text.jpg": b"<html>404</html>",
        "ok-suffix.txt": whole,
    }
    folder = write_posters(tmp_path / "posters", posters)
    (folder / "bad-folder.jpg").mkdir()
    (folder / "bad-loop.jpg").symlink_to("bad-loop.jpg")
    (folder / "around").symlink_to(folder)
    os.mkfifo(folder / "bad-pipe.jpg")
    names = sorted({Path(name).stem for name in posters} | {"bad-folder", "bad-gone", "bad-loop"})
    films = [(name, "Drama") for name in [*names, "bad-pipe"]]
    catalog = Catalog.build(write_table(tmp_path / "films.csv", films), folder, tmp_path / "cat")

    taken = catalog.to_table()["film_id"].to_pylist()
    assert taken == [name for name in names if name.startswith("ok-")]
    rejected = dict(rejections(catalog))
    assert rejected.pop("bad-cut").startswith("bad-cut.jpg: damaged JPEG file: ")
    assert rejected == {
        "bad-bomb": "bad-bomb.png: too large to decode: 60000x60000, over 80,000,000 pixels",
        "bad-dot": "bad-dot.png: 1x1 pixels; a poster needs at least 16 on each side",
        "bad-empty": "bad-empty.jpg: the file is empty",
        "bad-text": "bad-text.jpg: not a picture in a known format (JPEG, PNG, WEBP, GIF, BMP, "
        "TIFF, AVIF, HEIF), but HTML; save it as JPEG or PNG",
        "bad-folder": "no poster found",
        "bad-gone": "no poster found",
        "bad-loop": "bad-loop.jpg: Too many levels of symbolic links",
        "bad-pipe": "bad-pipe.jpg: not a file",
    }
    assert catalog.facts["notes"] == []  # nothing was found twice by way of the link
    assert check_catalog(tmp_path / "cat") == []


def test_a_poster_that_may_not_be_read_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, posters = tiny_films(tmp_path, range(3))
    read = Path.read_bytes

    def guarded(path: Path) -> bytes:
        if path.name == "f0001.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", guarded)
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    assert rejections(catalog) == [("f0001", "f0001.png: Permission denied")]


def test_a_huge_file_is_rejected_unread(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(2))
    os.truncate(posters / "f0001.png", 5_000_000_000)
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    reason = "f0001.png: 5,000,000,000 bytes; a poster has at most 100,000,000"
    assert rejections(catalog) == [("f0001", reason)]


@pytest.mark.parametrize(
    "name", ["../secret.png", "/../secret.png", "posters/../../secret.png", "a" * 5000, "..", ""]
)
def test_a_poster_column_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    write_posters(tmp_path, {"secret.png": encoded(poster(1), "PNG")})
    folder = write_posters(tmp_path / "posters", {"a.png": encoded(poster(2), "PNG")})
    secret = str(tmp_path / "secret.png")
    assert PosterFolder(folder).find("b", name) is None
    assert PosterFolder(folder).find("b", secret) is None
    assert PosterFolder(folder).find("a", name) == folder / "a.png"


def test_a_folder_without_pictures_is_described_and_a_catalog_that_grows_notes_it(
    tmp_path: Path,
) -> None:
    table, posters = tiny_films(tmp_path / "good", range(3))
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    folder = write_posters(tmp_path / "scans", {"f0000.psd": b"8BPS", "f0001.psd": b"8BPS"})
    message = (
        f"{folder}: no pictures in this folder or below it, but 2 files of other kinds (.psd 2)"
    )
    with pytest.raises(CatalogError) as raised:
        Catalog.build(table, folder, tmp_path / "other")
    assert str(raised.value) == (
        f"{table}: no film with a genre and a poster in {folder}; {message}; the first: f0000: no "
        "poster found"
    )
    newer = write_table(tmp_path / "newer.csv", [("x", "Drama")])
    assert message in catalog.grow(newer, folder).facts["notes"]
    assert not any("no pictures" in note for note in catalog.facts["notes"])


def test_posters_are_found_by_the_names_that_people_give_them(tmp_path: Path) -> None:
    names = ["tt0085549.jpg", "12.png", "sub/Cover 3.JPG", ".hidden.jpg", "7.jpg", "7.png"]
    (tmp_path / "sub").mkdir()
    folder = PosterFolder(write_posters(tmp_path, dict.fromkeys(names, b"")))

    def find(film_id: str, poster: str | None = None) -> str | None:
        path = folder.find(film_id, poster)
        return None if path is None else str(path.relative_to(tmp_path))

    assert find("tt0085549") == find("tt85549") == find("x", "/tt0085549.jpg") == "tt0085549.jpg"
    assert find("tt0000012") == find("12") == "12.png"
    assert find("85549") is None  # another catalog's number
    assert find("x", "sub/Cover 3.JPG") == find("x", "cover 3.png") == "sub/Cover 3.JPG"
    assert find("x", "https://example.org/cover 3.jpg") is None
    assert find(".hidden") is None
    assert find("7") == "7.jpg"
    assert folder.notes == [
        f"{tmp_path.name}: 1 posters share the name of another one, and the first counts: "
        "7.jpg and 7.png"
    ]


def test_a_film_with_no_known_genre_is_rejected_and_the_name_counted(tmp_path: Path) -> None:
    films = [("f0000", "Drama|Film-Noir"), ("f0001", "Film-Noir"), ("f0002", "War"), ("f0003", "")]
    table, posters = tiny_films(tmp_path, range(4))
    catalog = Catalog.build(write_table(table, films), posters, tmp_path / "cat")
    assert catalog.facts["unmapped"] == {"Film-Noir": 2}
    assert rejections(catalog) == [
        ("f0001", "no genre of the vocabulary (Film-Noir)"),
        ("f0003", "no genre given"),
    ]


def test_another_vocabulary_is_kept_in_the_catalog(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(3))
    write_table(table, [("f0000", "Noir"), ("f0001", "dark"), ("f0002", "Drama")])
    vocabulary = Vocabulary(("Noir", "Bright"), {"Dark": ("Noir",)})
    catalog = Catalog.build(table, posters, tmp_path / "cat", vocabulary=vocabulary)
    opened = Catalog.open(tmp_path / "cat")
    assert opened.vocabulary == catalog.vocabulary == vocabulary
    assert opened.truth.tolist() == [[True, False], [True, False]]


def test_what_cannot_be_built_gets_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path / "in", range(2))
    out, gone = tmp_path / "out", tmp_path / "gone"
    empty = write_table(tmp_path / "in" / "empty.csv", [])
    strange = write_table(tmp_path / "in" / "strange.csv", [("f0000", "Drmaa"), ("x", "Drama")])
    cases: list[tuple[Path, Path, type[KeyartError], str]] = [
        (gone, posters, TableError, f"{gone}: no such file; name a table"),
        (table, gone, TableError, f"{gone}: no such folder of posters"),
        (table, table, TableError, f"{table}: no such folder of posters"),
        (
            empty,
            posters,
            TableError,
            f"{empty}: no films in it; give a table with one row per film",
        ),
        (
            strange,
            posters,
            CatalogError,
            f"{strange}: no film with a genre and a poster in {posters}; the first: f0000: no "
            "genre of the vocabulary (Drmaa)",
        ),
    ]
    for films, folder, kind, message in cases:
        with pytest.raises(kind) as caught:
            Catalog.build(films, folder, out)
        assert str(caught.value) == message
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_poster_that_changes_while_the_catalog_is_made_stops_it(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path / "in", range(5))

    def meddle(done: int, _: int) -> None:
        if done == 5:
            (posters / "f0003.png").write_bytes(encoded(poster(99), "PNG"))

    with pytest.raises(CatalogError) as caught:
        Catalog.build(table, posters, tmp_path / "cat", progress=meddle)
    assert str(caught.value) == (
        f"{posters}/f0003.png: changed while the catalog was made; run it again"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_fractions_are_read_as_people_write_them() -> None:
    assert parse_fractions("60/20/20") == (0.6, 0.2, 0.2)
    assert parse_fractions("80 / 20 / 0") == (0.8, 0.2, 0.0)
    for text in (
        "60/20",
        "a/b/c",
        "60/20/30",
        "0/50/50",
        "120/-10/-10",
        "nan/50/50",
        "",
        "1/1/1/1",
    ):
        with pytest.raises(CatalogError, match=r"^split .*: (write three|expected three)"):
            parse_fractions(text)


def test_a_large_row_of_posters_is_cut_into_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, posters = tiny_films(tmp_path, range(8))
    monkeypatch.setattr(write, "ROW_GROUP_BYTES", 1)
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    assert pq.ParquetFile(catalog.shards[0]).num_row_groups == 8
    assert catalog.poster(7) == (posters / "f0007.png").read_bytes()
