"""Posters decoded and resized once, kept as bytes in a memory-mapped file in their catalog."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from keyart.errors import PosterError
from keyart.files import replacing, sweep
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec
from keyart.parallel import Progress, batches, ordered

_BATCH = 32  # posters a task: enough to hide the pool's overhead, few enough to keep memory flat


class PixelRows(Protocol):
    """The prepared films of a catalog, to take rows from."""

    def __getitem__(self, rows: npt.NDArray[np.int64], /) -> Pixels:
        """The prepared films (rows, ...) of these rows."""
        ...


def pixel_store(
    catalog: Path,
    fingerprint: str,
    spec: ImageSpec,
    count: int,
    posters: Callable[[], Iterator[bytes]],
    progress: Progress | None = None,
) -> Pixels:
    """The pixels of all posters of a catalog, made on first use and mapped from then on.

    catalog: its folder. fingerprint: of its content. posters: returns its `count` posters in
    order. progress: called with (done, count). Returns a read-only memory map of shape
    (count, height, width, 3). Raises PosterError if a poster no longer decodes.
    """
    path = catalog / "pixels" / f"{fingerprint[:16]}-{spec.key}.npy"
    if not path.exists():
        with replacing(path) as partial:
            _build(partial, spec, count, posters(), progress)
        _forget_others(path, fingerprint)
    pixels: Pixels = np.load(path, mmap_mode="r")
    return pixels


def _build(
    path: Path,
    spec: ImageSpec,
    count: int,
    posters: Iterator[bytes],
    progress: Progress | None,
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
        raise PosterError(
            f"the catalog has {done} posters, expected {count}; run keyart catalog check"
        )


def prepare_all(posters: Iterator[bytes], spec: ImageSpec) -> Iterator[Pixels]:
    """Prepare posters on all cores, in order, with bounded memory.

    Yields blocks of shape (up to 32, *spec.shape). Raises PosterError.
    """

    def prepare(batch: list[bytes]) -> Pixels:
        return np.stack([spec.prepare(data) for data in batch])

    return ordered(prepare, batches(posters, _BATCH))


def _forget_others(path: Path, fingerprint: str) -> None:
    """Remove stores of earlier states of the catalog, and leftovers of killed processes."""
    for other in path.parent.glob("*.npy"):
        if not other.name.startswith(fingerprint[:16]):
            other.unlink(missing_ok=True)
    sweep(path.parent)
