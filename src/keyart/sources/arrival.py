"""A poster on arrival: checked by decoding it, then written whole."""

import hashlib
import re
from pathlib import Path

from keyart.files import write_bytes
from keyart.images.decode import decode
from keyart.images.kind import kind_of

_SUFFIXES = {
    "JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif",
    "AVIF": ".avif", "HEIF": ".heic",
}  # fmt: skip
_PLAIN = re.compile(r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$)[a-z0-9][a-z0-9_-]{0,79}")


def receive(folder: Path, film_id: str, content: bytes) -> tuple[str, str]:
    """Check a poster and write it below `folder`. Returns its path from there, and its SHA-256.

    Raises PosterError if it is no picture that can be used.
    """
    decode(content, patience=60.0)
    kind = kind_of(content)
    assert kind is not None, "what decodes has a kind"
    place = poster_place(film_id, _SUFFIXES[kind])
    write_bytes(folder / place, content)
    return place, hashlib.sha256(content).hexdigest()


def poster_place(film_id: str, suffix: str) -> str:
    """Where the poster of a film is kept: one of 256 folders, so that none has too many files."""
    digest = hashlib.sha256(film_id.encode("utf-8", "surrogatepass")).hexdigest()
    # Ids of a table of your own may be anything, also what no file may be called.
    name = film_id if _PLAIN.fullmatch(film_id) else digest[:24]
    return f"{digest[:2]}/{name}{suffix}"


def remove(folder: Path, place: str | None) -> None:
    """Remove a poster, if it is there. place: as `receive` returned it."""
    if place and re.fullmatch(r"[0-9a-f]{2}/[a-z0-9_-]+\.[a-z]+", place):
        (folder / place).unlink(missing_ok=True)
