"""images/decode.py: whatever bytes come, an RGB poster or a PosterError comes out."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from keyart.errors import PosterError
from keyart.images.decode import decode
from keyart.images.header import webp_size
from tests.pictures import png_chunk


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

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


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


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_transparency_is_composited_on_white(format: str) -> None:
    clear = Image.new("RGBA", (40, 60), (0, 0, 0, 0))
    assert decode(encoded(clear, format)).min() == 255
    half = Image.new("RGBA", (40, 60), (0, 0, 0, 128))
    assert np.abs(decode(encoded(half, format)).astype(int) - 127).max() <= 2


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
def test_anything_but_a_poster_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PosterError, match=reason) as caught:
        decode(data)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]),
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


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


PLAIN = encoded(gradient(), "JPEG", quality=95)
PLAIN_PNG = encoded(gradient(), "PNG")


def with_chunk(name: bytes, body: bytes, broken: bool = False) -> bytes:
    """PLAIN_PNG with one more chunk behind its header."""
    made = png_chunk(name, body)
    made = made[:-4] + bytes(4) if broken else made
    return PLAIN_PNG[:33] + made + PLAIN_PNG[33:]


@pytest.mark.parametrize(
    "data",
    [
        with_segment(PLAIN, 0xE1, b"Exif\0\0" + bytes(200)),
        with_segment(PLAIN, 0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        with_segment(PLAIN, 0xE1, b"Exif\0\0" + b"\xff\xda" * 5_000),
        with_segment(PLAIN, 0xE2, b"ICC_PROFILE\0\1\1" + b"\xff\xda" * 30_000),
        with_segment(PLAIN, 0xE2, b"MPF\0" + b"\xff" * 100),
        with_segment(PLAIN, 0xED, b"Photoshop 3.0\0" + b"8BIM" * 10),
        PLAIN + b"\xff\xda" * 100_000,
        PLAIN + PLAIN * 120,
    ],
    ids=["zeros", "far-exif", "scans-in-exif", "scans-in-profile", "mpo", "photoshop", "trailer",
         "more-pictures"],
)  # fmt: skip
def test_metadata_never_decides_about_the_pixels_of_a_jpeg(data: bytes) -> None:
    assert np.array_equal(decode(data), decode(PLAIN))


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 2_000_000)),
        with_chunk(b"tEXt", b"Comment\0" + b"x" * 70_000_000),
        with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
        with_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000))),
        with_chunk(b"iCCP", b"x\0\7no"),
        with_chunk(b"tEXt", b"Comment\0broken", broken=True),
        with_chunk(b"pHYs", b"short"),
        with_chunk(b"acTL", b""),
        with_chunk(b"eXIf", b"broken"),
        PLAIN_PNG + bytes(1_000_000),
    ],
    ids=["zTXt", "tEXt", "iTXt", "iCCP", "iCCP-method", "checksum", "pHYs", "acTL", "eXIf",
         "trailer"],
)  # fmt: skip
def test_metadata_never_decides_about_the_pixels_of_a_png(data: bytes) -> None:
    assert np.array_equal(decode(data), decode(PLAIN_PNG))


def test_reading_posters_changes_no_setting_of_the_host_program() -> None:
    def limits() -> list[object]:
        return [
            PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY, Image.MAX_IMAGE_PIXELS,
            ImageFile.LOAD_TRUNCATED_IMAGES,
        ]  # fmt: skip

    before = limits()
    decode(with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 2_000_000)))
    assert limits() == before


def test_an_mpo_gives_its_first_picture() -> None:
    data = encoded(gradient(), "MPO", save_all=True, append_images=[gradient(size=(32, 32))])
    assert decode(data).shape == (90, 60, 3)


def test_an_avif_gives_the_picture_that_went_in() -> None:
    pixels = decode(encoded(gradient(), "AVIF", quality=95))
    assert np.abs(pixels.astype(int) - np.asarray(gradient()).astype(int)).mean() < 8


def test_a_heic_is_read_or_says_what_to_install() -> None:
    try:
        import pillow_heif
    except ImportError:
        head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
        with pytest.raises(PosterError, match=r"keyart\[heif\]"):
            decode(head)
        return
    file = io.BytesIO()
    pillow_heif.from_pillow(gradient()).save(file, quality=95)
    pixels = decode(file.getvalue())
    assert np.abs(pixels.astype(int) - np.asarray(gradient()).astype(int)).mean() < 8


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000"),
        (b"%PDF-1.7\n" + bytes(40), "PDF"),
        (b"8BPS\0\1" + bytes(40), "Photoshop"),
        (b"<!DOCTYPE html><title>404</title>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_formats_that_are_not_read_are_refused_by_name(data: bytes, name: str) -> None:
    with pytest.raises(PosterError, match=f"not a picture in a known format .*, but {name}"):
        decode(data)


def webp_header(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def test_a_huge_webp_is_refused_before_room_is_made_for_it() -> None:
    with pytest.raises(PosterError, match="16383x8000, over 80,000,000 pixels"):
        decode(webp_header(16_383, 8_000))


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_size_of_a_webp_is_read_from_its_header(lossless: bool, mode: str) -> None:
    data = encoded(gradient(mode, (61, 93)), "WEBP", lossless=lossless)
    assert webp_size(data) == (61, 93)


def test_scans_are_bounded_together_with_pixels() -> None:
    data = encoded(Image.new("L", (4_000, 4_000), 128), "JPEG", progressive=True, quality=5)
    start = data.rindex(b"\xff\xda")
    with pytest.raises(PosterError, match="scans and 4000x4000 pixels takes too long"):
        decode(data[:start] + data[start:-2] * 60 + b"\xff\xd9")
    assert decode(data).shape == (4_000, 4_000, 3)


def test_a_tile_larger_than_any_picture_is_refused() -> None:
    data = encoded(gradient(), "TIFF")
    tags = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[tags : tags + 2], "little")
    tiles = struct.pack("<HHIIHHII", 322, 4, 1, 65_000, 323, 4, 1, 65_000)
    entries = data[tags + 2 : tags + 2 + 12 * count]
    moved = struct.pack("<H", count + 2) + entries + tiles + bytes(4)
    with pytest.raises(PosterError, match="takes too long"):
        decode(data[:4] + struct.pack("<I", len(data)) + data[8:] + moved)
