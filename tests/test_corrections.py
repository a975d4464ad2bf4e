"""review/corrections.py: kept with what was shown, never overwritten without asking."""

import csv
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart.catalog.catalog import Catalog
from keyart.catalog.cells import as_cell, from_cell
from keyart.errors import AlreadyCorrectedError, CorrectionsError, CorrectionsFullError
from keyart.genres import Vocabulary
from keyart.review.corrections import Correction, Corrections, Quota, pixels_sha256
from keyart.review.export import export_corrections
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
        connection.execute("DROP TABLE IF EXISTS corrections, posters, pictures, days")
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


def test_anything_but_a_correction_is_refused(store: Corrections) -> None:
    with pytest.raises(CorrectionsError, match="at least one genre"):
        store.add(correction(poster()), poster())
    with pytest.raises(CorrectionsError, match="another poster"):
        store.add(correction(poster(), "Red"), poster(1))
    assert list(store.all()) == []


def test_hostile_text_is_cleaned_before_it_is_kept(store: Corrections) -> None:
    data = poster()
    wild = "Robert'); DROP TABLE corrections;--\x00\ud800\n<script>" + "x" * 999
    store.add(correction(data, "Red", author=wild, title=wild), data)
    read = store.latest(hashlib.sha256(data).hexdigest())
    assert read is not None
    assert read.author.startswith("Robert'); DROP TABLE corrections;--?<script>xxx")
    assert len(read.title) == 300


def test_many_writers_at_once_keep_one_correction(url: str) -> None:
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

    split = films["f3"]["split"]
    asked = grown.grow(table, tmp_path / "corrected" / "posters", replace_genres=True)
    films = {row["film_id"]: row for row in asked.to_table().to_pylist()}
    assert len(films) == 9
    assert (films["f3"]["genres"], films["f3"]["split"]) == (["Green"], split)
    place = asked.to_table()["film_id"].to_pylist().index("f3")
    assert asked.truth[place].tolist() == [False, True, False]
    assert asked.fingerprint != grown.fingerprint


def test_no_corrections_are_exported_from_a_file_that_is_not_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'typo.sqlite'}"
    with pytest.raises(CorrectionsError, match="no such file; keyart serve makes it"):
        export_corrections(url, tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_a_picture_is_kept_once_whatever_bytes_are_around_it(store: Corrections) -> None:
    data = poster()
    first, _ = store.add(correction(data, "Red"), data)
    for number in range(20):
        longer = data + b"x" * (1000 + number)
        kept, new = store.add(correction(longer, "Red", author="Bob"), longer)
        assert (kept, new) == (first, False)
    longer = data + b"other bytes"
    with pytest.raises(AlreadyCorrectedError, match="Ada already"):
        store.add(correction(longer, "Blue"), longer)
    kept, new = store.add(correction(longer, "Blue"), longer, replace=True)
    assert (kept.poster_sha256, new) == (first.poster_sha256, True)
    assert [content for _, content in store.standing()] == [data]
    assert len(list(store.all())) == 2
    other = poster(1)
    assert store.add(correction(other, "Red"), other)[1]


def test_metadata_does_not_make_another_picture() -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (90, 60, 3), dtype=np.uint8)
    plain, commented = encoded(rgb, "JPEG"), encoded(rgb, "JPEG", comment=b"x" * 5000)
    assert plain != commented
    assert pixels_sha256(plain) == pixels_sha256(commented)
    rgb[0, 0] ^= 128
    assert pixels_sha256(encoded(rgb)) != pixels_sha256(plain)
    # Other sides, same bytes.
    flat = np.zeros((40, 60, 3), np.uint8)
    assert pixels_sha256(encoded(flat)) != pixels_sha256(encoded(flat.reshape(60, 40, 3)))


def test_a_day_and_a_store_take_so_much_and_no_more(url: str) -> None:
    small = Corrections(url, quota=Quota(bytes=10**9, corrections=3, total=10**9))
    posters = [poster(number) for number in range(9)]
    for number in range(3):
        small.add(correction(posters[number], "Red"), posters[number])
    for _ in range(2):
        with pytest.raises(CorrectionsFullError, match="3 corrections and"):
            small.add(correction(posters[3], "Red"), posters[3])
    # What was refused left nothing; what is known is still answered.
    assert len(list(small.all())) == len(list(small.standing())) == 3
    assert small.add(correction(posters[0], "Red"), posters[0])[1] is False
    small.close()

    four = sum(len(data) + 2_000 for data in posters[:4])
    by_bytes = Corrections(url, quota=Quota(bytes=10**9, corrections=10**6, total=four))
    by_bytes.add(correction(posters[3], "Red"), posters[3])
    with pytest.raises(CorrectionsFullError, match="begin another store"):
        by_bytes.add(correction(posters[4], "Red"), posters[4])
    assert len(list(by_bytes.all())) == 4
    by_bytes.close()


def test_a_store_of_an_older_version_is_counted_and_continues(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    data = poster()
    store = Corrections(url)
    store.add(correction(data, "Red"), data)
    store.close()
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as database:
        database.executescript("DROP TABLE pictures; DROP TABLE days")
    old = Corrections(url, quota=Quota(total=len(data) + 2_000))
    assert old.add(correction(data, "Red"), data)[1] is False
    with pytest.raises(CorrectionsFullError):
        old.add(correction(data, "Blue"), data, replace=True)
    old.close()


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("=+-@'\t"), max_size=9)
)
def test_no_cell_is_a_formula_and_each_reads_back(text: str) -> None:
    cell = as_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert from_cell(cell) == text


@pytest.mark.parametrize("title", ["=1+1", "+1", "-30-", "@midnight", "'=x", "Alien = Aliens"])
def test_an_exported_title_is_not_a_formula_and_reads_back(tmp_path: Path, title: str) -> None:
    url = f"sqlite:///{tmp_path / 'c.sqlite'}"
    store = Corrections(url)
    store.add(correction(poster(), "Green", title=title), poster())
    store.close()
    export_corrections(url, tmp_path / "out")
    with (tmp_path / "out" / "films.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    catalog = Catalog.build(
        tmp_path / "out" / "films.csv",
        tmp_path / "out" / "posters",
        tmp_path / "catalog",
        vocabulary=Vocabulary(VOCABULARY.names),
    )
    assert catalog.to_table()["title"].to_pylist() == [title]


def test_an_error_about_a_store_does_not_show_its_password(tmp_path: Path) -> None:
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
