"""The vectors of titles: computed once by a sentence encoder, and kept in the catalog's folder."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from keyart.catalog.row_store import RowStore
from keyart.text_encoder import TextEncoder
from keyart.titles import readable_title

_BLOCK = 4_096  # titles between two writes; what is written is not computed again after a stop


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
    for start in range(0, len(missing), _BLOCK):
        rows = missing[start : start + _BLOCK]
        store.add([names[row] for row in rows], encoder.compute([texts[row] for row in rows]))
        if progress:
            progress(start + len(rows), len(missing))
    encoder.keep(texts, store.of(names), all_of_them=True)
