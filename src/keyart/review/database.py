"""The database of corrections and decisions: SQLite or PostgreSQL, without endless waits."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from keyart.errors import CorrectionsError

CONNECT_SECONDS = 2  # until a database has let us in
ANSWER_SECONDS = 3.0  # of silence, after which a connection is cut
LONGEST = 300  # characters of a name or an author


class Database:
    """A database at an SQLAlchemy URL. Many threads and processes may use it at once."""

    def __init__(self, url: str) -> None:
        """Raises CorrectionsError if it is not a URL of SQLite or PostgreSQL."""
        self._url = driver_url(url)
        self.name = self._url.render_as_string(hide_password=True)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {}
        if not self._sqlite:
            # A connection for each transaction: one that was kept may be dead, and finding out
            # takes time.
            options = {"poolclass": NullPool, "connect_args": {"connect_timeout": CONNECT_SECONDS}}
        try:
            self._engine = create_engine(self._url, **options)
        except ImportError as error:
            raise CorrectionsError(
                f"{self.name}: PostgreSQL needs a driver: pip install 'keyart[postgresql]'"
            ) from error
        if self._sqlite:
            event.listen(self._engine, "connect", prepare_sqlite)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def rows(self, query: Select[Any], count: int) -> Iterator[Row[Any]]:
        """The rows of a query, read `count` at a time. Raises CorrectionsError."""
        with self._errors(), self._engine.connect() as connection:
            with self._in_time(connection):
                found = connection.execution_options(yield_per=count).execute(query)
            blocks = found.partitions(count)
            while True:
                with self._in_time(connection):
                    rows = next(blocks, None)
                if rows is None:
                    return
                yield from rows

    def insert(self, table: Table) -> Any:
        """An INSERT that can say ON CONFLICT."""
        return (sqlite if self._sqlite else postgresql).insert(table)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction: all of it is kept at its end, or nothing. Raises CorrectionsError."""
        with (
            self._errors(),
            self._engine.connect() as connection,
            self._in_time(connection),
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _in_time(self, connection: Connection) -> Iterator[None]:
        """Break a connection off if the database is silent. SQLite waits for no server."""
        if self._sqlite:
            yield
            return
        driver = connection.connection.driver_connection
        assert driver is not None
        with Cut(driver.fileno(), ANSWER_SECONDS) as cut:
            try:
                yield
            except SQLAlchemyError as error:
                if cut.made:
                    late = f"{self.name}: it did not answer within {ANSWER_SECONDS:g} s"
                    raise CorrectionsError(late) from error
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise CorrectionsError(f"{self.name}: {reason}") from error


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


def utc(time: datetime) -> datetime:
    """A stored time, which is in UTC: SQLite does not store the time zone."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def clean(text: str) -> str:
    """Text that every database accepts: no control characters, no surrogates, not too long."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter for letter in whole if letter.isprintable()).strip()[:LONGEST]
