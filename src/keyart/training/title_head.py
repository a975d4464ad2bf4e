"""Learning from titles by a sentence encoder: a linear head on its vectors."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keyart.evaluation.fusing import fit_parts
from keyart.evaluation.metrics import Flags
from keyart.evaluation.title_vectors import keep_vectors
from keyart.text_encoder import TextEncoder, Vectors
from keyart.title_model import Floats, TextHead, TitleModel
from keyart.titles import has_words

_C = 0.01  # of vectors whose numbers have a deviation of 1
_FEWEST_FILMS = 10  # a genre that fewer films have, or lack, is left to the intercept


def with_encoder(
    titles: TitleModel,
    encoder: TextEncoder,
    learned: tuple[Sequence[str], Flags, Flags],
    validation: tuple[Sequence[str], Flags],
    catalog: Path,
    progress: Callable[[int, int], None] | None = None,
) -> TitleModel:
    """A model of n-grams that also reads titles with a sentence encoder.

    learned: the titles to learn from, their truth (films, genres) and whether it is known.
    validation: titles that the n-grams have not seen, and their truth; how much n-grams and encoder
    count is fitted on them. Vectors are kept in the catalog's folder. Raises BundleError.
    """
    names, truth, labelled = learned
    keep_vectors(encoder, [*names, *validation[0]], catalog, progress)
    having = [place for place, name in enumerate(names) if has_words(name)]
    weights = fit_head(
        encoder.vectors([names[place] for place in having]), truth[having], labelled[having]
    )
    head = TextHead(encoder, weights)
    rows = [place for place, name in enumerate(validation[0]) if has_words(name)]
    heard = [validation[0][row] for row in rows]
    nothing = np.zeros(truth.shape[1])
    by_ngrams = [nothing if one is None else one for one in titles.logits_of_titles(heard)]
    shares = fit_parts([np.stack(by_ngrams), head.logits(heard)], validation[1][rows])
    return replace(
        titles,
        scale=titles.scale * shares[0],
        text=TextHead(encoder, (weights * shares[1]).astype(np.float32)),
    )


def fit_head(vectors: Vectors, truth: Flags, labelled: Flags) -> npt.NDArray[np.float32]:
    """The weights (width + 1, genres) of a logistic regression for each genre.

    vectors: (titles, width). labelled: (titles, genres), whether the truth is known. The last row
    makes the logits of the mean title 0: an intercept is the fusion's.
    """
    from sklearn.linear_model import LogisticRegression

    mean, deviation = vectors.mean(0), vectors.std(0)
    deviation[deviation < 1e-9] = 1.0
    inputs = ((vectors - mean) / deviation).astype(np.float64)
    weights: Floats = np.zeros((vectors.shape[1], truth.shape[1]))
    for genre in range(truth.shape[1]):
        rows = np.flatnonzero(labelled[:, genre])
        count = int(truth[rows, genre].sum())
        if min(count, len(rows) - count) >= _FEWEST_FILMS:
            fitted = LogisticRegression(C=_C, max_iter=300, tol=1e-3)
            fitted.fit(inputs[rows], truth[rows, genre])
            weights[:, genre] = fitted.coef_[0] / deviation
    return np.vstack([weights, -(mean @ weights)]).astype(np.float32)
