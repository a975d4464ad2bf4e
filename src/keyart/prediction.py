"""What people ask about a film, and what a model predicts for it, or why it cannot."""

import base64
import html
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, TypeVar

from PIL import Image

from keyart.errors import PosterError
from keyart.evidence import POSTER, Evidence
from keyart.images.poster import Poster, content_of, name_of
from keyart.images.spec import ImageSpec

NO_POSTER = "it has no poster"
NOT_A_POSTER = "does not look like a poster"
"""The warning of a prediction."""
Item = TypeVar("Item")
_SHOWN = 5  # genres of a notebook's card
_THUMBNAIL = ImageSpec(height=180, width=120, fit="pad")


@dataclass(frozen=True, slots=True)
class Query:
    """A film to predict: its poster, and what its table says about it.

    poster: as for `Predictor.predict`, or a name for it if `problem` says why the film has no
    poster to read. film_id, title, year: None if unknown. Raises TypeError if they are not text,
    text and an integer: pandas has NaN for what is unknown, and 1979.0 next to it.
    """

    poster: Poster | None = None
    film_id: str | None = None
    title: str | None = None
    year: int | None = None
    problem: str = ""

    def __post_init__(self) -> None:
        for name, kind, expected in (
            ("film_id", str, "text"),
            ("title", str, "text"),
            ("year", Integral, "an integer"),
        ):
            value: Any = getattr(self, name)
            # True is an integer of Python's, but no year.
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
                raise TypeError(f"{name}: expected {expected} or None, got {value!r}")

    @property
    def path(self) -> Poster | None:
        """Its poster if that is a path, which is cheap to keep; a poster in memory is not."""
        return self.poster if isinstance(self.poster, str | os.PathLike) else None

    def name(self, number: int | None = None) -> str:
        """What answers call it. number: its place among several, for a film without any name."""
        if self.poster is not None:
            return name_of(self.poster, *(() if number is None else (f"poster {number}",)))
        title = (self.title or "").strip()
        return self.film_id or title or ("film" if number is None else f"film {number}")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The genres of one film.

    poster: its path, or a name if it has none. genres: those that keep the wanted precision, in
    vocabulary order. maybe: those that do not, but reach their balanced threshold; more of them are
    wrong. scores: each genre's calibrated probability. thresholds: the score from which each genre
    is in `genres`; 1 if it never is. evidence: what the scores are based on, "poster", "title" and
    "year" or some of them. film_id, title, year: as they were given, else None. problem: why the
    poster was not used, if the film was predicted without it; otherwise empty. warning: that the
    picture does not look like a poster; without a title it then gets no genres, only scores.
    """

    poster: str
    genres: tuple[str, ...]
    maybe: tuple[str, ...]
    scores: Mapping[str, float]
    thresholds: Mapping[str, float] = field(repr=False)
    picture: Poster | None = field(default=None, repr=False, compare=False)
    """The poster itself, for notebooks; None after predict_many, except for paths."""
    film_id: str | None = None
    title: str | None = None
    year: int | None = None
    evidence: Evidence = POSTER
    problem: str = ""
    warning: str = ""

    @property
    def name(self) -> str:
        """What people call the film: its title, or else its poster's path."""
        return self.title if self.title and self.title.strip() else self.poster

    @property
    def unsure(self) -> bool:
        """Whether no genre keeps the wanted precision."""
        return not self.genres

    def top(self, count: int | None = 3, min_score: float = 0) -> dict[str, float]:
        """The genres with the highest scores, highest first.

        count: at most so many; None for all. min_score: only those with at least this score. These
        are ranks and promise nothing: `genres` is what keeps the wanted precision.
        """
        best = sorted(self.scores.items(), key=lambda item: -item[1])[:count]
        return {name: score for name, score in best if score >= min_score}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: film_id, title, poster, genres, maybe, unsure, evidence, scores.

        Also reason and warning, if there are any.
        """
        return {
            "film_id": self.film_id,
            "title": self.title,
            "poster": self.poster,
            "genres": list(self.genres),
            "maybe": list(self.maybe),
            "unsure": self.unsure,
            "evidence": list(self.evidence),
            **({"reason": self.problem} if self.problem else {}),
            **({"warning": self.warning} if self.warning else {}),
            "scores": dict(self.scores),
        }

    @property
    def _note(self) -> str:
        return self.warning or (f"without the poster: {self.problem}" if self.problem else "")

    def __repr__(self) -> str:
        genres = ", ".join(self.genres) or "unsure"
        if self.maybe:
            genres += f", maybe {' or '.join(self.maybe)}"
        if self._note:
            genres += f", {self._note}"
        top = ", ".join(f"{name} {score:.2f}" for name, score in self.top().items())
        return f"<Prediction {self.name!r}: {genres} ({top})>"

    def _repr_html_(self) -> str:
        """A card for notebooks: the poster's thumbnail next to bars of its scores."""
        rows = []
        for name, score in self.top(_SHOWN).items():
            colour, weight = "#8c959f", 400
            if name in self.genres:
                colour, weight = "#1a7f37", 600
            elif name in self.maybe:
                colour = "#bf8700"
            mark = 100 * self.thresholds[name]
            rows.append(
                f'<tr><td style="text-align:left;font-weight:{weight}">{html.escape(name)}</td>'
                '<td style="width:160px"><div style="position:relative;height:8px;'
                f'background:#8c959f33"><div style="width:{100 * score:.1f}%;height:8px;'
                f'background:{colour}"></div><div title="threshold" style="position:absolute;'
                f'top:-2px;left:{mark:.1f}%;width:2px;height:12px;background:currentColor">'
                f'</div></div></td><td style="text-align:right">{score:.0%}</td></tr>'
            )
        genres = html.escape(" · ".join(self.genres)) or "<i>unsure</i>"
        maybe = html.escape(", maybe " + " · ".join(self.maybe)) if self.maybe else ""
        maybe += f"<br>{html.escape(self._note)}" if self._note else ""
        return (
            '<div style="display:flex;gap:16px;align-items:center">'
            f"{_thumbnail(self.picture)}<div><code>{html.escape(self.name)}</code><br>"
            f"<b>{genres}</b>{maybe}<table>{''.join(rows)}</table></div></div>"
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A poster that could not be read, and the reason. It has no scores."""

    poster: str
    reason: str
    film_id: str | None = None
    title: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: film_id, title, poster, reason."""
        return {
            "film_id": self.film_id,
            "title": self.title,
            "poster": self.poster,
            "reason": self.reason,
        }

    def __repr__(self) -> str:
        return f"<Failure {self.poster!r}: {self.reason}>"

    def _repr_html_(self) -> str:
        """A line for notebooks."""
        return f"<code>{html.escape(self.poster)}</code>: {html.escape(self.reason)}"


def _thumbnail(picture: Poster | None) -> str:
    """A small JPEG inside an HTML element; empty if the poster is not at hand any more."""
    if picture is None:
        return ""
    try:
        rgb = _THUMBNAIL.decode(content_of(picture))
    except PosterError:
        return ""
    image = Image.fromarray(rgb)
    image.thumbnail((_THUMBNAIL.width, _THUMBNAIL.height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="" src="data:image/jpeg;base64,{data}" style="max-height:180px">'


def several(posters: Iterable[Item]) -> Iterable[Item]:
    """The posters, unless a single one was passed where several are expected."""
    one = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image, Query)
    if isinstance(posters, one) or getattr(posters, "ndim", 0) == 3:  # an array of pixels
        raise TypeError(f"expected several posters, got one {type(posters).__name__}; pass a list")
    if isinstance(posters, Mapping) or hasattr(posters, "columns"):  # these iterate over names
        raise TypeError(
            f"expected several posters, got a {type(posters).__name__}; pass its column of paths, "
            "or give a DataFrame to keyart.fill"
        )
    return posters
