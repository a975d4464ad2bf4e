"""Pictures written: the suffix of the file's name decides the format."""

import io
from pathlib import Path

from PIL import Image

from keyart.files import known_suffix, write_bytes

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def picture_format(path: Path) -> str:
    """The format of a picture that is to be written. Raises OutputError if its name has none."""
    return _FORMATS[known_suffix(path, _FORMATS)]


def write_picture(path: Path, image: Image.Image) -> None:
    """Write an RGB picture, whole or not at all. Raises OutputError, as `picture_format` does."""
    content = io.BytesIO()  # Pillow does not say why a disk takes no more bytes
    image.save(content, picture_format(path), quality=90, exif=image.getexif())
    write_bytes(path, content.getvalue())
