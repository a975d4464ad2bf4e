"""images/spec.py and images/pixels.py: the one preparation, and the store of what it made."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keyart.errors import PosterError
from keyart.images.pixels import pixel_store
from keyart.images.spec import ImageSpec

SPEC = ImageSpec(height=48, width=32)


def poster(seed: int, size: tuple[int, int] = (64, 96)) -> bytes:
    colours = np.random.default_rng(seed).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).resize(size, Image.Resampling.BILINEAR).save(file, "PNG")
    return file.getvalue()


def test_squash_uses_the_whole_poster() -> None:
    pixels = ImageSpec(32, 32, "squash").prepare(poster(1, (200, 50)))
    assert pixels.shape == (32, 32, 3)
    assert pixels.reshape(-1, 3).std(0).min() > 0


def test_pad_keeps_the_shape_and_fills_with_black() -> None:
    white = Image.new("RGB", (50, 100), "white")
    file = io.BytesIO()
    white.save(file, "PNG")
    pixels = ImageSpec(40, 40, "pad").prepare(file.getvalue())
    assert (pixels[:, 10:30] == 255).all()
    assert (pixels[:, :10] == 0).all()
    assert (pixels[:, 30:] == 0).all()


def test_equal_preparations_have_equal_keys_and_others_differ() -> None:
    assert ImageSpec(48, 32).key == SPEC.key
    others = [ImageSpec(48, 36), ImageSpec(52, 32), ImageSpec(48, 32, "pad")]
    assert len({SPEC.key, *(other.key for other in others)}) == 4


def test_a_spec_survives_json() -> None:
    spec = ImageSpec(224, 160, "pad", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert ImageSpec.from_json(spec.to_json()) == spec


def test_the_store_holds_what_prepare_returns(tmp_path: Path) -> None:
    posters = [poster(seed) for seed in range(70)]
    seen: list[tuple[int, int]] = []
    pixels = pixel_store(
        tmp_path, "f" * 64, SPEC, 70, lambda: iter(posters), lambda *done: seen.append(done)
    )
    assert pixels.shape == (70, 48, 32, 3)
    assert isinstance(pixels, np.memmap)
    assert all((pixels[row] == SPEC.prepare(data)).all() for row, data in enumerate(posters))
    assert seen[-1] == (70, 70)


def test_the_store_is_made_once_and_again_for_a_changed_catalog(tmp_path: Path) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("decoded again")

    first = pixel_store(tmp_path, "a" * 64, SPEC, 1, lambda: iter([poster(1)]))
    assert (pixel_store(tmp_path, "a" * 64, SPEC, 1, never) == first).all()
    pixel_store(tmp_path, "b" * 64, SPEC, 2, lambda: iter([poster(1), poster(2)]))
    assert len(list((tmp_path / "pixels").iterdir())) == 1


def test_a_poster_that_no_longer_decodes_leaves_no_store(tmp_path: Path) -> None:
    with pytest.raises(PosterError):
        pixel_store(tmp_path, "a" * 64, SPEC, 2, lambda: iter([poster(1), b"broken"]))
    assert list((tmp_path / "pixels").iterdir()) == []


def test_too_few_posters_leave_no_store(tmp_path: Path) -> None:
    with pytest.raises(PosterError, match="has 1 posters, expected 3"):
        pixel_store(tmp_path, "a" * 64, SPEC, 3, lambda: iter([poster(1)]))
    assert list((tmp_path / "pixels").iterdir()) == []


def test_a_killed_build_leaves_no_store_and_the_next_one_works(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from keyart.images.pixels import pixel_store
        from keyart.images.spec import ImageSpec
        data = Path(sys.argv[2]).read_bytes()
        def posters():
            for number in range(500):
                yield data
                time.sleep(0.01)
        pixel_store(Path(sys.argv[1]), "a" * 64, ImageSpec(48, 32), 500, posters)
    """)
    file = tmp_path / "poster.png"
    file.write_bytes(poster(1))
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path, file])
    folder = tmp_path / "pixels"
    deadline = time.monotonic() + 30
    while not (folder.is_dir() and list(folder.iterdir())):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(folder.glob("*.npy"))
    pixels = pixel_store(tmp_path, "a" * 64, SPEC, 1, lambda: iter([poster(1)]))
    assert (pixels[0] == SPEC.prepare(poster(1))).all()
    assert [file.suffix for file in folder.iterdir()] == [".npy"]
