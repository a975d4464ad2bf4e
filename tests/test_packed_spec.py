"""images/spec.py's PackedSpec: one preparation for several networks, byte for byte their own."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keyart.errors import PosterError
from keyart.images import decode as decoding
from keyart.images.pixels import pixel_rows, pixel_store
from keyart.images.spec import ImageSpec, PackedSpec, pack_specs, spec_from_json

LARGE, SQUARE, SMALL = ImageSpec(), ImageSpec(128, 128, "pad"), ImageSpec(96, 64)
PACKED = PackedSpec((LARGE, SQUARE, SMALL))


def poster(format: str, size: tuple[int, int] = (300, 444), seed: int = 0) -> bytes:
    colours = np.random.default_rng(seed).integers(0, 256, (60, 40, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC).save(file, format)
    return file.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(300, 444), (90, 60), (1200, 1800)])
def test_each_network_gets_the_very_bytes_that_it_gets_by_itself(
    format: str, size: tuple[int, int]
) -> None:
    data = poster(format, size)
    packed = PACKED.prepare(data)
    assert packed.shape == PACKED.shape
    alone = [part.prepare(data) for part in PACKED.parts]
    assert (packed == np.concatenate([pixels.ravel() for pixels in alone])).all()
    assert (PACKED.pack([pixels[None] for pixels in alone])[0] == packed).all()


def test_a_poster_is_decoded_once_at_each_scale_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode, decoded = decoding.decode, []

    def counting(data: bytes, **options: object) -> decoding.Pixels:
        decoded.append(options["at_least"])
        return decode(data, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "decode", counting)
    PACKED.prepare(poster("PNG"))
    assert len(decoded) == 1
    decoded.clear()
    # Of 444x300: the whole for the first, three quarters for both of the others.
    sizes = (ImageSpec(222, 150), ImageSpec(160, 106), ImageSpec(166, 110))
    PackedSpec(sizes).prepare(poster("JPEG"))
    assert len(decoded) == 2


def test_equal_preparations_are_made_once() -> None:
    otherwise_normalised = ImageSpec(mean=(0.5, 0.5, 0.5))
    assert pack_specs([LARGE, otherwise_normalised]) == otherwise_normalised
    assert pack_specs([LARGE, SMALL, LARGE]) == PackedSpec((LARGE, SMALL))
    assert pack_specs([PackedSpec((LARGE, SMALL)), SQUARE, SMALL]) == PackedSpec(
        (LARGE, SMALL, SQUARE)
    )


@pytest.mark.parametrize("spec", [LARGE, PACKED])
def test_a_preparation_survives_json(spec: ImageSpec | PackedSpec) -> None:
    assert spec_from_json(spec.to_json()) == spec


def test_what_is_no_poster_is_said() -> None:
    with pytest.raises(PosterError, match="the file is empty"):
        PACKED.prepare(b"")
    with pytest.raises(PosterError, match="too large"):
        PACKED.prepare(poster("JPEG"), max_pixels=1_000)


def test_rows_of_a_catalog_are_taken_from_the_stores_of_the_parts(tmp_path: Path) -> None:
    posters = [poster("JPEG", seed=seed) for seed in range(5)]
    spec = PackedSpec((SMALL, SQUARE))
    small = pixel_store(tmp_path, "a" * 64, SMALL, 5, lambda: iter(posters))
    rows = pixel_rows(tmp_path, "a" * 64, spec, 5, lambda: iter(posters))
    taken = rows[np.array([3, 0])]
    assert (taken == np.stack([spec.prepare(posters[row]) for row in (3, 0)])).all()
    assert (taken[:, : small[0].size] == small[[3, 0]].reshape(2, -1)).all()
    assert len(list((tmp_path / "pixels").iterdir())) == 2
