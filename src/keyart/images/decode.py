"""Bytes to RGB, or a PosterError that says why not: the only place that decodes posters."""

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
    jpeg_scans,
    read_tiff,
    webp_size,
)
from keyart.images.kind import READ, kind_of

# A 27 x 40 inch sheet scanned at 250 dpi has 68 million pixels; catalogs hold far smaller posters.
# Checked on the header, before a byte of the picture is decoded.
MAX_PIXELS = 80_000_000
MIN_SIDE = 16
# A progressive JPEG has about ten scans; thousands of empty ones keep a decoder busy for minutes.
MAX_SCANS = 100
# Scans times pixels: each scan passes over all pixels, at 4 ns a pixel even if it is empty.
MAX_SCAN_PIXELS = 640_000_000

Pixels = npt.NDArray[np.uint8]


# The plugins are called by kind, not through Image.open: that warns the host program about large
# pictures and broken metadata, and lets an index of further pictures (MPO) decide about the first.
class _Jpeg(JpegImagePlugin.JpegImageFile):
    """Opens a JPEG without a look at its EXIF block, of which Pillow wants the dots per inch."""

    def _read_dpi_from_exif(self) -> None:
        """Do nothing: broken blocks would warn the host program."""


_PLUGINS: dict[str, Callable[[io.BytesIO], Image.Image]] = {
    "JPEG": _Jpeg,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(
    data: bytes, *, at_least: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> Pixels:
    """Decode a poster to the pixels that a viewer shows.

    data: the file's content, which decides the format; the name does not. An animation gives its
    first frame, transparent pixels are composited on white, an EXIF rotation is applied, and
    colours of an embedded ICC profile become sRGB. Other metadata is not looked at.
    at_least: (height, width) that is enough; a larger JPEG is then decoded at the smallest of
    libjpeg's scales that covers it, which is faster. max_pixels: a larger poster is refused before
    it is decoded.
    Returns (height, width, 3) RGB. Raises PosterError.
    """
    if not data:
        raise PosterError("the file is empty")
    kind = kind_of(data)
    if kind not in READ:
        known = f"not a picture in a known format ({', '.join(READ)})"
        raise PosterError(f"{known}, but {kind}; save it as JPEG or PNG" if kind else known)
    try:
        if kind == "JPEG":
            return _jpeg(data, at_least, max_pixels)
        if kind == "PNG":
            return _png(data, max_pixels)
        if kind == "TIFF":
            return _tiff(data, max_pixels)
        if kind == "HEIF":
            return _heif(data, max_pixels)
        if kind == "WEBP" and (size := webp_size(data)):
            check_size(*size, max_pixels)
        return _rgb(_opened(kind, data, max_pixels))
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
        raise PosterError(
            f"not a picture in a known format ({', '.join(READ)}), but a damaged {kind} header"
        ) from error
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
    image = _opened("JPEG", data, max_pixels)
    scans = jpeg_scans(data)
    if scans > MAX_SCANS:
        raise PosterError(f"a JPEG of over {MAX_SCANS} scans; save it again as an ordinary one")
    if scans * image.width * image.height > MAX_SCAN_PIXELS:
        raise PosterError(
            f"a JPEG of {scans} scans and {image.width}x{image.height} pixels takes too long; "
            "save it again as an ordinary one"
        )
    if image.mode not in ("RGB", "L"):
        return _rgb(image)
    orientation = _orientation(image)
    turn = _TURNS.get(orientation)
    if at_least and 5 <= orientation <= 8:  # stored on its side
        at_least = at_least[1], at_least[0]
    pixels = _decode_jpeg(data, at_least)
    if pixels is None:
        return _rgb(image)
    profile = image.info.get("icc_profile")
    plain = is_srgb(profile, image.mode)
    if turn is None and plain:
        return pixels
    decoded = Image.fromarray(pixels)
    if not plain:
        colours = decoded.getchannel(0) if image.mode == "L" else decoded
        decoded = to_srgb(colours, profile)
    return np.asarray(decoded if turn is None else decoded.transpose(turn))


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


def _png(data: bytes, max_pixels: int) -> Pixels:
    png = clean_png(data)
    image = _opened("PNG", png.data, max_pixels)
    if png.profile:
        image.info["icc_profile"] = png.profile
    if "transparency" not in image.info or image.mode == "P":
        return _rgb(image)
    # Pillow compares the transparent colour with pixels that it has scaled to 8 bits.
    turn = _TURNS.get(_orientation(image))
    clear = np.asarray(image.info.pop("transparency"))
    if image.mode == "RGB" and png.depth == 16:
        values = _sixteen_bits(png.data, image)
    else:
        values = np.asarray(image.convert("L") if image.mode == "1" else image).astype(np.int64)
        if png.depth < 8:
            clear = clear * 255 // (2**png.depth - 1)
    same = values == clear
    alpha = np.where(same.all(axis=2) if same.ndim == 3 else same, 0, 255).astype(np.uint8)
    colours = _on_white(_eight_bits(image), Image.fromarray(alpha), png.profile)
    return np.asarray(colours if turn is None else colours.transpose(turn))


def _sixteen_bits(data: bytes, image: Image.Image) -> npt.NDArray[np.int64]:
    """All bits of a 16-bit RGB PNG: Pillow keeps the high bytes; the other byte order the low."""
    low = PngImagePlugin.PngImageFile(io.BytesIO(data))
    low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
    return np.asarray(image).astype(np.int64) << 8 | np.asarray(low).astype(np.int64)


def _tiff(data: bytes, max_pixels: int) -> Pixels:
    try:
        tiff = read_tiff(data)
    except Exception as error:  # anything, on damaged tags
        raise PosterError(
            f"not a picture in a known format ({', '.join(READ)}), but a damaged TIFF header"
        ) from error
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
        return _rgb(_grey(image, tiff, inverted))
    if image.mode == "I":
        raise PosterError(f"cannot be read: {tiff.name}; save it as 8-bit")
    return _rgb(image)


def _grey(image: Image.Image, tiff: Tiff, inverted: bool) -> Image.Image:
    values = np.asarray(image).astype(np.uint16) >> (tiff.bits - 8)
    grey = Image.fromarray((255 - values if inverted else values).astype(np.uint8))
    grey.info = {"icc_profile": image.info.get("icc_profile")}
    return grey


def _heif(data: bytes, max_pixels: int) -> Pixels:
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
    return _rgb(image)


def _rgb(image: Image.Image) -> Pixels:
    image.load()
    turn = _TURNS.get(_orientation(image))
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        if image.mode == "La":
            image = image.convert("LA")
        image = image.convert("LA" if image.mode == "LA" else "RGBA")
        rgb = _on_white(image.convert("L" if image.mode == "LA" else "RGB"),
                        image.getchannel("A"), profile)  # fmt: skip
    else:
        rgb = to_srgb(_eight_bits(image), profile).convert("RGB")
    return np.asarray(rgb if turn is None else rgb.transpose(turn))


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
