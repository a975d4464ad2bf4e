"""A page of films with their posters: to look through answers, filter them, and see the doubtful.

One file for a browser without a server, or a page of this machine that makes thumbnails as they are
seen.
"""

import base64
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from http.server import ThreadingHTTPServer
from importlib import resources
from pathlib import Path

from PIL import Image

from keyart.browsing.tiles import Tile, read_tiles
from keyart.errors import KeyartError
from keyart.files import StrPath, known_suffix, writing_text
from keyart.images.decode import decode
from keyart.images.poster import content_of
from keyart.local_page import HTML, JPEG, Answer, serving
from keyart.parallel import Progress, ordered
from keyart.predictor import Predictor
from keyart.printable import printable

SMALL, LARGE, _IN_FILE = 200, 720, 132  # pixels in height
_QUALITY = {SMALL: 80, LARGE: 88, _IN_FILE: 68}
_KEPT = 2_000  # thumbnails in memory, about 10 kB each
_POSTER = re.compile(r"/(poster|large)/([0-9]{1,9})")


def browse(
    path: StrPath,
    *,
    out: StrPath,
    posters: StrPath | None = None,
    model: Predictor | StrPath | None = None,
    progress: Progress | None = None,
) -> int:
    """Write a page of films with their posters to the file `out`, to look through in a browser.

    path: answers that `write_predictions` wrote, a catalog, a folder of posters or a table of
    films; all but answers are predicted by `model` first. posters: the folder of the posters of
    answers or a table. progress: called with (posters done, posters) while they are made small.

    The file has all pictures in it, about 5 kB a film, and needs nothing else. Returns the number
    of films. Raises OutputError if `out` does not end in .html or .htm, and what `read_tiles`
    raises.
    """
    known_suffix(Path(out), (".html", ".htm"))
    tiles = list(read_tiles(path, posters=posters, model=model))
    write_tiles(tiles, out, name=os.fspath(path), progress=progress)
    return len(tiles)


def write_tiles(
    tiles: Sequence[Tile], out: StrPath, *, name: str, progress: Progress | None = None
) -> None:
    """Write the page of some films, with their pictures in it. name: what it is of."""
    pictures = []
    for number, data in enumerate(ordered(lambda tile: _picture(tile, _IN_FILE), tiles), start=1):
        pictures.append("" if data is None else base64.b64encode(data).decode("ascii"))
        if progress:
            progress(number, len(tiles))
    with writing_text(Path(out)) as file:
        file.write(_html(tiles, name, pictures))


@contextmanager
def browsing(tiles: Sequence[Tile], *, name: str, port: int = 0) -> Iterator[ThreadingHTTPServer]:
    """Yield a server of the page on this machine; the caller runs it. port: 0 takes a free one.

    Raises ServiceError if the port is taken.
    """
    page = _html(tiles, name, None).encode()

    @lru_cache(_KEPT)
    def small(number: int) -> bytes | None:
        return _picture(tiles[number], SMALL)

    def answer(path: str) -> Answer | None:
        if path == "/":
            return Answer(HTML, page)
        found = _POSTER.fullmatch(path)
        if found is None or int(found[2]) >= len(tiles):
            return None
        number = int(found[2])
        data = small(number) if found[1] == "poster" else _picture(tiles[number], LARGE)
        return None if data is None else Answer(JPEG, data, keeps=True)

    with serving(answer, port) as server:
        yield server


def _picture(tile: Tile, height: int) -> bytes | None:
    """A tile's poster as a small JPEG; None if it has none, or it cannot be read."""
    if tile.poster is None:
        return None
    try:
        content = content_of(tile.poster)
        rgb = decode(content, at_least=(height, 1)) if isinstance(content, bytes) else content
    except (KeyartError, OSError):
        return None
    image = Image.fromarray(rgb)
    image.thumbnail((4 * height, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY[height])
    return file.getvalue()


def _html(tiles: Sequence[Tile], name: str, pictures: Sequence[str] | None) -> str:
    """The page. pictures: base64 of JPEG; None if they are at /poster/N and /large/N."""
    # Genres that the model lacks come last.
    scored = (genre for tile in tiles for genre in tile.scores)
    listed = (genre for tile in tiles for genre in tile.listed or ())
    genres = list(dict.fromkeys((*scored, *listed)))
    place = {genre: number for number, genre in enumerate(genres)}

    def numbers(names: Sequence[str]) -> list[int]:
        return [place[one] for one in names]

    films = [
        [
            tile.name, tile.film_id, tile.year, numbers(tile.genres), numbers(tile.maybe),
            [round(1000 * tile.scores[genre]) if genre in tile.scores else -1 for genre in genres]
            if tile.scores else None,
            None if tile.listed is None else numbers(tile.listed),
            tile.reason, int(tile.warning), round(1000 * tile.doubt), int(tile.poster is not None),
        ]
        for tile in tiles
    ]  # fmt: skip
    data = {"name": printable(name), "genres": genres, "films": films, "pictures": pictures}
    # "</script>" in a title would end the script.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {part: _part(f"browse.{part}") for part in ("html", "css", "js")}
    page = parts["html"].replace("/* css */", parts["css"]).replace("/* js */", parts["js"])
    before, _, after = page.partition("/* data */")
    return before + text + after


def _part(name: str) -> str:
    return resources.files("keyart.browsing").joinpath(name).read_text(encoding="utf-8")
