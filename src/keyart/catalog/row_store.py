"""Rows of numbers in a catalog's folder, each under a name, computed once and kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.files import replacing, write_array, write_text

Rows = npt.NDArray[Any]


class RowStore:
    """One file of rows, FOLDER/KEY.npy, and the list of what they are of, FOLDER/KEY.txt."""

    def __init__(self, folder: Path, key: str) -> None:
        self._array, self._names = folder / f"{key}.npy", folder / f"{key}.txt"
        # The list is written last: rows without a list do not count.
        known = self._names.read_text().split() if self._names.exists() else []
        self._rows = {name: row for row, name in enumerate(known)}

    def __len__(self) -> int:
        return len(self._rows)

    def missing(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Places of the names that are not stored yet; the first place if a name repeats."""
        seen = set(self._rows)
        places = []
        for place, name in enumerate(names):
            if name not in seen:
                places.append(place)
                seen.add(name)
        return np.array(places, np.int64)

    def add(self, names: Sequence[str], rows: Rows) -> None:
        """Append rows, whole or not at all."""
        known = list(self._rows)
        old = np.load(self._array, mmap_mode="r")[: len(known)] if known else rows[:0]
        with replacing(self._array) as partial:
            write_array(partial, np.concatenate([old, rows]))
        known += names
        write_text(self._names, "\n".join(known))
        self._rows = {name: row for row, name in enumerate(known)}

    def of(self, names: Sequence[str]) -> Rows:
        """The rows (names, numbers) of these names; memory-mapped if in stored order."""
        rows = np.array([self._rows[name] for name in names])
        stored: Rows = np.load(self._array, mmap_mode="r")
        if np.array_equal(rows, np.arange(len(rows))):
            return stored[: len(rows)]
        taken: Rows = stored[rows]
        return taken
