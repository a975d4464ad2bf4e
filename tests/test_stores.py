"""Addresses, credentials, errors and copies of object stores."""

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import keyart
from keyart import copies
from keyart.catalog.catalog import Catalog
from keyart.cli import app
from keyart.copies import copy_of, local_poster
from keyart.errors import KeyartError, StoreError
from keyart.review.doubts import Doubts
from keyart.stores import client
from keyart.stores.aws import aws_options
from keyart.stores.paths import RemotePath, place
from keyart.training.recipe import load_recipe
from tests.object_store import Store, object_store, put, remote
from tests.tiny_catalog import tiny_films

ADDRESS = "s3://films/nothing.toml"
DOCS = Path(__file__).parents[1] / "docs" / "stores.md"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with object_store() as store:
        store.use(monkeypatch, tmp_path / "cache")
        yield store


NAMES = st.from_regex(r"[a-z0-9][a-z0-9 ._-]{0,8}[a-z0-9]", fullmatch=True)


@given(st.sampled_from(["s3", "gs", "az", "https"]), st.lists(NAMES, min_size=1, max_size=4))
def test_an_address_is_the_same_as_text_as_path_and_in_parts(scheme: str, names: list[str]) -> None:
    url = f"{scheme}://{'/'.join(names)}"
    path = place(url)
    assert isinstance(path, RemotePath)
    assert (str(path), str(place(Path(url))), str(place(path))) == (url, url, url)
    assert str(path / "a" / "b.txt") == f"{url}/a/b.txt"
    assert (path / "a").parent == path
    assert (path / "a" / "b").relative_to(path).as_posix() == "a/b"
    assert (path.scheme, path.key) == (scheme, "/".join(names[1:]))


@pytest.mark.parametrize("name", ["films.csv", "/data/s3/films", "a:b", "C:/films", "hf:me/model"])
def test_other_names_are_paths_of_this_machine(name: str) -> None:
    assert place(name) == Path(name)
    assert not isinstance(place(name), RemotePath)


def test_an_address_of_this_machine_is_its_path(tmp_path: Path) -> None:
    odd = tmp_path / "ä b"
    assert place(odd.as_uri()) == odd


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:hidden@films/catalog",
        "s3://films/catalog?X-Amz-Signature=hidden",
        "https://me:hidden@example.org/catalog",
        "az://films/catalog?sig=hidden",
        "s3://films/../hidden/..",
    ],
)
def test_an_address_with_credentials_is_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(StoreError) as error:
        place(url)
    assert "signature=" not in str(error.value).lower()
    assert ":hidden" not in str(error.value)
    assert "sig=hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("denied", "permission denied; ask for the right to read, list or write there"),
        ("NoSuchBucket", "no such bucket; check the name"),
        ("InvalidAccessKeyId", "the store does not know this access key; check the credentials"),
        ("SignatureDoesNotMatch", "the secret key does not match the access key; check the "
         "credentials"),
        ("ExpiredToken", "the credentials have expired; get new ones"),
    ],
)  # fmt: skip
def test_what_a_store_refuses_is_one_line_with_the_address(
    store: Store, fault: str, line: str
) -> None:
    store.fault = lambda method, path: fault
    url = "s3://films/made/catalog"
    for words in (["show", url], ["check", url], ["sweep", url]):
        done = CliRunner().invoke(app, ["catalog", *words])
        said = str(done.exception) + done.output
        assert f"{url}" in said
        assert line in said
        assert "secret" not in said.replace("the secret key", "")


def test_a_store_that_does_not_answer_is_given_up_within_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    quick = client.QUICK
    assert (quick.answer * (quick.retries + 1) + quick.longest_pause / 5).total_seconds() < 10
    tenth = replace(quick, connect=quick.connect / 10, answer=quick.answer / 10)
    monkeypatch.setattr(client, "QUICK", tenth)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(StoreError, match=r"s3://films/x/catalog.json: the store at http://127"):
            Catalog.open("s3://films/x")
        assert time.monotonic() - started < 5


def test_a_store_that_is_not_there_is_one_line(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="does not answer; check the endpoint and the network"):
        Catalog.open("s3://films/x")


def test_keys_are_those_of_the_environment_or_else_of_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-west-1\n[profile lab]\nendpoint_url = http://lab:9000\n"
        "[profile asks]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n"
    )
    (tmp_path / "keys").write_text(
        "[default]\naws_access_key_id = a\naws_secret_access_key = b%c\n"
        "[lab]\naws_access_key_id = l\naws_secret_access_key = m\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    assert aws_options() == {
        "access_key_id": "a", "secret_access_key": "b%c", "region": "eu-west-1",
    }  # fmt: skip
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert (aws_options()["access_key_id"], aws_options()["endpoint"]) == ("l", "http://lab:9000")
    monkeypatch.setenv("AWS_PROFILE", "asks")
    monkeypatch.setattr("keyart.stores.aws.find_spec", lambda name: None)
    with pytest.raises(StoreError, match="pip install boto3"):
        aws_options()
    monkeypatch.setenv("AWS_PROFILE", "none")
    with pytest.raises(StoreError, match="AWS_PROFILE=none: no such profile"):
        aws_options()
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "e")
    assert aws_options() == {}


def test_copies_are_bounded_and_the_least_recently_used_go_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("KEYART_CACHE_GB", "0.000025")  # 25,000 bytes
    copies = []
    for number in range(4):
        put(f"s3://films/{number}.bin", bytes([number]) * 10_000)
        copies.append(copy_of(remote(f"s3://films/{number}.bin")))
        long_ago = time.time() - timedelta(days=9 - number).total_seconds()
        os.utime(copies[-1].parent, (long_ago, long_ago))
        if number == 2:
            copy_of(remote("s3://films/0.bin"))  # used again
    assert [copy.exists() for copy in copies] == [True, False, False, True]
    again = copy_of(remote("s3://films/1.bin"))
    assert again.read_bytes() == bytes([1]) * 10_000


def test_a_copy_that_another_process_removes_meanwhile_is_no_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYART_CACHE_GB", "0.000001")
    put("s3://films/a.bin", b"a")
    put("s3://films/b.bin", b"b" * 10_000)
    removed = copy_of(remote("s3://films/a.bin")).parent

    def entries() -> list[Path]:
        found = list(removed.parent.iterdir())
        shutil.rmtree(removed)
        return found

    monkeypatch.setattr(copies, "_entries", entries)
    assert copy_of(remote("s3://films/b.bin")).read_bytes() == b"b" * 10_000


def test_a_copy_is_of_the_version_that_is_there_now(store: Store) -> None:
    put("s3://films/a.png", b"first")
    assert local_poster(remote("s3://films/a.png")).read_bytes() == b"first"
    put("s3://films/a.png", b"second")
    assert local_poster(remote("s3://films/a.png")).read_bytes() == b"second"


def test_other_tools_read_a_catalog_as_the_page_says(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    catalog = Catalog.build(*tiny_films(tmp_path, range(8)), "s3://films/catalog")
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    films, genres = names["films"], names["genres"]
    assert dict(films.iter_rows()) == catalog.facts["splits"]  # type: ignore[attr-defined]
    counts = {genre: sum(by.values()) for genre, by in catalog.facts["counts"].items()}
    assert dict(genres) == {genre: n for genre, n in counts.items() if n}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "words",
    [["tune", "x", "--out"], ["demo", "--out"], ["fetch", "plan", "x.csv", "--tmdb", "--out"]],
)
def test_what_needs_a_folder_of_this_machine_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*words, "s3://films/out"])
    assert str(done.exception).startswith("s3://films/out: this needs a folder of this machine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["library", "plan", ADDRESS, "--out", "plan.jsonl"],
        ["library", "undo", ADDRESS],
        ["job", "status", ADDRESS],
        ["fill", ADDRESS, "--in-place"],
        ["fill", ADDRESS, "--out", "filled.csv"],
        ["fill", ADDRESS, "--out", ADDRESS],
        ["library", "apply", ADDRESS, "--journal", "journal.jsonl"],
        ["library", "show", ADDRESS],
    ],
    ids=" ".join,
)
def test_what_cannot_be_read_at_an_address_is_named_by_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    done = CliRunner().invoke(app, words)
    assert ADDRESS in f"{done.exception}{getattr(done.exception, 'filename', '')}"
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("read", [Doubts.read, load_recipe])
def test_doubts_and_recipes_are_looked_for_in_the_store(
    store: Store, read: Callable[[str], object]
) -> None:
    with pytest.raises(KeyartError, match=f"^{ADDRESS}: cannot be read"):
        read(ADDRESS)


def test_tables_and_plans_in_a_store_are_read_from_there(store: Store, tmp_path: Path) -> None:
    put("s3://films/films.csv", b"film_id,title,year\ntt1,Zombie Wedding,2012\n")
    filled = keyart.fill("s3://films/films.csv", tmp_path / "filled.csv")
    assert (filled.rows, filled.predictions) == (1, 1)
    film = tmp_path / "library" / "Zombie Wedding (2012)"
    film.mkdir(parents=True)
    (film / "film.mkv").touch()
    plan = keyart.Library.open(tmp_path / "library").plan(keyart.load())
    plan.write("s3://films/plan.jsonl")
    done = keyart.apply_plan("s3://films/plan.jsonl", tmp_path / "journal.jsonl")
    assert done.done == 1
    assert "<genre>Horror</genre>" in (film / "film.nfo").read_text()


def test_an_endpoint_can_be_given_to_a_command(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = CliRunner().invoke(app, ["--endpoint", store.endpoint, "catalog", "show", "s3://films"])
    assert "no catalog here" in str(done.exception)
    wrong = CliRunner().invoke(app, ["--endpoint", "http://a:b@c", "catalog", "show", "s3://films"])
    assert wrong.exit_code == 2
