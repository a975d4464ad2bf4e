"""What moved a film's scores, and where on its poster: class activation maps, occlusion maps.

The activation map costs one run: the network's head is linear, so each place of its last feature
map adds a known amount to each logit (Zhou et al., "Learning Deep Features for Discriminative
Localization", CVPR 2016; Grad-CAM gives the same map for such a head). The occlusion map needs
nothing inside the network: it hides one patch at a time and measures how far the logit falls
(Zeiler and Fergus, ECCV 2014). It costs about 80 runs.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from keyart.bundle import Bundle
from keyart.calibration import log_odds
from keyart.errors import PosterError
from keyart.evidence import Evidence, Kind
from keyart.fusion import steps, word_parts
from keyart.images.decode import MAX_PIXELS, Pixels
from keyart.images.poster import Poster, content_of, name_of
from keyart.images.spec import ImageSpec
from keyart.network import Logits, Network
from keyart.prediction import Query
from keyart.scorer import Scores
from keyart.seen import Prepared

Method = Literal["activation", "occlusion"]
Map = npt.NDArray[np.float64]

# Cells of the occlusion map; a patch hides 2x2 of them.
_ROWS, _COLUMNS = 12, 8
_BLOCK = 16  # hidden posters in one run of the network
_SHOWN, _CLEAR = 5, 0.1  # words, and log-odds, that people are shown
EVEN = 0.05
"""Log-odds: a map that rises no higher anywhere points to no place."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What changed the score of one genre of a film, and where on its poster that is.

    map: (rows, columns) over the whole poster. For 'activation' what each place adds to the
    genre's logit, for 'occlusion' how far the logit falls if the place is hidden; negative if a
    place speaks against the genre. A film without a poster has an empty map and no method.

    threshold: the score from which the genre is predicted; 1 if it never is.

    steps: the score as evidence is added: by the poster, then with the title, then with the year,
    as far as they were used; each is the model's score for the evidence so far. rate:
    the share of all films that have the genre; None if the model does not say. words: what each
    word of the title, or two in a row, adds to the log-odds, most telling first; they sum to the
    title's part. warning: that the picture does not look like a poster; then only a title gives
    genres.
    """

    genre: str
    score: float
    threshold: float
    method: Method | None = None
    map: Map = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    words: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[Kind, float] = field(default_factory=dict)
    rate: float | None = None
    warning: str = ""

    def __repr__(self) -> str:
        found = f": {self.where}, by {self.method}" if self.where else ""
        return f"<Explanation {self.genre} {self.score:.2f}{found}>"

    @property
    def withheld(self) -> bool:
        """Whether it is not predicted because of the warning, whatever its score."""
        return bool(self.warning) and "title" not in self.steps

    @property
    def predicted(self) -> bool:
        """Whether the genre is predicted."""
        return self.score >= self.threshold and self.threshold < 1 and not self.withheld

    @property
    def parts(self) -> dict[Kind, float]:
        """What each kind of evidence adds to the log-odds of the genre.

        The first kind moves them from those of the rate, or from even odds (0) if the rate is
        unknown. The parts and that start sum to the log-odds of the score.
        """
        before = 0.0 if self.rate is None else float(log_odds(self.rate))
        found: dict[Kind, float] = {}
        for kind, score in self.steps.items():
            after = float(log_odds(score))
            found[kind] = after - before
            before = after
        return found

    @property
    def moved(self) -> str:
        """The steps in words: 'any film 5%, with the poster 31%, with the title 80%'."""
        start = [] if self.rate is None else [f"any film {percent(self.rate)}"]
        steps = [f"with the {kind} {percent(score)}" for kind, score in self.steps.items()]
        return ", ".join([*start, *steps])

    @property
    def telling(self) -> dict[str, float]:
        """The words that matter: up to five that add or take 0.1 or more."""
        clear = [(word, part) for word, part in self.words.items() if abs(part) >= _CLEAR]
        return dict(clear[:_SHOWN])

    @property
    def rise(self) -> Map:
        """How much each place speaks for the genre, in log-odds; 0 where it does not.

        For 'activation' what the log-odds would be more if the whole poster looked like the place:
        every place lowers the logit of a rare genre, and the one that lowers it least matters most.
        For 'occlusion' how far they fall if the place is hidden.
        """
        if not self.map.size:
            return self.map
        level = float(self.map.mean()) if self.method == "activation" else 0.0
        return np.maximum(self.map - level, 0)

    @property
    def peak(self) -> float:
        """The highest value of `rise`."""
        return float(self.rise.max(initial=0.0))

    @property
    def heat(self) -> Map:
        """`rise` from 0 (does not speak for the genre) to 1 (the place that most does)."""
        return self.rise / max(self.peak, EVEN)

    @property
    def where(self) -> str:
        """Where most of the evidence is, in words: 'top left', 'middle', or nowhere.

        Empty for a film without a poster.
        """
        if not self.map.size:
            return ""
        if self.heat.max() < 1:
            return "nowhere in particular"
        row, column = np.unravel_index(int(self.map.argmax()), self.map.shape)
        rows, columns = self.map.shape
        down = ("top", "middle", "bottom")[int(3 * (row + 0.5) / rows)]
        across = ("left", "", "right")[int(3 * (column + 0.5) / columns)]
        return f"{down} {across}".strip()

    @property
    def whence(self) -> str:
        """`where` as the end of a sentence: ', mostly from the top left'."""
        if not self.where:
            return ""
        return f", {'from' if self.where.startswith('nowhere') else 'mostly from the'} {self.where}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "genre": self.genre,
            **({"warning": self.warning} if self.warning else {}),
            "score": self.score,
            "threshold": self.threshold,
            "rate": self.rate,
            "steps": dict(self.steps),
            "parts": dict(self.parts),
            "words": dict(self.words),
            "method": self.method,
            "where": self.where or None,
            "map": self.map.tolist(),
            "heat": self.heat.tolist(),
            "peak": self.peak,
        }


def check_wanted(genres: Sequence[str] | None, method: Method | None) -> None:
    """Raise TypeError for a name where a list of genres is expected, ValueError for no method."""
    if isinstance(genres, str):
        raise TypeError(f"genres: expected several names, got {genres!r}; pass a list")
    if method not in (None, *get_args(Method)):
        known = " or ".join(map(repr, get_args(Method)))
        raise ValueError(f"method: expected {known}, got {method!r}")


def explain_evidence(
    bundle: Bundle, poster: Logits | None, film: Query, evidence: Evidence
) -> list[Explanation]:
    """What moved the score of each genre of a film, in vocabulary order, without maps.

    poster: the logits (genres,) of its poster; None if it has none. evidence: what its answer rests
    on.
    """
    by_step = steps(bundle, poster, film, evidence)
    words = word_parts(bundle, film.title or "", by_step)
    thresholds, rates = bundle.decisions_for(evidence).predicting, bundle.rates
    return [
        Explanation(
            name,
            float(by_step[evidence[-1]][genre]),
            float(thresholds[genre]),
            words=_most_telling(words, genre),
            steps={kind: float(scores[genre]) for kind, scores in by_step.items()},
            rate=None if rates is None else float(rates[genre]),
        )
        for genre, name in enumerate(bundle.vocabulary.names)
    ]


def _most_telling(words: Mapping[str, Scores], genre: int) -> dict[str, float]:
    """What each word adds to one genre, most telling first."""
    added = {word: float(logits[genre]) for word, logits in words.items()}
    return dict(sorted(added.items(), key=lambda item: -abs(item[1])))


def percent(score: float) -> str:
    """A score for people: 31%."""
    return f"{score:.0%}"


def activation_maps(
    network: Network, spec: ImageSpec, pixels: Pixels, height: int, width: int
) -> Map:
    """What each place of a poster adds to each logit: (genres, rows, columns), over the poster.

    pixels: (1, height, width, 3), prepared by `spec`. height, width: of the poster itself.
    """
    (maps,) = network.run(["maps"], pixels)
    return _over_poster(maps[0].astype(np.float64), spec, height, width)


def place_maps(
    poster: Poster,
    method: Method,
    specs: Sequence[ImageSpec],
    logits: Callable[[Sequence[Pixels]], Logits],
    network: Network | None,
    max_pixels: int = MAX_PIXELS,
) -> tuple[Logits, Map, Prepared]:
    """The logits (genres,) of a poster, where they come from (genres, rows, columns), and itself.

    specs: how the model takes posters. logits: of pictures (films, height, width, 3), one array for
    each of `specs`. network: for 'activation'. Raises PosterError.
    """
    try:
        content = content_of(poster)
        decoded = [spec.decode(content, max_pixels) for spec in specs]
    except PosterError as error:
        if isinstance(poster, str | os.PathLike):
            raise PosterError(f"{name_of(poster)}: {error}") from error
        raise
    pictures = [spec.resize(rgb)[None] for spec, rgb in zip(specs, decoded, strict=True)]
    height, width = decoded[0].shape[:2]
    if method == "activation":
        assert network is not None
        maps = activation_maps(network, specs[0], pictures[0], height, width)
    else:
        maps = occlusion_maps(logits, specs, pictures, height, width)
    prepared = Prepared(picture[0] for picture in pictures)
    prepared.aspect = width / height
    return logits(pictures)[0], maps, prepared


def occlusion_maps(
    logits: Callable[[Sequence[Pixels]], Logits],
    specs: Sequence[ImageSpec],
    pictures: Sequence[Pixels],
    height: int,
    width: int,
) -> Map:
    """How far each logit falls if a patch is hidden behind the poster's mean colour.

    logits: of pictures (films, height, width, 3), one array for each of `specs`. pictures: the
    poster as each spec prepares it, (1, height, width, 3); the same patch is hidden in all of them.
    height, width: of the poster itself. Returns (genres, rows, columns), over the poster: the mean
    over the patches that hide a cell.
    """
    places = [spec.place(height, width) for spec in specs]
    rows = max(2, round(_ROWS * places[0][2] / specs[0].height))
    columns = max(2, round(_COLUMNS * places[0][3] / specs[0].width))
    corners = [(row, column) for row in range(rows - 1) for column in range(columns - 1)]
    grids = [_grid(place, rows, columns) for place in places]
    whole = logits(pictures)[0]
    falls = np.zeros((len(whole), rows, columns))
    hidings = np.zeros((rows, columns))
    for start in range(0, len(corners), _BLOCK):
        block = corners[start : start + _BLOCK]
        hidden = [
            _hidden(picture[0], *grid, block) for picture, grid in zip(pictures, grids, strict=True)
        ]
        for fall, (row, column) in zip(
            whole.astype(np.float64) - logits(hidden), block, strict=True
        ):
            falls[:, row : row + 2, column : column + 2] += fall[:, None, None]
            hidings[row : row + 2, column : column + 2] += 1
    return falls / hidings


def _grid(
    place: tuple[int, int, int, int], rows: int, columns: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The edges of the cells of a poster that lies at `place`: (rows + 1,), (columns + 1,)."""
    top, left, height, width = place
    down = top + np.linspace(0, height, rows + 1).round().astype(np.int64)
    return down, left + np.linspace(0, width, columns + 1).round().astype(np.int64)


def _hidden(
    picture: Pixels,
    down: npt.NDArray[np.int64],
    across: npt.NDArray[np.int64],
    corners: Sequence[tuple[int, int]],
) -> Pixels:
    """Copies (corners, height, width, 3) of a picture, in each the patch at one corner hidden."""
    poster = picture[down[0] : down[-1], across[0] : across[-1]]
    copies = np.repeat(picture[None], len(corners), axis=0)
    for copy, (row, column) in zip(copies, corners, strict=True):
        patch = copy[down[row] : down[row + 2], across[column] : across[column + 2]]
        patch[:] = poster.mean((0, 1)).round().astype(np.uint8)
    return copies


def _over_poster(maps: Map, spec: ImageSpec, height: int, width: int) -> Map:
    """Maps over the network's input, cropped to the poster in it."""
    top, left, inner_height, inner_width = spec.place(height, width)
    if (inner_height, inner_width) == (spec.height, spec.width):
        return maps
    rows, columns = maps.shape[1:]
    down, across = rows / spec.height, columns / spec.width
    box = (left * across, top * down, (left + inner_width) * across, (top + inner_height) * down)
    size = (max(1, round(inner_width * across)), max(1, round(inner_height * down)))
    return np.stack([resized_map(one, *size, box=box) for one in maps])


def resized_map(
    values: Map, width: int, height: int, box: tuple[float, float, float, float] | None = None
) -> Map:
    image = Image.fromarray(values.astype(np.float32))
    smooth = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(smooth, np.float64)
