"""Names of processes, so that others see whether one that left something is alive."""

import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path
from zlib import crc32


def owner() -> str:
    """A name of this process, unique on all machines that share the disk."""
    return _named(os.getpid())  # a forked process has a name of its own


@cache
def _named(pid: int) -> str:
    return f"{_machine()}-{pid}-{_started(pid)}"


def is_alive(process: str) -> bool | None:
    """Whether the process with this name (see `owner`) is alive; None on another machine."""
    machine, pid, started = [*process.split("-"), "", ""][:3]
    if machine == _machine() and pid.isdigit():
        return _started(int(pid)) == started
    return None


@cache
def _machine() -> str:
    return f"{crc32(socket.gethostname().encode()):08x}"


def _started(pid: int) -> str:
    """When a process was started, in the system's own count; empty if there is no such process."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[19]
    try:  # no /proc: a process id may be used again, but a partial is never lost by that
        os.kill(pid, 0)
    except PermissionError:
        return "0"
    except (OSError, ValueError):
        return ""
    return "0"
