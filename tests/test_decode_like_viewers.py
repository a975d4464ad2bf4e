"""images/decode.py against ImageMagick: valid pictures of any kind show what a viewer shows."""

import io
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from keyart.errors import PosterError
from keyart.images.decode import decode
from tests.pictures import Values, cmyk_profile, needs_magick, png, profile, shown, tiff

HEIGHT, WIDTH = 20, 26
ORDERS: tuple[Literal["<", ">"], ...] = ("<", ">")
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def values(seed: int, channels: int, bits: int) -> Values:
    """Blocks of random values: many equal ones, so that transparent colours are hit."""
    top = 2**bits
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, top, (HEIGHT // 5, WIDTH // 2, channels))
    return blocks.repeat(5, 0).repeat(2, 1).astype(np.uint16)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def expected_size(orientation: int) -> tuple[int, int]:
    return (WIDTH, HEIGHT) if orientation >= 5 else (HEIGHT, WIDTH)


def exif_block(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x112, 3, 1, orientation, 0) + bytes(4)


def assert_shown(data: bytes, kind: str, size: tuple[int, int], within: int, *more: str) -> None:
    difference = decode(data).astype(int) - shown(data, kind, size, *more).astype(int)
    assert np.abs(difference).max() <= within


@needs_magick
@FEW
@given(
    kind=st.sampled_from(
        [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8),
         (4, 8), (4, 16), (6, 8), (6, 16)]
    ),
    clear=st.booleans(),
    orientation=st.integers(1, 8),
    seed=st.integers(0, 2**20),
)  # fmt: skip
def test_any_png_shows_what_a_viewer_shows(
    kind: tuple[int, int], clear: bool, orientation: int, seed: int
) -> None:
    colour, depth = kind
    raw = values(seed, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour], depth)
    chunks = []
    if colour == 3:
        rng = np.random.default_rng(seed + 1)
        chunks.append((b"PLTE", rng.integers(0, 256, 3 * 2**depth, np.uint8).tobytes()))
        if clear:
            chunks.append((b"tRNS", rng.integers(0, 256, 2**depth, np.uint8).tobytes()))
    elif clear and colour in (0, 2):
        chunks.append((b"tRNS", raw[7, 7].astype(">u2").tobytes()))
    data = png(raw, depth, colour, *chunks)
    turned = png(raw, depth, colour, *chunks, (b"eXIf", exif_block(orientation)))
    pixels = decode(data)
    difference = pixels.astype(int) - shown(data, "png", (HEIGHT, WIDTH)).astype(int)
    assert np.abs(difference).max() <= 2
    # ImageMagick 6 does not turn a PNG by its eXIf chunk; Pillow writes one and is not asked.
    assert np.array_equal(decode(turned), oriented(pixels, orientation))


def oriented(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """EXIF 2.32, page 36: where row 0 and column 0 of the stored picture are shown."""
    stored = pixels.transpose(1, 0, 2) if orientation >= 5 else pixels
    up = {3: True, 4: True, 7: True, 8: True}.get(orientation, False)
    left = {2: True, 3: True, 6: True, 7: True}.get(orientation, False)
    return stored[:: -1 if up else 1, :: -1 if left else 1]


@needs_magick
@FEW
@given(
    kind=st.sampled_from([(0, 1), (1, 1), (2, 3), (2, 4), (5, 4)]),
    bits=st.sampled_from([8, 12, 16]),
    order=st.sampled_from(ORDERS),
    orientation=st.integers(1, 8),
    seed=st.integers(0, 2**20),
)
def test_any_tiff_shows_what_a_viewer_shows_or_says_what_it_is(
    kind: tuple[int, int], bits: int, order: Literal["<", ">"], orientation: int, seed: int
) -> None:
    photometric, channels = kind
    raw = values(seed, channels, bits).astype(np.uint8 if bits == 8 else np.uint16)
    extra = 2 if kind == (2, 4) else None
    data = tiff(raw, photometric, order=order, bits=bits, orientation=orientation, extra=extra)
    if bits == 12 and (channels > 1 or order == ">"):
        with pytest.raises(PosterError, match=r"cannot be read: 12-bit (RGB|CMYK|grey) TIFF"):
            decode(data)
        return
    if bits == 12 and photometric == 0:  # ImageMagick 6 shows these inverted
        black = tiff(raw, 1, order=order, bits=bits, orientation=orientation)
        assert np.abs(decode(data).astype(int) + decode(black) - 255).max() == 0
        return
    assert_shown(data, "tiff", expected_size(orientation), 2)


@needs_magick
@FEW
@given(
    format=st.sampled_from(["JPEG", "WEBP", "TIFF", "AVIF"]),
    mode=st.sampled_from(["L", "RGB", "CMYK", "RGBA", "YCbCr", "1", "P"]),
    orientation=st.integers(1, 8),
    seed=st.integers(0, 2**20),
)
def test_what_pillow_writes_shows_what_a_viewer_shows(
    format: str, mode: str, orientation: int, seed: int
) -> None:
    rgb = np.array(Image.fromarray(values(seed, 3, 8).astype(np.uint8)).resize((WIDTH, HEIGHT), 3))
    alpha = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    image = Image.fromarray(rgb)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(alpha))
    else:
        image = image.convert(mode)
    readable = {
        "JPEG": ("L", "RGB", "CMYK", "YCbCr", "1"), "WEBP": ("L", "RGB", "RGBA"),
        "TIFF": ("L", "RGB", "CMYK", "RGBA", "1", "P"), "AVIF": ("RGB",),
    }  # fmt: skip
    if mode not in readable[format]:
        image = Image.fromarray(rgb)
    if format == "AVIF":  # ImageMagick's decoder halves the resolution of its colours
        image = image.resize((3, 2)).resize(image.size)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {}
    if format == "JPEG":
        options = {"quality": 95, "subsampling": 0}
    if format == "AVIF":
        options = {"quality": 95, "subsampling": "4:4:4"}
    if format == "WEBP":
        options = {"lossless": True, "exact": True}
    data = encoded(image, format, exif=exif, **options)
    within = {"JPEG": 6, "AVIF": 10}.get(format, 3)
    if format == "WEBP":  # ImageMagick does not read the orientation of a WebP; test it alone
        plain = encoded(image, format, **options)
        assert_shown(plain, "webp", (HEIGHT, WIDTH), within)
        assert np.array_equal(decode(data), oriented(decode(plain), orientation))
        return
    assert_shown(data, format.lower(), expected_size(orientation), within)


def test_lab_is_shown_as_its_definition_says() -> None:
    lab = np.stack(
        np.meshgrid(np.linspace(30, 80, WIDTH), np.linspace(-20, 20, HEIGHT)), axis=-1
    ).round()
    lab = np.dstack([lab, np.full((HEIGHT, WIDTH), 15.0)])
    stored = lab * (255 / 100, 1, 1)
    data = tiff(stored.round().astype(np.int16).astype(np.uint8), 8, bits=8)
    # CIE 15:2004 8.2.1, white D50 as in TIFF and ICC; then IEC 61966-2-1.
    y = (lab[..., 0] + 16) / 116
    xyz = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1) ** 3
    linear = (xyz * (0.9642, 1.0, 0.8249)) @ np.array(
        [[3.1339, -0.9788, 0.0719], [-1.6169, 1.9161, -0.2290], [-0.4906, 0.0335, 1.4052]]
    )
    expected = 255 * (1.055 * linear.clip(0.0031308, 1) ** (1 / 2.4) - 0.055)
    assert np.abs(decode(data) - expected).max() < 4


@needs_magick
@FEW
@given(
    format=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]),
    mode=st.sampled_from(["RGB", "L", "RGBA"]),
    gamma=st.floats(1.0, 2.6),
    seed=st.integers(0, 2**20),
)
def test_an_embedded_profile_is_converted_to_srgb(
    tmp_path_factory: pytest.TempPathFactory, format: str, mode: str, gamma: float, seed: int
) -> None:
    grey = mode == "L" and format != "WEBP"
    image = Image.fromarray(values(seed, 3, 8).astype(np.uint8)).convert(mode)
    if format == "JPEG" and mode == "RGBA":
        image = image.convert("RGB")
    if image.mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    icc = profile(b"GRAY" if grey else b"RGB ", gamma)
    options: dict[str, object] = {"lossless": True, "exact": True} if format == "WEBP" else {}
    if format == "JPEG":
        options = {"quality": 95, "subsampling": 0}
    data = encoded(image, format, icc_profile=icc, **options)
    srgb = tmp_path_factory.getbasetemp() / "srgb.icc"
    srgb.write_bytes(SRGB)
    within = 8 if format == "JPEG" else 4
    assert_shown(data, format.lower(), image.size[::-1], within, "-profile", str(srgb))


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_an_adobe_rgb_poster_is_as_vivid_as_it_was_made() -> None:
    data = encoded(Image.new("RGB", (40, 60), (100, 200, 100)), "PNG", icc_profile=profile())
    red, green, blue = decode(data)[30, 20].tolist()
    assert red < 50 < blue  # outside sRGB's green: more of it, less of the others
    assert green >= 200


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    "icc",
    [SRGB, b"broken", bytes(70_000), profile()[:200], profile(b"GRAY")],
    ids=["srgb", "text", "zeros", "cut", "of-another-space"],
)
def test_a_profile_that_says_srgb_or_nothing_changes_no_pixel(format: str, icc: bytes) -> None:
    image = Image.fromarray(values(1, 3, 8).astype(np.uint8))
    plain, marked = encoded(image, format), encoded(image, format, icc_profile=icc)
    assert np.array_equal(decode(plain), decode(marked))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_is_decoded_at_the_scale_that_its_shown_sides_need(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    large = Image.fromarray(values(3, 3, 8).astype(np.uint8)).resize((1600, 800))
    data = encoded(large, "JPEG", exif=exif)
    height, width, _ = decode(data, at_least=(200, 100)).shape
    assert height >= 200
    assert width >= 100
    assert (height > width) == (orientation >= 5)
    whole = Image.fromarray(decode(data)).resize((width, height))
    assert np.abs(np.asarray(whole) - decode(data, at_least=(200, 100)).astype(int)).mean() < 8


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(np.zeros((20, 20, 1), np.int16), 1, sample_format=2), "signed 16-bit grey TIFF"),
        (tiff(np.zeros((20, 20, 1), np.int8), 1, bits=8, sample_format=2), "signed 8-bit grey"),
        (tiff(np.zeros((20, 20, 1), np.uint32), 1, bits=32), "32-bit grey TIFF"),
        (tiff(np.zeros((20, 20, 3), np.float32), 2, bits=32, sample_format=3),
         "floating-point 32-bit RGB TIFF"),
    ],
)  # fmt: skip
def test_values_without_an_agreed_white_are_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(PosterError, match=f"cannot be read: {reason}"):
        decode(data)


@needs_magick
@pytest.mark.parametrize("transform", [0, 2], ids=["CMYK", "YCCK"])
@pytest.mark.parametrize("icc", [None, cmyk_profile()], ids=["plain", "profile"])
def test_a_jpeg_for_print_shows_what_a_viewer_shows(
    tmp_path: Path, transform: int, icc: bytes | None
) -> None:
    inks = np.array(
        Image.fromarray(values(5, 4, 8).astype(np.uint8), "CMYK").resize((WIDTH, HEIGHT), 3)
    )
    data = bytearray(encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=97, icc_profile=icc))
    adobe = data.index(b"Adobe")
    data[adobe + 11] = transform  # what the decoder takes the four channels for
    srgb = tmp_path / "srgb.icc"
    srgb.write_bytes(SRGB)
    more = ["-profile", str(srgb)] if icc else []
    assert_shown(bytes(data), "jpeg", (HEIGHT, WIDTH), 12 if icc else 6, *more)


def shown_by_definition(stored: np.ndarray, gamma: float | None, to_xyz: np.ndarray) -> np.ndarray:
    """sRGB (IEC 61966-2-1) of values in a colour space under D65, computed in floats."""
    x = stored / 255
    light = x**gamma if gamma else np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    srgb = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    linear = (light @ to_xyz.T @ np.linalg.inv(srgb).T).clip(0, 1)
    low = 12.92 * linear
    return np.asarray(255 * np.where(linear <= 0.0031308, low, 1.055 * linear ** (1 / 2.4) - 0.055))


# From their standards: linear RGB to XYZ under D65.
TO_XYZ = {
    1: np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]),
    9: np.array([[0.6370, 0.1446, 0.1689], [0.2627, 0.6780, 0.0593], [0.0, 0.0281, 1.0610]]),
    12: np.array([[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0.0, 0.0451, 1.0439]]),
}
ADOBE = ((0.5767, 0.1856, 0.1882), (0.2973, 0.6274, 0.0753), (0.0270, 0.0707, 0.9911))


def soft() -> np.ndarray:
    """Colours that all of the spaces have in common."""
    return (90 + values(9, 3, 8) % 80).astype(np.uint16)


@pytest.mark.parametrize("primaries", [1, 9, 12])
@pytest.mark.parametrize(("transfer", "gamma"), [(13, None), (8, 1.0)])
def test_the_colours_that_a_png_names_are_converted(
    primaries: int, transfer: int, gamma: float | None
) -> None:
    stored = soft()
    data = png(stored, 8, 2, (b"cICP", bytes((primaries, transfer, 0, 1))))
    expected = shown_by_definition(stored, gamma, TO_XYZ[primaries])
    assert np.abs(decode(data) - expected).max() < 3


@pytest.mark.parametrize(("number", "gamma"), [(100_000, 1.0), (55_556, 1.8), (45_455, None)])
def test_the_gamma_of_a_png_is_applied(number: int, gamma: float | None) -> None:
    stored = soft()
    chunk = (b"gAMA", struct.pack(">I", number))
    expected = shown_by_definition(stored, gamma, TO_XYZ[1])
    assert np.abs(decode(png(stored, 8, 2, chunk)) - expected).max() < 3
    grey = decode(png(stored[..., :1], 8, 0, chunk))
    assert np.abs(grey - expected[..., :1]).max() < 60  # as bright as the reds, not by primaries
    flat = shown_by_definition(stored[..., :1].repeat(3, axis=2), gamma, TO_XYZ[1])
    assert np.abs(grey - flat).max() < 3


def test_the_primaries_of_a_png_are_applied() -> None:
    stored = soft()
    adobe = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    data = png(stored, 8, 2, (b"gAMA", struct.pack(">I", 45_470)), (b"cHRM", adobe))
    expected = shown_by_definition(stored, None, np.array(ADOBE))
    assert np.abs(decode(data) - expected).max() < 3


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"cICP", b"\1\15\0\1"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"gAMA", struct.pack(">I", 45_455))],
        [(b"gAMA", bytes(4))],
        [(b"gAMA", b"x")],
        [(b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", bytes(32))],
        [(b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", b"\xff" * 32)],
        [(b"cICP", b"\1\15\7\1")],
        [(b"cICP", b"\1")],
    ],
    ids=["srgb", "cicp-first", "its-gamma", "zero", "short", "no-light", "far", "ycc", "cut"],
)
def test_a_png_that_says_srgb_or_nonsense_changes_no_pixel(
    chunks: list[tuple[bytes, bytes]],
) -> None:
    stored = values(2, 3, 8)
    assert np.array_equal(decode(png(stored, 8, 2, *chunks)), stored)


@pytest.mark.parametrize("transfer", [16, 18])
def test_a_png_in_high_dynamic_range_is_refused_by_name(transfer: int) -> None:
    data = png(values(2, 3, 16), 16, 2, (b"cICP", bytes((9, transfer, 0, 1))))
    with pytest.raises(PosterError, match="cannot be read: a PNG in high dynamic range"):
        decode(data)


@FEW
@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**31 - 1))
def test_no_colours_that_a_png_claims_break_it(points: bytes, gamma: int) -> None:
    chunks = (b"gAMA", struct.pack(">I", gamma)), (b"cHRM", points)
    assert decode(png(values(2, 3, 8), 8, 2, *chunks)).shape == (HEIGHT, WIDTH, 3)


def test_the_profile_of_a_png_goes_before_its_other_colours() -> None:
    stored = soft()
    icc = (b"iCCP", b"painted\0\0" + zlib.compress(profile(gamma=1.0)))
    alone = decode(png(stored, 8, 2, icc))
    assert np.abs(alone - stored.astype(int)).max() > 20
    others = [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45_455))]
    assert np.array_equal(decode(png(stored, 8, 2, *others, icc)), alone)
