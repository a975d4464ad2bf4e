"""The files of a folder and of the folders below it."""

import os
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))


def files_below(folder: Path) -> Iterator[Path]:
    """All files in `folder` and below it, in no order, without hidden ones."""
    # os.walk does not follow links to folders, so a loop of them ends.
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield Path(parent, name)


def is_picture(file: Path) -> bool:
    """Whether the file's name ends like a picture's. Only decoding shows whether it is one."""
    return file.suffix.casefold() in SUFFIXES
