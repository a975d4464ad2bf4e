"""From lists of films to a manifest: which films, which genres, which addresses; no network."""

import errno
import gzip
import json
import os
import socket
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from keyart.errors import FetchError, KeyartError, TableError
from keyart.sources import manifest as manifests
from keyart.sources.fetch import Fetch
from keyart.sources.manifest import Manifest, Row
from keyart.sources.places import address_problem

TEMPLATE = "https://posters.example/{film_id}.jpg"
BASICS = r"""tconst|titleType|primaryTitle|originalTitle|isAdult|startYear|endYear|runtime|genres
tt0000001|short|Carmencita|Carmencita|0|1894|\N|1|Documentary,Short
tt0078748|movie|Alien|Alien|0|1979|\N|117|Horror,Sci-Fi
tt0113277|movie|"Heat"|"Heat"|0|1995|\N|170|Action,Crime,Drama
tt0099999|movie|Adults|Adults|1|1990|\N|90|Drama
tt0111111|tvMovie|At Home|At Home|0|1996|\N|90|Drama
tt10000000|movie|\N|\N|0|\N|\N|\N|\N
""".replace("|", "\t")
RATINGS = "tconst\taverageRating\tnumVotes\ntt0078748\t8.5\t900000\ntt0113277\t8.3\t700\n"
MOVIES = """movieId,title,genres
1214,Alien (1979),Horror|Sci-Fi|Thriller
6,Heat (1995),Action|Crime|Thriller
7,"Nobody, The (2021)",Comedy|IMAX
"""
LINKS = "movieId,imdbId,tmdbId\n1214,0078748,348\n6,0113277,\n7,,500\n"
EXPORT = [
    {"adult": False, "id": 348, "original_title": "Alien", "popularity": 20.1, "video": False},
    {"adult": True, "id": 349, "original_title": "Adults", "popularity": 0.6, "video": False},
    {"adult": False, "id": 351, "original_title": "Alone", "popularity": 0.6, "video": False},
]


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    """IMDb's, MovieLens's and TMDb's lists, as they come."""
    export = "".join(json.dumps(one) + "\n" for one in EXPORT)
    contents = {
        "basics": ("title.basics.tsv.gz", gzip.compress(BASICS.encode())),
        "ratings": ("title.ratings.tsv.gz", gzip.compress(RATINGS.encode())),
        "movies": ("movies.csv", MOVIES.encode()),
        "links": ("links.csv", LINKS.encode()),
        "export": ("movie_ids_11_28_2026.json.gz", gzip.compress(export.encode())),
    }
    for name, content in contents.values():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / file for name, (file, _) in contents.items()}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a plan asks nothing of the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def rows(fetch: Fetch) -> dict[str, Row]:
    return {row["film_id"]: row for _, row in Manifest(fetch.path).rows()}


def test_imdb_is_read_as_it_is_and_gives_films_that_are_not_for_adults(
    tables: dict[str, Path], tmp_path: Path
) -> None:
    fetch = Fetch.plan([tables["basics"]], tmp_path / "fetch", url_template=TEMPLATE)
    found = rows(fetch)
    assert {name: (row["title"], row["year"], row["genres"]) for name, row in found.items()} == {
        "tt0078748": ("Alien", 1979, ["Horror", "Sci-Fi"]),
        "tt0113277": ('"Heat"', 1995, ["Action", "Crime", "Drama"]),
        "tt10000000": ("", None, []),
    }
    assert found["tt0078748"]["url"] == "https://posters.example/tt0078748.jpg"
    assert found["tt0078748"]["terms"] == ["imdb"]


@pytest.mark.parametrize(
    ("options", "films"),
    [
        ({"types": ["short", "tvMovie"]}, ["tt0000001", "tt0111111"]),
        ({"years": (1990, 2000)}, ["tt0113277"]),
        ({"years": (None, 1980)}, ["tt0078748"]),
        ({"years": (1995, None)}, ["tt0113277"]),
        ({"min_votes": 1_000}, ["tt0078748"]),
    ],
)
def test_types_years_and_votes_choose_films(
    tables: dict[str, Path], tmp_path: Path, options: dict[str, object], films: list[str]
) -> None:
    given = [tables["basics"], tables["ratings"]]
    fetch = Fetch.plan(given, tmp_path / "fetch", url_template=TEMPLATE, **options)  # type: ignore[arg-type]
    assert list(rows(fetch)) == films


def test_films_of_several_sources_are_one_film_by_its_ids(
    tables: dict[str, Path], tmp_path: Path
) -> None:
    fetch = Fetch.plan(list(tables.values()), tmp_path / "fetch", tmdb=True)
    found = rows(fetch)
    assert set(found) == {"tt0078748", "tt0113277", "tt10000000", "tmdb-500", "tmdb-351"}
    alien = found["tt0078748"]
    assert (alien["imdb_id"], alien["tmdb_id"], alien["url"]) == ("tt0078748", "348", None)
    assert alien["genres"] == ["Horror", "Sci-Fi", "Thriller"]
    assert alien["genres_imdb"] == ["Horror", "Sci-Fi"]
    assert alien["genres_movielens"] == ["Horror", "Sci-Fi", "Thriller"]
    assert alien["terms"] == ["imdb", "movielens", "tmdb"]
    assert found["tt0113277"]["genres"] == ["Action", "Crime", "Drama", "Thriller"]
    assert found["tmdb-500"]["title"] == "Nobody, The"
    facts = fetch.status().facts
    # Alien: 2 of 3 genres are common; Heat: 2 of 4.
    assert facts["pairs"] == {
        "imdb and movielens": {"films": 2, "differ": 2, "jaccard": round((2 / 3 + 2 / 4) / 2, 4)}
    }
    assert (facts["genres_of_several"], facts["genres_differ"]) == (2, 2)
    assert facts["rule"] == "the union of all sources"
    assert facts["unmapped"] == {"IMAX": 1}


def test_a_preferred_source_decides_where_it_has_genres(
    tables: dict[str, Path], tmp_path: Path
) -> None:
    given = [tables["basics"], tables["movies"], tables["links"]]
    fetch = Fetch.plan(given, tmp_path / "fetch", tmdb=True, prefer="imdb")
    found = rows(fetch)
    assert found["tt0078748"]["genres"] == ["Horror", "Sci-Fi"]
    assert found["tmdb-500"]["genres"] == ["Comedy"]
    assert fetch.status().facts["rule"].startswith("the genres of imdb if it has any")


def test_one_source_names_the_films_and_the_others_add_genres(
    tables: dict[str, Path], tmp_path: Path
) -> None:
    fetch = Fetch.plan(list(tables.values()), tmp_path / "fetch", tmdb=True, only="movielens")
    found = rows(fetch)
    assert set(found) == {"tt0078748", "tt0113277", "tmdb-500"}
    assert found["tt0113277"]["genres_imdb"] == ["Action", "Crime", "Drama"]


def test_the_old_dat_form_of_movielens_is_read(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes(
        "1::Toy Story (1995)::Animation|Children's\n2::Misérables, Les (1995)::Drama\n".encode(
            "latin-1"
        )
    )
    fetch = Fetch.plan([tmp_path / "movies.dat"], tmp_path / "fetch", url_template=TEMPLATE)
    assert {name: (row["title"], row["genres"]) for name, row in rows(fetch).items()} == {
        "movielens-1": ("Toy Story", ["Animation", "Family"]),
        "movielens-2": ("Misérables, Les", ["Drama"]),
    }


def own(folder: Path, text: str) -> Path:
    table = folder / "own.csv"
    table.write_text(text)
    return table


def test_a_column_of_addresses_is_checked_before_anything_is_asked(tmp_path: Path) -> None:
    addresses = {
        "a": "https://posters.example/a%20b.jpg?size=3",
        "b": "",
        "c": "ftp://posters.example/c.jpg",
        "d": "https://me:secret@posters.example/d.jpg",
        "e": "file:///etc/passwd",
        "f": "https://",
        "g": "http://posters.example:99999/g.jpg",
        "h": "https://posters.example/ü.jpg",
    }
    lines = [f"{name},Drama,{url}\n" for name, url in addresses.items()]
    table = own(tmp_path, "film_id,genres,picture\n" + "".join(lines))
    fetch = Fetch.plan([table], tmp_path / "fetch", url_column="picture")
    found = rows(fetch)
    assert found["a"]["url"] == addresses["a"]
    assert [row["status"] for row in found.values()] == ["planned"] + 7 * ["refused"]
    assert all(row["url"] is None for name, row in found.items() if name != "a")
    counts = fetch.status().facts["without_place"]
    assert counts["an address with a password in it"] == 1
    assert counts["not an http or https address"] == 2
    assert not any("secret" in file.read_bytes().decode("latin-1") for file in files(tmp_path))


def files(folder: Path) -> list[Path]:
    return [file for file in (folder / "fetch").rglob("*") if file.is_file()]


def test_a_template_makes_addresses_of_ids(tables: dict[str, Path], tmp_path: Path) -> None:
    given = [tables["movies"], tables["links"]]
    template = "https://posters.example/{imdb_number}/{tmdb_id}.jpg"
    found = rows(Fetch.plan(given, tmp_path / "fetch", url_template=template))
    assert found["tt0078748"]["url"] == "https://posters.example/0078748/348.jpg"
    assert found["tt0113277"]["reason"] == "has no tmdb_id, which the address needs"
    table = own(tmp_path, "film_id,genres\n../x y,Drama\n")
    odd = rows(Fetch.plan([table], tmp_path / "odd", url_template=TEMPLATE))
    assert odd["../x y"]["url"] == "https://posters.example/..%2Fx%20y.jpg"


def test_a_table_without_genres_takes_those_of_imdb(
    tables: dict[str, Path], tmp_path: Path
) -> None:
    table = own(tmp_path, "tconst,picture\ntt0078748,https://posters.example/a.jpg\n")
    fetch = Fetch.plan(
        [tables["basics"], table], tmp_path / "fetch", url_column="picture", only="table"
    )
    ((name, row),) = rows(fetch).items()
    assert (name, row["title"], row["genres"]) == ("tt0078748", "Alien", ["Horror", "Sci-Fi"])


def test_a_line_that_a_full_disk_cuts_off_leaves_the_journal_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = own(tmp_path, "film_id,title,genres\na,A,Drama\nb,B,Drama\n")
    manifest = Manifest(Fetch.plan([table], tmp_path / "fetch", url_template=TEMPLATE).path)
    journal = manifests.Journal(manifest.journal)
    write, room = os.write, [10, 0]

    def full(handle: int, data: bytes) -> int:
        if not room:
            return write(handle, data)
        if not (left := room.pop(0)):
            raise OSError(errno.ENOSPC, "no space")
        return write(handle, data[:left])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        journal.add({"row": 0, "status": "failed"})
    journal.add({"row": 1, "status": "failed"})
    journal.close()
    assert manifest.changes() == {1: {"status": "failed"}}


def test_a_second_plan_adds_new_films_and_reports_those_that_have_left(tmp_path: Path) -> None:
    old = own(tmp_path, "film_id,title,genres\na,A,Drama\nb,B,Drama\n")
    fetch = Fetch.plan([old], tmp_path / "fetch", url_template=TEMPLATE)
    manifest = Manifest(fetch.path)
    journal = manifests.Journal(manifest.journal)
    for row in (0, 1):
        journal.add({"row": row, "status": "fetched", "poster": f"00/{row}.jpg", "attempts": 1})
    journal.close()
    new = own(tmp_path, "film_id,title,genres\nb,B again,Drama|Comedy\nc,C,Drama\n")
    again = Fetch.plan([new], tmp_path / "fetch", url_template=TEMPLATE)
    assert again.planned is not None
    assert (again.planned.films, again.planned.new) == (3, 1)
    assert (again.planned.gone, again.planned.first_gone) == (1, ["a"])
    found = rows(again)
    assert {name: (row["status"], row["listed"]) for name, row in found.items()} == {
        "a": ("fetched", False),
        "b": ("fetched", True),
        "c": ("planned", True),
    }
    assert found["b"]["title"] == "B again"
    assert found["b"]["genres"] == ["Comedy", "Drama"]
    assert again.status().gone == 1
    assert not list(fetch.path.glob("journal-*"))
    moved = "https://elsewhere.example/{film_id}.jpg"
    third = rows(Fetch.plan([new], tmp_path / "fetch", url_template=moved))
    assert (third["b"]["status"], third["b"]["poster"]) == ("planned", "00/1.jpg")


BAD: dict[str, tuple[str, str, str]] = {
    "broken ids": ("own.csv", "tconst,genres,u\nx,Drama,\nttt7,Drama,\n", "an id of IMDb that is"),
    "ratings of users": ("r.csv", "userId,movieId,rating,timestamp\n1,2,3,4\n", "ratings of users"),
    "links alone": ("links.csv", LINKS, "links.csv needs MovieLens's movies.csv"),
    "votes alone": ("r.tsv", RATINGS, "no list of films among them"),
    "no rows": ("own.csv", "film_id,genres\n", "no films in it"),
    "no ids": ("own.csv", "colour,genres\nred,Drama\n", "no column of film ids"),
    "an older IMDb": ("b.tsv", "tconst\ttitleType\tprimaryTitle\n", "has no column isAdult"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_list_is_one_line(tmp_path: Path, what: str) -> None:
    name, text, message = BAD[what]
    (tmp_path / name).write_text(text)
    with pytest.raises(KeyartError) as caught:
        Fetch.plan([tmp_path / name], tmp_path / "fetch", url_template=TEMPLATE)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "fetch").exists()


def test_damaged_gzip_is_named(tables: dict[str, Path], tmp_path: Path) -> None:
    content = tables["basics"].read_bytes()
    for damaged in (content[:-20], content[:60] + bytes(20) + content[80:]):
        tables["basics"].write_bytes(damaged)
        with pytest.raises(TableError, match="damaged gzip"):
            Fetch.plan([tables["basics"]], tmp_path / "fetch", url_template=TEMPLATE)


def test_lines_that_cannot_be_used_are_counted(tables: dict[str, Path], tmp_path: Path) -> None:
    tables["basics"].write_text(f"{BASICS}nm1\tmovie\tX\tX\t0\t1990\t\\N\t1\tDrama\ntt5\tmovie\n")
    fetch = Fetch.plan([tables["basics"]], tmp_path / "fetch", url_template=TEMPLATE)
    name = tables["basics"].name
    assert fetch.status().facts["problems"] == {
        f"{name}: no id of IMDb": 1,
        f"{name}: 2 fields, but the header has 9": 1,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "0 places of posters were given"),
        ({"tmdb": True, "url_column": "x"}, "2 places of posters were given"),
        ({"url_template": "https://x/{imdbid}.jpg"}, "{imdbid} is none of {film_id}"),
        ({"url_template": "https://x/poster.jpg"}, "names none of {film_id}"),
        ({"url_template": "{film_id}"}, "not an http or https address"),
        ({"tmdb": True, "size": "w343"}, "no size 'w343' at TMDb"),
        ({"tmdb": True, "only": "imbd"}, "no source 'imbd'; did you mean 'imdb'?"),
        ({"tmdb": True, "only": "tmdb"}, "no table of tmdb was given"),
        ({"tmdb": True, "min_votes": 9}, "give that table too"),
    ],
)
def test_what_cannot_be_planned_is_one_line(
    tables: dict[str, Path], tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(FetchError) as caught:
        Fetch.plan([tables["movies"]], tmp_path / "fetch", **options)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_manifest_of_another_version_and_a_damaged_one_are_one_line(tmp_path: Path) -> None:
    table = own(tmp_path, "film_id,genres\na,Drama\n")
    fetch = Fetch.plan([table], tmp_path / "fetch", url_template=TEMPLATE)
    whole = manifests.FORMAT
    try:
        manifests.FORMAT = whole + 1
        Fetch.plan([table], tmp_path / "later", url_template=TEMPLATE)
    finally:
        manifests.FORMAT = whole
    path = tmp_path / "later" / "manifest.parquet"
    with pytest.raises(FetchError) as caught:
        Fetch.open(tmp_path / "later")
    assert str(caught.value).startswith(f"{path}: format {whole + 1}, written by a newer keyart")
    content = (fetch.path / "manifest.parquet").read_bytes()
    (fetch.path / "manifest.parquet").write_bytes(content[:-50])
    with pytest.raises(FetchError, match="damaged"):
        Fetch.open(fetch.path)
    pq.write_table(pq.read_table(path), fetch.path / "manifest.parquet")
    with pytest.raises(FetchError, match="is no manifest of keyart"):
        Fetch.open(fetch.path)
    (fetch.path / "manifest.parquet").unlink()
    with pytest.raises(FetchError, match=r"no manifest here \(no manifest.parquet\)"):
        Fetch.open(fetch.path)
    with pytest.raises(FetchError, match="no such folder"):
        Fetch.open(tmp_path / "nowhere")


def test_an_address_of_odd_letters_is_no_address() -> None:
    assert address_problem("http://x/\n") != ""
    assert address_problem("http://[::1") == "not an address"
    assert address_problem("HTTP://x/") == ""
