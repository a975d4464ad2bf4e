"""Writers of pictures that Pillow cannot write, and ImageMagick as an independent reader."""

import shutil
import struct
import subprocess
import zlib
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

Values = npt.NDArray[np.uint16]


def _imagemagick() -> str | None:
    """ImageMagick's program; other programs are called convert, too."""
    for name in filter(None, map(shutil.which, ("magick", "convert", "convert-im6.q16"))):
        said = subprocess.run([name, "-version"], capture_output=True, check=False).stdout
        if b"Version: ImageMagick" in said:
            return name
    return None


_MAGICK = _imagemagick()
needs_magick = pytest.mark.skipif(_MAGICK is None, reason="ImageMagick is not installed")


def shown(data: bytes, kind: str, size: tuple[int, int], *options: str) -> npt.NDArray[np.uint8]:
    """What ImageMagick shows of a picture: turned, on white. size: (height, width) to expect."""
    assert _MAGICK is not None
    done = subprocess.run(
        [_MAGICK, f"{kind}:-[0]", "-auto-orient", *options, "-colorspace", "sRGB",
         "-background", "white", "-alpha", "remove", "-depth", "8", "rgb:-"],
        input=data, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return np.frombuffer(done.stdout, np.uint8).reshape(*size, 3)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(values: Values, depth: int, colour: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of values (height, width, channels) of `depth` bits, with more chunks."""
    height, width, channels = values.shape
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    elif depth == 8:
        rows = [row.astype(np.uint8).tobytes() for row in values]
    else:
        bits = values.reshape(height, width * channels, 1) >> np.arange(depth)[::-1] & 1
        rows = [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in bits]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(*chunk)
        for chunk in [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    )


def tiff(
    values: npt.NDArray[np.generic],
    photometric: int,
    *,
    order: Literal["<", ">"] = "<",
    bits: int = 16,
    orientation: int = 1,
    sample_format: int = 1,
    extra: int | None = None,
) -> bytes:
    """An uncompressed TIFF of one strip, of values (height, width, channels)."""
    height, width, channels = values.shape
    if bits == 12:
        pairs = values.reshape(height, -1).astype(np.uint32)
        unpacked = pairs[:, :, None] >> np.arange(12)[::-1] & 1
        data = np.packbits(unpacked.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
    else:
        data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    tags = [
        (256, 4, (width,)), (257, 4, (height,)), (258, 3, (bits,) * channels), (259, 3, (1,)),
        (262, 3, (photometric,)), (273, 4, (0,)), (274, 3, (orientation,)), (277, 3, (channels,)),
        (278, 4, (height,)), (279, 4, (len(data),)),
        *([(338, 3, (extra,))] if extra is not None else []),
        (339, 3, (sample_format,) * channels),
    ]  # fmt: skip
    behind = 8 + 2 + 12 * len(tags) + 4  # where values of more than four bytes begin
    more, entries = b"", b""
    total = sum(2 * len(v) for _, kind, v in tags if kind == 3 and len(v) > 2)
    for tag, kind, numbers in tags:
        if tag == 273:
            numbers = (behind + total,)
        body = struct.pack(order + ("H" if kind == 3 else "I") * len(numbers), *numbers)
        if len(body) > 4:
            body, more = struct.pack(order + "I", behind + len(more)), more + body
        entries += struct.pack(order + "HHI", tag, kind, len(numbers)) + body.ljust(4, b"\0")
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return start + struct.pack(order + "H", len(tags)) + entries + bytes(4) + more + data


def profile(
    space: bytes = b"RGB ",
    gamma: float = 2.2,
    primaries: tuple[tuple[float, float, float], ...] = (
        (0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446),
    ),
) -> bytes:  # fmt: skip
    """An ICC profile of one gamma; its primaries (D50) are those of Adobe RGB (1998)."""

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    text = b"painted\0"
    name = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": name, b"wtpt": xyz((0.9642, 1.0, 0.8249)), b"cprt": b"text\0\0\0\0" + text}
    if space == b"RGB ":
        for letter, primary in zip(b"rgb", primaries, strict=True):
            tags[bytes([letter]) + b"XYZ"] = xyz(primary)
            tags[bytes([letter]) + b"TRC"] = curve
    else:
        tags[b"kTRC"] = curve
    table, body = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02100000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def cmyk_profile() -> bytes:
    """An ICC profile of CMYK: inks that take light away one after another, greyer than usual."""
    table = b""
    for number in range(16):  # the corners: cyan changes slowest
        cyan, magenta, yellow, black = (number >> bit & 1 for bit in (3, 2, 1, 0))
        light = (
            100 * (1 - 0.3 * cyan) * (1 - 0.4 * magenta) * (1 - 0.1 * yellow) * (1 - 0.8 * black)
        )
        a, b = (40 * (magenta - cyan), 40 * (yellow - cyan)) if not black else (0, 0)
        table += bytes((round(light * 2.55), 128 + a, 128 + b))
    straight = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0))
    lut += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut += 4 * straight + table + 3 * straight
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    name = b"desc\0\0\0\0" + struct.pack(">I", 8) + b"painted\0" + bytes(78)
    tags = {b"desc": name, b"wtpt": white, b"cprt": b"text\0\0\0\0painted\0", b"A2B0": lut}
    places, body = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        places += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value.ljust(-(-len(value) // 4) * 4, b"\0")
    size = 128 + len(places) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02100000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + places + body
