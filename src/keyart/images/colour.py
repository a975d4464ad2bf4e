"""Embedded ICC profiles: colours of any profile to sRGB, at no cost for pictures in sRGB."""

import io
from functools import lru_cache
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

# Printers' profiles have some 3 MB. A larger one is no profile; the picture counts as sRGB.
MAX_PROFILE = 8_000_000
# A profile that changes no colour by more is sRGB: makers round its curves differently.
_SAME = 2
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
