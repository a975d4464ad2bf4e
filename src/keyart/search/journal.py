"""The journal of a search: Optuna's, under locks that no killed process can leave behind.

Optuna's own lock is a file, which outlives a process that is killed while it holds it. The kernel's
locks end with their process. So does a trial's: whoever finds it free knows that the trial is dead.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from keyart.errors import SearchError

_WAITED = 60.0  # seconds for a lock that is only ever held for moments


class HeldLock:
    """A lock on a file, held until it is let go or its process ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not inherited by programs that this one starts.
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self, *, wait: bool) -> bool:
        """Take it; False where another has it and there is no waiting for it."""
        until = time.monotonic() + (_WAITED if wait else 0)
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.01)

    def let_go(self) -> None:
        """Give it back. It cannot be taken again."""
        os.close(self._handle)

    def __enter__(self) -> "HeldLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.let_go()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only one inside, of all processes. Raises SearchError where none lets one in."""
    with HeldLock(path) as lock:
        if not lock.take(wait=True):
            raise SearchError(f"{path}: held by another process for over {_WAITED:.0f} s; end it")
        yield


def is_free(path: Path) -> bool:
    """Whether no living process holds the lock at `path`."""
    with HeldLock(path) as lock:
        return lock.take(wait=False)


def open_journal(path: Path) -> JournalStorage:
    """The storage whose journal is at `path`, made where there is none. Raises SearchError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=_JournalLock(path)))
    except (ValueError, KeyError, TypeError) as error:
        raise SearchError(
            f"{path}: not a journal, or damaged ({error}); name another folder"
        ) from error


class _JournalLock(JournalFileOpenLock):
    """Taken for every line that is written; it also drops half a line that a dead writer left.

    Left as it is, the next line would be joined to it, and the journal never be read again.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal
        self._held: HeldLock | None = None

    def acquire(self) -> bool:
        held = HeldLock(self._journal.with_name(f"{self._journal.name}.lock"))
        if not held.take(wait=True):
            held.let_go()
            raise SearchError(
                f"{self._journal}: locked for over {_WAITED:.0f} s by another process"
            )
        self._held = held
        _drop_half_a_line(self._journal)
        return True

    def release(self) -> None:
        assert self._held is not None
        self._held.let_go()
        self._held = None


def _drop_half_a_line(journal: Path) -> None:
    with journal.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
