"""Learning from titles: a title model from training films, and from films without posters."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from keyart.catalog.catalog import Catalog
from keyart.catalog.films_table import FilmsTable
from keyart.evaluation.fusing import FEWEST_FILMS
from keyart.evaluation.metrics import Flags
from keyart.files import StrPath
from keyart.genres import Vocabulary
from keyart.series import stem_hashes
from keyart.text_encoder import TextEncoder
from keyart.title_model import (
    DECADES,
    Floats,
    TitleModel,
    joined_series,
    known_ngrams,
    rarity_of,
    steps_of,
    stored_rarity,
    year_vector,
)
from keyart.titles import Hashes, hashed_ngrams, title_parts
from keyart.training.near import fit_near
from keyart.training.title_head import with_encoder
from keyart.training.title_words import WordVectors, fit_with_words, word_vectors

# Chosen on 2,449 validation films of real posters, with 47,502 more titles. n-grams of 2 titles or
# more: mAP 0.002 higher for 1.6 times the size. C of 0.7, 1.5, 3 and 6: 0.317, 0.325, 0.326, 0.323.
FEWEST_TITLES = 3
_C = 2.0
_YEAR_SCALE = 0.5  # years are penalised less than words if they count more, and more if less
_FEWEST_FILMS = 10  # a genre that fewer films have, or lack, is left to the intercept
# For the distance from known weights. A model from nothing has 1 / _C.
_PENALTIES = (256.0, 64.0, 16.0, 4.0, 1.0)


@dataclass(frozen=True)
class TitledFilms:
    """Films by their titles, to learn from.

    truth: (films, genres). labelled: (genres,), the genres that their source uses at all: a film
    that lacks another genre may have it.
    """

    titles: Sequence[str]
    years: Sequence[int | None]
    truth: Flags
    labelled: Flags

    def __len__(self) -> int:
        return len(self.titles)


def learn_titles(
    catalog: Catalog,
    rows: Mapping[str, npt.NDArray[np.int64]],
    table: StrPath | None = None,
    encoder: TextEncoder | None = None,
    reads: Literal["titles", "words"] = "titles",
    progress: Callable[[int, int], None] | None = None,
    *,
    start: TitleModel | None = None,
) -> tuple[TitleModel | None, tuple[str, ...]]:
    """Learn from the titles and years of training films, with notes on it.

    rows: the films of each split. table: more films to learn titles from, which need no posters;
    those that are validation or test films are left out. encoder: reads whole titles, and
    is part of the model; or reads only their words, which then are part of the n-grams. progress:
    called with (done, total) titles or words while it reads. start: what is known of titles
    already, for the genres of the catalog; it is kept until the films say more. None instead of a
    model if too few films of the catalog have a title. Raises TableError for a table that cannot be
    read.
    """
    films = catalog.to_table()
    titles, years = films["title"].to_pylist(), films["year"].to_pylist()
    titled = [sum(bool(titles[row].strip()) for row in rows[s]) for s in ("train", "validation")]
    if min(titled) < FEWEST_FILMS and start is None:
        return None, ()
    sources = [
        TitledFilms(
            [titles[row] for row in rows["train"]],
            [years[row] for row in rows["train"]],
            catalog.truth[rows["train"]],
            np.ones(len(catalog.vocabulary), bool),
        )
    ]
    notes: tuple[str, ...] = ()
    if table is not None:
        held = np.concatenate([rows["validation"], rows["test"]])
        ids = films["film_id"].to_pylist()
        kept_apart = {ids[row] for row in held} | {
            title_key(titles[row], years[row]) for row in held
        }
        more, notes = read_titled_films(Path(table), catalog.vocabulary, kept_apart)
        sources.append(more)
    learned = [title for one in sources for title in one.titles]
    words = None
    if encoder is not None and reads == "words":
        words = word_vectors(learned, encoder, catalog.folder, progress)
    if start is None:
        model = fit_titles(sources, words)
    else:
        groups = [str(catalog.groups[row]) for row in rows["train"]]
        groups += [f"more {number}" for number in range(sum(map(len, sources[1:])))]
        model = fit_titles_near(sources, start, groups)
    if model is None or encoder is None or reads == "words":
        return model, notes
    heard = [titles[row] for row in rows["validation"]]
    return with_encoder(
        model,
        encoder,
        (learned, *_truth(sources)),
        (heard, catalog.truth[rows["validation"]]),
        catalog.folder,
        progress,
    ), notes


def read_titled_films(
    path: Path, vocabulary: Vocabulary, kept_apart: set[Any]
) -> tuple[TitledFilms, tuple[str, ...]]:
    """The films of a table that have a title and a genre of the vocabulary, with a note.

    kept_apart: ids, and pairs of title and year as `title_key` gives them, of films not to learn
    from. Raises TableError.
    """
    titles, years, genres = [], [], []
    left_out = 0
    for one in FilmsTable(path, vocabulary):
        known = {name for cell in one.genres for name in vocabulary.resolve(cell)}
        if one.problem or not one.title or not known:
            continue
        if one.film_id in kept_apart or title_key(one.title, one.year) in kept_apart:
            left_out += 1
            continue
        titles.append(one.title)
        years.append(one.year)
        genres.append(known)
    truth = vocabulary.encode(genres)
    labelled: Flags = np.array(truth.any(0), bool)
    never = ", ".join(vocabulary.decode(~labelled)) or "none"
    note = (
        f"titles: learned from {len(titles):,} more films of a table, which are not among the "
        f"validation and test films ({left_out:,} that are were left out); genres that it never "
        f"lists, and says nothing about: {never}"
    )
    return TitledFilms(titles, years, truth, labelled), (note,)


def fit_titles(
    sources: Sequence[TitledFilms], words: WordVectors | None = None
) -> TitleModel | None:
    """A title model of the films of all sources; None if no n-gram is in enough titles.

    One logistic regression a genre, on the sources that use it. words: what an encoder knows of
    their words; then words of fewer titles are known as well.
    """
    from scipy import sparse

    hashed = [hashed_ngrams(title) for source in sources for title in source.titles]
    if not hashed:
        return None
    found, films = np.unique(np.concatenate([one for one, _ in hashed]), return_counts=True)
    enough = films >= FEWEST_TITLES
    if not enough.any():
        return None
    kept = enough if words is None else enough | np.isin(found, words.hashes)
    own = np.flatnonzero(enough[kept])  # those that have a weight of their own
    known, films = found[kept], films[kept]
    rarity = rarity_of(films, len(hashed))
    ngrams = _matrix(hashed, known, rarity)
    inputs = sparse.hstack([ngrams[:, own], _decades(sources)]).tocsr()
    truth, labelled = _truth(sources)
    genres = truth.shape[1]
    weights = np.zeros((inputs.shape[1], genres))
    learnt = np.zeros(genres, bool)
    for genre in range(genres):
        rows = np.flatnonzero(labelled[:, genre])
        having = int(truth[rows, genre].sum())
        learnt[genre] = min(having, len(rows) - having) >= _FEWEST_FILMS
        if learnt[genre]:
            weights[:, genre] = _regression(inputs[rows], truth[rows, genre])
    by_ngram = np.zeros((len(known), genres))
    if words is not None:
        places = np.searchsorted(known, words.hashes)
        vectors = np.zeros((len(known), words.vectors.shape[1]), np.float32)
        vectors[places] = words.vectors
        by_words = (ngrams @ vectors).astype(np.float32)
        weights, head = fit_with_words(inputs, by_words, truth, labelled & learnt, weights, _C)
        by_ngram[places] = words.vectors @ head
    by_ngram[own] += weights[: len(own)]
    by_decade = weights[len(own) :] * _YEAR_SCALE
    scale = steps_of(by_ngram)
    series = stem_hashes(title for source in sources for title in source.titles)
    return TitleModel(
        known, rarity, np.rint(by_ngram / scale).astype(np.int8), scale, by_decade, series
    )


def _decades(sources: Sequence[TitledFilms]) -> Any:
    """The years of all films as inputs of a regression, a sparse matrix (films, DECADES)."""
    from scipy import sparse

    years = [year for source in sources for year in source.years]
    return sparse.csr_matrix(
        [np.zeros(DECADES) if year is None else year_vector(year) * _YEAR_SCALE for year in years]
    )


def _truth(sources: Sequence[TitledFilms]) -> tuple[Flags, Flags]:
    """The truth (films, genres) of the films of all sources, and whether it is known."""
    labelled = [np.broadcast_to(source.labelled, source.truth.shape) for source in sources]
    return np.concatenate([source.truth for source in sources]), np.concatenate(labelled)


def _regression(inputs: Any, truth: Flags) -> Floats:
    """The weights (inputs,) of a logistic regression, by dual coordinate descent."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(
        C=_C, solver="liblinear", dual=True, max_iter=100, tol=1e-2, random_state=0
    )
    with warnings.catch_warnings():
        # The last steps change no ranking; more of them take minutes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(inputs, truth)
    weights: Floats = fitted.coef_[0]
    return weights


def _matrix(
    hashed: Sequence[tuple[Hashes, npt.NDArray[np.int64]]],
    known: Hashes,
    rarity: npt.NDArray[np.uint8],
) -> Any:
    """The vectors of titles, as rows of a sparse matrix (films, n-grams)."""
    from scipy import sparse

    vectors = [known_ngrams(*one, known, stored_rarity(rarity)) for one in hashed]
    ends = np.cumsum([0, *(len(rows) for rows, _ in vectors)])
    rows, values = (np.concatenate(column) for column in zip(*vectors, strict=True))
    return sparse.csr_matrix((values, rows, ends), shape=(len(hashed), len(known)))


def title_key(title: str, year: int | None) -> tuple[str, int | None]:
    """What a title and a year are compared by."""
    parts = title_parts(title)
    return parts[0] if parts else "", year


def fit_titles_near(
    sources: Sequence[TitledFilms], start: TitleModel, groups: Sequence[str]
) -> TitleModel:
    """A title model of the films of all sources that stays near another one, see near.py.

    It knows the n-grams of `start`, and new ones that are in enough titles. groups: of the films of
    all sources.
    """
    from scipy import sparse

    titles = [title for source in sources for title in source.titles]
    hashed = [hashed_ngrams(title) for title in titles]
    nothing = np.empty(0, np.uint32)
    found, films = np.unique(
        np.concatenate([nothing, *(one for one, _ in hashed)]), return_counts=True
    )
    new = np.setdiff1d(found[films >= FEWEST_TITLES], start.hashes)
    known, order = np.unique(np.concatenate([start.hashes, new]), return_index=True)
    # What the other model has not met in all its titles is as rare as its rarest n-gram.
    rarest = start.rarity.max(initial=1)
    rarity = np.concatenate([start.rarity, np.full(len(new), rarest, np.uint8)])[order]
    genres = start.weights.shape[1]
    ngrams = np.concatenate([start.weights * start.scale, np.zeros((len(new), genres))])[order]
    weights = np.concatenate([ngrams, start.years / _YEAR_SCALE])
    inputs = sparse.hstack([_matrix(hashed, known, rarity), _decades(sources)]).tocsr()
    used = np.unique(inputs.indices)  # the others cannot move
    truth, labelled = _truth(sources)
    said = np.asarray(inputs @ weights)
    moved = fit_near(inputs[:, used], truth, said, groups, _PENALTIES, counted=labelled)
    weights[used] += moved.weights.slopes
    by_ngram, by_decade = weights[: len(known)], weights[len(known) :] * _YEAR_SCALE
    scale = steps_of(by_ngram)
    series = joined_series([start.series, stem_hashes(titles)])
    return TitleModel(
        known, rarity, np.rint(by_ngram / scale).astype(np.int8), scale, by_decade, series
    )
