"""Reading files that others wrote: regular files only, of bounded size; strict JSON and TOML."""

import io
import json
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keyart.errors import one_line
from keyart.stores.paths import RemotePath

_DEEPEST = 32  # levels of JSON or TOML; none of keyart's has more than 8
LARGEST_WEIGHTS = 64 << 30  # bytes of a safetensors file
_LONGEST_TOML = 64_000  # bytes
# The parser's time grows with the square of the parts of a key, a.b.c.
_MOST_DOTS = 2_000


@contextmanager
def opened(file: Path, most: int, *, links: bool = False) -> Iterator[io.BufferedReader]:
    """Open a regular file of at most `most` bytes, for reading.

    links: whether a symbolic link to one will do. Raises ValueError for anything else, without
    waiting for it, and OSError.
    """
    # A pipe without a writer must not block. The check is of what is open: a path can change.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not links and file.is_symlink():
        raise ValueError("is a symbolic link, not a regular file")
    if file.is_dir():
        raise ValueError("is a folder, not a regular file")
    if not stat.S_ISREG(file.stat().st_mode):  # to open a device may do something
        raise ValueError("is a device or a pipe, not a regular file")
    with os.fdopen(os.open(file, flags), "rb") as handle:
        state = os.fstat(handle.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("is a device or a pipe, not a regular file")
        if state.st_size > most:
            raise ValueError(f"has {state.st_size:,} bytes, more than the {most:,} that it may")
        yield handle


def read_bytes(file: Path, most: int, *, links: bool = False) -> bytes:
    """The content of a regular file or an object of a store, of at most `most` bytes.

    Raises ValueError, OSError and StoreError.
    """
    if isinstance(file, RemotePath):
        return file.bucket.get(file.key, most)[0]
    with opened(file, most, links=links) as handle:
        return handle.read(most + 1)


def read_json(file: Path, most: int, *, links: bool = False) -> Any:
    """A JSON file in UTF-8 with finite numbers, unique keys and few levels.

    Raises ValueError with what it is instead, and OSError.
    """
    return parse_json(read_bytes(file, most, links=links))


def parse_json(data: bytes) -> Any:
    """As `read_json`, of a file's content."""
    try:
        value = json.loads(
            data.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_unique
        )
    except RecursionError as error:
        raise ValueError(f"has more than {_DEEPEST} levels") from error
    _check_depth(value)
    return value


def read_toml(file: Path, *, links: bool = True) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file in UTF-8, and its tables.

    Raises ValueError with what it is instead, and OSError.
    """
    text = read_bytes(file, _LONGEST_TOML, links=links).decode("utf-8-sig")
    return text, parse_toml(text)


def parse_toml(text: str) -> dict[str, Any]:
    """As `read_toml`, of a file's text."""
    if text.count(".") > _MOST_DOTS:
        raise ValueError(f"has more than {_MOST_DOTS:,} dots")
    try:
        tables = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(f"has more than {_DEEPEST} levels") from error
    except ValueError as error:
        raise ValueError(f"not TOML: {one_line(error)}") from error
    _check_depth(tables)
    return tables


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(f"has more than {_DEEPEST} levels")


def _no_number(text: str) -> None:
    raise ValueError(f"has {text}, which is not a number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("has a key twice")
    return found
