"""A job's process that dies of some posters: a decoder that crashes, for all that the job knows.

A poster that begins with b"KILL" ends it each time, one that begins with b"ONCE" the first time.
Each time the file NAME.deaths grows by a letter. One that begins with b"SLOW" takes some seconds,
and one that begins with b"BUG" raises an error that nobody expects.
"""

import signal
import time
from pathlib import Path

from keyart.images.poster import read_file
from keyart.jobs import shard, worker
from tests.wire import GREEN


def _read(path: Path) -> bytes:
    content = read_file(path)
    if content[:4] == b"SLOW":
        time.sleep(4)
    if content[:3] == b"BUG":
        raise ZeroDivisionError("by a poster of no height")
    deaths = path.with_name(f".{path.name}.deaths")
    if content[:4] == b"KILL" or (content[:4] == b"ONCE" and not deaths.exists()):
        with deaths.open("a") as file:
            file.write("x")
        signal.raise_signal(signal.SIGSEGV)
    return GREEN if content[:4] == b"ONCE" else content


def serve() -> None:
    """As keyart.jobs.worker.serve."""
    shard.read_file = _read  # type: ignore[attr-defined]
    worker.serve()
