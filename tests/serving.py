"""A service that really listens, in a thread of the test's own process."""

import csv
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI

from keyart.catalog.catalog import Catalog
from keyart.genres import Vocabulary
from keyart.images.decode import Pixels
from keyart.service.server import PatientProtocol
from keyart.similar import Index
from tests.tiny import VOCABULARY
from tests.wire import encoded


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (60, 40)) -> Pixels:
    """A poster of one colour. size: (height, width)."""
    return np.full((*size, 3), colour, np.uint8)


RED = encoded(plain((250, 10, 10)), "JPEG")
GREEN = encoded(plain((10, 250, 10)), "PNG")
DARK = encoded(plain((9, 9, 9)), "WEBP")


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve `app` on a free port; yield its base URL; stop it gracefully."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = uvicorn.Config(
        app, http=PatientProtocol, ws="none", log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
    assert not thread.is_alive()


@contextmanager
def client(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of a running service."""
    with running(app) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as talking:
        yield talking


def known_posters(folder: Path, model: Path) -> Path:
    """An index of three films, one of them with a title that is no good HTML."""
    posters = folder / "known"
    posters.mkdir()
    films = [
        ("red", "<script>alert('Carrie')</script>", (240, 20, 20), "Red"),
        ("green", "Soylent Green & Co", (20, 240, 20), "Green"),
        ("blue", "Blue Velvet", (20, 20, 240), "Blue|Red"),
    ]
    rng = np.random.default_rng(0)
    with (folder / "known.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "title", "year", "genres"])
        for film_id, title, colour, genres in films:
            noise = rng.integers(0, 15, (60, 40, 3))
            rgb = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            (posters / f"{film_id}.png").write_bytes(encoded(rgb))
            writer.writerow([film_id, title, 1976, genres])
    catalog = Catalog.build(
        folder / "known.csv", posters, folder / "catalog", vocabulary=Vocabulary(VOCABULARY.names)
    )
    return Index.build(catalog, out=folder / "index", model=model).path
