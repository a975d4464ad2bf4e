"""The films that a page shows: what was predicted for each, and where its poster is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import tee
from pathlib import Path
from typing import Any

from keyart.catalog.films_table import text_of
from keyart.catalog.kept import is_catalog
from keyart.catalog.table_file import Row, TableFile, is_table, read_table
from keyart.errors import StoreError
from keyart.extras import extras
from keyart.files import StrPath
from keyart.images.poster import Poster
from keyart.prediction import NOT_A_POSTER, Failure, Prediction, Query
from keyart.predictor import Predictor
from keyart.queries import find_films
from keyart.stores.paths import place

_ANSWERS = ("poster", "genres", "maybe", "unsure", "evidence")
_BEFORE_SCORES = {"film_id", "title", *_ANSWERS, "reason", "top", "warning", "scores"}


@dataclass(frozen=True, slots=True)
class Tile:
    """A film on the page.

    name: its title, or else the name of its poster. genres, maybe: predicted. scores: by genre;
    empty if nothing was predicted. listed: the genres that a catalog has for it; None if it is not
    from a catalog. reason: why its poster could not be used. warning: whether its picture does not
    look like a poster. poster: what its picture is read from; None if it has none.
    """

    name: str
    film_id: str
    year: int | None
    genres: Sequence[str]
    maybe: Sequence[str]
    scores: Mapping[str, float]
    listed: Sequence[str] | None = None
    reason: str = ""
    warning: bool = False
    poster: Poster | None = field(default=None, repr=False)

    @property
    def doubt(self) -> float:
        """How likely it is that a genre is wrong, from 0 to 1; 1 if nothing was predicted.

        Of the listed genres that the model knows, the one that it believes least; without any, the
        share of the predicted genres that is expected to be wrong, or that the best guess is.
        """
        if not self.scores:
            return 1.0
        if known := [self.scores[name] for name in self.listed or () if name in self.scores]:
            return 1 - min(known)
        sure = [self.scores[name] for name in self.genres] or [max(self.scores.values())]
        return 1 - sum(sure) / len(sure)


def read_tiles(
    path: StrPath,
    *,
    posters: StrPath | None = None,
    model: Predictor | StrPath | None = None,
) -> Iterator[Tile]:
    """The films of answers that `predict` wrote, or of a catalog, a folder or a table of films.

    Answers are shown as they are; for anything else `model` predicts first. posters: the folder of
    the posters of answers or a table, if their paths do not lead there. Raises TableError,
    CatalogError and PosterError for a path that cannot be read.
    """
    given, path = path, place(path)
    if is_catalog(path):
        return _of_catalog(path, Predictor.of(model))
    if path.is_file() and is_table(path):
        table = read_table(path)
        if all(name in table.columns for name in _ANSWERS):
            return _of_answers(table, None if posters is None else place(posters))
    return _of_films(find_films(given, posters=posters), Predictor.of(model))


def _of_films(films: Iterable[Query], predictor: Predictor) -> Iterator[Tile]:
    asked, kept = tee(films)
    answers = predictor.predict_many(asked)
    for film, answer in zip(kept, answers, strict=True):
        yield _tile(answer, film.year, film.poster)


def _of_catalog(path: Path, predictor: Predictor) -> Iterator[Tile]:
    with extras():
        from keyart.catalog.catalog import Catalog
    tiles = _of_films(find_films(path), predictor)
    for film, tile in zip(Catalog.open(path), tiles, strict=True):
        yield replace(tile, listed=film.genres)


def _tile(
    answer: Prediction | Failure,
    year: int | None,
    poster: Poster | None,
) -> Tile:
    about = (answer.title or Path(answer.poster).name, answer.film_id or "", year)
    if isinstance(answer, Failure):
        return Tile(*about, (), (), {}, reason=answer.reason)
    return Tile(
        *about,
        answer.genres,
        answer.maybe,
        answer.scores,
        reason=answer.problem,
        warning=bool(answer.warning),
        poster=None if answer.problem else poster,
    )


def _of_answers(table: TableFile, posters: Path | None) -> Iterator[Tile]:
    names = [column for column in table.columns if column not in _BEFORE_SCORES]
    for row in table.rows:
        try:
            yield _answered(row, names, posters)
        except (TypeError, ValueError, OverflowError, StoreError) as error:
            raise table.error(f"line {row.line}: {error}") from error


def _answered(row: Row, names: Sequence[str], posters: Path | None) -> Tile:
    if row.problem:
        raise ValueError(row.problem)
    cells = row.cells
    nested = cells.get("scores")
    found = nested if isinstance(nested, Mapping) else {name: cells.get(name) for name in names}
    scores = {name: float(value) for name, value in found.items() if value not in ("", None)}
    if not all(0 <= score <= 1 for score in scores.values()):
        raise ValueError("a score is not from 0 to 1; give a file that keyart predict wrote")
    genres, maybe = _names(cells.get("genres")), _names(cells.get("maybe"))
    for name in (*genres, *maybe):
        if name not in scores:
            raise ValueError(f"no score for {name!r}; give a file that keyart predict wrote")
    if scores and (text_of(cells.get("unsure")).casefold() == "true") == bool(genres):
        raise ValueError("its genres contradict `unsure`; give a file that keyart predict wrote")
    reason = text_of(cells.get("reason") or cells.get("warning"))
    poster = place(text_of(cells.get("poster")))
    if posters is not None:
        poster = posters / poster.name
    warning = reason == NOT_A_POSTER
    return Tile(
        text_of(cells.get("title")) or poster.name,
        text_of(cells.get("film_id")),
        None,
        genres,
        maybe,
        scores,
        None,
        "" if warning else reason,
        warning,
        poster if poster.name else None,
    )


def _names(value: Any) -> tuple[str, ...]:
    """Genres, as text with '|' between or as a list. Raises TypeError for anything else."""
    names = text_of(value).split("|") if value is None or isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"expected a list of genres, got {value!r:.60}")
    return tuple(name for name in names if name)
