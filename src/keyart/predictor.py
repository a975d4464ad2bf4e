"""The only way to predict: Python, the command line, the service and reports all use it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from keyart.bundle import Bundle, boxed_bundle, read_bundle
from keyart.errors import BundleError, PosterError
from keyart.explain import Explanation, Method, activation_maps, occlusion_maps
from keyart.images.decode import MAX_PIXELS, Pixels
from keyart.images.poster import Poster, content_of, name_of
from keyart.images.spec import ImageSpec
from keyart.network import BATCH, Logits
from keyart.parallel import batches, ordered
from keyart.prediction import Failure, Prediction, Query
from keyart.scorer import Pictures, Scores, open_scorer

Prepared = tuple[Pixels, ...]
"""One poster, once for each image spec of a model: (height, width, 3) each, uint8."""

Item = TypeVar("Item")
Embeddings = npt.NDArray[np.float32]


class Predictor:
    """A model that is ready to predict. Many threads may share one.

    bundle: the saved model, with its vocabulary, thresholds and provenance.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Load the network of a bundle. Raises BundleError."""
        self.bundle = bundle
        self.scorer = open_scorer(bundle)
        names = bundle.vocabulary.names
        self._thresholds = dict(zip(names, map(float, bundle.thresholds), strict=True))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str] | None = None, *, precision: float | None = None
    ) -> "Predictor":
        """Load a model.

        path: a run's or a bundle's folder; None for the model that comes with keyart. precision:
        predict a genre only if it is right in this share of cases, see `Bundle.at_precision`.
        Raises BundleError.
        """
        folder = boxed_bundle() if path is None else Path(path)
        inner = folder / "bundle"
        bundle = read_bundle(inner if inner.is_dir() else folder)
        return cls(bundle if precision is None else bundle.at_precision(precision))

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that this model knows, in vocabulary order."""
        return self.bundle.vocabulary.names

    @property
    def thresholds(self) -> dict[str, float]:
        """The score from which each genre is predicted."""
        return dict(self._thresholds)

    def __repr__(self) -> str:
        name = self.bundle.provenance.get("name") or self.bundle.path.name
        return f"<Predictor {name!r}: {len(self.genres)} genres>"

    def predict(self, poster: Poster) -> Prediction:
        """Predict the genres of one poster.

        poster: a path, a file's bytes, a PIL image or a uint8 array (height, width, 3), RGB.
        Raises PosterError if it cannot be read.
        """
        name = name_of(poster)
        try:
            prepared = self.prepare(poster)
        except PosterError as error:
            raise PosterError(f"{name}: {error}") from error
        return self.answer(name, self.scores([prepared])[0], poster)

    def predict_many(
        self, films: Iterable[Poster | Query], *, workers: int | None = None
    ) -> Iterator[Prediction | Failure]:
        """Predict the genres of many films, in order, on all cores, with bounded memory.

        films: posters as for `predict`, or queries, as `find_films` makes them of tables; read
        lazily. workers: threads; None means one for each core. Yields one Prediction or Failure
        for each of them; never raises for a single one.
        """
        self.require_posters()  # an error of the model comes before the first poster
        numbered = enumerate(_several(films))
        return (
            answer
            for answers in ordered(self._predict_batch, batches(numbered, BATCH), workers=workers)
            for answer in answers
        )

    def explain(
        self,
        poster: Poster,
        genres: Sequence[str] | None = None,
        method: Method | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
    ) -> list[Explanation]:
        """Where on a poster its genres come from.

        genres: names or aliases; None means the predicted ones, or the one with the highest score
        if there are none. method: 'activation' (a class activation map: fast, needs a linear head)
        or 'occlusion' (hides one part after another: slow, works for every model); None takes the
        first if the model has it. Raises PosterError, UnknownGenreError, and BundleError for a
        method that the model does not have.
        """
        vocabulary = self.bundle.vocabulary
        wanted = None if genres is None else [vocabulary.index(name) for name in genres]
        specs = self.image_specs
        try:
            content = content_of(poster)
            decoded = [spec.decode(content, max_pixels) for spec in specs]
        except PosterError as error:
            if isinstance(poster, str | os.PathLike):
                raise PosterError(f"{name_of(poster)}: {error}") from error
            raise
        pictures = [spec.resize(rgb)[None] for spec, rgb in zip(specs, decoded, strict=True)]
        height, width = decoded[0].shape[:2]
        scores = self.bundle.calibration.apply(self.logits(pictures))[0]
        network = self.scorer.network
        if method is None:
            method = "activation" if network and network.has("maps") else "occlusion"
        if method == "activation":
            self.require("maps")
            assert network is not None
            maps = activation_maps(network, specs[0], pictures[0], height, width)
        else:
            maps = occlusion_maps(self.logits, specs, pictures, height, width)
        if wanted is None:
            falling = np.argsort(-scores, kind="stable").tolist()
            predicted = [genre for genre in falling if scores[genre] >= self._threshold(genre)]
            wanted = predicted or falling[:1]
        return [
            Explanation(
                vocabulary.names[genre],
                float(scores[genre]),
                self._threshold(genre),
                method,
                maps[genre],
            )
            for genre in wanted
        ]

    def embed(self, posters: Iterable[Poster], *, workers: int | None = None) -> Embeddings:
        """The network's view of posters as vectors of length 1: (posters, channels).

        The mean of its last feature map. Raises PosterError for a poster that cannot be read, and
        BundleError for an ensemble, which has no features of its own.
        """
        self.require("features")

        def work(batch: list[Poster]) -> Embeddings:
            prepared = []
            for poster in batch:
                try:
                    prepared.append(self.prepare(poster))
                except PosterError as error:
                    raise PosterError(f"{name_of(poster)}: {error}") from error
            return self.embed_prepared(prepared)

        found = list(ordered(work, batches(_several(posters), BATCH), workers=workers))
        return np.concatenate(found) if found else np.empty((0, 0), np.float32)

    @property
    def image_specs(self) -> tuple[ImageSpec, ...]:
        """How this model needs posters. Raises BundleError if it needs more than posters."""
        self.require_posters()
        return tuple(spec for spec in self.scorer.specs if isinstance(spec, ImageSpec))

    def prepare(
        self, poster: Poster, max_pixels: int = MAX_PIXELS, patience: float | None = None
    ) -> Prepared:
        """Decode and resize one poster as this model needs it.

        patience: seconds to wait for memory while others are decoded; None means without end.
        Raises PosterError, and PosterWaitsError after `patience`.
        """
        content = content_of(poster)
        return tuple(spec.prepare(content, max_pixels, patience) for spec in self.image_specs)

    def scores(self, posters: Sequence[Prepared]) -> Scores:
        """Calibrated scores (posters, genres) of prepared posters."""
        pictures = [np.stack(pictures) for pictures in zip(*posters, strict=True)]
        return self.bundle.calibration.apply(self.logits(pictures))

    def logits(self, pictures: Pictures) -> Logits:
        """Logits (films, genres), before calibration. pictures: for each spec of the scorer."""
        return self.scorer.logits(pictures)

    def embed_prepared(self, posters: Sequence[Prepared]) -> Embeddings:
        """As `embed`, of prepared posters: (posters, channels)."""
        self.require("features")
        assert self.scorer.network is not None
        pixels = np.stack([poster[0] for poster in posters])
        (features,) = self.scorer.network.run(["features"], pixels)
        means = features.mean((2, 3))
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        unit: Embeddings = means / np.maximum(norms, np.finfo(np.float32).tiny)
        return unit

    def answer(
        self,
        name: str,
        scores: Scores,
        picture: Poster | None = None,
        *,
        film_id: str | None = None,
        title: str | None = None,
    ) -> Prediction:
        """The prediction that these scores (genres,) make."""
        return Prediction(
            name,
            self.bundle.vocabulary.decode(scores >= self.bundle.thresholds),
            dict(zip(self.genres, scores.tolist(), strict=True)),
            self._thresholds,
            picture,
            film_id,
            title,
        )

    def _predict_batch(self, batch: list[tuple[int, Poster | Query]]) -> list[Prediction | Failure]:
        prepared: list[Prepared] = []
        outcomes: list[tuple[str, Query, str]] = []  # name, film, why it has no prediction
        for number, film in batch:
            query = film if isinstance(film, Query) else Query(film)
            problem = query.problem
            if not problem:
                try:
                    prepared.append(self.prepare(query.poster))
                except PosterError as error:
                    problem = str(error)
            outcomes.append((name_of(query.poster, f"poster {number}"), query, problem))
        scores = iter(self.scores(prepared) if prepared else ())
        return [
            Failure(name, problem, query.film_id, query.title)
            if problem
            else self.answer(
                name,
                next(scores),
                _if_path(query.poster),
                film_id=query.film_id,
                title=query.title,
            )
            for name, query, problem in outcomes
        ]

    def _threshold(self, genre: int) -> float:
        return float(self.bundle.thresholds[genre])

    def require_posters(self) -> None:
        """Raise BundleError if the model needs more than posters: titles and years."""
        if not all(isinstance(spec, ImageSpec) for spec in self.scorer.specs):
            raise BundleError(
                f"{self.bundle.path}: this model needs titles and years, which posters do not "
                'have; evaluate it on a catalog, or train with features = "poster"'
            )

    def require(self, output: str) -> None:
        """Raise BundleError if the model does not have this output of a network."""
        self.require_posters()
        network = self.scorer.network
        if network is None:
            names = " or ".join(member.name for member in self.bundle.members)
            instead = ", or hide parts of the poster (occlusion)" if output == "maps" else ""
            raise BundleError(
                f"this model is an ensemble, which has no {output} of its own; use one of its "
                f"members, {names}{instead}"
            )
        network.require(output)


def load(
    path: str | os.PathLike[str] | None = None, *, precision: float | None = None
) -> Predictor:
    """Load a model: the one that comes with keyart, or that of a run's or a bundle's folder.

    precision: predict a genre only if it is right in this share of cases, 0.5 to 0.95. Raises
    BundleError.
    """
    return Predictor.load(path, precision=precision)


def _several(posters: Iterable[Item]) -> Iterable[Item]:
    """The posters, unless a single one was passed where several are expected."""
    if isinstance(posters, str | bytes | os.PathLike | Image.Image | Query):
        raise TypeError(f"expected several posters, got one {type(posters).__name__}; pass a list")
    return posters


def _if_path(poster: Poster) -> Poster | None:
    """A path is cheap to keep; a poster in memory is not."""
    return poster if isinstance(poster, str | os.PathLike) else None
