"""TMDb: its key, its genres, its terms; and from what has arrived to a catalog."""

import json
import logging
import sys
import time
from pathlib import Path

import pytest

import keyart
from keyart.__main__ import main
from keyart.catalog.catalog import Catalog
from keyart.catalog.terms import SourceTerms, check_agreement, read_terms, terms_of, write_terms
from keyart.errors import CatalogError, FetchError, TermsError
from keyart.evaluation.evaluate import with_terms
from keyart.sources.fetch import Fetch
from keyart.sources.manifest import Manifest, Row
from keyart.sources.pace import Limits
from keyart.sources.terms import TERMS
from keyart.sources.tmdb import Tmdb, read_key
from tests.poster_server import Answer, Server, picture, posters, serving, tmdb
from tests.tiny_catalog import tiny_films

HERE = ("127.0.0.1",)
FAST = Limits(rate=5_000, backoff=0.02, seconds=5, tries=3)
TOKEN = "eyJhbGciOi.JIUzI1NiJ9eyJhdWQ.iOiJzZWNyZXQ"
OLD_KEY = "0123456789abcdef0123456789abcdef"
DAY = 86_400


def entry(number: int, *genres: str) -> dict[str, object]:
    return {
        "id": number,
        "poster_path": f"/{number}.jpg",
        "genres": [{"id": 1, "name": genre} for genre in genres],
    }


KNOWN: dict[str, dict[str, object]] = {
    "10": entry(10, "Horror", "Science Fiction"),
    "11": entry(11, "Drama"),
    "12": entry(12) | {"poster_path": None},
    "13": {"id": 13, "poster_path": "/13.jpg", "genre_ids": [35, 878]},
}
FOUND = {"tt0000013": "13"}
OWN = """film_id,tmdb_id,title,year,genres
tt0000010,10,Ten,1979,Horror|Thriller
tt0000011,11,Eleven,1980,Comedy
tt0000012,12,Twelve,1981,Comedy
tt0000013,,Thirteen,1982,
tt0000014,99,Fourteen,1983,Drama
tt0000015,,Fifteen,1984,Drama
"""


def planned(folder: Path) -> Fetch:
    (folder / "films.csv").write_text(OWN)
    return Fetch.plan([folder / "films.csv"], folder / "fetch", tmdb=True)


def at(server: Server) -> Tmdb:
    return Tmdb(api=f"{server.url}/3", images=f"{server.url}/t/p")


def rows(fetch: Fetch) -> dict[str, Row]:
    return {row["film_id"]: row for _, row in Manifest(fetch.path).rows()}


@pytest.mark.parametrize("key", [TOKEN, OLD_KEY])
def test_posters_and_genres_of_tmdb_come_by_id_and_the_key_shows_nowhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str,
) -> None:
    monkeypatch.setenv("TMDB_API_KEY", key)
    caplog.set_level(logging.DEBUG)
    with serving(tmdb(key, KNOWN, FOUND)) as server:
        fetch = planned(tmp_path)
        tally = fetch.run(limits=FAST, allow_networks=HERE, tmdb=at(server))
        assert tally.posters == {"fetched": 3, "absent": 3}
        pictures = [path for path in server.asked if path.startswith("/t/p/")]
        assert sorted(pictures) == [f"/t/p/w342/{n}.jpg" for n in (10, 11, 13)]
        for path, headers in zip(server.asked, server.headers, strict=True):
            to_api = path.startswith("/3/")
            assert to_api == (key in path + headers.get("authorization", ""))
        # What TMDb said is known now: a second run asks nothing.
        assert fetch.run(limits=FAST, allow_networks=HERE, tmdb=at(server)).requests == 0
    found = rows(fetch)
    assert found["tt0000010"]["genres"] == ["Horror", "Sci-Fi", "Thriller"]
    assert found["tt0000010"]["genres_tmdb"] == ["Horror", "Science Fiction"]
    assert found["tt0000010"]["genres_table"] == ["Horror", "Thriller"]
    assert (found["tt0000013"]["tmdb_id"], found["tt0000013"]["genres"]) == (
        "13",
        ["Comedy", "Sci-Fi"],
    )
    assert found["tt0000012"]["reason"] == "TMDb has no poster of it"
    assert found["tt0000014"]["reason"] == "not there (404)"
    assert found["tt0000015"]["reason"] == "TMDb does not know the film"
    assert fetch.status().terms == ["tmdb"]
    everything = b"".join(file.read_bytes() for file in fetch.path.rglob("*") if file.is_file())
    assert key.encode() not in everything
    assert key not in caplog.text
    assert key not in repr(read_key())


def test_a_key_that_is_refused_ends_the_run_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMDB_API_KEY", "wrong-key-wrong-key")
    with serving(tmdb(TOKEN, KNOWN, FOUND)) as server:
        fetch = planned(tmp_path)
        with pytest.raises(FetchError) as caught:
            fetch.run(limits=FAST, allow_networks=HERE, tmdb=at(server))
        assert len(server.asked) <= 8
    assert str(caught.value) == "TMDb refuses the key: Invalid API key; make another one"
    assert fetch.status().posters["planned"] == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "TMDB_API_KEY: no key of TMDb; set TMDB_API_KEY or give a file"),
        (b"", "no key of TMDb"),
        (b"two words\n", "not a key of TMDb"),
        (b"\xff\xfe\x00\x80", "not a text file"),
        (b"absent", "no such file"),
    ],
)
def test_without_a_key_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    monkeypatch.delenv("TMDB_API_KEY", raising=False)
    file = tmp_path / "key"
    if content not in (None, b"absent"):
        assert content is not None
        file.write_bytes(content)
    with pytest.raises(FetchError) as caught:
        planned(tmp_path).run(key_file=None if content is None else file)
    assert message in str(caught.value)
    assert "two words" not in str(caught.value)


def test_a_key_in_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{OLD_KEY}\n")
    assert read_key(tmp_path / "key").params == {"api_key": OLD_KEY}


def test_posters_of_tmdb_are_removed_after_six_months_and_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMDB_API_KEY", TOKEN)
    with serving(tmdb(TOKEN, KNOWN, FOUND)) as server:
        fetch = planned(tmp_path)
        fetch.run(limits=FAST, allow_networks=HERE, tmdb=at(server))
        now = time.time()
        assert fetch.expire() == 0
        monkeypatch.setattr(time, "time", lambda: now + 170 * DAY)
        # An unchanged poster is still the old copy: asking for it gives it no more time.
        fetch.run(limits=FAST, allow_networks=HERE, tmdb=at(server), refresh=True)
        assert fetch.status().expiring == 3
        monkeypatch.setattr(time, "time", lambda: now + 180 * DAY + 60)
        assert fetch.expire() == 3
        assert not list(fetch.path.rglob("*.jpg"))
        assert fetch.status().posters["expired"] == 3
        assert fetch.follow(tmp_path / "catalog").new == 0
        tally = fetch.run(limits=FAST, allow_networks=HERE, tmdb=at(server))
        assert tally.posters["fetched"] == 3
    assert len(list(fetch.path.rglob("*.jpg"))) == 3


def numbered(server: Server, films: range) -> str:
    genres = ("Drama", "Comedy", "Drama|Comedy", "Horror")
    lines = [f"f{n:03},Film {n},1990,{genres[n % 4]},{server.url}/{n}.jpg\n" for n in films]
    return "film_id,title,year,genres,url\n" + "".join(lines)


def test_a_new_month_of_films_is_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["keyart", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert ended.value.code in (0, None), shown.err
        return shown.out

    def route(server: Server, path: str) -> Answer:
        return Answer(404) if path == "/3.jpg" else posters(server, path)

    fetch, catalog, table = tmp_path / "fetch", tmp_path / "catalog", tmp_path / "films.csv"
    run = ("fetch", "run", fetch, "--allow-network", "127.0.0.1", "--follow", catalog)
    with serving(route) as server:
        for films in (range(8), range(2, 12)):
            table.write_text(numbered(server, films))
            command("fetch", "plan", table, "--url-column", "url", "--out", fetch)
            printed = command(*run)
        assert len(server.asked) == 12
    assert "4 posters fetched with 4 requests" in printed
    assert "11 films, 4 of them new" in printed
    names = {film.film_id for film in Catalog.open(catalog)}
    assert names == {f"f{n:03}" for n in range(12) if n != 3}
    status = json.loads(command("fetch", "status", fetch, "--json"))
    assert (status["posters"]["fetched"], status["posters"]["absent"], status["gone"]) == (11, 1, 2)
    assert "not there (404)" in command("fetch", "status", fetch)
    assert "0 of them new" in command(*run)


def test_a_mirror_needs_no_network_and_copies_what_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "10.jpg").write_bytes(picture(10))
    (tmp_path / "mirror" / "tt0000011.jpg").write_bytes(b"<html>")
    (tmp_path / "films.csv").write_text(OWN)
    fetch = Fetch.plan([tmp_path / "films.csv"], tmp_path / "fetch", mirror=tmp_path / "mirror")
    tally = fetch.run()
    assert tally.posters == {"fetched": 1, "refused": 1}
    assert [file.read_bytes() for file in fetch.path.rglob("*.jpg")] == [picture(10)]
    assert rows(fetch)["tt0000014"]["reason"] == "no poster found"


def test_a_catalog_keeps_the_terms_of_its_posters_and_training_asks_for_the_agreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMDB_API_KEY", TOKEN)
    with serving(tmdb(TOKEN, KNOWN, FOUND)) as server:
        fetch = planned(tmp_path)
        fetch.run(limits=FAST, allow_networks=HERE, tmdb=at(server))
    catalog = fetch.follow(tmp_path / "catalog").catalog
    assert catalog is not None
    asked = SourceTerms("TMDb", TERMS["tmdb"].attribution, True)
    assert terms_of(catalog) == [asked] == read_terms(fetch.path / "posters")
    with pytest.raises(TermsError) as caught:
        check_agreement(catalog, False)
    assert str(caught.value).endswith("if you have one, add --i-have-an-agreement")
    check_agreement(catalog, True)
    for begin in (keyart.train, keyart.tune, keyart.run_milestone):
        with pytest.raises(TermsError):
            begin(catalog, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # They become notes of the model: in its card, which the service's page shows, and its report.
    said = f"TMDb: {asked.attribution}; its content trains a model only with a written agreement"
    assert with_terms(("one", said), catalog) == ("one", said)
    (fetch.path / "posters" / "terms.json").write_text('[{"source": 3}]')
    with pytest.raises(CatalogError, match="not terms of keyart"):
        read_terms(fetch.path / "posters")


def test_terms_stay_when_a_catalog_grows_and_in_a_sample_of_it(tmp_path: Path) -> None:
    table, folder = tiny_films(tmp_path / "old", range(40))
    write_terms(folder, [SourceTerms("One", "said by one", False)])
    catalog = Catalog.build(table, folder, tmp_path / "catalog")
    table, folder = tiny_films(tmp_path / "new", range(40, 44))
    write_terms(folder, [SourceTerms("Two", "", True)])
    grown = catalog.grow(table, folder)
    assert [one.source for one in terms_of(grown)] == ["One", "Two"]
    assert terms_of(grown.sample(30, out=tmp_path / "sample")) == terms_of(grown)
    assert with_terms((), grown) == (
        "One: said by one",
        "Two: its content trains a model only with a written agreement",
    )
