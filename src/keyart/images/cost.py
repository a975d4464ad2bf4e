"""What decoding a file takes, by its header: bounds are checked before any work is done."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from keyart.errors import PosterError
from keyart.images.codecs import MAX_SCAN_PIXELS, UNKNOWN, check_size
from keyart.images.header import (
    bmp_size,
    heif_size,
    png_size,
    read_gif,
    read_jpeg,
    tiff_size,
    webp_size,
)

# A progressive JPEG has about ten scans; thousands of empty ones keep a decoder busy for minutes.
MAX_SCANS = 100
# Bytes that a pixel takes while it is decoded, the result included; measured with
# benchmarks/decoding.py.
_BYTES = {"PNG": 8, "WEBP": 18, "GIF": 6, "BMP": 8, "TIFF": 11, "AVIF": 14, "HEIF": 18}
_DEEP_PNG = 12
# Decoders of many thousand lines for files that are rare: they never run in this process.
_APART = ("TIFF", "AVIF", "HEIF")
# A longer file may hold any amount of metadata; scans times pixels take 15 ns or less each.
_SHORT = 4_000_000
_QUICK = 16_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """memory: bytes, at most. apart: whether to decode it in a process that can be ended."""

    memory: int
    apart: bool


def cost_of(kind: str, data: bytes, at_least: tuple[int, int] | None, max_pixels: int) -> Cost:
    """What decoding a file of a kind takes. Raises PosterError if it is too large or too small."""
    apart = kind in _APART or len(data) > _SHORT
    try:
        if kind == "JPEG":
            return _jpeg_cost(data, at_least, max_pixels, apart)
        width, height = _size(kind, data)
    except (struct.error, IndexError, OverflowError) as error:
        raise PosterError(f"{UNKNOWN}, but a damaged {kind} header") from error
    check_size(width, height, max_pixels)
    deep = kind == "PNG" and data[24] > 8
    memory = (_DEEP_PNG if deep else _BYTES[kind]) * width * height + len(data)
    return Cost(memory, apart)


def _size(kind: str, data: bytes) -> tuple[int, int]:
    if kind == "GIF":
        gif = read_gif(data)
        return gif.width, gif.height
    if kind in ("AVIF", "HEIF"):
        return heif_size(data)
    readers: dict[str, Callable[[bytes], tuple[int, int]]] = {
        "PNG": png_size, "BMP": bmp_size, "TIFF": tiff_size, "WEBP": webp_size,
    }  # fmt: skip
    return readers[kind](data)


def _jpeg_cost(data: bytes, at_least: tuple[int, int] | None, max_pixels: int, apart: bool) -> Cost:
    jpeg = read_jpeg(data)
    if not jpeg.width:
        raise PosterError(f"{UNKNOWN}, but a damaged JPEG header")
    check_size(jpeg.width, jpeg.height, max_pixels)
    pixels = jpeg.width * jpeg.height
    if jpeg.scans > MAX_SCANS:
        raise PosterError(f"a JPEG of over {MAX_SCANS} scans; save it again as an ordinary one")
    if jpeg.scans * pixels > MAX_SCAN_PIXELS:
        raise PosterError(
            f"a JPEG of {jpeg.scans} scans and {jpeg.width}x{jpeg.height} pixels takes too long; "
            "save it again as an ordinary one"
        )
    scaled = pixels
    if at_least:
        # libjpeg's scales are so fine that a side is at most twice as long as it must be.
        scale = min(1.0, 2 * max(at_least) / min(jpeg.width, jpeg.height))
        scaled = int(pixels * max(scale * scale, 1 / 64))
    memory = 7 * scaled + len(data)
    if jpeg.progressive or jpeg.scans > 1:  # all coefficients, two bytes each
        memory += 2 * jpeg.components * pixels
    return Cost(memory, apart or jpeg.scans * pixels > _QUICK)
