"""The files of a folder and of the folders below it."""

import logging
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from keyart.errors import counted, why
from keyart.images.kind import HEAD, READ, kind_of
from keyart.printable import printable
from keyart.stores.paths import RemotePath

_log = logging.getLogger(__name__)

SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo", ".png", ".apng", ".webp", ".gif",
        ".bmp", ".dib", ".tif", ".tiff", ".avif", ".avifs", ".heic", ".heif", ".hif",
    )
)  # fmt: skip


def stem(name: str) -> str:
    """A file's name without the suffix of a picture: 'Dr. No' for 'Dr. No.jpg' and for 'Dr. No'."""
    before, dot, after = name.rpartition(".")
    return before if before and f"{dot}{after}".casefold() in SUFFIXES else name


def files_below(folder: Path) -> Iterator[Path]:
    """All files in `folder` and below it, in no order, without hidden ones.

    folder: also an address in a store. Raises OSError if it cannot be read. A folder below it that
    cannot be read is left out, and a warning says so.
    """

    if isinstance(folder, RemotePath):
        depth = len(folder.parts)
        for file in folder.objects():
            if not any(part.startswith(".") for part in file.parts[depth:]):
                yield file
        return

    def unread(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        _log.warning("%s: %s; its files are left out", printable(error.filename), why(error))

    # os.walk does not follow links to folders, so a loop of them ends.
    for parent, folders, files in os.walk(folder, onerror=unread):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield Path(parent, name)


def is_picture(file: Path) -> bool:
    """Whether the file's name ends like a picture's, or else its content begins like one's.

    Only decoding shows whether it is one.
    """
    return file.suffix.casefold() in SUFFIXES or _begins_like_a_picture(file)


def _begins_like_a_picture(file: Path) -> bool:
    try:
        if isinstance(file, RemotePath):
            return kind_of(file.bucket.head_bytes(file.key, HEAD)) in READ
        if not stat.S_ISREG(file.stat().st_mode):  # opening a pipe waits for its other end
            return False
        with file.open("rb") as content:
            return kind_of(content.read(HEAD)) in READ
    except (OSError, ValueError):
        return False


def no_pictures(
    folder: Path, files: Iterable[PurePath], where: str = "in this folder or below it"
) -> str:
    """The message that a folder has no pictures, and what it holds instead.

    files: all files in it and below it. where: as people say it.
    """
    counts = Counter(file.suffix.casefold() or "no suffix" for file in files)
    if not counts:
        return f"{folder}: no files {where}"
    kinds = ", ".join(f"{suffix} {count:,}" for suffix, count in counts.most_common(5))
    more = ", ..." if len(counts) > 5 else ""
    count = counts.total()
    others = f"{counted(count, 'file')} of other kinds ({kinds}{more})"
    return f"{folder}: no pictures {where}, but {others}"
