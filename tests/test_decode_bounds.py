"""images/cost.py, budget.py and apart.py: no poster takes long, much memory, or others down."""

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keyart.errors import PosterError, PosterWaitsError
from keyart.images import apart
from keyart.images.apart import decode_apart
from keyart.images.budget import MEGABYTE, Budget
from keyart.images.codecs import MAX_PIXELS, decode_kind
from keyart.images.cost import cost_of
from keyart.images.decode import decode
from keyart.images.kind import kind_of
from tests.pictures import png_chunk

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def painted(width: int = 60, height: int = 90) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (9, 6, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


JPEG, PNG, GIF, WEBP = (encoded(painted(), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP"))
PALETTE = 13 + 3 * (2 << (GIF[10] & 7))  # where the colours of the GIF end


# -- one budget ------------------------------------------------------------------------------------


def test_small_posters_pass_while_a_large_one_waits() -> None:
    budget = Budget(80 * MEGABYTE)
    passed = threading.Event()
    with budget.taking(50 * MEGABYTE):

        def wait_for_the_other_large_one() -> None:
            with budget.taking(40 * MEGABYTE):
                passed.set()

        large = threading.Thread(target=wait_for_the_other_large_one)
        large.start()
        for _ in range(100):
            with budget.taking(2 * MEGABYTE, patience=5):
                assert not passed.is_set()
    assert passed.wait(5)
    large.join()


def test_a_large_poster_is_not_overtaken_by_those_that_came_later() -> None:
    budget = Budget(80 * MEGABYTE)
    order: list[int] = []

    def take(amount: int) -> None:
        with budget.taking(amount * MEGABYTE):
            order.append(amount)

    with budget.taking(20 * MEGABYTE):
        threads = []
        for amount in (55, 15, 16):  # the last two would fit at once
            threads.append(threading.Thread(target=take, args=(amount,)))
            threads[-1].start()
            time.sleep(0.05)
        assert order == []
    for thread in threads:
        thread.join()
    assert order[0] == 55


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_the_budget_is_never_exceeded_and_everybody_gets_in(amounts: list[int]) -> None:
    budget = Budget(80 * MEGABYTE)
    lock = threading.Lock()
    held, most = 0, 0

    def take(amount: int) -> None:
        nonlocal held, most
        with budget.taking(amount * MEGABYTE, patience=10):
            with lock:
                held += amount
                most = max(most, held)
            time.sleep(0.0005)
            with lock:
                held -= amount

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, amounts))
    assert most <= 80


def test_a_poster_that_never_fits_is_refused_and_one_that_waits_too_long_is_put_off() -> None:
    budget = Budget(80 * MEGABYTE)
    with (
        pytest.raises(PosterError, match="takes about 61 MB of memory, over 60 MB"),
        budget.taking(61 * MEGABYTE),
    ):
        pass
    with (
        budget.taking(60 * MEGABYTE),
        pytest.raises(PosterWaitsError),
        budget.taking(60 * MEGABYTE, patience=0.01),
    ):
        pass
    with budget.taking(60 * MEGABYTE, patience=0.01):  # the refusal left nothing behind
        pass


def test_a_refused_poster_gives_its_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(80 * MEGABYTE)
    monkeypatch.setattr("keyart.images.decode.decode_budget", lambda: budget)
    cut = encoded(painted(1_000, 1_500), "PNG")[:5_000]
    for _ in range(20):
        with pytest.raises(PosterError, match="damaged PNG"):
            decode(cut, patience=1)


# -- what a file costs -----------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_larger_picture_of_any_format_costs_more_and_too_large_a_one_is_refused(
    format: str,
) -> None:
    costs = []
    for size in (100, 200):
        data = encoded(painted(size, 2 * size), format)
        kind = kind_of(data)
        assert kind is not None
        costs.append(cost_of(kind, data, None, MAX_PIXELS).memory)
        with pytest.raises(PosterError, match=f"{size}x{2 * size}, over 1,000 pixels"):
            cost_of(kind, data, None, 1_000)
    assert costs[0] >= 3 * 100 * 200
    assert costs[1] >= 3 * 200 * 400


@on_linux
@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
        ("JPEG", "CMYK", {"progressive": True}),
        ("PNG", "RGBA", {"compress_level": 1}),
        ("PNG", "I;16", {"compress_level": 1}),
        ("WEBP", "RGBA", {"lossless": True, "method": 0}),
        ("GIF", "P", {}),
        ("BMP", "RGB", {}),
        ("TIFF", "CMYK", {"compression": "tiff_lzw"}),
        ("AVIF", "RGBA", {"speed": 10}),
    ],
)
def test_no_picture_takes_more_memory_than_estimated_from_its_header(
    format: str, mode: str, options: dict[str, object]
) -> None:
    image = painted(2_000, 3_000)
    image = Image.new("I;16", image.size, 9_000) if mode == "I;16" else image.convert(mode)
    data = encoded(image, format, **options)
    script = (
        "import sys; from keyart.images.codecs import decode_kind\n"
        "data = sys.stdin.buffer.read()\n"
        "def peak():\n"
        "    line = next(x for x in open('/proc/self/status') if 'VmHWM' in x)\n"
        "    return int(line.split()[1])\n"
        f"before = peak(); decode_kind({format!r}, data, None, 10**8)\n"
        "print(1024 * (peak() - before))"
    )
    command = [sys.executable, "-c", script]
    taken = int(subprocess.run(command, input=data, capture_output=True, check=True).stdout)
    # A library that is loaded late has some MB of its own.
    assert taken < cost_of(format, data, None, MAX_PIXELS).memory + 8 * MEGABYTE


# -- bounded work ----------------------------------------------------------------------------------


@cache
def zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)) + packer.flush()


def with_many(jpeg: bytes, segment: bytes, count: int) -> bytes:
    return jpeg[:2] + segment * count + jpeg[2:]


def overlapping_tags(count: int) -> bytes:
    """A TIFF of many tags with the same two million values."""
    size = 2_000_000
    tags = [(256, 4, 1, 60), (257, 4, 1, 90), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 90), (279, 4, 1, 5_400)]  # fmt: skip
    tags += [(50_000 + number, 1, size, 8) for number in range(count)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    start = b"II*\0" + struct.pack("<I", 8 + size) + bytes(size)
    return start + struct.pack("<H", len(tags)) + entries + bytes(4)


def in_gif(blocks: bytes) -> bytes:
    return GIF[:PALETTE] + blocks + GIF[PALETTE:]


EXIF = b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)


@pytest.mark.parametrize(
    "build",
    [
        lambda: png_chunk(b"IDAT", zeros(200)).join([PNG[: PNG.index(b"IDAT") - 4], PNG[-12:]]),
        lambda: PNG[:33] + png_chunk(b"iTXt", b"XML\0\1\0\0\0" + zeros(200)) + PNG[33:],
        lambda: PNG[:33] + png_chunk(b"teXt", b"") * 1_000_000 + PNG[33:],
        lambda: PNG[:33] + png_chunk(b"PLTE", bytes(768)) * 20_000 + PNG[33:],
        lambda: JPEG[:2] + b"\xff" * 5_000_000 + JPEG[3:],
        lambda: with_many(JPEG, b"\xff\xe3\0\2", 4_000_000),
        lambda: with_many(JPEG, EXIF, 480),
        lambda: with_many(JPEG, b"\xff\xe1\0\x50Exif\0\0" + bytes(0x48), 45_000),
        lambda: in_gif(b"\x21\xfe" + (b"\xff" + bytes(255)) * 45_000 + b"\0"),
        lambda: in_gif(b"\x21\xfe" + b"\1x" * 8_000_000 + b"\0"),
        lambda: in_gif(b"\x21\xfe\0" * 5_000_000),
        lambda: in_gif(bytes(16_000_000)),
        lambda: WEBP[:4] + struct.pack("<I", len(WEBP) + 16_000_000 - 8) + WEBP[8:]
        + b"ABCD\0\0\0\0" * 2_000_000,
        lambda: overlapping_tags(3_000),
    ],
    ids=["png-zeros", "png-text", "png-chunks", "png-palettes", "jpeg-fill", "jpeg-segments",
         "jpeg-exif", "jpeg-small-exif", "gif-comment", "gif-tiny-blocks", "gif-comments",
         "gif-zeros", "webp-chunks", "tiff-tags"],
)  # fmt: skip
def test_a_small_picture_with_a_mass_of_anything_takes_less_than_two_seconds(
    build: Callable[[], bytes],
) -> None:
    data = build()
    began = time.process_time()
    reason = ""
    try:
        assert decode(data).shape == (90, 60, 3)
    except PosterError as error:
        reason = str(error)
    assert "takes over" not in reason, "only the deadline stopped it"
    assert time.process_time() - began < 2


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_only_the_first_of_many_pictures_is_decoded(format: str) -> None:
    first = painted()
    options: dict[str, object] = {"lossless": True} if format == "WEBP" else {}
    one = encoded(first, format, **options)
    more = [first.rotate(3 * number) for number in range(60)]
    many = encoded(first, format, save_all=True, append_images=more, **options)
    assert len(many) > 10 * len(one)
    assert np.abs(decode(many).astype(int) - decode(one)).max() <= 1


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_file_that_ends_in_its_header_is_refused(format: str) -> None:
    data = encoded(painted(), format)
    for length in range(1, 120):
        with pytest.raises(PosterError):
            decode(data[:length])


def test_a_tiff_that_points_past_every_address_is_refused_as_any_damaged_one() -> None:
    image = Image.new("RGB", (40, 60))
    data = bytearray(encoded(image, "TIFF", big_tiff=True))
    data[8:16] = b"\xff" * 8  # where its tags are
    with pytest.raises(PosterError, match="damaged TIFF header"):
        decode(bytes(data))


def test_a_png_has_one_header_and_begins_with_it() -> None:
    header = PNG[8:33]
    for data in (PNG[:33] + header + PNG[33:], PNG[:8] + png_chunk(b"tEXt", b"a\0b") + PNG[8:]):
        with pytest.raises(PosterError, match="PNG"):
            decode(data)


# -- a process that can be ended -------------------------------------------------------------------


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("at_least", [None, (30, 20)])
def test_another_process_decodes_to_the_same_pixels(
    format: str, at_least: tuple[int, int] | None
) -> None:
    data = encoded(painted(300, 450), format)
    here = decode_kind(format, data, at_least, MAX_PIXELS)
    there = decode_apart(format, data, at_least, MAX_PIXELS, 100 * MEGABYTE)
    assert np.array_equal(here, there)


def test_another_process_refuses_with_the_same_words() -> None:
    cut = JPEG[:700]
    with pytest.raises(PosterError) as here:
        decode_kind("JPEG", cut, None, MAX_PIXELS)
    with pytest.raises(PosterError) as there:
        decode_apart("JPEG", cut, None, MAX_PIXELS, 100 * MEGABYTE)
    assert str(here.value) == str(there.value)


def test_a_decode_that_takes_too_long_is_ended_and_the_next_one_works() -> None:
    slow = encoded(Image.new("RGB", (4_000, 4_000)), "PNG", compress_level=1)
    began = time.perf_counter()
    with pytest.raises(PosterError, match=r"takes over 0.02 s to decode"):
        decode_apart("PNG", slow, None, MAX_PIXELS, 200 * MEGABYTE, deadline=0.02)
    assert time.perf_counter() - began < 8  # without a deadline, the default is 10 s
    assert decode_apart("PNG", PNG, None, MAX_PIXELS, 100 * MEGABYTE).shape == (90, 60, 3)


def test_a_process_that_answers_as_its_time_ends_is_not_kept_for_the_next_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask, answered = apart._ask, []

    def late(process: subprocess.Popen[bytes], *rest: object) -> object:
        reply = ask(process, *rest)  # type: ignore[arg-type]
        (timer,) = (one for one in threading.enumerate() if isinstance(one, threading.Timer))
        timer.function()
        answered.append(process)
        return reply

    monkeypatch.setattr(apart, "_ask", late)
    pixels = decode_apart("PNG", PNG, None, MAX_PIXELS, 100 * MEGABYTE)
    assert pixels.shape == (90, 60, 3)
    assert answered[0] not in apart._idle


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals")
def test_a_decoder_that_crashes_takes_only_its_file_down(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = apart._ask

    def crash(process: subprocess.Popen[bytes], *rest: object) -> object:
        os.kill(process.pid, signal.SIGSEGV)
        process.wait()
        return ask(process, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(apart, "_ask", crash)
    with pytest.raises(PosterError, match="damaged PNG file: its decoder crashed"):
        decode_apart("PNG", PNG, None, MAX_PIXELS, 100 * MEGABYTE)
    monkeypatch.undo()
    assert decode_apart("PNG", PNG, None, MAX_PIXELS, 100 * MEGABYTE).shape == (90, 60, 3)


@on_linux
def test_a_file_that_takes_more_memory_than_estimated_gets_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = encoded(Image.new("RGB", (8_900, 8_900)), "PNG", compress_level=1)
    with pytest.raises(PosterError, match="damaged PNG file"):
        decode_apart("PNG", large, None, MAX_PIXELS, 10 * MEGABYTE)
    assert decode_apart("PNG", PNG, None, MAX_PIXELS, 10 * MEGABYTE).shape == (90, 60, 3)


def test_a_large_poster_is_reduced_as_far_as_is_enough() -> None:
    image = painted(2_400, 3_600)
    data = encoded(image, "PNG", compress_level=1)
    height, width, _ = decode(data, at_least=(352, 240)).shape
    assert 352 <= height < 704
    assert 240 <= width < 480
    expected = np.asarray(image.resize((width, height), Image.Resampling.BOX)).astype(int)
    assert np.abs(decode(data, at_least=(352, 240)) - expected).max() <= 3


@on_linux
def test_eight_large_posters_at_once_take_memory_in_turn_and_give_it_back() -> None:
    data = encoded(Image.new("RGB", (16_383, 900), (9, 9, 9)), "WEBP", lossless=True)
    script = """
import sys, threading, time
from pathlib import Path
from keyart.images import apart
from keyart.images.budget import limit_decoding
from keyart.images.spec import ImageSpec

def memory(name, process="self"):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) // 1000

data = sys.stdin.buffer.read()
limit_decoding(500_000_000)
before = memory("VmRSS")
threads = [threading.Thread(target=ImageSpec().prepare, args=(data,)) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
time.sleep(0.3)
others = [process.pid for process in apart._idle]
print(memory("VmHWM") - before, memory("VmRSS") - before, len(others),
      *[memory("VmHWM", pid) for pid in others], *[memory("VmRSS", pid) for pid in others])
"""
    assert len(data) < 2_000
    done = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True)
    assert not done.stderr
    own_most, own_after, others, other_most, other_after = map(int, done.stdout.split())
    assert others == 1  # one after another: 265 MB each, of 375
    assert own_most < 40
    assert own_after < 40
    assert other_most < 320
    assert other_after < 80
