"""Bytes to RGB, or a PosterError that says why not: the one place where posters are decoded."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import ExifTags, Image, ImageOps

from keyart.errors import PosterError

# A 27 x 40 inch sheet scanned at 250 dpi has 68 million pixels; catalogs hold far smaller posters.
# Checked on the header, before a byte of the picture is decoded.
MAX_PIXELS = 80_000_000
MIN_SIDE = 16
# A progressive JPEG has about ten scans; thousands of empty ones keep a decoder busy for minutes.
MAX_SCANS = 100
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

Pixels = npt.NDArray[np.uint8]


def decode(
    data: bytes, *, at_least: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> Pixels:
    """Decode a poster.

    data: the file as found; its content decides what it is, not its name. Animations give their
    first frame, transparency is laid on white, an EXIF rotation is applied.
    at_least: (height, width) that suffice; a larger JPEG is then decoded at the smallest of
    libjpeg's scales that still covers them, which is faster. max_pixels: larger ones are refused
    before they are decoded.
    Returns (height, width, 3) RGB. Raises PosterError.
    """
    if not data:
        raise PosterError("the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PosterError(f"too large to decode: over {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # plugins raise anything on damaged headers
        raise PosterError(f"not a picture in a known format ({', '.join(FORMATS)})") from error
    width, height = image.size
    if width * height > max_pixels:
        raise PosterError(f"too large to decode: {width}x{height}, over {max_pixels:,} pixels")
    if image.format == "JPEG" and data.count(b"\xff\xda") > MAX_SCANS:
        raise PosterError(f"a JPEG of over {MAX_SCANS} scans; save it again as an ordinary one")
    if min(width, height) < MIN_SIDE:
        raise PosterError(
            f"{width}x{height} pixels; a poster needs at least {MIN_SIDE} on each side"
        )
    try:
        if image.format == "JPEG" and image.mode in ("RGB", "L") and _upright(image):
            pixels = _decode_jpeg(data, at_least)
            if pixels is not None:
                return pixels
        return np.asarray(_to_rgb(image))
    except PosterError:
        raise
    except Exception as error:
        raise PosterError(f"damaged {image.format} file: {error}") from error


def decode_for(
    data: bytes, sizes: Sequence[tuple[int, int]], *, max_pixels: int = MAX_PIXELS
) -> list[Pixels]:
    """Decode a poster for several uses: for each of `sizes` what decode(at_least=size) returns.

    It is decoded once, but that a JPEG is decoded once at each of libjpeg's scales that `sizes`
    ask for. Raises PosterError.
    """
    decoded: dict[tuple[int, int] | None, Pixels] = {}
    scales = [_scaled(data, size) for size in sizes]
    for scale, size in zip(scales, sizes, strict=True):
        if scale not in decoded:
            decoded[scale] = decode(data, at_least=size, max_pixels=max_pixels)
    return [decoded[scale] for scale in scales]


def _scaled(data: bytes, at_least: tuple[int, int]) -> tuple[int, int] | None:
    """The size that a JPEG would be decoded at; None for what has one size only."""
    if not data.startswith(b"\xff\xd8"):
        return None
    height, width = at_least
    try:
        scaled = simplejpeg.decode_jpeg_header(data, min_height=height, min_width=width)
    except ValueError:
        return None
    return int(scaled[0]), int(scaled[1])


def _upright(image: Image.Image) -> bool:
    return int(image.getexif().get(ExifTags.Base.Orientation, 1)) == 1


def _decode_jpeg(data: bytes, at_least: tuple[int, int] | None) -> Pixels | None:
    """Three times as fast as Pillow; None where it balks, which Pillow may still read."""
    height, width = at_least or (0, 0)
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, colorspace="RGB", min_height=height, min_width=width
        )
    except ValueError:
        return None
    return pixels


def _to_rgb(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips these to 255; the values run to 65,535.
        grey = (np.asarray(image).astype(np.int64).clip(0, 65_535) >> 8).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode == "F":
        raise PosterError("floating-point pixels have no agreed white; save it as 8-bit")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
