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


def test_unusual_posters_are_accepted_and_broken_ones_rejected_each_with_its_reason(
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
        "bad-loop": "bad-loop.jpg: its symbolic links lead in a circle",
        "bad-pipe": "bad-pipe.jpg: not a file",
    }
    assert catalog.facts["tables"][0]["without_poster"] == 2  # bad-folder and bad-gone
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
    assert rejections(catalog) == [("f0001", "f0001.png: permission denied")]


def test_a_huge_file_is_rejected_unread(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(2))
    os.truncate(posters / "f0001.png", 5_000_000_000)
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    reason = "f0001.png: 5,000,000,000 bytes; a poster has at most 100,000,000"
    assert rejections(catalog) == [("f0001", reason)]


@pytest.mark.parametrize(
    "name", ["../secret.png", "/../secret.png", "posters/../../secret.png", "a" * 5000, ".."]
)
def test_a_poster_column_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    write_posters(tmp_path, {"secret.png": encoded(poster(1), "PNG")})
    folder = write_posters(tmp_path / "posters", {"a.png": encoded(poster(2), "PNG")})
    secret = str(tmp_path / "secret.png")
    # Only a row that names no file goes by its id.
    for given in (name, secret):
        for film_id in ("a", "b"):
            found = PosterFolder(folder, folder / "films.csv").find(film_id, given)
            assert found == f"no poster found: {given[:200]} is not in {folder}"


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
        f"{table}: no film with a genre and a poster in {folder}; {message}; 3 of 3 rows have no "
        "poster"
    )
    newer = write_table(tmp_path / "newer.csv", [("x", "Drama")])
    assert message in catalog.grow(newer, folder).facts["notes"]
    assert not any("no pictures" in note for note in catalog.facts["notes"])


def test_posters_are_found_by_the_names_that_people_give_them(tmp_path: Path) -> None:
    names = ["tt0085549.jpg", "12.png", "sub/Cover 3.JPG", ".hidden.jpg", "Dr. No", "Mr. Who.jpg"]
    (tmp_path / "sub").mkdir()
    pictures = {name: encoded(poster(seed), "PNG") for seed, name in enumerate(names)}
    folder = PosterFolder(write_posters(tmp_path, pictures))

    def find(film_id: str, poster: str | None = None) -> str | None:
        path = folder.find(film_id, poster)
        return str(path.relative_to(tmp_path)) if isinstance(path, Path) else None

    assert find("tt0085549") == find("tt85549") == find("x", "/tt0085549.jpg") == "tt0085549.jpg"
    assert find("tt0000012") == find("12") == "12.png"
    assert find("85549") is None  # another catalog's number
    assert find("x", "sub/Cover 3.JPG") == find("x", "cover 3.png") == "sub/Cover 3.JPG"
    assert find("x", "https://example.org/cover 3.jpg") is None
    assert find("12", "https://example.org/cover 3.jpg") == find("12", "/abc.jpg") == "12.png"
    assert find("12", "other/12.png") is None  # what a row names counts, not its id
    assert find(".hidden") is None
    assert find("Dr. No") == find("x", "Dr. No.jpg") == "Dr. No"
    assert find("Mr. Who") == find("x", "Mr. Who") == "Mr. Who.jpg"


@pytest.mark.parametrize(
    "name",
    [
        "posters/a/Pöster 1.jpg",
        "./posters/a/Pöster 1.jpg",
        "a/Pöster 1.jpg",
        "A/PÖSTER 1.JPG",
        "a\\Pöster 1.jpg",
        "C:\\Films\\posters\\a\\Pöster 1.jpg",
        "/somewhere/else/posters/a/Pöster 1.jpg",
        "a/P\u006f\u0308ster 1.jpg",
        "a/Pöster%201.jpg?size=big#top",
        "a/Pöster 1.webp",
        "a/Pöster 1",
        "{folder}/a/Pöster 1.jpg",
        "file://{folder}/a/Pöster 1.jpg",
        "b/../a/Pöster 1.jpg",
    ],
)
def test_a_row_s_poster_is_what_it_names_as_a_path(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "posters"
    for parent in ("a", "b"):
        (folder / parent).mkdir(parents=True)
        (folder / parent / "Pöster 1.jpg").write_bytes(b"\xff\xd8" + parent.encode())
    (folder / "f1.jpg").write_bytes(b"\xff\xd8")
    given = name.format(folder=folder)
    found = PosterFolder(folder, tmp_path / "films.csv").find("f1", given)
    assert found == folder / "a" / "Pöster 1.jpg"


def test_a_file_next_to_the_table_can_be_a_poster_too(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "1.png").write_bytes(encoded(poster(1), "PNG"))
    folder = write_posters(tmp_path / "posters", {"1.png": encoded(poster(2), "PNG")})
    assert PosterFolder(folder, tmp_path / "t.csv").find("x", "art/1.png") == tmp_path / "art/1.png"
    assert (
        PosterFolder(folder).find("x", "art/1.png")
        == f"no poster found: art/1.png is not in {folder}"
    )


def test_an_id_that_fits_two_pictures_takes_neither_but_copies_of_one_are_one(
    tmp_path: Path,
) -> None:
    one, other = encoded(poster(1), "PNG"), encoded(poster(2), "PNG")
    pictures = {"tt0000007.png": one, "7.png": other, "8.jpg": one, "8.png": one, "9.png": one}
    folder = PosterFolder(write_posters(tmp_path, pictures))
    assert folder.find("tt0000007") == (
        "two posters fit: tt0000007.png and 7.png; keep one, "
        "or name it in the table's poster column"
    )
    assert folder.find("7") == tmp_path / "7.png"
    assert folder.find("8") == tmp_path / "8.jpg"
    assert folder.find("x", "7.png") == tmp_path / "7.png"


def test_files_that_differ_in_case_alone_belong_to_ids_that_do(tmp_path: Path) -> None:
    pictures = {f"{name}.png": encoded(poster(n), "PNG") for n, name in enumerate(("Up", "UP"))}
    folder = PosterFolder(write_posters(tmp_path, pictures))
    assert [folder.find("Up"), folder.find("UP")] == [tmp_path / "Up.png", tmp_path / "UP.png"]
    assert "two posters fit: " in str(folder.find("up"))
    assert "two posters fit: " in str(folder.find("x", "up.png"))


def test_each_row_is_a_film_or_a_rejection_and_what_is_left_over_is_noted(tmp_path: Path) -> None:
    folder = write_posters(
        tmp_path / "posters", {f"{n}.png": encoded(poster(n), "PNG") for n in range(6)}
    )
    table = tmp_path / "films.csv"
    table.write_text(
        "film_id,genres,poster\n1,Drama,\n2,War,posters/1.png\n3,Foo | Bar,\n4,Dr,a,ma\n"
        "1,Drama,\n5,Sport,5.png\n6,War,6.png\n"
    )
    catalog = Catalog.build(table, folder, tmp_path / "cat")
    facts = catalog.facts
    assert facts["tables"] == [
        {"name": "films.csv", "rows": 7, "films": 2, "rejections": 5, "without_poster": 0}
    ]
    assert rejections(catalog) == [
        ("1", "line 6 lists it again with the same genres; counted once"),
        ("3", "no genre of the vocabulary (Foo|Bar)"),
        ("4", "line 5: 4 fields, but the header has 3; quote what holds a separator"),
        ("5", "no genre of the vocabulary (Sport)"),
        ("6", f"no poster found: 6.png is not in {folder}"),
    ]
    assert facts["unmapped_cells"] == {"Foo | Bar": 1, "Sport": 1}
    assert facts["notes"] == [
        "1 file is the poster of several films: 1.png (2 films)",
        "3 of 6 pictures in posters belong to no film of films.csv: 0.png, 2.png, 4.png",
    ]
    again = catalog.grow(table, folder)
    assert again.facts["tables"][1] == {
        "name": "films.csv", "rows": 7, "films": 0, "rejections": 7, "without_poster": 0
    }  # fmt: skip
    assert len(again) == 2


def test_a_table_whose_ids_are_no_file_names_gets_one_line_with_examples(tmp_path: Path) -> None:
    pictures = {f"Film {n}.png": encoded(poster(n), "PNG") for n in range(3)}
    folder = write_posters(tmp_path / "posters", pictures)
    table = write_table(tmp_path / "films.csv", [(f"tt{n:07}", "Drama") for n in range(3)])
    with pytest.raises(CatalogError) as caught:
        Catalog.build(table, folder, tmp_path / "cat")
    assert (
        "the ids are like tt0000000, tt0000001, and the files like Film 0.png, Film 1.png; "
        "give the column of file names with --poster-column, or that of ids with --id; "
        "3 of 3 rows have no poster"
    ) in str(caught.value)
    table.write_text("key,kind,file\na,Drama,Film 0.png\nb,War,Film 1.png\n")
    columns = {"id": "key", "genres": "KIND", "poster": "file"}
    catalog = Catalog.build(table, folder, tmp_path / "cat", columns=columns)
    assert [(film.film_id, film.genres) for film in catalog] == [("a", ("Drama",)), ("b", ("War",))]
    with pytest.raises(
        TableError, match=r"has no column 'keys'; did you mean 'key'\?; its columns"
    ):
        Catalog.build(table, folder, tmp_path / "other", columns={"id": "keys"})
    with pytest.raises(TableError, match="columns: 'ids' is none of id, title, "):
        Catalog.build(table, folder, tmp_path / "other", columns={"ids": "key"})


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
        (gone, posters, TableError, f"{gone}: no such file; give a table"),
        (table, gone, TableError, f"{gone}: no such folder; give the folder of posters"),
        (table, table, TableError, f"{table}: is a file, not a folder; give the folder of posters"),
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
            f"{strange}: no film with a genre and a poster in {posters}; 1 of 2 pictures in "
            "posters belong to no film of strange.csv: f0001.png; 1 of 2 rows have no poster; "
            "the first: f0000: no genre of the vocabulary (Drmaa)",
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


def test_films_without_a_poster_are_one_counted_line_and_no_rejections(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    folder = write_posters(
        tmp_path / "posters", {f"{n}.png": encoded(poster(i), "PNG") for i, n in enumerate(names)}
    )
    table = tmp_path / "films.csv"
    table.write_text(
        "film_id,genres,poster\n"
        "a,Drama,\n"  # has a poster
        "m1,Drama,\nm2,,\nm3,Zxcv,\nm4,Drama,https://example.org/4.jpg\nm5,Drama,/tmdb5.jpg\n"
        "m1,War,\n"  # listed twice, without a poster
        "b,Drama,\nb,War,b.png\n"  # disagrees with itself: one row names no poster
        "x,Drama,c.png\nx,Drama,\n"  # the poster is another row's
        "n,Drama,gone.png\n"  # named and not there
        "d,Dra,ma,x\n"  # faulty, and without a poster
    )
    catalog = Catalog.build(table, folder, tmp_path / "cat")
    assert [film.film_id for film in catalog] == ["a", "x"]
    assert catalog.facts["tables"] == [
        {"name": "films.csv", "rows": 13, "films": 2, "rejections": 5, "without_poster": 6}
    ]
    assert [(name, reason.partition(" (")[0]) for name, reason in rejections(catalog)] == [
        ("b", "line 10: listed with different genres"),
        ("b", "line 9: listed with different genres"),
        ("d", "line 14: 4 fields, but the header has 3; quote what holds a separator"),
        ("n", f"no poster found: gone.png is not in {folder}"),
        ("x", "line 12 lists it again with the same genres; counted once"),
    ]
    assert catalog.facts["unmapped"] == {}  # Zxcv is no genre of a film that could be here
    assert check_catalog(tmp_path / "cat") == []
