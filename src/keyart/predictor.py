"""The only door to inference: the command line, the service and the report all go through it."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from keyart.bundle import Bundle, read_bundle
from keyart.errors import BundleError, PosterError
from keyart.images.decode import Pixels
from keyart.images.pixels import PixelRows
from keyart.images.spec import FilmSpec, Spec

# Posters a task. Larger blocks leave the caches of a core; smaller ones pay the pool more often.
_CHUNK = 16

Scores = npt.NDArray[np.float64]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one poster.

    scores: (genres,), calibrated, in vocabulary order. genres: those whose score reaches their
    threshold; none means that the model is unsure.
    """

    poster: str
    scores: Scores
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A poster that could not be read, and why. It never gets a score."""

    poster: str
    reason: str


class Network:
    """An exported network under ONNX Runtime. One may be shared by many threads."""

    def __init__(self, onnx: bytes | Path) -> None:
        options = onnxruntime.SessionOptions()
        # A session runs on the thread that calls it; many calls at once fill the cores with less
        # waiting for one another than one call split over all of them.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                onnx, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime has error classes of its own, without a root
            what = onnx if isinstance(onnx, Path) else "the network"
            reason = str(error).strip().splitlines()[0]
            raise BundleError(f"{what}: the runtime refuses it ({reason})") from error

    def logits(self, pixels: Pixels) -> Logits:
        """pixels: (films, height, width, 3), or as packed. Returns (films, genres)."""
        (logits,) = self._session.run(["logits"], {"pixels": np.ascontiguousarray(pixels)})
        result: Logits = logits
        return result

    def has(self, output: str) -> bool:
        """Whether the network tells `output`: logits, features or maps."""
        return output in (known.name for known in self._session.get_outputs())

    def run(self, outputs: Sequence[str], pixels: Pixels) -> list[npt.NDArray[np.float32]]:
        """Several outputs of one run. Raises BundleError for one that the network does not tell."""
        for output in outputs:
            if not self.has(output):
                raise BundleError(
                    f"this model's network does not tell its {output}; export it again"
                )
        results: list[npt.NDArray[np.float32]] = self._session.run(
            list(outputs), {"pixels": np.ascontiguousarray(pixels)}
        )
        return results

    def logits_of_rows(self, pixels: PixelRows, rows: npt.NDArray[np.int64]) -> Logits:
        """Logits (rows, genres) of these rows of a catalog's pixels, on all cores."""
        chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return np.concatenate(list(pool.map(lambda chunk: self.logits(pixels[chunk]), chunks)))


class Predictor:
    """A bundle, ready to answer. One may be shared by many threads."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.network = Network(bundle.onnx)

    @classmethod
    def load(
        cls, path: Path, precision: float | None = None, *, of_films: bool = False
    ) -> "Predictor":
        """Open a bundle, or the bundle of a run. Raises BundleError.

        precision: answer a genre only where it is right so often, see `Bundle.at_precision`.
        of_films: also one that asks for titles and years, which a catalog has and a poster has not.
        """
        inner = path / "bundle"
        bundle = read_bundle(inner if inner.is_dir() else path)
        if not of_films:
            _spec_of_posters(bundle)
        return cls(bundle if precision is None else bundle.at_precision(precision))

    @property
    def spec(self) -> Spec:
        """How posters are prepared. Raises BundleError where a poster alone is not enough."""
        return _spec_of_posters(self.bundle)

    def scores(self, pixels: Pixels) -> Scores:
        """Calibrated scores (films, genres) of pixels (films, ...), as `spec` prepares them."""
        return self.bundle.calibration.apply(self.network.logits(pixels))

    def maps(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """What each place adds to each logit: (films, genres, map height, map width).

        Raises BundleError where the network's head is not linear.
        """
        self.require("maps")
        (maps,) = self.network.run(["maps"], pixels)
        return maps

    def embeddings(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """The network's look at posters: its last feature map's mean, of length 1.

        pixels: (films, height, width, 3), prepared. Returns (films, channels). Raises BundleError
        where the network does not tell its features.
        """
        self.require("features")
        (features,) = self.network.run(["features"], pixels)
        means = features.mean((2, 3))
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        unit: npt.NDArray[np.float32] = means / np.maximum(norms, np.finfo(np.float32).tiny)
        return unit

    def require(self, output: str) -> None:
        """Raise BundleError where the model is an ensemble, which tells no `output` of its own."""
        members = self.bundle.provenance.get("members")
        if members and not self.network.has(output):
            names = " or ".join(str(member["name"]) for member in members)
            instead = ", or hide parts of the poster (occlusion)" if output == "maps" else ""
            raise BundleError(
                f"this model is an ensemble, which has no {output} of its own; ask one of its "
                f"members, {names}{instead}"
            )

    def answer(self, poster: str, scores: Scores) -> Prediction:
        """The prediction that these scores (genres,) make."""
        chosen = scores >= self.bundle.thresholds
        return Prediction(poster, scores, self.bundle.vocabulary.decode(chosen))

    def predict(self, posters: Iterable[Path]) -> Iterator[Prediction | Failure]:
        """Answer for poster files, in order, on all cores, with bounded memory."""
        workers = os.cpu_count() or 1
        waiting: deque[Future[list[Prediction | Failure]]] = deque()
        files = iter(posters)
        with ThreadPoolExecutor(workers) as pool:
            while chunk := list(islice(files, _CHUNK)):
                waiting.append(pool.submit(self._predict_chunk, chunk))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

    def predict_bytes(self, poster: str, data: bytes) -> Prediction | Failure:
        """Answer for one poster whose bytes are at hand; `poster` is its name in the answer."""
        try:
            pixels = self.spec.prepare(data)
        except PosterError as error:
            return Failure(poster, str(error))
        return self.answer(poster, self.scores(pixels[None])[0])

    def _predict_chunk(self, files: list[Path]) -> list[Prediction | Failure]:
        pixels: list[Pixels] = []
        failures: dict[int, Failure] = {}
        for place, file in enumerate(files):
            try:
                pixels.append(self.spec.prepare(file.read_bytes()))
            except PosterError as error:
                failures[place] = Failure(str(file), str(error))
            except OSError as error:
                failures[place] = Failure(str(file), error.strerror or str(error))
        scores = iter(self.scores(np.stack(pixels)) if pixels else ())
        return [
            failures[place] if place in failures else self.answer(str(file), next(scores))
            for place, file in enumerate(files)
        ]


def _spec_of_posters(bundle: Bundle) -> Spec:
    if isinstance(bundle.spec, FilmSpec):
        raise BundleError(
            f"{bundle.path}: this model asks for titles and years, which posters do not tell; "
            'score a catalog with keyart evaluate, or train with features = "poster"'
        )
    return bundle.spec
