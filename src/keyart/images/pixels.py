"""Posters decoded and resized once, kept as bytes in a memory-mapped file beside their catalog."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from keyart.errors import PosterError
from keyart.files import replacing
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec

_CHUNK = 32  # posters a task: enough to hide the pool's overhead, few enough to keep memory flat


class PixelRows(Protocol):
    """The prepared posters of a catalog, of which rows can be taken: a pixel store."""

    def __getitem__(self, rows: npt.NDArray[np.int64], /) -> Pixels:
        """The prepared posters (rows, ...) of these rows."""
        ...


def pixel_store(
    catalog: Path,
    fingerprint: str,
    spec: ImageSpec,
    count: int,
    posters: Callable[[], Iterator[bytes]],
    progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """The pixels of all posters of a catalog, made on first use and mapped from then on.

    catalog: its folder. fingerprint: of its contents. posters: gives its `count` posters in
    order. progress: called with (done, count). Returns a read-only memory map of shape
    (count, height, width, 3). Raises PosterError where a poster no longer decodes.
    """
    path = catalog / "pixels" / f"{fingerprint[:16]}-{spec.key}.npy"
    if not path.exists():
        with replacing(path) as beside:
            _build(beside, spec, count, posters(), progress)
        _forget_others(path, fingerprint)
    pixels: Pixels = np.load(path, mmap_mode="r")
    return pixels


def _build(
    path: Path,
    spec: ImageSpec,
    count: int,
    posters: Iterator[bytes],
    progress: Callable[[int, int], None] | None,
) -> None:
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False}
        shape = (count, spec.height, spec.width, 3)
        np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
        done = 0
        for block in prepare_all(posters, spec):
            file.write(block.data)  # written, not mapped: dirty pages of a map count as memory
            done += len(block)
            if progress:
                progress(done, count)
    if done != count:
        raise PosterError(f"the catalog promised {count} posters and gave {done}; check it")


def prepare_all(posters: Iterator[bytes], spec: ImageSpec) -> Iterator[Pixels]:
    """Prepare posters on all cores, in order, a bounded number at a time.

    Yields blocks of shape (up to 32, *spec.shape). Raises PosterError.
    """
    workers = os.cpu_count() or 1
    waiting: deque[Future[Pixels]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(posters, _CHUNK)):
            waiting.append(pool.submit(_prepare_chunk, chunk, spec))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _prepare_chunk(chunk: list[bytes], spec: ImageSpec) -> Pixels:
    return np.stack([spec.prepare(data) for data in chunk])


def _forget_others(path: Path, fingerprint: str) -> None:
    """Remove stores of earlier states of the catalog, and what killed builds left behind."""
    for other in path.parent.iterdir():
        stale = other.suffix == ".npy" and not other.name.startswith(fingerprint[:16])
        # A build that lives wrote within the last hour; another process may be at it.
        abandoned = other.suffix == ".partial" and other.stat().st_mtime < time.time() - 3600
        if stale or abandoned:
            other.unlink(missing_ok=True)
