"""Exchanging two paths in one step, if the system can."""

import ctypes
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_LINUX_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_MAC_SWAP = 2  # RENAME_SWAP of sys/stdio.h


def exchange(first: Path, second: Path) -> bool:
    """Let two existing paths change places at once. False if this system or disk cannot."""
    one, other = os.fsencode(first), os.fsencode(second)
    if sys.platform.startswith("linux"):
        return _done("renameat2", _AT_FDCWD, one, _AT_FDCWD, other, _LINUX_EXCHANGE)
    elif sys.platform == "darwin":
        return _done("renamex_np", one, other, _MAC_SWAP)
    else:
        return False


def _done(function: str, *arguments: int | bytes) -> bool:
    """Call a function of the C library. False if there is none of this name, or it fails."""
    found = getattr(ctypes.CDLL(None), function, None)
    return found is not None and bool(found(*arguments) == 0)
