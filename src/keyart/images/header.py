"""Reads what files say before their pixels: PNG chunks, JPEG scans, TIFF tags, sizes of all kinds.

All of it takes time and memory by what is read here, not by what a file claims.
"""

import io
import re
import struct
import zlib
from dataclasses import dataclass

from PIL import TiffImagePlugin

from keyart.errors import PosterError
from keyart.images.colour import MAX_PROFILE, PRIMARIES, made_profile

# A file of 100 MB may have millions of empty chunks, each of which takes a microsecond; a real one
# has a few thousand.
MAX_CHUNKS = 50_000

# Chunks that decide about the pixels of the first picture. All others are metadata, which may be
# huge or broken, or later frames.
_PIXEL_CHUNKS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"))
_COLOUR_CHUNKS = frozenset((b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"))
# A marker in a JPEG's entropy-coded data, which escapes ff as ff 00 and resets by ff d0 to ff d7.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that state a size
_DECIDING = (b"JFIF\0", b"Adobe")  # application segments from which decoders take the colour space
_ISPE = re.compile(rb"ispe....(.{8})", re.DOTALL)
_PHOTOMETRIC = {
    0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab",
    9: "Lab", 10: "Lab", 32803: "raw camera", 34892: "raw camera",
}  # fmt: skip
_SAMPLE_FORMAT = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG without its metadata."""

    data: bytes
    depth: int  # bits a channel
    profile: bytes | None


def clean_png(data: bytes) -> Png:
    """A PNG without text, later frames and other metadata; its ICC profile apart.

    What other chunks say about colours becomes a profile as well. Copies nothing if there is no
    metadata. Whatever is damaged is left for the decoder to report. Raises PosterError for colours
    that have no agreed way to sRGB.
    """
    kept: list[bytes] = [data[:8]]
    colours: dict[bytes, bytes] = {}
    at, whole, chunks = 8, True, 0
    while at + 12 <= len(data):
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise PosterError(f"a PNG of over {MAX_CHUNKS:,} chunks; save it again")
        length = int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        end = at + 12 + length
        if (name == b"IHDR") != (chunks == 1):
            raise PosterError("damaged PNG file: its header is not its first chunk")
        if name in _PIXEL_CHUNKS:
            kept.append(data[at:end])
        else:
            whole = False
            if name in _COLOUR_CHUNKS:
                colours.setdefault(name, data[at + 8 : end - 4])
        at = end
        if name == b"IEND":
            break
    depth, grey = (data[24], not data[25] & 2) if len(data) > 25 else (8, False)
    return Png(data if whole else b"".join(kept), depth, _png_profile(colours, grey))


def _png_profile(chunks: dict[bytes, bytes], grey: bool) -> bytes | None:
    """The profile of a PNG; None for sRGB. PNG (third edition) 4.3: which chunk goes first."""
    coded = chunks.get(b"cICP", b"")
    if len(coded) == 4 and coded[0] in PRIMARIES and coded[2:] == b"\0\1":
        if coded[1] in (16, 18):
            raise PosterError("cannot be read: a PNG in high dynamic range; save it as sRGB")
        gamma = 1.0 if coded[1] == 8 else None
        return made_profile(PRIMARIES[coded[0]], gamma, grey)
    if profile := _inflated(chunks.get(b"iCCP", b"")):
        return profile
    gamma_chunk = chunks.get(b"gAMA", b"")
    if b"sRGB" in chunks or len(gamma_chunk) != 4:
        return None
    gamma = int.from_bytes(gamma_chunk, "big") / 100_000
    if not 0.1 <= gamma <= 10:
        return None
    # 1 / 2.2 stands for sRGB's own curve, also in files that say so in fewer digits.
    exponent = None if 0.43 <= gamma <= 0.48 else 1 / gamma
    points = chunks.get(b"cHRM", b"")
    primaries = PRIMARIES[1]
    if len(points) == 32:
        primaries = tuple(value / 100_000 for value in struct.unpack(">8I", points))
    return made_profile(primaries, exponent, grey)


def _inflated(chunk: bytes) -> bytes | None:
    try:
        # The name, a zero, the method (0), the compressed profile.
        start = chunk.index(b"\0") + 2
        profile = zlib.decompressobj().decompress(chunk[start:], MAX_PROFILE)
    except (ValueError, zlib.error):
        return None
    return profile


@dataclass(frozen=True, slots=True)
class Jpeg:
    """What precedes the pixels of a JPEG's first picture; 0x0 if nothing states a size.

    head: its segments that decide about pixels. body: where its first scan starts in the file.
    """

    width: int
    height: int
    components: int
    scans: int
    progressive: bool
    head: bytes
    body: int
    exif: bytes
    profile: bytes | None


def read_jpeg(data: bytes) -> Jpeg:
    """The segments of a JPEG's first picture: what lies in its metadata or after it doesn't count.

    Raises PosterError for too many of them.
    """
    width, height, components, scans, progressive = 0, 0, 3, 0, False
    kept, exif, profile = [data[:2]], b"", dict[int, bytes]()
    single = data.count(b"\xff\xda") <= 1  # then what follows its start need not be searched
    at, body, markers = 2, len(data), 0
    while match := _MARKER.search(data, at):
        code, start, at = data[match.end() - 1], match.start(), match.end()
        markers += 1
        if markers > MAX_CHUNKS:
            raise PosterError(f"a JPEG of over {MAX_CHUNKS:,} segments; save it again")
        if code == 0xD9:
            break
        if code == 0xDA:
            scans += 1
            body = min(body, start)
            if single:
                break
        if code in (0x01, 0xD8):
            continue
        at += int.from_bytes(data[at : at + 2], "big")
        if code == 0xE1 and not exif and data.startswith(b"Exif\0\0", start + 4):
            exif = data[start + 4 : at]
        elif code == 0xE2 and data.startswith(b"ICC_PROFILE\0", start + 4):
            profile[data[start + 16]] = data[start + 18 : at]
        if code in _FRAMES and start + 10 <= len(data):
            frame = struct.unpack_from(">HHB", data, start + 5)
            height, width = max(height, frame[0]), max(width, frame[1])
            components = frame[2]
            progressive |= code & 3 == 2
        if not scans and (code < 0xE0 or data.startswith(_DECIDING, start + 4)):
            kept.append(data[start:at])
    whole = b"".join(part for _, part in sorted(profile.items()))
    head = b"".join(kept)
    return Jpeg(width, height, components, scans, progressive, head, body, exif, whole or None)


@dataclass(frozen=True, slots=True)
class Gif:
    """A GIF without what precedes its first picture; the size of both together."""

    width: int
    height: int
    data: bytes


def read_gif(data: bytes) -> Gif:
    """A GIF without comments before its first picture, which Pillow joins in quadratic time.

    Raises PosterError, and IndexError or struct.error for a damaged one.
    """
    width, height = struct.unpack_from("<HH", data, 6)
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    kept, blocks = [data[:at]], 0
    while data[at] != 0x2C:
        start = at
        blocks += 1
        if data[at] == 0x21:
            control = data[at + 1] == 0xF9
            at += 2
            while data[at]:
                at += 1 + data[at]
                blocks += 1
                if blocks > MAX_CHUNKS:
                    break
            if control:
                kept.append(data[start : at + 1])
        elif data[at] == 0x3B:
            raise PosterError("a GIF without a picture")
        at += 1
        if blocks > MAX_CHUNKS:
            raise PosterError(f"a GIF of over {MAX_CHUNKS:,} blocks; save it again")
    left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
    return Gif(max(width, left + wide), max(height, top + high), b"".join([*kept, data[at:]]))


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height. Raises struct.error for a damaged one."""
    if data[12:16] != b"IHDR":
        raise struct.error("no header")
    width, height = struct.unpack_from(">II5x", data, 16)
    return width, height


def bmp_size(data: bytes) -> tuple[int, int]:
    """Width and height. Raises struct.error for a damaged one."""
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(width), abs(height)


def heif_size(data: bytes) -> tuple[int, int]:
    """Width and height of the largest picture in an AVIF or HEIF; 0x0 if none states its size."""
    sizes = (struct.unpack(">II", found[1]) for found in _ISPE.finditer(data))
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first picture. Raises struct.error for a damaged one."""
    order = "<" if data[:2] == b"II" else ">"
    (version,) = struct.unpack_from(order + "H", data, 2)
    big = version == 43
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    size = {256: 0, 257: 0}
    entry = 20 if big else 12
    for place in range(min(count, 65_535)):
        start = at + (8 if big else 2) + entry * place
        tag, kind = struct.unpack_from(order + "HH", data, start)
        if tag in size:
            (size[tag],) = struct.unpack_from(
                order + {3: "H", 16: "Q"}.get(kind, "I"), data, start + (12 if big else 8)
            )
    return size[256], size[257]


def exif_orientation(exif: bytes) -> int:
    """How a picture is to be turned, 1 to 8; 1 (not at all) if the block is broken."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, directory)
        for at in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", block, at)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height. Raises struct.error for a damaged one."""
    kind = data[12:16]
    if len(data) >= 30 and kind == b"VP8X":
        return (
            1 + int.from_bytes(data[24:27], "little"),
            1 + int.from_bytes(data[27:30], "little"),
        )
    if len(data) >= 30 and kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise struct.error("no picture")


@dataclass(frozen=True, slots=True)
class Tiff:
    """What the tags of a TIFF's first picture say."""

    bits: int
    signs: str  # "", or "signed ", "floating-point " before the number of bits
    photometric: int
    compression: int
    tile: int  # pixels of a tile or strip, which the decoder makes room for
    photometric_at: int | None  # where its value lies in a classic file

    @property
    def name(self) -> str:
        """Like '12-bit grey TIFF'."""
        kind = _PHOTOMETRIC.get(self.photometric, f"photometric {self.photometric}")
        return f"{self.signs}{self.bits}-bit {kind} TIFF"


def read_tiff(data: bytes) -> Tiff:
    """The tags of a TIFF's first picture. Raises anything for a damaged one."""
    file = io.BytesIO(data)
    big = b"+" in data[2:4]  # BigTIFF has a header of 16 bytes
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if big else 8])
    file.seek(tags.next)
    place = _photometric_at(data, tags.next)
    tags.load(file)
    bits = tags.get(258, (1,))
    width, height = int(tags.get(256, 0)), int(tags.get(257, 0))
    rows = min(int(tags.get(278, height)), height)
    return Tiff(
        bits=int(max(bits)) if isinstance(bits, tuple) else int(bits),
        signs=_SAMPLE_FORMAT.get(int(max(tags.get(339, (1,)))), ""),
        photometric=int(tags.get(262, 0)),
        compression=int(tags.get(259, 1)),
        tile=max(int(tags.get(322, width)) * int(tags.get(323, rows)), 1),
        photometric_at=place,
    )


def _photometric_at(data: bytes, directory: int) -> int | None:
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] != 42:
        return None
    (count,) = struct.unpack_from(order + "H", data, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag == 262:
            return at + 8 + (2 if kind == 4 and order == ">" else 0)
    return None


def black_is_zero(data: bytes, tiff: Tiff) -> bytes:
    """The same file with its photometric tag set to BlackIsZero: nobody inverts its values."""
    if tiff.photometric_at is None:
        return data
    value = struct.pack("<H" if data[:2] == b"II" else ">H", 1)
    return data[: tiff.photometric_at] + value + data[tiff.photometric_at + 2 :]
