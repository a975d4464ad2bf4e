"""Embedded ICC profiles: colours of any profile to sRGB, at no cost for pictures in sRGB."""

import io
import struct
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

# Printers' profiles have some 3 MB. A larger one is no profile; the picture counts as sRGB.
MAX_PROFILE = 8_000_000
# A profile that changes no colour by more is sRGB: makers round its curves differently.
_SAME = 2
# White, red, green and blue (x, y) of ITU-T H.273: BT.709 and sRGB, BT.2020, Display P3.
PRIMARIES = {
    1: (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_D50 = np.array([0.9642, 1.0, 0.8249])
# ICC.1:2022, annex E: cone responses, in which whites are adapted.
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """The picture in sRGB, perceptual intent; unchanged if its profile is absent or broken.

    image: RGB, L or CMYK. profile: the content of its ICC profile, or None. Returns RGB if there
    was something to convert, `image` itself otherwise.
    """
    transform = _find(profile, image.mode)
    if transform is None:
        return image
    converted = ImageCms.applyTransform(image, transform)
    return image if converted is None else converted


def is_srgb(profile: object, mode: str) -> bool:
    """Whether to_srgb would return a picture of this mode unchanged."""
    return _find(profile, mode) is None


def _find(profile: object, mode: str) -> ImageCms.ImageCmsTransform | None:
    if not isinstance(profile, bytes) or not profile or len(profile) > MAX_PROFILE:
        return None
    return _transform(profile, mode)


@lru_cache(maxsize=16)  # safe between threads, and so are the transforms: nothing in them changes
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What turns pictures of this mode into sRGB; None if there is nothing to do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if cast(Any, source.profile).xcolor_space != _SPACES.get(mode):
            return None
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
        samples = _samples(mode)
        converted = ImageCms.applyTransform(samples, transform)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    if converted is None or mode == "CMYK":
        return transform
    change = np.asarray(converted).astype(int) - np.asarray(samples.convert("RGB")).astype(int)
    return None if np.abs(change).max() <= _SAME else transform


def _samples(mode: str) -> Image.Image:
    """Colours from all over the space: 4,096 of RGB, the 256 of grey."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    if mode == "CMYK":
        return Image.new("CMYK", (1, 1))
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    return Image.fromarray(grid.reshape(64, 64, 3))


@lru_cache(maxsize=64)
def made_profile(
    primaries: tuple[float, ...], gamma: float | None, grey: bool = False
) -> bytes | None:
    """An ICC profile of a colour space; None for sRGB itself, and for what is no colour space.

    primaries: x and y of white, red, green and blue. gamma: light is value ** gamma; None for
    sRGB's curve. grey: only the curve counts.
    """
    if gamma is None and (grey or np.allclose(primaries, PRIMARIES[1], atol=0.002)):
        return None
    values = np.linspace(0, 1, 1_024)
    if gamma is None:
        light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    else:
        light = values**gamma
    curve = b"curv\0\0\0\0" + struct.pack(">I", len(light))
    curve += (65_535 * light).round().astype(">u2").tobytes()
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\1\0" + bytes(78), b"wtpt": _xyz(_D50)}
    if grey:
        tags[b"kTRC"] = curve
    else:
        try:
            columns = _to_xyz(np.array(primaries).reshape(4, 2)).T
        except (np.linalg.LinAlgError, FloatingPointError):
            return None
        for letter, column in zip(b"rgb", columns, strict=True):
            tags[bytes([letter]) + b"XYZ"] = _xyz(column)
            tags[bytes([letter]) + b"TRC"] = curve
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    space = b"GRAY" if grey else b"RGB "
    head = struct.pack(">I4xI4s4s4s", 128 + len(table) + len(body), 0x02400000, b"mntr", space,
                       b"XYZ ").ljust(36, b"\0") + b"acsp"  # fmt: skip
    return head.ljust(68, b"\0") + _xyz(_D50)[8:] + bytes(48) + table + body


def _xyz(values: npt.NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + (65_536 * values).round().astype(">i4").tobytes()


def _to_xyz(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The matrix from linear RGB to XYZ under D50. points: (white, red, green, blue; x, y)."""
    with np.errstate(all="raise"):
        x, y = points.T
        xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
        white, colours = xyz[:, 0], xyz[:, 1:]
        colours = colours * np.linalg.solve(colours, white)
        scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
        matrix: npt.NDArray[np.float64] = (
            np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD @ colours
        )
    if np.abs(matrix).max() > 30_000:  # no number of a profile
        raise FloatingPointError
    return matrix
