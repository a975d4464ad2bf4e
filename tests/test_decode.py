"""images/decode.py: whatever bytes come, an RGB poster or a PosterError comes out."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keyart.errors import PosterError
from keyart.images.decode import decode


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def gradient(mode: str = "RGB", size: tuple[int, int] = (60, 90)) -> Image.Image:
    across = np.linspace(0, 255, size[0])
    down = np.linspace(255, 0, size[1])
    red, green = np.meshgrid(across, down)
    rgb = np.stack([red, green, np.full_like(red, 40)], axis=-1).astype(np.uint8)
    return Image.fromarray(rgb).convert(mode)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_gives_the_picture_that_went_in(format: str) -> None:
    pixels = decode(encoded(gradient(), format))
    assert pixels.shape == (90, 60, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.asarray(gradient()).astype(int)).mean() < 8


def test_jpeg_decodes_like_pillow_does() -> None:
    data = encoded(gradient(), "JPEG", quality=95)
    pillow = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode(data).astype(int) - pillow).max() <= 3


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_in_another_colour_space_becomes_rgb(mode: str) -> None:
    data = encoded(gradient(mode), "JPEG", quality=95)
    expected = np.asarray(gradient(mode).convert("RGB")).astype(int)
    assert np.abs(decode(data).astype(int) - expected).mean() < 4


@pytest.mark.parametrize("progressive", [False, True])
def test_progressive_and_baseline_jpegs_decode_alike(progressive: bool) -> None:
    data = encoded(gradient(), "JPEG", quality=95, progressive=progressive)
    assert decode(data).shape == (90, 60, 3)


def test_sixteen_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65_535, 90 * 60).astype(np.uint16).reshape(90, 60)
    pixels = decode(encoded(Image.fromarray(ramp), "PNG"))
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1, 0] == 255
    assert abs(int(pixels[45, 0, 0]) - 128) <= 1


def test_a_palette_picture_keeps_its_colours() -> None:
    data = encoded(Image.new("RGB", (40, 60), (204, 51, 0)).convert("P"), "PNG")
    assert np.abs(decode(data).astype(int) - (204, 51, 0)).max() == 0


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (40, 60), (0, 0, 0, 0))
    assert decode(encoded(clear, "PNG")).min() == 255


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_an_animation_gives_its_first_frame(format: str) -> None:
    first, second = (Image.new("RGB", (40, 60), colour) for colour in ("red", "blue"))
    data = encoded(first, format, save_all=True, append_images=[second], lossless=True)
    assert decode(data)[30, 20].tolist() == [255, 0, 0]


def test_an_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees
    assert decode(encoded(gradient(), "JPEG", exif=exif)).shape == (60, 90, 3)


def test_a_large_jpeg_is_decoded_no_larger_than_needed() -> None:
    data = encoded(gradient(size=(1200, 1800)), "JPEG")
    height, width, _ = decode(data, at_least=(352, 240)).shape
    assert 352 <= height < 1000
    assert 240 <= width < 700


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is not a picture", "not a picture"),
        (b"\xff\xd8\xff", "not a picture"),
        (b"PK\x03\x04" + bytes(60), "not a picture"),
        (encoded(gradient(size=(1, 1)), "PNG"), "1x1 pixels"),
        (encoded(gradient(), "JPEG")[:700], "damaged JPEG"),
        (encoded(gradient(), "PNG")[:110], "damaged PNG"),
        (encoded(gradient(), "WEBP")[:-40], "WEBP|not a picture"),
        (png_header(60_000, 60_000), "too large"),
        (png_header(12_000, 7_000), "too large"),
        (encoded(Image.new("F", (40, 60)), "TIFF"), "floating-point"),
    ],
    ids=[
        "empty", "text", "jpeg-start", "zip", "1x1", "cut-jpeg", "cut-png", "cut-webp", "bomb",
        "over-the-limit", "float",
    ],
)  # fmt: skip
def test_what_is_no_poster_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PosterError, match=reason) as caught:
        decode(data)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
)
@pytest.mark.filterwarnings("ignore")
def test_damaged_pictures_decode_or_are_refused(
    format: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(encoded(gradient(), format))
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    try:
        pixels = decode(bytes(data))
    except PosterError:
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3


def test_a_jpeg_of_too_many_scans_is_refused_before_it_is_decoded() -> None:
    data = encoded(gradient(), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    scan = data[start:-2]
    decode(data[:start] + scan * 5 + b"\xff\xd9")
    with pytest.raises(PosterError, match="over 100 scans"):
        decode(data[:start] + scan * 200 + b"\xff\xd9")


def test_the_caller_may_allow_fewer_pixels() -> None:
    data = encoded(gradient(), "PNG")
    assert decode(data, max_pixels=60 * 90).shape == (90, 60, 3)
    with pytest.raises(PosterError, match="60x90, over 5,399 pixels"):
        decode(data, max_pixels=60 * 90 - 1)
