"""Bytes to RGB, or a PosterError that says why not: the only place that decodes posters."""

import io

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

    data: the file's content, which decides the format; the name does not. An animation gives its
    first frame, transparent pixels are composited on white, an EXIF rotation is applied.
    at_least: (height, width) that is enough; a larger JPEG is then decoded at the smallest of
    libjpeg's scales that covers it, which is faster. max_pixels: a larger poster is refused before
    it is decoded.
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
    check_size(width, height, max_pixels)
    if image.format == "JPEG" and data.count(b"\xff\xda") > MAX_SCANS:
        raise PosterError(f"a JPEG of over {MAX_SCANS} scans; save it again as an ordinary one")
    try:
        if image.format == "JPEG" and image.mode in ("RGB", "L") and _upright(image):
            pixels = _decode_jpeg(data, at_least)
            if pixels is not None:
                return pixels
        return np.asarray(_converted(image))
    except PosterError:
        raise
    except Exception as error:
        raise PosterError(f"damaged {image.format} file: {error}") from error


def to_rgb(image: Image.Image, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The pixels (height, width, 3) of a PIL image, converted as decode() converts a file.

    Raises PosterError.
    """
    check_size(*image.size, max_pixels)
    try:
        return np.asarray(_converted(image))
    except PosterError:
        raise
    except Exception as error:  # plugins raise anything on damaged files
        raise PosterError(f"damaged {image.format or 'picture'}: {error}") from error


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise PosterError for a poster that is too large or too small."""
    if width * height > max_pixels:
        raise PosterError(f"too large to decode: {width}x{height}, over {max_pixels:,} pixels")
    if min(width, height) < MIN_SIDE:
        raise PosterError(
            f"{width}x{height} pixels; a poster needs at least {MIN_SIDE} on each side"
        )


def _upright(image: Image.Image) -> bool:
    return int(image.getexif().get(ExifTags.Base.Orientation, 1)) == 1


def _decode_jpeg(data: bytes, at_least: tuple[int, int] | None) -> Pixels | None:
    """Three times as fast as Pillow; None if it fails; Pillow may still read the file."""
    height, width = at_least or (0, 0)
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, colorspace="RGB", min_height=height, min_width=width
        )
    except ValueError:
        return None
    return pixels


def _converted(image: Image.Image) -> Image.Image:
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
