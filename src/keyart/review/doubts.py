"""Doubts: genres that the evidence contradicts or misses in a catalog, as files keep them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from keyart.catalog.cells import as_cell
from keyart.errors import DoubtsError, why
from keyart.files import StrPath, known_suffix, write_csv, write_json
from keyart.reading import read_json
from keyart.review.decisions import Case, DoubtKind
from keyart.stores.paths import place

FORMAT = 1
_MOST_BYTES = 1 << 30  # of a file of doubts
_SUFFIXES = (".csv", ".json")
_COLUMNS = (
    "rank", "film_id", "title", "year", "genre", "kind", "p", "doubt", "listed", "evidence",
    "similar",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SimilarFilm:
    """A film with a similar poster. row: in the catalog. similarity: cosine, 1 for the same."""

    row: int
    film_id: str
    title: str
    genres: tuple[str, ...]
    similarity: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """A genre of a film that is in doubt.

    row: of the film in the catalog. kind: `wrong` for a listed genre that the evidence contradicts,
    `missing` for one that it finds and the list lacks. p: how likely the list is right about the
    genre, by all evidence together. doubt: what doubts are ranked by: -log p, for a wrong genre
    less what that is for any film. evidence: how likely the genre is by each kind of evidence
    alone: `poster`, `title`, `year`. similar: films with similar posters, most similar first.
    """

    row: int
    film_id: str
    poster_sha256: str
    title: str
    year: int | None
    listed: tuple[str, ...]
    genre: str
    kind: DoubtKind
    p: float
    doubt: float
    evidence: Mapping[str, float]
    similar: tuple[SimilarFilm, ...]

    @property
    def case(self) -> Case:
        """What a decision is about."""
        return Case(self.film_id, self.poster_sha256, self.genre, self.kind)

    def explained(self) -> str:
        """The evidence in words: how likely each kind of it makes the genre."""
        return ", ".join(f"{kind} {percent(chance)}" for kind, chance in self.evidence.items())


@dataclass(frozen=True)
class Doubts(Sequence[Doubt]):
    """The doubts of a catalog, the most doubtful genres first.

    catalog, model: fingerprints. notes: what else there is to know. films: of the catalog.
    """

    catalog: str
    model: str
    films: int
    notes: tuple[str, ...]
    cases: tuple[Doubt, ...]

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, place: Any) -> Any:
        return self.cases[place]

    def __iter__(self) -> Iterator[Doubt]:
        return iter(self.cases)

    def write(self, path: StrPath) -> None:
        """Write a .csv for people and spreadsheets, or a .json that `Doubts.read` takes.

        Raises OutputError for another suffix.
        """
        path = Path(path)
        if doubts_suffix(path) == ".json":
            write_json(path, self.to_json())
        else:
            write_csv(path, _COLUMNS, map(_row, range(1, len(self) + 1), self))

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {
            "format": FORMAT,
            "catalog": self.catalog,
            "model": self.model,
            "films": self.films,
            "notes": list(self.notes),
            "doubts": [asdict(one) for one in self],
        }

    @classmethod
    def read(cls, path: StrPath) -> "Doubts":
        """Read what `write` wrote as .json. Raises DoubtsError."""
        try:
            found = read_json(place(path), _MOST_BYTES, links=True)
            if found["format"] != FORMAT:
                raise DoubtsError(
                    f"{path}: doubts of format {found['format']}, expected {FORMAT}; find them "
                    "again with keyart catalog doubts"
                )
            cases = TypeAdapter(tuple[Doubt, ...]).validate_python(found["doubts"])
            return cls(
                str(found["catalog"]),
                str(found["model"]),
                int(found["films"]),
                tuple(map(str, found["notes"])),
                cases,
            )
        except OSError as error:
            raise DoubtsError(
                f"{path}: cannot be read ({why(error)}); make it with keyart catalog doubts --out"
            ) from error
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DoubtsError(
                f"{path}: no file of doubts ({reason}); give a .json that keyart catalog doubts "
                "--out wrote"
            ) from error


def doubts_suffix(path: StrPath) -> str:
    """.csv or .json, of a file to write doubts to. Raises OutputError for another suffix."""
    return known_suffix(Path(path), _SUFFIXES)


def percent(chance: float) -> str:
    """A probability for people: 0.03% is not 0%."""
    if 0 < chance < 0.0995:
        return f"{100 * chance:.1g}%" if chance < 0.01 else f"{100 * chance:.1f}%"
    return f"{100 * chance:.0f}%"


def _row(rank: int, one: Doubt) -> list[object]:
    similar = "; ".join(f"{film.title}: {', '.join(film.genres)}" for film in one.similar)
    return [
        rank,
        as_cell(one.film_id),
        as_cell(one.title),
        "" if one.year is None else one.year,
        as_cell(one.genre),
        one.kind,
        f"{one.p:.6g}",
        f"{one.doubt:.4f}",
        as_cell("|".join(one.listed)),
        one.explained(),
        as_cell(similar),
    ]
