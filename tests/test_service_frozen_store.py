"""service/stored.py: a PostgreSQL that is frozen holds up nobody who does not need it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from keyart.errors import CorrectionsError
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service.app import create_app
from tests.wire import GREEN, RED

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
NOBODY = f"/v1/corrections/{'0' * 64}"


@contextmanager
def frozen(url: str) -> Iterator[None]:
    """Stop all processes of a database server, as a dead disk or a paused machine does."""
    import psycopg

    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
        folder = row.fetchone()
        assert folder
    with open(f"{folder[0]}/postmaster.pid") as file:
        parent = int(file.readline())
    stopped = [parent]
    os.kill(parent, signal.SIGSTOP)  # first: from here on it starts no process and forgets none
    try:
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True
        )
        for process in map(int, listed.stdout.split()):
            os.kill(process, signal.SIGSTOP)
            stopped.append(process)
        yield
    finally:
        for process in reversed(stopped):
            os.kill(process, signal.SIGCONT)


@pytest.fixture
def api(tiny_predictor: Predictor, postgres_url: str, client_of: Serve) -> Iterator[httpx.Client]:
    app = create_app(tiny_predictor, corrections=Corrections(postgres_url))
    with client_of(app) as talking:
        yield talking


def correct(api: httpx.Client, poster: bytes) -> httpx.Response:
    files = {"poster": ("a.png", poster, "image/png")}
    return api.post("/v1/corrections", files=files, data={"genre": "Blue"})


def test_requests_that_need_a_frozen_store_get_503_and_others_go_on(
    api: httpx.Client, postgres_url: str
) -> None:
    assert correct(api, GREEN).status_code in (200, 201)
    with ThreadPoolExecutor(12) as pool:
        with frozen(postgres_url):
            began = time.monotonic()
            waiting = [pool.submit(api.get, NOBODY) for _ in range(9)]
            waiting += [pool.submit(correct, api, RED) for _ in range(3)]
            time.sleep(0.5)
            for _ in range(5):
                asked = time.monotonic()
                assert api.post("/v1/predictions", content=RED).status_code == 200
                assert api.get("/readyz").status_code == 200
                assert time.monotonic() - asked < 2.5, "the store is waited for 3 s"
            answers = [one.result() for one in waiting]
            assert time.monotonic() - began < 8
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        assert answers[0].json()["detail"] == "the store of corrections cannot be reached"
    end = time.monotonic() + 10
    while api.get(NOBODY).status_code != 200 and time.monotonic() < end:
        time.sleep(0.1)
    assert api.get(NOBODY).json() == {"correction": None}
    assert correct(api, GREEN).status_code == 200


def test_a_connection_on_which_the_server_falls_silent_is_cut(postgres_url: str) -> None:
    store = Corrections(postgres_url)
    began = time.monotonic()
    with (
        pytest.raises(CorrectionsError, match="did not answer within 3 s"),
        store._database.transaction() as connection,
        frozen(postgres_url),
    ):
        connection.exec_driver_sql("SELECT 1")
    assert 2 < time.monotonic() - began < 6
    assert store.latest("0" * 64) is None
    store.close()


def test_a_store_that_is_frozen_when_it_is_opened_is_reported(postgres_url: str) -> None:
    with frozen(postgres_url):
        began = time.monotonic()
        with pytest.raises(CorrectionsError, match="timeout"):
            Corrections(postgres_url)
        assert time.monotonic() - began < 8
    assert urlsplit(postgres_url).password is None
