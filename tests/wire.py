"""Posters as they travel: encoded bytes."""

import io

from PIL import Image

from keyart.images.decode import Pixels


def encoded(rgb: Pixels, format: str = "PNG", **options: object) -> bytes:
    """The pixels (height, width, 3) as a file of this format."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format, **options)
    return file.getvalue()
