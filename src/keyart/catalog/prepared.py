"""The films of a catalog as a network takes them: prepared posters, facts, or both."""

import numpy as np
import numpy.typing as npt

from keyart.catalog.table import CatalogTable
from keyart.images.decode import Pixels
from keyart.images.pixels import PixelRows, pixel_store
from keyart.images.spec import FilmSpec, ImageSpec
from keyart.parallel import Progress


class _FilmRows:
    """Rows of facts, after the rows of a pixel store if there is one."""

    def __init__(self, pixels: PixelRows | None, facts: Pixels) -> None:
        self._pixels, self._facts = pixels, facts

    def __getitem__(self, rows: npt.NDArray[np.int64], /) -> Pixels:
        facts = self._facts[rows]
        if self._pixels is None:
            return facts
        return np.concatenate([self._pixels[rows].reshape(len(facts), -1), facts], axis=1)


def prepared_films(
    catalog: CatalogTable,
    spec: ImageSpec | FilmSpec,
    progress: Progress | None = None,
) -> PixelRows:
    """The films of a catalog by row, as a network of this spec takes them.

    progress: called with (done, total) while posters are decoded, which happens once.
    """
    if not isinstance(spec, FilmSpec):
        return _posters(catalog, spec, progress)
    titles, years = (catalog.to_table()[column].to_pylist() for column in ("title", "year"))
    posters = _posters(catalog, spec.image, progress) if spec.uses_poster else None
    return _FilmRows(posters, spec.facts(titles, years))


def _posters(catalog: CatalogTable, spec: ImageSpec, progress: Progress | None) -> PixelRows:
    return pixel_store(
        catalog.path, catalog.fingerprint, spec, len(catalog), catalog.posters, progress
    )
