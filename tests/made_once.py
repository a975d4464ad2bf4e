"""What takes long to make and is only read is made once, and not by each worker of pytest."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keyart.locks import lock_handle


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first worker that asks for it fills by `make`; no test may change it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of all workers
    folder, made = base / name, base / f"{name}.made"
    handle = _locked(base / f"{name}.lock")
    try:
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker whose `make` failed
            folder.mkdir()
            make(folder)
            made.touch()
    finally:
        os.close(handle)
    return folder


def _locked(file: Path) -> int:
    """Lock a file, which may wait for another worker. Returns its handle."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT)
        try:
            lock_handle(handle)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return handle
