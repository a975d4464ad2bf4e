"""The only way to predict: Python, the command line, the service and reports all use it."""

import copy
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from keyart.bundle import Bundle, read_bundle
from keyart.copies import copy_posters
from keyart.errors import BundleError, PosterError
from keyart.evidence import KINDS, POSTER, Evidence, Kind, check_kinds
from keyart.explain import Explanation, Method, check_wanted, explain_evidence, place_maps
from keyart.fusion import fuse, why_no_title
from keyart.images.decode import MAX_PIXELS, Pixels
from keyart.images.poster import Poster, content_of, name_of
from keyart.images.spec import ImageSpec
from keyart.network import BATCH, Device, Logits
from keyart.parallel import batches, ordered
from keyart.places import find_model
from keyart.prediction import NO_POSTER, Failure, Prediction, Query, several
from keyart.scorer import Pictures, Scores, open_scorer
from keyart.seen import Prepared, Seen, seen_as
from keyart.title_model import check_year

Item = TypeVar("Item")
Embeddings = npt.NDArray[np.float32]


class Predictor:
    """A model that is ready to predict. Many threads may share one.

    bundle: the saved model, with its vocabulary, thresholds and provenance.
    """

    def __init__(self, bundle: Bundle, device: Device = "cpu") -> None:
        """Load the network of a bundle. Raises BundleError."""
        self._use(bundle)
        self.scorer = open_scorer(bundle, device)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        precision: float | None = None,
        balanced: bool = False,
        device: Device = "cpu",
    ) -> "Predictor":
        """Load a model, as `keyart.load` does.

        Raises BundleError, and ValueError if precision and balanced are both given.
        """
        place = find_model(path)
        bundle = replace(read_bundle(place.bundle), source=place.source)
        return cls(bundle.deciding(precision, balanced), device)

    @classmethod
    def of(
        cls,
        model: "Predictor | str | os.PathLike[str] | None",
        *,
        precision: float | None = None,
        balanced: bool = False,
    ) -> "Predictor":
        """The model itself if it is loaded already, else loaded as by `load`."""
        if not isinstance(model, Predictor):
            return cls.load(model, precision=precision, balanced=balanced)
        if precision is None and not balanced:
            return model
        return model.deciding(precision=precision, balanced=balanced)

    def deciding(self, *, precision: float | None = None, balanced: bool = False) -> "Predictor":
        """This model with other thresholds, as for `load`; the network is shared."""
        view = copy.copy(self)
        view._use(self.bundle.deciding(precision, balanced))
        return view

    def _use(self, bundle: Bundle) -> None:
        self.bundle = bundle
        known = (POSTER, *(bundle.films.fusions if bundle.films else ()))
        self._thresholds = {evidence: self._by_genre(evidence) for evidence in known}

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that this model knows, in vocabulary order."""
        return self.bundle.vocabulary.names

    @property
    def thresholds(self) -> dict[str, float]:
        """The score from which each genre is predicted, for a poster alone; 1 if never."""
        return dict(self._thresholds[POSTER])

    def _by_genre(self, evidence: Evidence) -> dict[str, float]:
        thresholds = self.bundle.decisions_for(evidence).predicting
        return dict(zip(self.genres, map(float, thresholds), strict=True))

    def __repr__(self) -> str:
        name = self.bundle.provenance.get("name") or self.bundle.path.name
        source = f", {self.bundle.source}" if self.bundle.source else ""
        return f"<Predictor {name!r}: {len(self.genres)} genres{source}>"

    def predict(
        self, poster: Poster | None = None, *, title: str | None = None, year: int | None = None
    ) -> Prediction:
        """Predict the genres of one film from its poster, its title and year, or both.

        poster: a path, a file's bytes, a PIL image or a uint8 array (height, width, 3), RGB. title,
        year: None if unknown. A title works without a poster; a year does not. A model that learned
        no titles ignores both. `evidence` of the prediction lists what was used.

        Raises PosterError if the poster is missing or cannot be read and there is no title that the
        model can use; ValueError for a year before 1870 or after 2100; TypeError for a title or a
        year of another type.
        """
        film = Query(poster, None, title, year)
        check_year(year)
        (answer,) = self._answers([film], [None])
        if isinstance(answer, Failure):
            raise PosterError(f"{answer.poster}: {answer.reason}")
        return answer if poster is None else replace(answer, picture=poster)

    def predict_many(
        self,
        films: Iterable[Poster | Query],
        *,
        evidence: Collection[Kind] = KINDS,
        workers: int | None = None,
    ) -> Iterator[Prediction | Failure]:
        """Predict the genres of many films, in order, on all cores, with bounded memory.

        films: posters as for `predict`, or queries, as `find_films` returns them; read lazily.
        evidence: what predictions may use; ("poster",) ignores titles and years. workers: threads;
        None means one for each core. Yields one Prediction or Failure for each film; never raises
        for a single film. Raises ValueError for unknown evidence.
        """
        numbered = enumerate(several(films))
        used = check_kinds(evidence)

        def work(batch: list[tuple[int, Poster | Query]]) -> list[Prediction | Failure]:
            queries = [film if isinstance(film, Query) else Query(film) for _, film in batch]
            copy_posters(film.poster for film in queries)
            return self._answers(queries, [number for number, _ in batch], used)

        return (
            answer
            for answers in ordered(work, batches(numbered, BATCH), workers=workers)
            for answer in answers
        )

    def explain(
        self,
        poster: Poster | None = None,
        genres: Sequence[str] | None = None,
        method: Method | None = None,
        *,
        title: str | None = None,
        year: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> list[Explanation]:
        """Explain the scores of a film's genres: by its poster, title and year, and by their parts.

        poster, title, year: as for `predict`; scores, thresholds and genres are those that it
        gives. genres: names or aliases; None means the predicted ones, with those of the next
        highest scores if they are fewer than three. method: how to find the places on the poster:
        'activation' (a class activation map: fast, needs a linear head) or 'occlusion' (hides one
        part after another: slow, works for every model); None takes the first if the model has it.
        Raises PosterError, UnknownGenreError, BundleError for a method that the model does not
        have, ValueError for an unknown one, and TypeError for a single name instead of a list.
        """
        film = Query(None, None, title, year)
        check_year(year)
        check_wanted(genres, method)
        vocabulary = self.bundle.vocabulary
        wanted = None if genres is None else [vocabulary.index(name) for name in genres]
        seen, maps = None, np.empty((len(self.genres), 0, 0))
        if poster is None:
            method = None
        else:
            network, specs = self.scorer.network, self.image_specs
            has_maps = network is not None and network.has("maps")
            method = method or ("activation" if has_maps else "occlusion")
            if method == "activation":
                self.require("maps")
            logits, maps, prepared = place_maps(
                poster, method, specs, self.logits, network, max_pixels
            )
            (seen,) = seen_as(self.bundle.typical, logits[None], [prepared])
        (answer,) = self.answers([film], [seen])
        if isinstance(answer, Failure):
            raise PosterError(f"{answer.poster}: {answer.reason}")
        by_poster = None if seen is None else seen.logits
        found = explain_evidence(self.bundle, by_poster, film, answer.evidence)
        if wanted is None:
            near = [name for name in answer.top(3) if name not in answer.genres]
            names = [*answer.genres, *near[: max(0, 3 - len(answer.genres))]]
            wanted = [self.genres.index(name) for name in names]
            wanted.sort(key=lambda genre: -found[genre].score)
        return [
            replace(found[genre], method=method, map=maps[genre], warning=answer.warning)
            for genre in wanted
        ]

    def embed(self, posters: Iterable[Poster], *, workers: int | None = None) -> Embeddings:
        """Embeddings of posters, as vectors of length 1: (posters, channels).

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

        found = list(ordered(work, batches(several(posters), BATCH), workers=workers))
        return np.concatenate(found) if found else np.empty((0, 0), np.float32)

    @property
    def image_specs(self) -> tuple[ImageSpec, ...]:
        """How this model needs posters."""
        return self.scorer.specs

    def prepare(
        self, poster: Poster, max_pixels: int = MAX_PIXELS, patience: float | None = None
    ) -> Prepared:
        """Decode and resize one poster as this model needs it.

        patience: seconds to wait for memory while others are decoded; None means without end.
        Raises PosterError, and PosterWaitsError after `patience`.
        """
        content = content_of(poster)
        found = [spec.prepare_sized(content, max_pixels, patience) for spec in self.image_specs]
        prepared = Prepared(pixels for pixels, _ in found)
        prepared.aspect = found[0][1]
        return prepared

    def scores(self, posters: Sequence[tuple[Pixels, ...]]) -> Scores:
        """Calibrated scores (posters, genres) of prepared posters by themselves."""
        return self.bundle.calibration.apply(self.poster_logits(posters))

    def see(self, posters: Sequence[Prepared]) -> list[Seen]:
        """The logits of prepared posters, and whether they look like posters."""
        return seen_as(self.bundle.typical, self.poster_logits(posters), posters)

    def logits(self, pictures: Pictures) -> Logits:
        """Logits (films, genres), before calibration. pictures: for each spec of the scorer."""
        return self.scorer.logits(pictures)

    def embed_prepared(self, posters: Sequence[tuple[Pixels, ...]]) -> Embeddings:
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
        evidence: Evidence,
        scores: Scores,
        picture: Poster | None = None,
        *,
        film: Query | None = None,
        problem: str = "",
        warning: str = "",
    ) -> Prediction:
        """The prediction that these scores (genres,) make.

        evidence: what they rest on. film: what else is known. problem: why its poster was not used.
        warning: that it does not look like one; then only a title gives it genres.
        """
        known = film or Query()
        decisions, vocabulary = self.bundle.decisions_for(evidence), self.bundle.vocabulary
        withheld = bool(warning) and "title" not in evidence
        return Prediction(
            name,
            () if withheld else vocabulary.decode(decisions.predicted(scores)),
            () if withheld else vocabulary.decode(decisions.possible(scores)),
            dict(zip(self.genres, scores.tolist(), strict=True)),
            self._thresholds[evidence],
            picture,
            known.film_id,
            known.title,
            known.year,
            evidence,
            problem,
            warning,
        )

    def _answers(
        self,
        films: Sequence[Query],
        numbers: Sequence[int | None],
        used: Collection[Kind] = KINDS,
    ) -> list[Prediction | Failure]:
        """numbers: as for `answers`."""
        prepared: list[Prepared] = []
        read = []
        for film in films:
            problem = film.problem
            if film.poster is None or "poster" not in used:
                problem = problem or NO_POSTER
            if not problem and film.poster is not None:
                try:
                    prepared.append(self.prepare(film.poster))
                except PosterError as error:
                    problem = str(error)
            read.append(replace(film, problem=problem) if problem else film)
        seen = iter(self.see(prepared) if prepared else ())
        posters = [None if film.problem else next(seen) for film in read]
        return self.answers(read, posters, numbers, used)

    def answers(
        self,
        films: Sequence[Query],
        posters: Sequence[Seen | None],
        numbers: Sequence[int | None] | None = None,
        used: Collection[Kind] = KINDS,
    ) -> list[Prediction | Failure]:
        """What is seen in films' posters, and the rest that is known of them, make.

        posters: None for a film without a poster, or if its `problem` says why it was not read.
        numbers: of the films, for the names of those that have none; None for a single film. used:
        what answers may rest on.
        """
        answers: list[Prediction | Failure] = []
        numbers = numbers or [None] * len(films)
        logits = [None if seen is None else seen.logits for seen in posters]
        found = fuse(self.bundle, logits, films, used)
        for film, number, seen, fused in zip(films, numbers, posters, found, strict=True):
            name, problem = film.name(number), film.problem
            if fused is None:
                problem = problem or NO_POSTER
                reason = problem + (
                    why_no_title(self.bundle, film, problem) if "title" in used else ""
                )
                answers.append(Failure(name, reason, film.film_id, film.title))
            else:
                answers.append(
                    self.answer(
                        name,
                        *fused,
                        film.path,
                        film=film,
                        problem="" if problem == NO_POSTER else problem,
                        warning=seen.warning if seen is not None else "",
                    )
                )
        return answers

    def poster_logits(self, posters: Sequence[tuple[Pixels, ...]]) -> Logits:
        """Logits (posters, genres) of prepared posters, before calibration."""
        pictures = [np.stack(pictures) for pictures in zip(*posters, strict=True)]
        return self.logits(pictures)

    def require(self, output: str) -> None:
        """Raise BundleError if the model does not have this output of a network."""
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
    path: str | os.PathLike[str] | None = None,
    *,
    precision: float | None = None,
    balanced: bool = False,
    device: Device = "cpu",
) -> Predictor:
    """Load a model: the one that comes with keyart, or another one.

    path: a run's or a bundle's folder; hf:OWNER/NAME or hf:OWNER/NAME@REVISION on a hub; None for
    the model that comes with keyart. Downloads are kept in the user's cache, and `bundle.source` of
    the model has the commit that was loaded. precision: the share of the predicted genres that
    should be right, 0.5 to 0.95; None takes the model's own, usually 0.6. balanced: predict more
    genres instead, each from the threshold that balances precision and recall. device: 'cuda' for a
    GPU, which needs onnxruntime-gpu. Raises BundleError, and ValueError if precision and balanced
    are both given.
    """
    return Predictor.load(path, precision=precision, balanced=balanced, device=device)
