"""A folder of posters named after their films."""

import re
from pathlib import Path

from keyart.errors import TableError
from keyart.images.folder import files_below, is_picture, no_pictures


class PosterFolder:
    """Finds the file of a film: by the name that its table gives, or by its id.

    The files 'tt0085549', '0085549' and '85549' all belong to the IMDb film tt0085549, because
    sources pad numbers differently. A film with a plain number as its id (MovieLens, TMDb) never
    gets a file named tt..., which is a number of IMDb. If a film has two files, the first by path
    counts. `notes` reports that, and a folder without pictures. Raises TableError if there is no
    such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise TableError(f"{folder}: no such folder of posters")
        self._by_path: dict[str, Path] = {}
        self._by_stem: dict[str, Path] = {}
        clashes: list[str] = []
        for file in sorted(files_below(folder)):
            self._by_path[file.relative_to(folder).as_posix()] = file
            if is_picture(file):
                known = self._by_stem.setdefault(_key(file.stem), file)
                if known != file:
                    clashes.append(f"{known.relative_to(folder)} and {file.relative_to(folder)}")
        self.notes: list[str] = []
        if not self._by_stem:
            self.notes.append(no_pictures(folder, self._by_path.values()))
        if clashes:
            self.notes.append(
                f"{folder.name}: {len(clashes):,} posters share the name of another one, and the "
                f"first counts: {', '.join(clashes[:3])}{' ...' if len(clashes) > 3 else ''}"
            )

    def find(self, film_id: str, poster: str | None) -> Path | None:
        """The file of a film; None if there is none. poster: a file name from its table."""
        if poster is not None and "://" not in poster:  # a web address names no file here
            place = poster.replace("\\", "/").removeprefix("./").lstrip("/")
            named = self._by_path.get(place) or self._by_stem.get(_key(Path(poster).stem))
            if named:
                return named
        key = _key(film_id)
        bare = key.removeprefix("tt") if re.fullmatch("tt[0-9]+", key) else key
        return self._by_stem.get(key) or self._by_stem.get(bare)


def _key(name: str) -> str:
    """One key for names that differ in case or in leading zeros: 'TT0085549' is 'tt85549'."""
    match = re.fullmatch(r"(tt)?0*([0-9]+)", name.strip().casefold())
    return f"{match[1] or ''}{match[2]}" if match else name.strip().casefold()
