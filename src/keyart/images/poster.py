"""A poster as users have it: a path, bytes, a PIL image, or an array of pixels."""

import os
import stat
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from keyart.copies import local_poster
from keyart.errors import PosterError, StoreError, why
from keyart.images.decode import Pixels, to_rgb
from keyart.printable import printable
from keyart.stores.paths import RemotePath, place

Poster = str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[np.uint8]

MAX_BYTES = 100_000_000  # a JPEG of 80 million pixels, the most that is decoded


class KeptPoster(os.PathLike[str], ABC):
    """A poster that is kept somewhere else than in a file of its own, such as in an archive.

    As a path it is only a name for people; `read` gives its bytes.
    """

    @abstractmethod
    def __fspath__(self) -> str:
        """Where it is, for people."""

    @abstractmethod
    def read(self) -> bytes:
        """Its content, at most MAX_BYTES. Raises PosterError. Many threads may call it."""


def name_of(poster: Poster, fallback: str = "poster") -> str:
    """What answers call a poster: its path, as text, or `fallback` if it has none."""
    if isinstance(poster, str | os.PathLike):
        return printable(poster)
    return fallback


def content_of(poster: Poster) -> bytes | Pixels:
    """A poster's file, or its RGB pixels (height, width, 3) if it is decoded already.

    A PIL image is converted as a file with the same pixels would be. Raises PosterError for a file
    that cannot be read, and for an array of another shape or dtype.
    """
    if isinstance(poster, bytes | bytearray | memoryview):
        return bytes(poster)
    if isinstance(poster, KeptPoster):
        return poster.read()
    if isinstance(poster, str | os.PathLike):
        return read_file(place(poster))
    if isinstance(poster, Image.Image):
        return to_rgb(poster)
    if isinstance(poster, np.ndarray):
        if poster.dtype != np.uint8 or poster.ndim != 3 or poster.shape[2] != 3:
            raise PosterError(
                f"an array of {poster.dtype} {poster.shape}; give uint8 (height, width, 3), RGB"
            )
        return poster
    raise PosterError(
        f"{type(poster).__name__} is not a poster; give a path, bytes, a PIL image or a uint8 array"
    )


def read_file(path: Path) -> bytes:
    """The content of a poster's file, also of one in a store. Raises PosterError."""
    if isinstance(path, RemotePath):
        try:
            path = local_poster(path, MAX_BYTES)
        except StoreError as error:
            raise PosterError(str(error).removeprefix(f"{path}: ")) from error
        except OSError as error:
            raise PosterError(why(error)) from error
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # reading a pipe or a device may never end
            raise PosterError("is a folder" if stat.S_ISDIR(facts.st_mode) else "not a file")
        check_size(facts.st_size)
        return path.read_bytes()
    except OSError as error:
        raise PosterError(why(error)) from error
    except ValueError as error:  # a null character in the path
        raise PosterError(str(error)) from error


def check_size(size: int) -> None:
    """Raise PosterError if a file has too many bytes for a poster."""
    if size > MAX_BYTES:
        raise PosterError(f"{size:,} bytes; a poster has at most {MAX_BYTES:,}")
