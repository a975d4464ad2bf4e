"""Decodes in other processes, which can be ended: a slow decode delays nobody.

Memory goes back to the system with the process or when it trims its heap, a decoder that crashes
takes only its file down, and one that takes more memory than its file's header says gets none.
"""

import atexit
import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np

from keyart.errors import PosterError
from keyart.images.budget import hand_back
from keyart.images.codecs import Pixels, decode_kind

# Four times what the slowest allowed file takes here on one core.
DEADLINE = 10.0
_SLACK = 256_000_000  # bytes of address space beyond the estimate: stacks, arenas, libraries
_REPLY = struct.Struct("<iii")  # whether it is an error; height, width or the message's length
_IDLE = 2  # processes that are kept for the next file

_lock = threading.Lock()
_idle: list[subprocess.Popen[bytes]] = []


def decode_apart(
    kind: str,
    data: bytes,
    at_least: tuple[int, int] | None,
    max_pixels: int,
    memory: int,
    deadline: float = DEADLINE,
) -> Pixels:
    """As codecs.decode_kind, in another process, which may take `memory` bytes.

    deadline: seconds after which it is ended. Raises PosterError.
    """
    process = _take()
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(deadline, end)
    timer.daemon = True
    timer.start()
    try:
        reply = _ask(process, data, [kind, at_least, max_pixels, memory, len(data)])
    except (OSError, EOFError) as error:
        _end(process)
        if late.is_set():
            reason = f"a {kind} file that takes over {deadline:g} s to decode; save it again"
        else:
            reason = f"damaged {kind} file: its decoder crashed"
        raise PosterError(reason) from error
    except BaseException:  # such as Ctrl-C: nobody would read its answer
        _end(process)
        raise
    finally:
        timer.cancel()
        timer.join()  # it may be at work
    if late.is_set():  # just after the answer: the process is ended, and good for no other file
        _end(process)
    else:
        _keep(process)
    if isinstance(reply, str):
        raise PosterError(reply)
    return reply


def _ask(process: subprocess.Popen[bytes], data: bytes, request: list[Any]) -> Pixels | str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.write(data)
    process.stdin.flush()
    failed, first, second = _REPLY.unpack(_read(process.stdout, bytearray(_REPLY.size)))
    if failed:
        return str(_read(process.stdout, bytearray(first)), "utf-8")
    pixels: Pixels = np.empty((first, second, 3), np.uint8)
    _read(process.stdout, pixels.data.cast("B"))
    return pixels


def _read(source: IO[bytes], into: Any) -> Any:
    """Fill a buffer. Raises EOFError."""
    view, at = memoryview(into), 0
    while at < len(view):
        count = source.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        at += count
    return into


def _take() -> subprocess.Popen[bytes]:
    """A process that waits for work."""
    with _lock:
        while _idle:
            process = _idle.pop()
            if process.poll() is None:
                return process
            _end(process)
    # Its modules come from where this process found them, whatever the environment says.
    code = f"import sys; sys.path[:] = {sys.path!r}; import {__name__}; {__name__}.serve()"
    command = [sys.executable, "-I", "-c", code]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise PosterError(f"cannot start a process to decode it: {error}") from error


def _keep(process: subprocess.Popen[bytes]) -> None:
    with _lock:
        if len(_idle) < _IDLE:
            _idle.append(process)
            return
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(OSError):  # what is still in its buffer
        process.stdin.close()  # type: ignore[union-attr]
    process.stdout.close()  # type: ignore[union-attr]
    process.wait()


@atexit.register
def end_idle() -> None:
    """End the processes that wait for work."""
    with _lock:
        while _idle:
            _end(_idle.pop())


if hasattr(os, "register_at_fork"):
    # A fork must not talk to its parent's processes.
    os.register_at_fork(after_in_child=_idle.clear)


def serve() -> None:
    """Decode what standard input asks for until it ends: the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    while line := asked.readline():
        kind, at_least, max_pixels, memory, length = json.loads(line)
        data = asked.read(length)
        if hasattr(signal, "alarm"):  # ends it if the process that asks is gone
            signal.alarm(int(2 * DEADLINE))
        _allow(memory)
        reply: list[Any]
        try:
            pixels = decode_kind(kind, data, tuple(at_least) if at_least else None, max_pixels)
            reply = [_REPLY.pack(0, *pixels.shape[:2]), pixels.data.cast("B")]
            del pixels
        except MemoryError:
            reply = _refusal(f"damaged {kind} file: it takes more memory than its header says")
        except PosterError as error:
            reply = _refusal(str(error))
        for part in reply:
            answers.write(part)
        answers.flush()
        if hasattr(signal, "alarm"):
            signal.alarm(0)
        del data, reply
        hand_back()


def _refusal(message: str) -> list[Any]:
    text = message.encode("utf-8", "replace")
    return [_REPLY.pack(1, len(text), 0), text]


def _allow(memory: int) -> None:
    """Bound the address space of this process to what it has and `memory` bytes more."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = pages * os.sysconf("SC_PAGE_SIZE") + memory + _SLACK
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
