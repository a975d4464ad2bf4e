"""The door of posters: files of every format that is read, to the pixels of a network."""

import functools
import io
import zlib
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from benchmarks.fuzz.campaign import Door
from benchmarks.fuzz.mutate import mutate, numbered, pick
from keyart.images.decode import MAX_PIXELS
from keyart.images.spec import ImageSpec
from keyart.service.limits import Limits


def pictures(folder: Path, stack: ExitStack) -> Door:
    """Decode and resize, as predictions do."""
    return Door(mutated_picture, _prepare)


def mutated_picture(number: int) -> bytes:
    """One of the seeds, changed."""
    rng = numbered("pictures", number)
    data = bytearray(mutate(pick(seeds(), rng), seeds(), rng))
    # A PNG reader throws a chunk with a wrong checksum away: half of them get right ones.
    if data.startswith(b"\x89PNG") and rng.random() < 0.5:
        _mend_checksums(data)
    return bytes(data)


def _prepare(number: int, data: bytes) -> object:
    spec = ImageSpec(fit="pad" if number % 2 else "squash")
    pixels = spec.prepare(data, MAX_PIXELS if number % 10 == 0 else Limits().pixels)
    assert pixels.shape == spec.shape
    assert pixels.dtype == np.uint8
    return pixels.tobytes()


@functools.cache
def seeds() -> list[bytes]:
    """Small pictures of every format and kind that posters come in."""
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (9, 6, 3), dtype=np.uint8)
    image = Image.fromarray(smooth).resize((60, 90), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = image.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    ways: list[tuple[Image.Image, str, dict[str, object]]] = [
        (image, "JPEG", {}),
        (image, "JPEG", {"progressive": True, "quality": 95}),
        (image, "JPEG", {"exif": exif, "subsampling": 0}),
        (image.convert("L"), "JPEG", {}),
        (image.convert("CMYK"), "JPEG", {}),
        (image, "PNG", {}),
        (alpha, "PNG", {}),
        (image.convert("P"), "PNG", {"transparency": 3}),
        (image.convert("I;16"), "PNG", {}),
        (image.convert("1"), "PNG", {}),
        (image, "WEBP", {}),
        (alpha, "WEBP", {"lossless": True}),
        (image, "WEBP", {"save_all": True, "append_images": [alpha]}),
        (image, "GIF", {}),
        (image, "BMP", {}),
        (image, "TIFF", {}),
        (image, "TIFF", {"compression": "tiff_lzw"}),
        (image, "TIFF", {"compression": "jpeg"}),
        (image, "JPEG", {"icc_profile": _xyz_profile()}),
        (image.convert("1"), "TIFF", {"compression": "group4"}),
        (image.convert("LAB"), "TIFF", {}),
        (image, "MPO", {"save_all": True, "append_images": [alpha.convert("RGB")]}),
        (image, "AVIF", {}),
        (image, "HEIF", {}),
    ]
    pillow_heif.register_heif_opener()
    found = []
    for picture, format, options in ways:
        file = io.BytesIO()
        picture.save(file, format, **options)
        found.append(file.getvalue())
    return found


def _xyz_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


def _mend_checksums(png: bytearray) -> None:
    at = 8
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(png):
            break
        png[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
