"""A folder of posters named after their films."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from keyart.errors import TableError

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))


class PosterFolder:
    """Finds the file of a film: by the name that its table gives, or by its id.

    'tt0085549', '0085549' and '85549' name the same file, as sources pad numbers differently.
    Raises TableError where there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise TableError(f"{folder}: no such folder of posters")
        self.folder = folder
        self._files: dict[str, Path] = {}
        self.clashes: list[str] = []
        for file in sorted(_files_below(folder)):
            known = self._files.setdefault(_key(file.stem), file)
            if known != file:
                self.clashes.append(f"{known.name} and {file.name} name one film; the first counts")

    def find(self, film_id: str, poster: str | None) -> Path | None:
        """The file of a film, None where there is none. `poster`: a file name from its table."""
        if poster is not None:
            named = self.folder / poster.lstrip("/")
            if named.is_file() and named.resolve().is_relative_to(self.folder.resolve()):
                return named
            if (by_name := self._files.get(_key(Path(poster).stem))) is not None:
                return by_name
        return self._files.get(_key(film_id))


def _key(stem: str) -> str:
    match = re.fullmatch(r"(?:tt)?(\d+)", stem.casefold())
    return f"#{int(match[1])}" if match else stem.casefold()


def _files_below(folder: Path) -> Iterator[Path]:
    # os.walk does not follow links to folders, so a loop of them ends.
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.casefold() in SUFFIXES and not name.startswith("."):
                yield Path(parent, name)
