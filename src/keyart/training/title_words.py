"""What a sentence encoder knows of single words, put into the n-grams of a title model.

Each word of the titles gets a vector, its encoder's, and a linear head on the sum of a title's word
vectors is fitted together with the weights of its n-grams. The sum is linear in the words, so what
it says becomes part of the words' weights: a word of one title is known by words that are like it,
and the saved model is n-grams alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.calibration import sigmoid
from keyart.evaluation.metrics import Flags
from keyart.evaluation.title_vectors import keep_vectors
from keyart.text_encoder import TextEncoder
from keyart.title_model import Floats
from keyart.titles import Hashes, hash_of, readable_title, title_parts, words_of

# Chosen on the validation films of docs/results.md, by the mAP of poster, title and year: 0.404
# without vectors of words; scale 6 and 15: 0.410, 0.410; 256 numbers, 10 and 20: 0.411, 0.409.
_NUMBERS, _SCALE = 128, 15.0
_STEPS = 60


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words as `title_ngrams` has them, by their hashes, which rise: vectors (words, numbers)."""

    hashes: Hashes
    vectors: npt.NDArray[np.float32]


def word_vectors(
    titles: Sequence[str],
    encoder: TextEncoder,
    catalog: Path,
    progress: Callable[[int, int], None] | None = None,
) -> WordVectors:
    """The vectors of all words of titles: the principal components of those of an encoder.

    The encoder reads a word as most titles write it. catalog: the folder that keeps its vectors.
    progress: called with (done, total) words. Raises BundleError.
    """
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for title in titles:
        readable = readable_title(title).split(" / ")
        for part, written in zip(title_parts(title), readable, strict=False):
            words, as_written = words_of(part), words_of(written)
            if len(words) == len(as_written):
                for word, form in zip(words, as_written, strict=True):
                    forms[word][form] += 1
    if not forms:
        return WordVectors(np.empty(0, np.uint32), np.empty((0, 0), np.float32))
    by_hash = {hash_of(f"={word}"): word for word in forms}
    hashes = np.array(sorted(by_hash), np.uint32)
    chosen = [forms[by_hash[hashed]].most_common(1)[0][0] for hashed in hashes.tolist()]
    keep_vectors(encoder, chosen, catalog, progress)
    films = np.array([forms[by_hash[hashed]].total() for hashed in hashes.tolist()])
    vectors = encoder.vectors(chosen).astype(np.float64)
    vectors -= np.average(vectors, axis=0, weights=films)
    _, axes = np.linalg.eigh(vectors.T @ vectors)  # the largest component comes last
    reduced = vectors @ axes[:, -_NUMBERS:]
    reduced *= _SCALE / max(float(np.sqrt((reduced**2).sum(1).mean())), 1e-12)
    return WordVectors(hashes, reduced.astype(np.float32))


def fit_with_words(
    inputs: Any,
    by_words: npt.NDArray[np.float32],
    truth: Flags,
    labelled: Flags,
    start: Floats,
    strength: float,
) -> tuple[Floats, Floats]:
    """The weights of logistic regressions on two kinds of inputs: (inputs, genres) of each.

    inputs: a sparse matrix (films, inputs). by_words: (films, numbers). labelled: (films, genres),
    whether the truth is known. start: weights of `inputs` from which to begin. strength: C.
    """
    from scipy.optimize import minimize

    (films, width), numbers, genres = inputs.shape, by_words.shape[1], truth.shape[1]
    rows, columns = inputs.astype(np.float32).tocsr(), inputs.T.astype(np.float32).tocsr()
    across = np.ascontiguousarray(by_words.T)
    known, having = labelled.astype(np.float32), truth.astype(np.float32)
    rate = (having * known).sum(0) + 1
    rate /= known.sum(0) + 2

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(-1, genres).astype(np.float32)
        own, head, intercept = weights[:width], weights[width:-1], weights[-1]
        logits = rows @ own + by_words @ head + intercept
        gap = known * (sigmoid(logits).astype(np.float32) - having)
        fit = (known * (np.logaddexp(0, logits) - having * logits)).sum(dtype=np.float64)
        size = (weights[:-1] ** 2).sum(dtype=np.float64) / (2 * strength)
        slope = np.vstack(
            [columns @ gap + own / strength, across @ gap + head / strength, gap.sum(0)[None]]
        )
        return float(fit + size) / films, slope.astype(np.float64).ravel() / films

    first = np.vstack([start, np.zeros((numbers, genres)), np.log(rate / (1 - rate))[None]])
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    weights = found.x.reshape(-1, genres)
    return weights[:width], weights[width:-1]
