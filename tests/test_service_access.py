"""service/tokens.py, guard.py: who may use the API, and what browsers may do."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from keyart.errors import ServiceError
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service.app import create_app
from keyart.service.tokens import Tokens, new_token
from tests.wire import RED

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
GUARDED = ("/v1/model", "/v1/corrections/" + "0" * 64, "/metrics")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A tokens file, and the tokens of Ada and Bob."""
    file = tmp_path_factory.mktemp("tokens") / "tokens.txt"
    (ada, ada_line), (bob, bob_line) = new_token("ada"), new_token("bob")
    file.write_text(f"# who may ask\n{ada_line}\n\n{bob_line}  # till May\n")
    return file, ada, bob


@pytest.fixture(scope="module")
def closed(
    tiny_predictor: Predictor,
    tokens: tuple[Path, str, str],
    client_of: Serve,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    store = Corrections(f"sqlite:///{tmp_path_factory.mktemp('store') / 'c.sqlite'}")
    app = create_app(tiny_predictor, tokens=Tokens.read(tokens[0]), corrections=store)
    with client_of(app) as talking:
        yield talking


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", GUARDED)
def test_without_a_token_the_api_is_closed(closed: httpx.Client, path: str) -> None:
    answer = closed.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:keyart:problem:unauthorized"


def test_the_page_and_health_are_open(closed: httpx.Client) -> None:
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert closed.get(path).status_code == 200


def test_each_token_opens_it_and_no_other_does(
    closed: httpx.Client, tokens: tuple[Path, str, str]
) -> None:
    _, ada, bob = tokens
    for token in (ada, bob):
        assert closed.get("/v1/model", headers=bearer(token)).status_code == 200
    for wrong in ("x", ada[:-1], ada + "x", ada.swapcase()):
        assert closed.get("/v1/model", headers=bearer(wrong)).status_code == 401
    odd = {b"authorization": b"Bearer \xc3\xa9\xff"}
    assert closed.get("/v1/model", headers=odd).status_code == 401
    assert closed.get("/v1/model", headers={"authorization": f"Basic {ada}"}).status_code == 401
    assert closed.get("/v1/model", headers={"authorization": ada}).status_code == 401
    assert closed.get("/v1/model", headers={"authorization": f"bearer {ada}"}).status_code == 200


def test_a_large_body_without_token_is_refused_unread(closed: httpx.Client) -> None:
    assert closed.post("/v1/predictions", content=b"a" * 5_000_000).status_code == 401


def test_a_holder_corrects_in_their_own_name(
    closed: httpx.Client, tokens: tuple[Path, str, str]
) -> None:
    sent = {"files": {"poster": ("a.jpg", RED)}, "data": {"genre": "Blue", "author": "bob"}}
    answer = closed.post("/v1/corrections", headers=bearer(tokens[1]), **sent)  # type: ignore[arg-type]
    assert answer.json()["author"] == "ada"


def test_tokens_are_kept_as_digests_alone(tokens: tuple[Path, str, str]) -> None:
    file, ada, _ = tokens
    assert ada not in file.read_text()
    assert new_token("ada")[0] != ada


def test_a_file_without_tokens_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYART_TOKEN", raising=False)
    assert Tokens.read(None) is None
    file = tmp_path / "tokens"
    with pytest.raises(ServiceError, match="cannot be read"):
        Tokens.read(file)
    os.mkfifo(file)  # it must not be waited for
    with pytest.raises(ServiceError, match="a device or a pipe, not a regular file"):
        Tokens.read(file)
    file.unlink()
    file.write_text("# nobody\n")
    with pytest.raises(ServiceError, match="no token in it"):
        Tokens.read(file)
    file.write_text("ada:secret\n")
    with pytest.raises(ServiceError, match="line 1"):
        Tokens.read(file)
    with pytest.raises(ServiceError, match="no colons"):
        new_token("a:b")
    monkeypatch.setenv("KEYART_TOKEN", "open sesame")
    found = Tokens.read(None)
    assert found is not None
    assert found.holder("open sesame") == "token"


def test_a_changed_tokens_file_takes_effect_at_once_and_an_empty_one_lets_nobody_in(
    tiny_predictor: Predictor, client_of: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    (ada, ada_line), (bob, bob_line) = new_token("ada"), new_token("bob")
    file.write_text(f"{ada_line}\n")
    with client_of(create_app(tiny_predictor, tokens=Tokens.read(file))) as talking:

        def let_in() -> list[str]:
            answers = {
                name: talking.get("/v1/model", headers=bearer(token)).status_code
                for name, token in (("ada", ada), ("bob", bob))
            }
            assert set(answers.values()) <= {200, 401}
            return [name for name, status in answers.items() if status == 200]

        assert let_in() == ["ada"]
        file.write_text(f"{ada_line}\n{bob_line}\n")
        assert let_in() == ["ada", "bob"]
        file.write_text("")
        assert let_in() == []
        file.write_text(f"{bob_line}\n")
        assert let_in() == ["bob"]
        file.write_text(f"{bob_line}\nnonsense\n")
        assert let_in() == []
        assert "nobody's token is accepted" in caplog.messages[-1]
        assert "line 2" in caplog.messages[-1]
        other = tmp_path / "other"
        other.write_text(f"{ada_line}\n")
        other.replace(file)
        assert let_in() == ["ada"]
        file.unlink()
        assert let_in() == []
        assert len(caplog.messages) == 2


def test_pages_of_other_sites_may_not_post(tiny_predictor: Predictor, client_of: Serve) -> None:
    with client_of(create_app(tiny_predictor, hosts=frozenset())) as talking:
        own = {"origin": str(talking.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
        assert talking.post("/v1/predictions", content=RED, headers=own).status_code == 200
        assert talking.post("/v1/predictions", content=RED).status_code == 200
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": "http://localhost:1"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            answer = talking.post("/v1/predictions", content=RED, headers=headers)
            assert (answer.status_code, answer.json()["status"]) == (403, 403)
        assert "access-control-allow-origin" not in talking.get("/v1/model").headers


def test_on_loopback_requests_for_other_names_are_refused(
    tiny_predictor: Predictor, client_of: Serve
) -> None:
    with client_of(create_app(tiny_predictor, hosts=frozenset())) as talking:
        for host in (
            "localhost",
            "LocalHost:8000",
            "127.0.0.1:1",
            "[::1]:8000",
            "[::1]",
            "10.1.2.3",
        ):
            assert talking.get("/v1/model", headers={"host": host}).status_code == 200
        for host in (
            "evil.example", "localhost.evil.example", "evil.example:8000", "", "127.0.0.1.evil",
            "::1", "[::1", "0x7f000001", "localhost:x", "evil.example:[::1]",
        ):  # fmt: skip
            assert talking.get("/v1/model", headers={"host": host}).status_code == 421


def test_requests_for_a_given_name_are_answered(
    tiny_predictor: Predictor, client_of: Serve
) -> None:
    with client_of(create_app(tiny_predictor, hosts=frozenset(("Posters.Example",)))) as talking:
        for host in ("posters.example", "POSTERS.example:8000", "posters.example.", "127.0.0.1"):
            assert talking.get("/healthz", headers={"host": host}).status_code == 200
        for host in ("evil.example", "posters.example.evil", "www.posters.example"):
            assert talking.get("/healthz", headers={"host": host}).status_code == 421


def test_every_response_forbids_browsers_to_load_anything_from_elsewhere(
    closed: httpx.Client,
) -> None:
    for path in ("/", "/page/app.js", "/healthz", "/nope", "/v1/model"):
        headers = closed.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert os.environ.get("KEYART_TOKEN") is None
