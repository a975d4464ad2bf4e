"""Real posters, as they are found: where KEYART_REAL_POSTERS names a folder of them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keyart.images.decode import decode
from keyart.images.spec import ImageSpec

FOLDER = os.environ.get("KEYART_REAL_POSTERS")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="KEYART_REAL_POSTERS names no folder of real posters"
)


def originals() -> list[Path]:
    return sorted(Path(str(FOLDER), "originals").iterdir())


def test_every_original_decodes_as_pillow_decodes_it() -> None:
    files = originals()
    assert len(files) >= 500
    for file in files:
        pixels = decode(file.read_bytes())
        with Image.open(file) as image:
            assert pixels.shape == (image.height, image.width, 3)
            pillow = np.asarray(image.convert("RGB")).astype(int)
        # Two JPEG decoders may round, and smooth colours between pixels, differently.
        assert np.abs(pixels.astype(int) - pillow).mean() < 2


def test_an_original_and_its_small_copy_are_prepared_alike() -> None:
    spec = ImageSpec()
    drifts = []
    for file in originals()[:200]:
        small = Path(str(FOLDER), "images", f"{file.stem}.webp")
        if small.exists():
            one, other = (spec.prepare(path.read_bytes()).astype(int) for path in (file, small))
            drifts.append(np.abs(one - other).mean())
    assert len(drifts) > 100
    assert np.median(drifts) < 8
