"""Plans: what would be written in a media library, film by film, and what is left alone and why.

A plan is a file of JSON lines: the first says which library and which model, and each other one is
a film. Making one changes nothing in the library.
"""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keyart.copies import local_file
from keyart.errors import LibraryError, NfoError, PosterError, other_format, why
from keyart.files import StrPath, writing_text
from keyart.library.edit import As, written
from keyart.parallel import Progress
from keyart.prediction import Failure, Prediction, Query
from keyart.reading import opened
from keyart.stores.paths import place
from keyart.version import __version__

if TYPE_CHECKING:
    from keyart.images.poster import Poster
    from keyart.predictor import Predictor

_FORMAT = 1
_MOST_BYTES = 2_000_000_000
Kind = Literal["folder", "jellyfin", "emby", "plex"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Place(_Strict):
    """Which library it is. where: the folder's path, or the server's address."""

    kind: Kind
    where: str


class ModelFacts(_Strict):
    """Which model it was. precision: the share of its predicted genres that should be right."""

    name: str
    fingerprint: str
    precision: float


class FileChange(_Strict):
    """What would be written in an NFO. path: from the library's folder. sha256: of the file before;
    None if it is new; after: the same afterwards. at: the byte where the text goes. replaces,
    inserts: text, for people. alone: whether the folder is the film's own, so that no other NFO may
    be in it.
    """

    path: str
    sha256: str | None
    after: str
    at: int
    replaces: str
    inserts: str
    alone: bool = False


class ItemChange(_Strict):
    """What would be written in an item of a server. before: a digest of all that can be edited in
    it. old, new: its genres, tags or labels.
    """

    item: str
    before: str
    old: list[str]
    new: list[str]


class PlannedFilm(_Strict):
    """A film, and what would be written for it; or why it is left alone.

    film: its path in the library, or its id there. has: the genres that it has. scores: of the
    genres to write. writes: as they are written.
    """

    film: str
    title: str | None
    year: int | None
    ids: dict[str, str]
    poster: str
    evidence: list[str]
    has: list[str]
    scores: dict[str, float]
    writes: list[str]
    changes: list[Annotated[FileChange | ItemChange, Field(union_mode="left_to_right")]]
    left: str = ""

    @property
    def name(self) -> str:
        """What people call the film."""
        if not self.title:
            return self.film
        return f"{self.title} ({self.year})" if self.year else self.title


class _Head(_Strict):
    keyart_plan: int
    keyart: str
    made: str
    library: Place
    model: ModelFacts
    writes: As
    every: bool
    films: int


class Plan:
    """What would be written in a library. head: its facts. films: all of the library's, in order.

    path: of its file; None if it was not written.
    """

    def __init__(self, head: _Head, films: Sequence[PlannedFilm], path: Path | None = None) -> None:
        self._head, self.films, self.path = head, films, path

    @property
    def library(self) -> Place:
        """The library that it is for."""
        return self._head.library

    @property
    def model(self) -> ModelFacts:
        """The model that predicted the genres."""
        return self._head.model

    @property
    def writes(self) -> As:
        """What is written: "genre" or "tag"."""
        return self._head.writes

    @property
    def made(self) -> str:
        """When it was made, in UTC."""
        return self._head.made

    @property
    def changed(self) -> list[PlannedFilm]:
        """The films that would be changed."""
        return [film for film in self.films if film.changes]

    @property
    def left(self) -> Counter[str]:
        """Why films are left alone, and how many; reasons of single files are counted together."""
        return Counter(_kind(film.left) for film in self.films if not film.changes)

    @property
    def genres(self) -> Counter[str]:
        """How often each genre would be written."""
        return Counter(name for film in self.changed for name in film.scores)

    def __repr__(self) -> str:
        return f"<Plan of {self.library.where!r}: {len(self.changed):,} of {len(self.films):,}>"

    def write(self, path: StrPath) -> "Plan":
        """Write it to a file of JSON lines. Returns the plan with its path. Raises OutputError."""
        with writing_text(Path(path)) as file:
            for line in (self._head, *self.films):
                file.write(line.model_dump_json() + "\n")
        return Plan(self._head, self.films, place(path))

    def to_json(self) -> dict[str, object]:
        """Counts, for programs."""
        return {
            "library": self.library.model_dump(),
            "model": self.model.model_dump(),
            "writes": self.writes,
            "films": len(self.films),
            "changed": len(self.changed),
            "genres": dict(self.genres.most_common()),
            "left": dict(self.left.most_common()),
        }


_UNREADABLE = "its NFO cannot be edited"
_NO_ANSWER = "nothing can be predicted"


def _kind(reason: str) -> str:
    """A reason without what it says of a single film."""
    kind = reason.partition(": ")[0]
    return kind if kind in (_UNREADABLE, _NO_ANSWER) else reason


def read_plan(path: StrPath) -> Plan:
    """Read a plan's file. Raises LibraryError if it is none, or is damaged."""
    file = place(path)
    films: list[PlannedFilm] = []
    number = 1
    try:
        with opened(local_file(file), _MOST_BYTES, links=True) as lines:
            first = json.loads(lines.readline())
            version = first.get("keyart_plan") if isinstance(first, dict) else None
            if version is None:
                raise LibraryError(f"{file}: not a plan; keyart library plan makes one")
            if version != _FORMAT:
                raise LibraryError(
                    other_format(file, version, reads=_FORMAT, remedy="make the plan again")
                )
            head = _Head.model_validate(first)
            for number, line in enumerate(lines, start=2):  # noqa: B007
                films.append(PlannedFilm.model_validate_json(line))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise LibraryError(
            f"{file} line {number}: {where}: {error.errors()[0]['msg']}; make the plan again"
        ) from error
    except OSError as error:
        raise LibraryError(f"{file}: {why(error)}; give a plan") from error
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{file}: not a plan; keyart library plan makes one") from error
    if len(films) != head.films:
        raise LibraryError(
            f"{file}: has {len(films):,} of its {head.films:,} films; make the plan again"
        )
    return Plan(head, films, file)


@dataclass(frozen=True)
class Candidate(ABC):
    """A film of a library, as plans need it.

    name: its path in the library, or its id there. ids: by "imdb" and "tmdb". genres, tags: those
    that it has; a tag is a label in Plex. locked: what must be left alone, of "genres" and "tags".
    shown_poster: the poster's path in the library; empty if it has none. problem: why it cannot be
    changed; empty if it can.
    """

    name: str
    title: str | None
    year: int | None
    ids: dict[str, str]
    genres: Sequence[str]
    tags: Sequence[str]
    locked: frozenset[str]
    shown_poster: str
    problem: str

    @abstractmethod
    def poster(self) -> "Poster | None":
        """Its poster. Raises PosterError."""

    @abstractmethod
    def changes(self, names: Sequence[str], kind: As) -> Sequence[FileChange | ItemChange]:
        """What has to be written for it. Raises NfoError."""


def make_plan(
    place: Place,
    films: Sequence[Candidate],
    model: "Predictor",
    *,
    writes: As = "genre",
    every: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Plan what to write for the films of a library.

    writes: "genre", for films that have none, or "tag". every: also for films that have genres,
    which takes tags. Raises LibraryError for a model that promises no precision.
    """
    precision = model.bundle.precision
    if precision is None:
        raise LibraryError(
            "this model promises no precision, and what it predicts would be written in your "
            "library; let it learn to with keyart evaluate RUN --precision P --save"
        )
    if every and writes == "genre":
        raise LibraryError("genres of films that have some are never changed; plan tags for them")
    reasons = [_why_left(film, writes, every) for film in films]
    asked = [film for film, reason in zip(films, reasons, strict=True) if not reason]
    answers = model.predict_many(map(_query, asked))
    planned: list[PlannedFilm] = []
    done = 0
    for film, reason in zip(films, reasons, strict=True):
        if reason:
            planned.append(_left(film, reason))
            continue
        planned.append(_planned(film, next(answers), writes))
        done += 1
        if progress:
            progress(done, len(asked))
    facts = ModelFacts(
        name=str(model.bundle.provenance.get("name") or model.bundle.path.name),
        fingerprint=model.bundle.fingerprint,
        precision=precision,
    )
    head = _Head(
        keyart_plan=_FORMAT,
        keyart=__version__,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        library=place,
        model=facts,
        writes=writes,
        every=every,
        films=len(planned),
    )
    return Plan(head, planned)


def _why_left(film: Candidate, writes: As, every: bool) -> str:
    if film.problem:
        return f"{_UNREADABLE}: {film.problem}"
    if film.genres and not every:
        return "has genres"
    if f"{writes}s" in film.locked:
        return f"its {writes}s are locked"
    return ""


def _query(film: Candidate) -> Query:
    try:
        poster = film.poster()
    except PosterError as error:
        return Query(film.shown_poster, None, film.title, film.year, str(error))
    return Query(poster, None, film.title, film.year)


def _planned(film: Candidate, answer: Prediction | Failure, writes: As) -> PlannedFilm:
    if isinstance(answer, Failure):
        return _left(film, f"{_NO_ANSWER}: {answer.reason}")
    if not answer.genres:
        return _left(film, answer.warning or "no genre keeps the precision")
    known = {" ".join(name.split()).casefold() for name in (*film.genres, *film.tags)}
    names: dict[str, str] = {}
    for genre in answer.genres:
        name = written(genre, writes)
        if name and name.casefold() not in known:
            names.setdefault(name, genre)
    if not names:
        return _left(film, f"has these {writes}s")
    try:
        changes = film.changes(list(names), writes)
    except NfoError as error:
        return _left(film, f"{_UNREADABLE}: {error}")
    if not changes:
        return _left(film, f"has these {writes}s")
    scores = {genre: round(answer.scores[genre], 6) for genre in names.values()}
    return _left(film, "").model_copy(
        update={
            "evidence": list(answer.evidence),
            "scores": scores,
            "writes": list(names),
            "changes": list(changes),
        }
    )


def _left(film: Candidate, reason: str) -> PlannedFilm:
    return PlannedFilm(
        film=film.name,
        title=film.title,
        year=film.year,
        ids=dict(film.ids),
        poster=film.shown_poster,
        evidence=[],
        has=list(film.genres),
        scores={},
        writes=[],
        changes=[],
        left=reason,
    )
