"""The databases that hold corrections: their URLs, settings, and an end to waiting for them."""

import socket
import threading
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from keyart.errors import CorrectionsError


def driver_url(url: str) -> URL:
    """A URL of SQLite or PostgreSQL, with its driver. Raises CorrectionsError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise CorrectionsError(
            f"{url!r}: not a database's URL; write sqlite:///FILE or postgresql://HOST/NAME"
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise CorrectionsError(f"{parsed.drivername}: corrections are kept in SQLite or PostgreSQL")
    return parsed


def prepare_sqlite(connection: Any, _: object) -> None:
    """Settings of a new connection to SQLite."""
    cursor = connection.cursor()
    # Readers do not wait for writers; writers wait for each other.
    cursor.execute("PRAGMA busy_timeout=3000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


class Cut:
    """Cuts a socket after some seconds: drivers wait for a frozen server without end.

    made: whether it did.
    """

    def __init__(self, descriptor: int, seconds: float) -> None:
        self.made = False
        self._descriptor = descriptor
        self._over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "Cut":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True

    def _cut(self) -> None:
        with self._lock:
            if self._over:
                return
            self.made = True
            link = socket.socket(fileno=self._descriptor)
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is cut already
            finally:
                link.detach()  # it is the driver's
