"""archives.py: a bundle's archive at an address, with its SHA-256."""

import hashlib
import io
import itertools
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import keyart
from keyart.archives import Address, unpack
from keyart.errors import HubError
from keyart.places import find_model
from tests.poster_server import Answer, Server, serving
from tests.tiny import tiny_bundle

NOBODY = "0" * 64
Entries = list[tuple[str, bytes]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def content(bundle: Path) -> Entries:
    return [(file.name, file.read_bytes()) for file in sorted(bundle.iterdir())]


def zipped(entries: Entries) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def tarred(entries: Entries, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def gzipped(entries: Entries) -> bytes:
    return tarred(entries, "w:gz")


def giving(body: bytes) -> Callable[[Server, str], Answer]:
    return lambda server, path: Answer(200, body)


def address(server: Server, body: bytes, name: str = "model.zip") -> str:
    return f"{server.url}/{name}#sha256={hashlib.sha256(body).hexdigest()}"


def test_a_published_archive_is_loaded_from_its_address_and_kept_by_its_hash(
    tmp_path: Path,
) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    done = keyart.publish(bundle.path, tmp_path / "model.zip")
    again = keyart.publish(bundle.path, tmp_path / "again.zip")
    sha256 = done.name.partition("#sha256=")[2]
    assert again.name.endswith(sha256)
    body = (tmp_path / "model.zip").read_bytes()
    assert hashlib.sha256(body).hexdigest() == sha256
    with serving(giving(body)) as server:
        # What may be secret in an address is asked with, and is not shown.
        name = f"{server.url}/model.zip?key=secret#sha256={sha256}"
        model = keyart.load(name)
        assert server.asked == ["/model.zip?key=secret"]
        assert model.bundle.source == f"{server.url}/model.zip#sha256={sha256}"
        assert model.bundle.fingerprint == bundle.fingerprint
        assert keyart.load(name).bundle.path == model.bundle.path
        assert keyart.load(f"https://nobody.invalid/x#sha256={sha256}").bundle.path.is_dir()
        assert len(server.asked) == 1


@pytest.mark.parametrize("pack", [zipped, tarred, gzipped])
@pytest.mark.parametrize("top", ["", "./", "a model/"])
def test_archives_of_other_tools_are_read_also_with_a_folder_around(
    tmp_path: Path, pack: Callable[[Entries], bytes], top: str
) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    body = pack([(top + name, data) for name, data in content(bundle.path)])
    with serving(giving(body)) as server:
        loaded = find_model(address(server, body)).path
    assert content(loaded) == content(bundle.path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "https://h.example/model.zip",
            "https://h.example/model.zip: add #sha256= and the SHA-256",
        ),
        ("https://h.example/m.zip#sha256=12", "add #sha256= and the SHA-256 of the archive, 64"),
        (f"http://h.example/m.zip#sha256={NOBODY}", "http can be read by others on the way; use"),
        (f"http://127.0.0.1.h.example/m.zip#sha256={NOBODY}", "use https"),
        (f"https://me:pass@h.example/m.zip#sha256={NOBODY}", "https://h.example/m.zip: an address"),
        ("https:///model.zip", "not an address; write https://HOST/MODEL.zip#sha256=HEX"),
        ("https://[::1/m.zip", "not an address"),
    ],
)
def test_an_address_that_is_not_safe_is_refused_before_anybody_is_asked(
    name: str, says: str
) -> None:
    with pytest.raises(HubError) as caught:
        keyart.load(name)
    assert says in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_an_address_as_a_path_says_why_it_is_none() -> None:
    with pytest.raises(HubError, match="give an address as text, not as a Path"):
        keyart.load(Path("https://h.example/model.zip"))


def test_what_is_not_what_was_meant_is_refused_and_nothing_is_left(
    tmp_path: Path, cache: Path
) -> None:
    body = zipped(content(tiny_bundle(tmp_path / "bundle").path))
    answers = {
        "/changed": Answer(200, body + b"."),
        "/gone": Answer(404),
        "/cut": Answer(200, body, cut=True),
        "/large": Answer(200, b"", length=9 << 30),
        "/away": Answer(302, headers={"Location": "http://h.example/model.zip"}),
        "/file": Answer(302, headers={"Location": "file:///etc/passwd"}),
    }
    says = {
        "/changed": "it has changed: ask who published it",
        "/gone": "the host answers 404; check the address",
        "/cut": f"was cut after {len(body) // 2:,} of {len(body):,} bytes; try again",
        "/large": "more than the 8,589,934,592 bytes",
        "/away": "redirects to a non-https address",
        "/file": "redirects to a non-https address",
    }
    sha256 = hashlib.sha256(body).hexdigest()
    with serving(lambda server, path: answers[path]) as server:
        for path, line in says.items():
            with pytest.raises(HubError) as caught:
                keyart.load(f"{server.url}{path}#sha256={sha256}")
            assert line in str(caught.value)
            assert str(caught.value).startswith(f"{server.url}{path}#sha256=")
    with pytest.raises(HubError, match="cannot be fetched"):
        keyart.load(f"{server.url}/model.zip#sha256={sha256}")
    assert not any(file.is_file() for file in (cache / "keyart" / "models").rglob("*"))


def with_link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("model.onnx")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return file.getvalue()


def tar_of(name: str, kind: bytes, size: int = 0, **fields: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    for field, text in fields.items():
        setattr(info, field, text)
    return info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10_240


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (zipped([("../model.onnx", b"x")]), "'../model.onnx', which is no file of a bundle"),
        (zipped([("/etc/passwd", b"x")]), "no file of a bundle"),
        (zipped([("a/b/model.onnx", b"x")]), "no file of a bundle"),
        (zipped([("run.py", b"x")]), "no file of a bundle"),
        (zipped([("members/0/run.pkl", b"x")]), "no file of a bundle"),
        (tarred([("..\\model.onnx", b"x")]), "no file of a bundle"),
        (zipped([("model.onnx", b"x"), ("a/model.onnx", b"x")]), "in several folders"),
        (tarred([("model.onnx", b"x"), ("model.onnx", b"y")]), "'model.onnx' twice"),
        (zipped([("model.onnx", bytes(3 << 20))]), "unpacks to more than a bundle may have"),
        (gzipped([("model.onnx", bytes(3 << 20))]), "unpacks to more than a bundle may have"),
        (tar_of("keyart.json", tarfile.REGTYPE, 5 << 20), "more than a bundle may have"),
        (with_link(), "'model.onnx', which is a link or a device"),
        (tar_of("model.onnx", tarfile.SYMTYPE, linkname="/etc/passwd"), "a link or a device"),
        (tar_of("model.onnx", tarfile.LNKTYPE, linkname="/etc/passwd"), "a link or a device"),
        (tar_of("model.onnx", tarfile.FIFOTYPE), "a link or a device"),
        (tar_of("x", tarfile.XHDTYPE, 1 << 30), "a header that is larger than any"),
        (tar_of("x", tarfile.GNUTYPE_LONGNAME, 1 << 30), "a header that is larger than any"),
        (b"PK\5\6" + bytes(8) + b"\xff\xff\xff\x7f" + bytes(6), "lists more files than a bundle"),
        (b"<html>", ""),
        (zipped([("model.onnx", b"x" * 99)])[:-30], ""),
        (zipped([("keyart.json", b"{}")]), "keyart.json: not a keyart manifest"),
        (zipped([("model.onnx", b"x")]), "not a keyart model, it has no keyart.json"),
        (zipped([]), "not a keyart model, it has no keyart.json"),
    ],
    ids=itertools.count(),  # the archives themselves have the time in them
)
def test_an_archive_that_does_what_a_bundle_does_not_is_refused(
    tmp_path: Path, cache: Path, body: bytes, says: str
) -> None:
    with serving(giving(body)) as server:
        name = address(server, body)
        with pytest.raises(HubError) as caught:
            keyart.load(name)
    assert str(caught.value).startswith(name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_an_encrypted_file_is_not_unpacked(tmp_path: Path) -> None:
    body = bytearray(zipped([("model.onnx", b"x")]))
    for start in (body.index(b"PK\3\4") + 6, body.index(b"PK\1\2") + 8):
        body[start] |= 1
    (tmp_path / "archive").write_bytes(body)
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="encrypted"):
        unpack(tmp_path / "archive", tmp_path / "out")


def test_an_address_shows_no_query() -> None:
    assert str(Address.parse(f"https://h.example/m.zip?a=b#sha256={'A' * 64}")) == (
        f"https://h.example/m.zip#sha256={'a' * 64}"
    )
