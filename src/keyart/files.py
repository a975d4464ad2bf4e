"""Writes that are whole or absent: made beside their place, synced, then renamed into it."""

import csv
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut (a no-op where folders cannot be opened)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Have the disk hold what `path` holds."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file to; on success it takes the place of `path`.

    After an error nothing new is left and what stood at `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield beside
        sync_file(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` to fill; on success it becomes `path`, which must not exist.

    After an error nothing is left. The caller has made sure that nothing stands at `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    beside.mkdir()
    try:
        yield beside
        for file in beside.rglob("*"):
            if file.is_file():
                sync_file(file)
        sync_folder(beside)
        os.rename(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    sync_folder(path.parent)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` to fill; on success it takes the place of the folder there.

    After an error what stood at `path` is untouched. Folders cannot be exchanged in one step: a
    machine that stops between the two renames leaves nothing at `path`, but never half of it.
    """
    tag = uuid.uuid4().hex[:8]
    fresh, stale = (path.with_name(f".{path.name}.{tag}.{end}.partial") for end in ("new", "old"))
    try:
        with new_folder(fresh) as beside:
            yield beside
        os.rename(path, stale)
        os.rename(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)
    sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with replacing(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON that people can read, whole or not at all. NaN is an error."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV with `header`, whole or not at all."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def writing_text(path: Path | None) -> Iterator[IO[str]]:
    """Yield a UTF-8 text file for `path`, written whole or not at all; None is standard output."""
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
    else:
        with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            yield file
