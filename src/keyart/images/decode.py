"""Bytes to RGB, or a PosterError that says why not: the only way to decode posters."""

from collections.abc import Iterator
from contextlib import contextmanager

from keyart.errors import PosterError
from keyart.images.apart import decode_apart
from keyart.images.budget import decode_budget
from keyart.images.codecs import MAX_PIXELS, UNKNOWN, Pixels, check_size, decode_kind, to_rgb
from keyart.images.cost import Cost, cost_of
from keyart.images.kind import READ, kind_of

__all__ = ["MAX_PIXELS", "Pixels", "check_size", "decode", "decoding", "is_large", "to_rgb"]


def decode(
    data: bytes,
    *,
    at_least: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    patience: float | None = None,
) -> Pixels:
    """Decode a poster to the pixels that a viewer shows.

    data: the file's content, which decides the format; the name does not. An animation gives its
    first frame, transparent pixels are composited on white, an EXIF rotation is applied, and
    colours of an embedded ICC profile become sRGB. Other metadata is not looked at.
    at_least: (height, width) that is enough; a larger JPEG is then decoded at the smallest of
    libjpeg's scales that covers it, which is faster, and other pictures of over 4 million pixels
    are reduced. max_pixels: a larger poster is refused before it is decoded.
    patience: seconds to wait for memory while others are decoded; None means without end.
    Returns (height, width, 3) RGB. Raises PosterError, and PosterWaitsError after `patience`.
    """
    with decoding(data, at_least=at_least, max_pixels=max_pixels, patience=patience) as pixels:
        return pixels


@contextmanager
def decoding(
    data: bytes,
    *,
    at_least: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    patience: float | None = None,
) -> Iterator[Pixels]:
    """As decode(), for as long as the pixels are used: until then they count as memory in use.

    All decodes of this process share a budget of memory (see budget.py). A small file is decoded
    by this thread; one that takes long or much memory, and any of a rare kind, in a process that
    can be ended (see apart.py).
    """
    kind, cost = _checked(data, at_least, max_pixels)
    budget = decode_budget()
    with budget.taking(cost.memory, patience):
        if _is_large(cost):
            yield decode_apart(kind, data, at_least, max_pixels, cost.memory)
        else:
            yield decode_kind(kind, data, at_least, max_pixels)


def is_large(
    data: bytes, at_least: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> bool:
    """Whether decode() takes long or much memory, or a decoder that is rare. Raises PosterError."""
    return _is_large(_checked(data, at_least, max_pixels)[1])


def _is_large(cost: Cost) -> bool:
    return cost.apart or cost.memory > decode_budget().small


def _checked(data: bytes, at_least: tuple[int, int] | None, max_pixels: int) -> tuple[str, Cost]:
    """The kind of a file, and what its decoding takes. Raises PosterError."""
    if not data:
        raise PosterError("the file is empty")
    kind = kind_of(data)
    if kind not in READ:
        raise PosterError(f"{UNKNOWN}, but {kind}; save it as JPEG or PNG" if kind else UNKNOWN)
    return kind, cost_of(kind, data, at_least, max_pixels)
