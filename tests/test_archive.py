"""images/archive.py: pictures in archives, read where they are."""

import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from keyart.errors import PosterError
from keyart.images import archive as module
from keyart.images import poster
from keyart.images.archive import Archive
from keyart.prediction import Query
from keyart.predictor import Predictor
from keyart.queries import find_films
from tests.wire import encoded, plain

PICTURE = encoded(plain((160, 128, 96)))
KINDS = ("a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz")
FILES = {
    "b.jpg": b"bb",
    "sub/Heat (1995)/poster.jpg": b"heat",
    "sub/a.png": b"a",
    "notes.txt": b"none",
    "no-suffix": b"\xff\xd8\xff jpeg",
    ".hidden.png": b"x",
    "__MACOSX/._b.jpg": b"x",
}


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write an archive with these files, in this order."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return path
    kind = {"tgz": "gz", "gz": "gz", "bz2": "bz2", "xz": "xz"}.get(path.suffix[1:], "")
    with tarfile.open(path, f"w:{kind}") as packed_tar:  # type: ignore[call-overload]
        for name, content in files.items():
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            packed_tar.addfile(facts, io.BytesIO(content))
    return path


def content(film: Query) -> bytes:
    assert isinstance(film.poster, module.Member)
    return film.poster.read()


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_stands_for_its_pictures_sorted_with_titles_of_their_names(
    tmp_path: Path, kind: str
) -> None:
    path = pack(tmp_path / kind, FILES)
    before = sorted(tmp_path.rglob("*"))
    films = list(find_films(path))
    places = ["b.jpg", "no-suffix", "sub/Heat (1995)/poster.jpg", "sub/a.png"]
    assert [os.fspath(film.poster) for film in films] == [  # type: ignore[arg-type]
        str(path / place) for place in places
    ]
    assert [content(film) for film in films] == [FILES[place] for place in places]
    assert [(film.title, film.year) for film in films if film.title] == [("Heat", 1995)]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["posters.zip", "posters.tgz"])
def test_the_posters_of_a_table_may_be_in_an_archive(tmp_path: Path, kind: str) -> None:
    pack(tmp_path / kind, {"x/tt0000007.jpg": b"7", "art/8.png": b"8"})
    (tmp_path / "films.csv").write_text("imdb_id,poster\n7,\n8,art\\8.png\n9,../../etc/passwd\n")
    seven, eight, nine = find_films(tmp_path / "films.csv", posters=tmp_path / kind)
    assert (content(seven), content(eight)) == (b"7", b"8")
    assert nine.problem.endswith(f"../../etc/passwd is not in {tmp_path / kind}")


def test_numbered_names_in_an_archive_are_no_titles(tmp_path: Path) -> None:
    names = ("scan-a (1).jpg", "scan-a (1950).jpg", "b (2)/poster.jpg", "b (1950)/poster.jpg")
    path = pack(tmp_path / "a.zip", dict.fromkeys(names, b""))
    assert [film.title for film in find_films(path)] == [None] * 4


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
def test_names_that_lead_out_and_links_are_left_out_and_nothing_is_written(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    out = {"../out.jpg": b"1", "/tmp/out.jpg": b"2", "a/../../out.jpg": b"3", "C:\\out.jpg": b"4"}
    path = pack(folder / kind, {**out, "fine.jpg": b"fine"})
    if kind == "a.tar":
        with tarfile.open(path, "a") as packed:
            link = tarfile.TarInfo("link.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, str(secret)
            packed.addfile(link)
    else:
        with zipfile.ZipFile(path, "a") as zipped:
            entry = zipfile.ZipInfo("link.jpg")
            entry.create_system, entry.external_attr = 3, 0o120777 << 16
            zipped.writestr(entry, str(secret))
    assert [content(film) for film in find_films(path)] == [b"fine"]
    assert "4 names lead out of the archive; left out" in caplog.text
    assert sorted(tmp_path.rglob("*")) == sorted([folder, path, secret])


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ANY_BYTES", 100_000)
    path = pack(tmp_path / kind, {"bomb.jpg": b"\0" * 2_000_000})
    with pytest.raises(PosterError, match=rf"{kind}: over [0-9,]+ bytes when .*; split it"):
        Archive(path)


def test_too_many_members_and_too_large_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poster, "MAX_BYTES", 1_000)
    path = pack(tmp_path / "a.zip", {"a.jpg": b"\0" * 1_001, "b.jpg": b"b"})
    large, small = find_films(path)
    with pytest.raises(PosterError, match="1,001 bytes; a poster has at most 1,000"):
        content(large)
    assert content(small) == b"b"
    monkeypatch.setattr(module, "_MOST_MEMBERS", 1)
    with pytest.raises(PosterError, match="over 1 members; split it"):
        Archive(path)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_is_a_poster_error_and_nothing_else(tmp_path: Path, kind: str) -> None:
    whole = pack(tmp_path / kind, {f"{n}.jpg": os.urandom(300) for n in range(3)}).read_bytes()
    path = tmp_path / f"damaged-{kind}"
    for at in range(0, len(whole), max(1, len(whole) // 20)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            with suppress(PosterError):
                for film in find_films(path):
                    content(film)
    path.write_bytes(b"not an archive")
    with pytest.raises(PosterError, match=r"not an archive; give a \.zip or a \.tar"):
        list(find_films(path))
    with pytest.raises(PosterError, match=r"no pictures in this archive, but 1 file .*\.txt 1"):
        list(find_films(pack(path, {"a.txt": b"a"})))


def test_a_member_with_a_password_fails_by_itself(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.jpg": b"aaaa", "b.jpg": b"bbbb"})
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path.write_bytes(data)
    locked, free = find_films(path)
    with pytest.raises(PosterError, match="password"):
        content(locked)
    assert content(free) == b"bbbb"


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
def test_many_threads_read_one_archive(tmp_path: Path, kind: str) -> None:
    files = {f"{n:03}.jpg": os.urandom(5_000) for n in range(40)}
    films = list(find_films(pack(tmp_path / kind, files)))
    wrong: list[str] = []

    def read() -> None:
        wrong.extend(
            name for film, name in zip(films, files, strict=True) if content(film) != files[name]
        )

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_poster_in_an_archive_is_answered_as_from_its_file(
    tmp_path: Path, tiny_predictor: Predictor
) -> None:
    (tmp_path / "a.png").write_bytes(PICTURE)
    path = pack(tmp_path / "a.tgz", {"a.jpg": PICTURE, "bad.jpg": b"bad"})
    alone = tiny_predictor.predict(tmp_path / "a.png")
    film, bad = tiny_predictor.predict_many(find_films(path))
    assert film.scores == alone.scores  # type: ignore[union-attr]
    assert bad.reason.startswith("not a picture")  # type: ignore[union-attr]
    assert bad.poster == str(path / "bad.jpg")
