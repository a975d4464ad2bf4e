"""Posters as they travel: encoded bytes."""

import io

import numpy as np
from PIL import Image

from keyart.images.decode import Pixels


def encoded(rgb: Pixels, format: str = "PNG", **options: object) -> bytes:
    """The pixels (height, width, 3) as a file of this format."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format, **options)
    return file.getvalue()


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (60, 40)) -> Pixels:
    """A poster of one colour. size: (height, width)."""
    return np.full((*size, 3), colour, np.uint8)


RED = encoded(plain((250, 10, 10)), "JPEG")
GREEN = encoded(plain((10, 250, 10)), "PNG")
DARK = encoded(plain((9, 9, 9)), "WEBP")
