"""The vectors of titles: computed once by a sentence encoder, and kept in the catalog's folder."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from keyart.catalog.row_store import RowStore
from keyart.text_encoder import TextEncoder
from keyart.titles import readable_title

_BLOCK = 4_096  # titles between two calls of progress, and at least as many between two writes


def keep_vectors(
    encoder: TextEncoder,
    titles: Iterable[str],
    catalog: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Let an encoder know the vectors of these titles, from CATALOG/features or computed.

    progress: called with (done, total) titles while some are computed. Raises BundleError.
    """
    texts = sorted(filter(None, {readable_title(title) for title in titles}), key=len)
    if not texts:
        return
    store = RowStore(catalog / "features", f"titles-{encoder.fingerprint[:24]}")
    names = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
    missing = store.missing(names)
    start = 0
    while start < len(missing):
        # Each write copies the store: blocks that grow with it keep all writes to a few times that.
        block = _BLOCK * max(1, len(store) // (4 * _BLOCK))
        rows = missing[start : start + block]
        vectors = []
        for part in range(0, len(rows), _BLOCK):
            vectors.append(encoder.compute([texts[row] for row in rows[part : part + _BLOCK]]))
            if progress:
                progress(start + min(part + _BLOCK, len(rows)), len(missing))
        store.add([names[row] for row in rows], np.concatenate(vectors))
        start += block
    encoder.keep(texts, store.of(names), all_of_them=True)
