"""A process that computes shards, and may die of a poster.

A decoder that crashes takes its process with it. So shards are computed in a process of their own,
which says which poster it is about to read: two deaths at one poster, and it is left out. The
process that asks is the job's own, or a task's on a Ray cluster.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

import pyarrow as pa

from keyart.errors import JobError, KeyartError, one_line
from keyart.evidence import Evidence
from keyart.jobs.plan import name_in
from keyart.jobs.shard import compute_shard
from keyart.known_networks import remember
from keyart.predictor import Predictor

_TRIES = 2  # of a poster that ends the process
_MOST_DEATHS = 20  # in one shard; so many posters do not crash a decoder, the machine is at fault
_LAST_SECONDS = 10.0  # to end after its answers have, before it is killed
_LAST_WORDS = 2_000  # bytes of the end of a traceback
_FRAME = struct.Struct("<cQ")
_READY, _AT, _DONE, _FAILED = b"r", b"a", b"d", b"f"


@dataclass(frozen=True)
class Setup:
    """What a process needs to begin.

    path: of the bundle; None for the model that comes with keyart. fingerprint: which the bundle
    must have. known: SHA-256 of networks that have been tried out elsewhere, see trial.py. gpu: the
    one to use, as CUDA_VISIBLE_DEVICES names it; None for a processor. threads: None means one for
    each core.
    """

    path: str | None
    fingerprint: str
    precision: float | None
    balanced: bool
    evidence: Evidence
    top: int | None
    min_score: float | None
    known: tuple[str, ...] = ()
    gpu: str | None = None
    threads: int | None = 1


class Worker:
    """Computes shards one after another, in another process, which is started again if it dies."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None  # standard error of the process
        self._at: int | None = None
        self._closed = False

    def compute(self, rows: bytes, about: dict[str, str]) -> bytes:
        """The Parquet file of a shard, see `compute_shard`. rows: as an Arrow stream.

        A poster that ends the process twice becomes a row with that reason. Raises JobError if the
        process dies for other reasons, and what `compute_shard` raises.
        """
        killers: dict[int, str] = {}
        deaths: Counter[int | None] = Counter()
        threads = self._setup.threads
        while True:
            request = {"about": about, "killers": list(killers.items()), "threads": threads}
            try:
                return self._ask(rows, request)
            except (OSError, EOFError) as error:
                ended = self._end(_LAST_SECONDS)
                if self._closed:
                    raise
                if threads != 1:  # one of several posters; from now on it is known which
                    threads = 1
                    continue
                deaths[self._at] += 1
                if self._at is not None and deaths[self._at] == _TRIES:
                    killers[self._at] = f"ends the process that reads it ({ended}), {_TRIES} times"
                if deaths[None] == _TRIES or deaths.total() == _MOST_DEATHS:
                    where = "before the first poster"
                    if self._at is not None:
                        row = pa.ipc.open_stream(rows).read_all().slice(self._at, 1)
                        where = f"the last time at {name_in(row.to_pylist()[0])}"
                    raise JobError(
                        f"a process of the job ended {deaths.total()} times ({ended}), {where}; "
                        "see whether this machine has enough memory, and run the command again"
                    ) from error

    def close(self) -> None:
        """End the process, from any thread."""
        self._closed = True
        if self._process is not None:
            self._process.kill()

    def _ask(self, rows: bytes, request: dict[str, Any]) -> bytes:
        self._at = None
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        assert self._said is not None
        self._said.truncate(0)  # of a million posters, some make libraries warn
        line = json.dumps(request | {"length": len(rows)})
        process.stdin.write(line.encode() + b"\n" + rows)
        process.stdin.flush()
        while True:
            kind, value = _frame(process.stdout)
            if kind == _AT:
                self._at = value
            elif kind == _DONE:
                return _read(process.stdout, value)
            elif kind == _FAILED:
                raise JobError(_read(process.stdout, value).decode("utf-8", "replace"))

    def _start(self) -> subprocess.Popen[bytes]:
        # Its modules come from where this process found them, whatever the environment says.
        code = f"import sys; sys.path[:] = {sys.path!r}; from {_MODULE} import serve; serve()"
        environment = dict(os.environ)
        if self._setup.gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self._setup.gpu
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        process = self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(self._setup)).encode() + b"\n")
        process.stdin.flush()
        kind, value = _frame(process.stdout)
        if kind == _FAILED:
            raise JobError(_read(process.stdout, value).decode("utf-8", "replace"))
        return process

    def _end(self, patience: float = 0) -> str:
        """End the process, if it does not end by itself. Returns how it ended."""
        process, said = self._process, self._said
        self._process = self._said = None
        if process is None or said is None:
            return "not started"
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what is still in its buffer
                pipe.close()  # type: ignore[union-attr]
        with said:
            return _how(process.wait(), said)

    def __del__(self) -> None:
        self._end()


_MODULE = __name__


def _how(status: int, said: IO[bytes]) -> str:
    """How a process ended: 'SIGSEGV', or the error of its traceback, or its status."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        length = said.seek(0, os.SEEK_END)
        said.seek(max(length - _LAST_WORDS, 0))
        text = said.read().decode("utf-8", "replace").replace("\0", "").strip()
        last = text.rpartition("\n")[2]
        return one_line(last) if last else f"status {status}"


def _frame(source: IO[bytes]) -> tuple[bytes, int]:
    kind, value = _FRAME.unpack(_read(source, _FRAME.size))
    return kind, value


def _read(source: IO[bytes], length: int) -> bytes:
    """Exactly so many bytes. Raises EOFError."""
    data = source.read(length)
    if len(data) < length:
        raise EOFError
    return data


def serve() -> None:
    """Compute what standard input asks for until it ends: the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    lock = threading.Lock()

    def say(kind: bytes, value: int, content: bytes = b"") -> None:
        with lock:
            answers.write(_FRAME.pack(kind, value) + content)
            answers.flush()

    try:
        predictor, setup = _load(json.loads(asked.readline()))
    except KeyartError as error:
        text = str(error).encode("utf-8", "replace")
        return say(_FAILED, len(text), text)
    say(_READY, 0)
    while line := asked.readline():
        request = json.loads(line)
        rows = pa.ipc.open_stream(asked.read(request["length"])).read_all()
        try:
            shard = compute_shard(
                predictor,
                rows,
                evidence=setup.evidence,
                about=request["about"],
                killers=dict(request["killers"]),
                announce=lambda at: say(_AT, at),
                threads=request["threads"],
                top=setup.top,
                min_score=setup.min_score,
            )
        except KeyartError as error:
            text = str(error).encode("utf-8", "replace")
            say(_FAILED, len(text), text)
        else:
            say(_DONE, len(shard), shard)


def _load(given: dict[str, Any]) -> tuple[Predictor, Setup]:
    setup = Setup(**given | {"evidence": tuple(given["evidence"])})
    for network in setup.known:
        remember(network)
    predictor = Predictor.load(
        setup.path,
        precision=setup.precision,
        balanced=setup.balanced,
        device="cpu" if setup.gpu is None else "cuda",
    )
    found = predictor.bundle.fingerprint
    if found != setup.fingerprint:
        raise JobError(
            f"{predictor.bundle.path}: the model {found[:12]}, not {setup.fingerprint[:12]} with "
            "which the job began; name that one with --model"
        )
    return predictor, setup
