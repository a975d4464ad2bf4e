"""Exchanging two paths in one step, if the system can."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

_AT_FDCWD = -100
_LINUX_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_MAC_SWAP = 2  # RENAME_SWAP of sys/stdio.h


def exchange(first: Path, second: Path) -> bool:
    """Let two existing paths change places at once. False if this system or disk cannot."""
    one, other = os.fsencode(first), os.fsencode(second)
    library: Any = None if sys.platform == "win32" else ctypes.CDLL(None)
    if sys.platform.startswith("linux") and hasattr(library, "renameat2"):
        done = library.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _LINUX_EXCHANGE)
    elif sys.platform == "darwin" and hasattr(library, "renamex_np"):
        done = library.renamex_np(one, other, _MAC_SWAP)
    else:
        return False
    return bool(done == 0)
