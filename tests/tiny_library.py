"""A media library of painted films in six layouts, as programs that keep libraries make them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.tiny_catalog import encoded

COLOURS = {"Red": (235, 20, 20), "Green": (20, 235, 20), "Blue": (20, 20, 235)}
GREY = (10, 10, 10)  # no genre of the tiny model keeps any precision


@dataclass(frozen=True)
class Painted:
    """A film. genre: of its poster; None for one that shows none."""

    title: str
    year: int
    genre: str | None

    @property
    def name(self) -> str:
        return f"{self.title} ({self.year})"


def painted(number: int) -> Painted:
    """The films of a library, by number: every tenth has a poster that shows no genre."""
    genre = None if number % 10 == 9 else list(COLOURS)[number % 3]
    return Painted(f"Film {number:03}", 1950 + number % 70, genre)


@cache
def _picture(colour: tuple[int, int, int] | None) -> bytes:
    if colour is None:  # noise, unlike any poster's colour
        pixels = np.random.default_rng(0).integers(0, 256, (18, 32, 3), dtype=np.uint8)
        return encoded(Image.fromarray(pixels), "PNG")
    return encoded(Image.new("RGB", (24, 32), colour), "PNG")


def paint(path: Path, genre: str | None) -> Path:
    """A poster of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_picture(COLOURS[genre] if genre else GREY))
    return path


def art(path: Path) -> None:
    """Fan art and the like."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_picture(None))


def video(path: Path) -> Path:
    """A file that is a video by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x1aE\xdf\xa3 not really")
    return path


def nfo(path: Path, film: Painted, *more: str, newline: str = "\n") -> Path:
    """An NFO as Kodi writes it."""
    lines = ['<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>', "<movie>",
             f"    <title>{film.title}</title>", f"    <year>{film.year}</year>",
             *(f"    {one}" for one in more), "</movie>", ""]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(newline.join(lines).encode())
    return path


def kodi_folder(root: Path, film: Painted) -> Path:
    """A folder per film, files named after the video."""
    folder = root / film.name
    paint(folder / f"{film.name}-poster.png", film.genre)
    for kind in ("fanart", "landscape", "clearlogo", "banner", "discart", "clearart", "thumb"):
        art(folder / f"{film.name}-{kind}.png")
    nfo(folder / f"{film.name}.nfo", film)
    return video(folder / f"{film.name}.mkv")


def jellyfin_folder(root: Path, film: Painted) -> Path:
    """A folder per film, files with general names, and extras."""
    folder = root / film.name
    paint(folder / "folder.png", film.genre)
    for kind in ("backdrop", "backdrop1", "logo", "landscape"):
        art(folder / f"{kind}.png")
    art(folder / "extrafanart" / "poster.png")
    video(folder / "trailers" / "Trailer (1999).mp4")
    nfo(folder / "movie.nfo", film, newline="\r\n")
    return video(folder / f"{film.name}.mkv")


def flat(root: Path, film: Painted) -> Path:
    """All films side by side, with art of each, and of the whole folder."""
    folder = root / "Flat"
    paint(folder / f"{film.name}-poster.png", film.genre)
    art(folder / f"{film.name}-fanart.png")
    art(folder / "folder.png")
    nfo(folder / f"{film.name}.nfo", film, "<genre/>")
    return video(folder / f"{film.name}.mp4")


def both(root: Path, film: Painted) -> Path:
    """A folder per film with two NFO files, in a folder of a set with a poster of its own."""
    folder = root / "Sets" / f"Set {film.year // 10}" / film.name
    art(folder.parent / "poster.png")
    paint(folder / "cover.png", film.genre)
    nfo(folder / "movie.nfo", film)
    nfo(folder / f"{film.name}.nfo", film)
    return video(folder / f"{film.name}.mkv")


def parts(root: Path, film: Painted) -> Path:
    """A film in two files, known by the address of its page, as Kodi's parsing NFO."""
    folder = root / film.name
    paint(folder / "movie.png", film.genre)
    (folder / f"{film.name}-cd1.nfo").write_text("https://www.imdb.com/title/tt0078748/\n")
    video(folder / f"{film.name}-cd2.avi")
    return video(folder / f"{film.name}-cd1.avi")


def bare(root: Path, film: Painted) -> Path:
    """A release without an NFO, with its sample."""
    folder = root / f"{film.title.replace(' ', '.')}.{film.year}.1080p.BluRay.x264-GROUP"
    paint(folder / "poster.png", film.genre)
    video(folder / "sample.mkv")
    return video(folder / f"{folder.name.lower()}.mkv")


LAYOUTS: tuple[Callable[[Path, Painted], Path], ...] = (
    kodi_folder, jellyfin_folder, flat, both, parts, bare,
)  # fmt: skip


def make_library(root: Path, count: int) -> dict[Path, Painted]:
    """Films in all layouts, by their videos; and a series, which is no film."""
    films = {}
    for number in range(count):
        film = painted(number)
        films[LAYOUTS[number % len(LAYOUTS)](root, film)] = film
    show = root / "A Series"
    (show / "Season 01").mkdir(parents=True)
    (show / "tvshow.nfo").write_text("<tvshow><title>A Series</title></tvshow>")
    art(show / "season01-poster.png")
    art(show / "poster.png")
    video(show / "Season 01" / "A Series S01E01.mkv")
    return films


def contents(root: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
