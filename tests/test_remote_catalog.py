"""Catalogs in an object store: whole at every moment, whatever fails, is killed or races."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from keyart.catalog.catalog import Catalog
from keyart.cli import app
from keyart.errors import CatalogError, KeyartError, StoreError
from keyart.images.spec import ImageSpec
from keyart.library.library import Library
from tests.object_store import Store, object_store, put, remote, start_keyart
from tests.tiny_catalog import encoded, poster, tiny_films

URL = "s3://films/made/catalog"
NOW = timedelta(seconds=0)
Films = tuple[Path, Path]  # a table, and a folder of posters


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with object_store() as store:
        store.use(monkeypatch, tmp_path / "cache")
        yield store


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """Eight films, and their posters."""
    return tiny_films(tmp_path_factory.mktemp("films"), range(8))


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """Five films, three of them new."""
    return tiny_films(tmp_path_factory.mktemp("more"), range(6, 11))


@pytest.fixture(scope="module")
def local(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.build(*films, tmp_path_factory.mktemp("local") / "catalog")


def test_a_catalog_in_a_store_is_the_one_that_a_disk_has(
    store: Store, films: Films, local: Catalog
) -> None:
    catalog = Catalog.build(*films, URL)
    assert (catalog.fingerprint, str(catalog.path)) == (local.fingerprint, URL)
    assert catalog.to_table().equals(local.to_table())
    assert list(catalog.posters()) == list(local.posters())
    assert catalog.poster(5) == local.poster(5)
    assert catalog.check() == []
    assert catalog.rejections() == local.rejections()


def test_data_is_written_before_the_file_that_names_it(
    store: Store, films: Films, more: Films
) -> None:
    for grow in (False, True):
        catalog = Catalog.open(URL).grow(*more) if grow else Catalog.build(*films, URL)
        *data, last = store.puts
        store.asked.clear()
        assert last == "/films/made/catalog/catalog.json"
        named = {f"/films/made/catalog/{shard['name']}" for shard in catalog.facts["shards"]}
        assert len(data) == 2  # a shard, and the rejections
        assert data[0] in named
    assert len(catalog) == 11


def test_a_catalog_that_was_grown_keeps_its_films_splits_and_rejections(
    store: Store, films: Films, more: Films, local: Catalog, tmp_path: Path
) -> None:
    grown = Catalog.build(*films, tmp_path / "on-disk").grow(*more)
    catalog = Catalog.build(*films, URL)
    first = catalog.rejections()
    assert catalog.grow(*more).fingerprint == grown.fingerprint
    assert Catalog.open(URL).rejections() == grown.rejections()
    assert Catalog.open(URL).check() == []
    assert (len(catalog), catalog.rejections()) == (8, first)  # opened before


def test_a_grown_catalog_can_take_other_genres_and_grow_again(
    store: Store, films: Films, tmp_path: Path
) -> None:
    table = tmp_path / "films.csv"
    lines = films[0].read_text().splitlines()
    first = ",".join([*lines[1].split(",")[:3], "Western"])
    table.write_text("\n".join([lines[0], first]) + "\n")
    catalog = Catalog.build(*films, URL)
    for _ in range(2):
        catalog = catalog.grow(table, films[1], replace_genres=True)
        assert next(iter(catalog)).genres == ("Western",)
        assert catalog.check() == []


def test_a_sample_goes_to_a_store_and_comes_from_one(store: Store, films: Films) -> None:
    sample = Catalog.build(*films, URL).sample(6, out="s3://films/made/sample")
    assert sample.check() == []
    with pytest.raises(CatalogError, match="s3://films/made/sample: already exists"):
        Catalog.open(URL).sample(6, out="s3://films/made/sample")


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(("grow", "fault"), [(False, "denied"), (True, "lost")])
def test_an_error_at_any_write_leaves_what_was_there(
    store: Store,
    films: Films,
    more: Films,
    number: int,
    fault: str,
    grow: bool,
) -> None:
    if grow:
        Catalog.build(*films, URL)
    before, written = store.names(), len(store.puts)

    def fail(method: str, path: str) -> str | None:
        return fault if method == "PUT" and len(store.puts) == written + number + 1 else None

    store.fault = fail
    with pytest.raises(StoreError, match="s3://films/made/catalog"):
        Catalog.open(URL).grow(*more) if grow else Catalog.build(*films, URL)
    store.fault = lambda method, path: None
    assert store.puts[written:][number].endswith("catalog.json") == (number == 2)
    left = {name for name in store.names() if name not in before}
    # After a commit that may have arrived, the data must stay.
    assert len(left) == (2 if number == 2 else 0)
    if grow:
        assert (len(Catalog.open(URL)), Catalog.open(URL).check()) == (8, [])
        assert len(Catalog.open(URL).grow(*more)) == 11
    else:
        assert len(Catalog.build(*films, URL)) == 8
    assert len(Catalog.sweep(URL, NOW)) == len(left) + grow
    assert Catalog.open(URL).check() == []


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("grow", [False, True])
def test_a_process_that_is_killed_at_any_write_leaves_what_was_there(
    store: Store,
    films: Films,
    more: Films,
    tmp_path: Path,
    number: int,
    grow: bool,
) -> None:
    if grow:
        Catalog.build(*films, URL)
    before, written = store.names(), len(store.puts)

    def hold(method: str, path: str) -> str | None:
        return "held" if method == "PUT" and len(store.puts) == written + number + 1 else None

    store.fault = hold
    table, posters = more if grow else films
    words = ["catalog", "build", "--films", table, "--posters", posters, "--out", URL, "--quiet"]
    environment = store.environment() | {"KEYART_CACHE": str(tmp_path / "killed")}
    process = start_keyart([*words, *(["--grow"] if grow else [])], environment)
    assert store.held.wait(30)
    process.kill()
    process.join()
    assert process.exitcode == -9
    store.fault = lambda method, path: None
    left = {name for name in store.names() if name not in before}
    assert len(left) == number  # what was written before
    if grow:
        assert (len(Catalog.open(URL)), Catalog.open(URL).check()) == (8, [])
    else:
        with pytest.raises(CatalogError, match=r"no catalog here \(no catalog.json\)"):
            Catalog.open(URL)
    assert Catalog.sweep(URL) == []  # a day has not passed
    assert len(Catalog.sweep(URL, NOW)) == number
    assert store.names() == before
    again = Catalog.open(URL).grow(*more) if grow else Catalog.build(*films, URL)
    assert (len(again), again.check()) == (11 if grow else 8, [])


def at_the_same_time(store: Store, *work: Callable[[], Catalog]) -> tuple[list[Catalog], list[str]]:
    """What several writers make that all reach the commit before any of them is through."""
    barrier = threading.Barrier(len(work))

    def meet(method: str, path: str) -> str | None:
        if method == "PUT" and path.endswith("/catalog.json"):
            barrier.wait(20)
        return None

    store.fault = meet
    made: list[Catalog] = []
    errors: list[str] = []

    def write(one: Callable[[], Catalog]) -> None:
        try:
            made.append(one())
        except KeyartError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=write, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.fault = lambda method, path: None
    return made, errors


def test_of_two_builders_at_once_one_wins_and_nothing_is_lost(
    store: Store, films: Films, more: Films
) -> None:
    made, errors = at_the_same_time(
        store, lambda: Catalog.build(*films, URL), lambda: Catalog.build(*more, URL)
    )
    assert errors == [
        f"{URL}: another writer has made a catalog here in the meantime; nothing of it is lost: "
        "--grow adds your films to it"
    ]
    assert len(made) == 1
    assert Catalog.open(URL).fingerprint == made[0].fingerprint
    assert Catalog.open(URL).check() == []
    assert len(store.names()) == 3  # the other one has taken its data away


def test_of_two_growers_at_once_one_wins_and_the_other_can_follow(
    store: Store, films: Films, more: Films, tmp_path: Path
) -> None:
    Catalog.build(*films, URL)
    others = tiny_films(tmp_path, range(30, 34))
    offers = {11: more, 12: others}
    made, errors = at_the_same_time(
        store, lambda: Catalog.open(URL).grow(*more), lambda: Catalog.open(URL).grow(*others)
    )
    assert errors == [
        f"{URL}: another writer has grown the catalog in the meantime; nothing of it is lost: "
        "run the command again"
    ]
    assert Catalog.open(URL).fingerprint == made[0].fingerprint
    assert Catalog.open(URL).check() == []
    (loser,) = (offer for films, offer in offers.items() if films != len(made[0]))
    both = Catalog.open(URL).grow(*loser)
    assert (len(both), both.check()) == (15, [])


@pytest.mark.parametrize("grow", [False, True])
def test_a_commit_whose_answer_is_lost_counts_if_it_has_arrived(
    store: Store, films: Films, more: Films, grow: bool
) -> None:
    if grow:
        Catalog.build(*films, URL)
    lost: list[str] = []

    def lose(method: str, path: str) -> str | None:
        if method == "PUT" and path.endswith("catalog.json") and not lost:
            lost.append(path)
            return "answer lost"
        return None

    store.fault = lose
    made = Catalog.open(URL).grow(*more) if grow else Catalog.build(*films, URL)
    assert lost
    assert (len(made), made.check()) == (11 if grow else 8, [])


def test_a_store_that_goes_away_at_the_commit_leaves_the_data_for_a_commit_that_has_arrived(
    store: Store, films: Films
) -> None:
    gone: list[str] = []

    def go(method: str, path: str) -> str | None:
        if method == "PUT" and path.endswith("catalog.json") and not gone:
            gone.append(path)
            return "answer lost"
        return "lost" if gone else None

    store.fault = go
    with pytest.raises(StoreError, match="it may be written or not; look"):
        Catalog.build(*films, URL)
    store.fault = lambda method, path: None
    assert (len(Catalog.open(URL)), Catalog.open(URL).check()) == (8, [])


def test_a_store_that_is_busy_for_a_moment_is_asked_again(store: Store, films: Films) -> None:
    busy: list[str] = []

    def once(method: str, path: str) -> str | None:
        if method == "PUT" and path not in busy:
            busy.append(path)
            return "busy"
        return None

    store.fault = once
    assert Catalog.build(*films, URL).check() == []
    assert len(busy) == 3


def test_sweep_removes_nothing_that_a_catalog_names_or_that_is_not_of_catalogs(
    store: Store, films: Films
) -> None:
    Catalog.build(*films, URL)
    kept = store.names()
    foreign = ["notes.txt", "films-2024.parquet", "deeper/films-00000-abc.parquet"]
    for name in (*foreign, "films-00000-0123456789ab.parquet", "rejections-0123456789ab.csv"):
        put(f"{URL}/{name}", b"left")
    assert Catalog.sweep(URL, timedelta(hours=1)) == []
    assert sorted(Catalog.sweep(URL, NOW)) == [
        "films-00000-0123456789ab.parquet", "rejections-0123456789ab.csv",
    ]  # fmt: skip
    assert store.names() == sorted([*kept, *(f"made/catalog/{name}" for name in foreign)])


def test_sweep_leaves_a_damaged_catalog_alone(store: Store, films: Films) -> None:
    Catalog.build(*films, URL)
    put(f"{URL}/catalog.json", b"{")
    before = store.names()
    with pytest.raises(CatalogError, match="damaged"):
        Catalog.sweep(URL, NOW)
    assert store.names() == before


def test_what_was_read_once_is_not_read_again(store: Store, films: Films) -> None:
    Catalog.build(*films, URL)
    spec = ImageSpec(height=30, width=20)
    first = Catalog.open(URL).pixels(spec)
    store.asked.clear()
    again = Catalog.open(URL)
    assert (again.pixels(spec) == first).all()
    assert list(again.posters())
    assert store.asked == [("GET", "/films/made/catalog/catalog.json")]


def test_only_the_shard_of_a_poster_is_read(
    store: Store, films: Films, more: Films, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    Catalog.build(*films, URL).grow(*more)
    monkeypatch.setenv("KEYART_CACHE", str(tmp_path / "another"))
    store.asked.clear()
    Catalog.open(URL).poster(9)
    assert not any("films-00000" in path for _, path in store.asked)


def test_check_reads_what_is_in_the_store_now(store: Store, films: Films) -> None:
    catalog = Catalog.build(*films, URL)
    assert catalog.check() == []
    name = catalog.facts["shards"][0]["name"]
    put(f"{URL}/{name}", b"something else")
    assert catalog.check() == [f"{URL}/{name}: is not the file that was written; write it again"]
    path = remote(f"{URL}/{name}")
    path.bucket.delete([path.key])
    assert catalog.check() == [f"{URL}/{name}: missing from the catalog"]


@pytest.mark.parametrize("name", ["../films-00000.parquet", "/etc/passwd", "a/b.parquet", ""])
def test_a_catalog_names_no_files_elsewhere(store: Store, films: Films, name: str) -> None:
    facts = dict(Catalog.build(*films, URL).facts)
    facts["shards"] = [{**facts["shards"][0], "name": name}]
    put(f"{URL}/catalog.json", json.dumps(facts).encode())
    with pytest.raises(CatalogError, match="damaged"):
        Catalog.open(URL)


def test_posters_in_a_store_make_the_same_catalog(
    store: Store, films: Films, local: Catalog, tmp_path: Path
) -> None:
    table, posters = films
    for file in posters.iterdir():
        put(f"s3://films/posters/{file.name}", file.read_bytes())
    put("s3://films/posters/.hidden.png", b"")
    put("s3://films/lists/films.csv", table.read_bytes())
    store.asked.clear()
    catalog = Catalog.build(
        "s3://films/lists/films.csv", "s3://films/posters", tmp_path / "catalog"
    )
    assert catalog.fingerprint == local.fingerprint
    assert sum(path.startswith("/films/posters/f") for _, path in store.asked) == 8  # each once


def test_commands_take_addresses_and_print_them(store: Store, films: Films, more: Films) -> None:
    def keyart(*words: object) -> str:
        done = CliRunner().invoke(app, ["catalog", *map(str, words)])
        assert done.exit_code == 0, done.output
        return done.output

    table, posters = films
    out = keyart("build", "--films", table, "--posters", posters, "--out", URL)
    assert f"{URL}: 8 films" in out
    table, posters = more
    keyart("build", "--films", table, "--posters", posters, "--out", URL, "--grow")
    assert json.loads(keyart("show", URL, "--json"))["films"] == 11
    assert keyart("check", URL) == f"{URL}: sound\n"
    assert keyart("sweep", URL, "--older-than", "0s").startswith(f"{URL}: 1 file removed\n")
    wrong = CliRunner().invoke(app, ["catalog", "sweep", URL, "--older-than", "soon"])
    assert (wrong.exit_code, "write 30m, 12h or 7d" in wrong.output) == (2, True)


def test_a_catalog_of_a_library_goes_to_a_store_as_any_other(store: Store, tmp_path: Path) -> None:
    def film(seed: int) -> None:
        folder = tmp_path / "library" / f"Film {seed} (1950)"
        folder.mkdir(parents=True)
        (folder / f"{folder.name}.mkv").touch()
        (folder / "poster.png").write_bytes(encoded(poster(seed), "PNG"))
        (folder / "movie.nfo").write_text(
            f"<movie><title>Film {seed}</title><genre>Drama</genre></movie>"
        )

    for seed in range(5):
        film(seed)
    Library.open(tmp_path / "library").build_catalog(URL)
    assert store.puts[-1] == "/films/made/catalog/catalog.json"
    film(5)
    grown = Library.open(tmp_path / "library").grow_catalog(Catalog.open(URL))
    assert len(grown) == 6
    assert grown.check() == []


def test_any_parquet_reader_reads_the_shards_as_they_are(
    store: Store, films: Films, tmp_path: Path
) -> None:
    catalog = Catalog.build(*films, URL)
    path = remote(f"{URL}/{catalog.facts['shards'][0]['name']}")
    (tmp_path / "shard.parquet").write_bytes(path.read_bytes())
    assert pq.read_table(tmp_path / "shard.parquet").num_rows == 8
