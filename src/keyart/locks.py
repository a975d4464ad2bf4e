"""Locks on folders and files, that end with the process that has them."""

import os
import sys
from pathlib import Path


def lock_folder(folder: Path, name: str) -> int:
    """Lock a folder for this process, until the returned handle is closed or the process ends.

    name: of the file that is locked on Windows, which opens no folders. Raises BlockingIOError if
    another process has the lock, and OSError. Some network disks have no locks: there it is open.
    """
    windows = sys.platform == "win32"
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT) if windows else os.open(folder, 0)
    lock_handle(handle)
    return handle


def lock_handle(handle: int) -> None:
    """Lock an open file for this process, as `lock_folder`; the handle is closed if it cannot."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        os.close(handle)
        raise BlockingIOError(*error.args) from error
    except OSError:
        pass
