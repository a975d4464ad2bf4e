"""review/corrections.py: kept with what was shown, never overwritten without asking."""

import csv
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from keyart.catalog.catalog import Catalog
from keyart.errors import AlreadyCorrectedError, CorrectionsError
from keyart.genres import Vocabulary
from keyart.review.corrections import Correction, Corrections, export_corrections
from tests.tiny import VOCABULARY
from tests.wire import encoded


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store's URL, of both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'corrections.sqlite'}"
    found: str = request.getfixturevalue("postgres_url")
    import psycopg

    with psycopg.connect(found, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS corrections; DROP TABLE IF EXISTS posters")
    return found


@pytest.fixture
def store(url: str) -> Iterator[Corrections]:
    opened = Corrections(url)
    yield opened
    opened.close()


def poster(colour: int = 0) -> bytes:
    noise = np.random.default_rng(colour).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    return encoded(np.kron(noise, np.ones((4, 4, 1), np.uint8)))


def correction(data: bytes, *genres: str, author: str = "Ada", title: str = "Alien") -> Correction:
    return Correction(
        poster_sha256=hashlib.sha256(data).hexdigest(),
        title=title,
        model="f" * 64,
        scores={"Red": 0.9, "Green": 0.25, "Blue": 0.001},
        old_genres=("Red",),
        new_genres=genres,
        author=author,
    )


def test_everything_about_a_correction_is_kept(store: Corrections) -> None:
    data = poster()
    kept, new = store.add(correction(data, "Green", "Blue"), data)
    assert new
    read = store.latest(kept.poster_sha256)
    assert read == kept
    assert read is not None
    assert read.scores == {"Red": 0.9, "Green": 0.25, "Blue": 0.001}
    assert (read.old_genres, read.new_genres) == (("Red",), ("Green", "Blue"))
    assert (read.author, read.model, read.title) == ("Ada", "f" * 64, "Alien")
    assert abs((datetime.now(UTC) - read.time).total_seconds()) < 60
    assert [content for _, content in store.standing()] == [data]


def test_a_correction_is_not_overwritten_without_being_asked(store: Corrections) -> None:
    data = poster()
    store.add(correction(data, "Green"), data)
    with pytest.raises(AlreadyCorrectedError, match="Ada already corrected this poster to Green"):
        store.add(correction(data, "Blue", author="Bob"), data)
    again, new = store.add(correction(data, "Green", author="Bob"), data)
    assert (again.author, new) == ("Ada", False)
    store.add(correction(data, "Blue", author="Bob"), data, replace=True)
    assert [one.new_genres for one in store.all()] == [("Green",), ("Blue",)]
    assert [one.author for one, _ in store.standing()] == ["Bob"]


def test_a_poster_without_correction_has_none(store: Corrections) -> None:
    assert store.latest("0" * 64) is None
    assert list(store.standing()) == []


def test_what_is_no_correction_is_refused(store: Corrections) -> None:
    with pytest.raises(CorrectionsError, match="at least one genre"):
        store.add(correction(poster()), poster())
    with pytest.raises(CorrectionsError, match="another poster"):
        store.add(correction(poster(), "Red"), poster(1))
    assert list(store.all()) == []


def test_wild_text_is_kept_clean(store: Corrections) -> None:
    data = poster()
    wild = "Robert'); DROP TABLE corrections;--\x00\ud800\n<script>" + "x" * 999
    store.add(correction(data, "Red", author=wild, title=wild), data)
    read = store.latest(hashlib.sha256(data).hexdigest())
    assert read is not None
    assert read.author.startswith("Robert'); DROP TABLE corrections;--?<script>xxx")
    assert len(read.title) == 300


def test_many_hands_at_once_keep_one_correction(url: str) -> None:
    data = poster()
    stores = [Corrections(url) for _ in range(4)]
    outcomes: list[str] = []

    def correct(number: int) -> None:
        mine = correction(data, ("Red", "Green", "Blue")[number % 3], author=str(number))
        try:
            _, new = stores[number % 4].add(mine, data)
            outcomes.append("new" if new else "known")
        except AlreadyCorrectedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=correct, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["known"] * 3 + ["new"] + ["refused"] * 8
    assert len(list(stores[0].all())) == 1
    for one in stores:
        one.close()


def test_the_store_outlives_its_process(url: str) -> None:
    data = poster()
    first = Corrections(url)
    first.add(correction(data, "Blue"), data)
    first.close()
    second = Corrections(url)
    assert len(list(second.all())) == 1
    second.close()


def test_a_catalog_grows_by_an_export_and_keeps_its_own_genres_until_asked(
    url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "posters"
    folder.mkdir()
    with (tmp_path / "films.csv").open("w") as file:
        file.write("film_id,title,genres\n")
        for number in range(8):
            (folder / f"f{number}.png").write_bytes(poster(number))
            file.write(f"f{number},Film {number},Red\n")
    vocabulary = Vocabulary(VOCABULARY.names)
    catalog = Catalog.build(tmp_path / "films.csv", folder, tmp_path / "cat", vocabulary=vocabulary)
    store = Corrections(url)
    store.add(correction(poster(3), "Green"), poster(3))
    store.add(correction(poster(99), "Red", title="Old"), poster(99))
    store.add(correction(poster(99), "Blue", "Green", title="New | one"), poster(99), replace=True)
    store.close()

    exported = export_corrections(url, tmp_path / "corrected", catalog=catalog)
    assert (exported.films, exported.known) == (2, 1)
    table = tmp_path / "corrected" / "films.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["film_id"] == "f3"
    grown = catalog.grow(table, tmp_path / "corrected" / "posters")
    films = {row["film_id"]: row for row in grown.to_table().to_pylist()}
    assert len(films) == 9
    assert films["f3"]["genres"] == ["Red"]
    assert "is in the catalog with Red, not Green" in grown.rejections()[0].reason
    (new,) = [film_id for film_id in films if film_id.startswith("corrected-")]
    assert films[new]["genres"] == ["Green", "Blue"]
    assert films[new]["title"] == "New | one"
    assert poster(99) in list(grown.posters())
    with pytest.raises(CorrectionsError, match="already exists"):
        export_corrections(url, tmp_path / "corrected")

    part = films["f3"]["split"]
    asked = grown.grow(table, tmp_path / "corrected" / "posters", replace_genres=True)
    films = {row["film_id"]: row for row in asked.to_table().to_pylist()}
    assert len(films) == 9
    assert (films["f3"]["genres"], films["f3"]["split"]) == (["Green"], part)
    place = asked.to_table()["film_id"].to_pylist().index("f3")
    assert asked.truth[place].tolist() == [False, True, False]
    assert asked.fingerprint != grown.fingerprint


def test_a_store_that_cannot_be_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(CorrectionsError, match="not a database's URL"):
        Corrections("nonsense")
    with pytest.raises(CorrectionsError, match="SQLite or PostgreSQL"):
        Corrections("mysql://localhost/films")
    with pytest.raises(CorrectionsError, match="unable to open"):
        Corrections(f"sqlite:///{tmp_path}/none/c.sqlite")
    pytest.importorskip("psycopg")
    with pytest.raises(CorrectionsError, match="refused") as caught:
        Corrections("postgresql://ada:secret@127.0.0.1:1/films")
    assert "secret" not in str(caught.value)
