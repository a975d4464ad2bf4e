"""Bytes to RGB, one kind of file after another. Only decode.py and apart.py call it.

Pixels are converted one strip after another: a picture takes little more memory than its decoder
needs.
"""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from keyart.errors import PosterError
from keyart.images.colour import is_srgb, to_srgb
from keyart.images.header import (
    Tiff,
    black_is_zero,
    clean_png,
    exif_orientation,
    read_gif,
    read_jpeg,
    read_tiff,
)
from keyart.images.kind import READ

# A 27 x 40 inch sheet scanned at 250 dpi has 68 million pixels; catalogs hold far smaller posters.
# Checked on the header, before a byte of the picture is decoded.
MAX_PIXELS = 80_000_000
MIN_SIDE = 16
# Scans times pixels: each scan passes over all pixels, at 4 ns a pixel even if it is empty.
MAX_SCAN_PIXELS = 640_000_000
# Pixels converted at a time.
_STRIP = 1 << 19
# A larger picture is reduced before it is returned, as far as `at_least` allows: nobody pays for
# pixels that a resize throws away.
_REDUCED = 4_000_000

Pixels = npt.NDArray[np.uint8]


# The plugins are called by kind, not through Image.open: that warns the host program about large
# pictures and broken metadata, and lets an index of further pictures (MPO) decide about the first.
_PLUGINS: dict[str, Callable[[io.BytesIO], Image.Image]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
# EXIF 2.32, page 36: how stored pixels (height, width, 3) are turned to be shown.
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels[::-1].transpose(1, 0, 2),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: pixels[:, ::-1].transpose(1, 0, 2),
}
UNKNOWN = f"not a picture in a known format ({', '.join(READ)})"


def decode_kind(
    kind: str, data: bytes, at_least: tuple[int, int] | None, max_pixels: int
) -> Pixels:
    """As decode.decode, of a file of one of the kinds READ. Raises PosterError."""
    try:
        if kind == "JPEG":
            return _jpeg(data, at_least, max_pixels)
        if kind == "PNG":
            return _png(data, at_least, max_pixels)
        if kind == "TIFF":
            return _tiff(data, at_least, max_pixels)
        if kind == "HEIF":
            return _heif(data, at_least, max_pixels)
        if kind == "GIF":
            data = read_gif(data).data
        return _rgb(_opened(kind, data, max_pixels), at_least)
    except PosterError:
        raise
    except Exception as error:  # plugins raise anything on damaged files
        raise PosterError(f"damaged {kind} file: {error}") from error


def to_rgb(image: Image.Image, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The pixels (height, width, 3) of a PIL image, converted as decode() converts a file.

    Raises PosterError.
    """
    check_size(*image.size, max_pixels)
    try:
        return _rgb(image)
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


def _opened(kind: str, data: bytes, max_pixels: int) -> Image.Image:
    """A file with its header read and its size checked."""
    try:
        image = _PLUGINS[kind](io.BytesIO(data))
    except Exception as error:  # plugins raise anything on damaged headers
        raise PosterError(f"{UNKNOWN}, but a damaged {kind} header") from error
    check_size(*image.size, max_pixels)
    return image


def _orientation(image: Image.Image) -> int:
    exif = image.info.get("exif")
    if isinstance(exif, bytes):
        return exif_orientation(exif)
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken tags turn nothing
        return 1


def _jpeg(data: bytes, at_least: tuple[int, int] | None, max_pixels: int) -> Pixels:
    jpeg = read_jpeg(data)
    if len(jpeg.head) < jpeg.body:
        data = jpeg.head + data[jpeg.body :]
    image = _opened("JPEG", data, max_pixels)
    image.info |= {"exif": jpeg.exif, "icc_profile": jpeg.profile}
    orientation = exif_orientation(jpeg.exif)
    stored = at_least[::-1] if at_least and orientation >= 5 else at_least
    pixels = _decode_jpeg(data, stored) if image.mode in ("RGB", "L") else None
    if pixels is None:
        if stored:
            image.draft(image.mode, (stored[1], stored[0]))
        return _rgb(image, at_least)
    profile = jpeg.profile
    grey = image.mode == "L"
    if not is_srgb(profile, image.mode):
        decoded = pixels

        def converted(top: int, bottom: int) -> Image.Image:
            strip = Image.fromarray(decoded[top:bottom])
            return to_srgb(strip.getchannel(0) if grey else strip, profile)

        height, width = pixels.shape[:2]
        pixels = _in_strips(converted, height, width)
    return _turned(pixels, orientation)


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


def _png(data: bytes, at_least: tuple[int, int] | None, max_pixels: int) -> Pixels:
    png = clean_png(data)
    image = _opened("PNG", png.data, max_pixels)
    if png.profile:
        image.info["icc_profile"] = png.profile
    if "transparency" not in image.info or image.mode == "P":
        return _rgb(image, at_least)
    # Pillow compares the transparent colour with pixels that it has scaled to 8 bits.
    clear = np.asarray(image.info.pop("transparency"))
    if image.mode == "RGB" and png.depth == 16:
        low = _low_bytes(png.data)
    else:
        low = None
        if png.depth < 8:
            clear = clear * 255 // (2**png.depth - 1)
    image.load()

    def composited(top: int, bottom: int) -> Image.Image:
        strip = _strip(image, top, bottom)
        plain = strip.convert("L") if strip.mode == "1" else strip
        values = np.asarray(plain).astype(np.int32)
        if low is not None:
            values = values << 8 | np.asarray(_strip(low, top, bottom))
        same = values == clear
        alpha = np.where(same.all(axis=2) if same.ndim == 3 else same, 0, 255).astype(np.uint8)
        return _on_white(_eight_bits(strip), Image.fromarray(alpha), png.profile)

    return _shown(composited, image.size, _orientation(image), at_least)


def _low_bytes(data: bytes) -> Image.Image:
    """The low bytes of a 16-bit RGB PNG: Pillow keeps the high ones; the other byte order these."""
    low = PngImagePlugin.PngImageFile(io.BytesIO(data))
    low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
    low.load()
    return low


def _tiff(data: bytes, at_least: tuple[int, int] | None, max_pixels: int) -> Pixels:
    try:
        tiff = read_tiff(data)
    except Exception as error:  # anything, on damaged tags
        raise PosterError(f"{UNKNOWN}, but a damaged TIFF header") from error
    if tiff.signs:
        raise PosterError(
            f"cannot be read: {tiff.name}; its values have no agreed white; save it as 8-bit"
        )
    if tiff.tile > MAX_PIXELS or (
        tiff.compression in (6, 7) and data.count(b"\xff\xda") * tiff.tile > MAX_SCAN_PIXELS
    ):
        raise PosterError("a TIFF that takes too long to decode; save it as an ordinary one")
    inverted = tiff.photometric == 0 and tiff.bits in (12, 16)
    try:
        content = black_is_zero(data, tiff) if inverted else data
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(content))
    except Exception as error:  # Pillow doesn't know this combination of tags
        raise PosterError(f"cannot be read: {tiff.name}; save it as 8-bit RGB") from error
    check_size(*image.size, max_pixels)
    if tiff.bits in (12, 16) and image.mode.startswith("I;16"):
        image.load()  # turns it
        return _rgb(_grey(image, tiff, inverted), at_least)
    if image.mode == "I":
        raise PosterError(f"cannot be read: {tiff.name}; save it as 8-bit")
    return _rgb(image, at_least)


def _grey(image: Image.Image, tiff: Tiff, inverted: bool) -> Image.Image:
    values = np.asarray(image).astype(np.uint16) >> (tiff.bits - 8)
    grey = Image.fromarray((255 - values if inverted else values).astype(np.uint8))
    grey.info = {"icc_profile": image.info.get("icc_profile")}
    return grey


def _heif(data: bytes, at_least: tuple[int, int] | None, max_pixels: int) -> Pixels:
    try:
        import pillow_heif
    except ImportError as error:
        raise PosterError(
            "a HEIC picture, which needs another package: pip install 'keyart[heif]'"
        ) from error
    try:
        heif = pillow_heif.open_heif(io.BytesIO(data))
    except Exception as error:  # anything, on damaged files
        raise PosterError(f"damaged HEIF file: {error}") from error
    width, height = heif.size
    check_size(width, height, max_pixels)
    image: Image.Image = heif.to_pillow()
    image.info = {"icc_profile": image.info.get("icc_profile")}  # libheif has turned it
    return _rgb(image, at_least)


def _rgb(image: Image.Image, at_least: tuple[int, int] | None = None) -> Pixels:
    image.load()
    profile = image.info.get("icc_profile")

    def converted(top: int, bottom: int) -> Image.Image:
        strip = _strip(image, top, bottom)
        if not strip.has_transparency_data:
            return to_srgb(_eight_bits(strip), profile)
        if strip.mode == "La":
            strip = strip.convert("LA")
        strip = strip.convert("LA" if strip.mode == "LA" else "RGBA")
        colours = strip.convert("L" if strip.mode == "LA" else "RGB")
        return _on_white(colours, strip.getchannel("A"), profile)

    return _shown(converted, image.size, _orientation(image), at_least)


def _strip(image: Image.Image, top: int, bottom: int) -> Image.Image:
    if (top, bottom) == (0, image.height):
        return image
    return image.crop((0, top, image.width, bottom))


def _shown(
    strip: Callable[[int, int], Image.Image],
    size: tuple[int, int],
    orientation: int,
    at_least: tuple[int, int] | None,
) -> Pixels:
    """The picture as it is shown, made of strips and turned, no larger than is useful."""
    width, height = size
    factor = 1
    if at_least and width * height > _REDUCED:
        need = at_least[::-1] if orientation >= 5 else at_least
        factor = max(1, min(height // need[0], width // need[1]))
    return _turned(_in_strips(strip, height, width, factor), orientation)


def _in_strips(
    strip: Callable[[int, int], Image.Image], height: int, width: int, factor: int = 1
) -> Pixels:
    """Pixels (height / factor, width / factor, 3) of the strips (from row, to row)."""
    pixels = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    rows = max(1, _STRIP // width // factor) * factor
    for top in range(0, height, rows):
        part = strip(top, min(top + rows, height)).convert("RGB")
        if factor > 1:
            part = part.reduce(factor)
        pixels[top // factor : top // factor + part.height] = np.asarray(part)
    return pixels


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def _eight_bits(image: Image.Image) -> Image.Image:
    """The picture as RGB, L or CMYK, without its transparency."""
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips these to 255; the values run to 65,535.
        values = np.asarray(image).astype(np.int64).clip(0, 65_535) >> 8
        return Image.fromarray(values.astype(np.uint8))
    if image.mode == "F":
        raise PosterError("floating-point pixels have no agreed white; save it as 8-bit")
    if image.mode in ("RGB", "L", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _on_white(colours: Image.Image, alpha: Image.Image, profile: object) -> Image.Image:
    """Colours composited on white, in sRGB."""
    rgba = to_srgb(colours, profile).convert("RGB")
    rgba.putalpha(alpha)
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")
