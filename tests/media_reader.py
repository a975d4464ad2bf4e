"""How media servers read a film: Kodi's and Jellyfin's rules, written from their documentation.

Kodi: kodi.wiki/view/NFO_files/Movies, NFO_files/Combination, NFO_files/Parsing, and
Artwork/Accessing_local_artwork. Jellyfin: jellyfin.org/docs/general/server/media/movies and
server/metadata/nfo. They know nothing of keyart, and read files with other parsers.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Read:
    """What a server knows of a film. url: the page that its scraper is sent to."""

    title: str | None
    year: str | None
    genres: tuple[str, ...]
    tags: tuple[str, ...]
    url: str | None
    nfo: Path | None
    poster: Path | None


def kodi(video: Path, *, folders: bool) -> Read:
    """Kodi's view. folders: whether its setting 'Movies are in separate folders' is on."""
    folder, stem = video.parent, video.stem
    nfo = _first(folder, ["movie.nfo"] if folders else [])
    nfo = nfo or _first(folder, [f"{stem}.nfo"])
    if nfo is None and (base := re.sub(r"[-. _]?(cd|part|disc)\d$", "", stem)) != stem:
        nfo = _first(folder, [f"{base}.nfo"])  # of a stack
    if nfo is None and folders:  # any NFO, if there is one
        found = [one for one in folder.iterdir() if one.suffix.lower() == ".nfo"]
        nfo = found[0] if len(found) == 1 else None
    base = re.sub(r"[-. _]?(cd|part|disc)\d$", "", stem)
    names = [f"{name}-poster" for name in (stem, base)]
    names += ["poster", "folder", "movie", "cover"] if folders else []
    poster = _first(folder, [f"{name}{s}" for name in names for s in (".jpg", ".png", ".tbn")])
    return _read(nfo, poster, split=" / ")


def jellyfin(video: Path, *, mixed: bool) -> Read:
    """Jellyfin's view. mixed: whether the folder has other films."""
    folder, stem = video.parent, video.stem
    nfo = _first(folder, ([] if mixed else ["movie.nfo"]) + [f"{stem}.nfo"])
    generic = ["poster", "folder", "cover", "default", "movie"]
    base = re.sub(r"[-. _]?(cd|part|disc)\d$", "", stem)
    names = [stem] + [f"{one}-{name}" for one in (stem, base) for name in generic]
    names += [] if mixed else generic
    poster = _first(folder, [f"{name}{s}" for name in names for s in (".jpg", ".png", ".tbn")])
    return _read(nfo, poster, split="/")


def _first(folder: Path, names: list[str]) -> Path | None:
    there = {one.name.lower(): one for one in folder.iterdir()}
    return next((there[name.lower()] for name in names if name.lower() in there), None)


def _read(nfo: Path | None, poster: Path | None, *, split: str) -> Read:
    if nfo is None:
        return Read(None, None, (), (), None, None, poster)
    data = nfo.read_bytes()
    end = data.rfind(b"</movie>")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16")
        cut = text.rfind("</movie>") + len("</movie>")
        xml, rest = re.sub(r"^<\?xml[^>]*\?>", "", text[:cut]).encode(), text[cut:]
    else:
        cut = end + len(b"</movie>") if end >= 0 else 0
        xml, rest = data[:cut], data[cut:].decode("latin-1")
    found = re.search(r"https?://\S+", rest)
    url = found[0] if found else None
    if not xml.strip():
        return Read(None, None, (), (), url, nfo, poster)
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:  # both try again with the system's code page
        root = ElementTree.fromstring(xml.decode("cp1252").encode())
    genres = [
        part.strip() for one in root.findall("genre") for part in (one.text or "").split(split)
    ]
    tags = [(one.text or "").strip() for one in root.findall("tag")]
    return Read(
        root.findtext("title"),
        root.findtext("year"),
        tuple(filter(None, genres)),
        tuple(filter(None, tags)),
        url,
        nfo,
        poster,
    )
