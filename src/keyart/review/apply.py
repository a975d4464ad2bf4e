"""apply_corrections: a new version of a catalog, with what people corrected and decided."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyart.catalog.cells import as_cell
from keyart.errors import CorrectionsError
from keyart.files import StrPath
from keyart.review.corrections import Correction, Corrections
from keyart.review.database import driver_url
from keyart.review.decisions import Decision, Decisions, standing, verdict_of

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

# What became of a correction or a decision.
APPLIED = "applied"
LISTED_SO = "listed so already"
REJECTED = "rejected"
SKIPPED = "skipped"
CONFLICT = "conflict"
REPLACED = "replaced by a newer one"
NO_GENRE_LEFT = "not applied: no genre would be left"
UNKNOWN_GENRE = "not applied: not a genre of the catalog"
ELSEWHERE = "not in this catalog"

Said = Correction | Decision
_OUTCOME, _AUTHOR = 6, 9  # columns of CHANGES


@dataclass(frozen=True)
class Applied:
    """What a version changed.

    catalog: the new version. films: that have other genres now. outcomes: how many corrections and
    decisions had each outcome; they sum to all that stand in the store.
    """

    catalog: "Catalog"
    films: int
    added: int
    removed: int
    outcomes: Mapping[str, int]


def apply_corrections(catalog: "Catalog", url: str, out: StrPath) -> Applied:
    """Write a new version of a catalog with the corrections and decisions of a store.

    url: of the store. out: the new folder. The catalog stays as it is, and films keep their splits.
    A film takes the genres of its poster's newest correction; newer decisions add and remove single
    genres. What people decided differently is not applied. Every correction and decision is counted
    in catalog.json and has a row in the version's file of changes. Raises CorrectionsError if
    nothing would change, and CatalogError.
    """
    place = driver_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").exists():
        raise CorrectionsError(f"{place}: no such file; keyart review and keyart serve make it")
    columns = ["film_id", "title", "genres", "poster_sha256"]
    films = catalog.columns(columns).to_pylist()
    by_poster: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for film in films:
        by_poster[film["poster_sha256"]].append(film)
    said: dict[str, list[tuple[Said, str]]] = defaultdict(list)
    rows: list[list[object]] = []
    for one, outcome in _standing(url):
        here = [film for film in by_poster[_poster(one)] if _is_about(one, film["film_id"])]
        for film in here:
            said[film["film_id"]].append((one, outcome))
        if not here:
            rows.append(_row({}, one, ELSEWHERE, ()))
    changed: dict[str, tuple[list[str], list[str]]] = {}
    for film in films:
        if events := said.get(film["film_id"]):
            after, outcomes = _replayed(film["genres"], events, catalog.vocabulary.names)
            if after != film["genres"]:
                changed[film["film_id"]] = film["genres"], after
            rows += [_row(film, *one, after) for one in outcomes]
    counted = Counter(str(row[_OUTCOME]) for row in rows)
    if not changed:
        found = ", ".join(f"{count:,} {name}" for name, count in counted.items()) or "none"
        raise CorrectionsError(
            f"{catalog.path}: nothing to apply; corrections and decisions in the store: {found}"
        )
    added = sum(len(set(after) - set(before)) for before, after in changed.values())
    removed = sum(len(set(before) - set(after)) for before, after in changed.values())
    authors = Counter(str(row[_AUTHOR]) for row in rows if row[_OUTCOME] == APPLIED)
    version = catalog.corrected(
        {film_id: after for film_id, (_, after) in changed.items()},
        rows,
        out=out,
        provenance={
            "store": place.render_as_string(hide_password=True),
            "genres_added": added,
            "genres_removed": removed,
            "outcomes": dict(counted.most_common()),
            "authors": dict(authors.most_common()),
        },
    )
    return Applied(version, len(changed), added, removed, dict(counted.most_common()))


def _standing(url: str) -> Iterator[tuple[Said, str]]:
    """What stands in a store, with its outcome if that is known already; else empty."""
    with closing(Corrections(url)) as corrections:
        for correction in corrections.current():
            yield correction, ""
    with closing(Decisions(url)) as decisions:
        for by_person in standing(one for _, one in decisions.since()).values():
            together = verdict_of(by_person)
            for one in by_person.values():
                if one.verdict == "skip":
                    yield one, SKIPPED
                elif together == "conflict":
                    yield one, CONFLICT
                else:
                    yield one, REJECTED if one.verdict == "reject" else ""


def _poster(one: Said) -> str:
    return one.case.poster_sha256 if isinstance(one, Decision) else one.poster_sha256


def _is_about(one: Said, film_id: str) -> bool:
    """Whether it is about this film; a correction is about all films that have its poster."""
    return isinstance(one, Correction) or one.case.film_id == film_id


def _replayed(
    listed: Sequence[str], events: Sequence[tuple[Said, str]], vocabulary: Sequence[str]
) -> tuple[list[str], list[tuple[Said, str]]]:
    """The genres of a film after all that people said, oldest first, and the outcome of each."""
    genres = base = set(listed)
    known = []
    for one, outcome in sorted(events, key=lambda event: event[0].time):
        named = one.new_genres if isinstance(one, Correction) else (one.case.genre,)
        if not outcome and not set(named) <= set(vocabulary):
            outcome = UNKNOWN_GENRE
        known.append((one, outcome))
        if outcome:
            continue
        if isinstance(one, Correction):
            genres = base = set(named)
        else:
            genres = genres | set(named) if one.case.kind == "missing" else genres - set(named)
    empty = not genres
    genres = genres or base
    after = sorted(genres, key=list(vocabulary).index)
    return after, [(one, was or _outcome(one, set(listed), genres, empty)) for one, was in known]


def _outcome(one: Said, before: set[str], after: set[str], empty: bool) -> str:
    """empty: whether the decisions together would leave no genre."""
    if isinstance(one, Correction):
        return LISTED_SO if before == after else APPLIED
    genre, comes = one.case.genre, one.case.kind == "missing"
    if (genre in after) != comes:
        return NO_GENRE_LEFT if empty else REPLACED
    return LISTED_SO if (genre in before) == comes else APPLIED


def _row(film: Mapping[str, Any], one: Said, outcome: str, after: Sequence[str]) -> list[object]:
    """A row of the file of changes: columns as in CHANGES of catalog/corrected.py."""
    decision = one if isinstance(one, Decision) else None
    title = film["title"] if film else "" if decision else one.title  # type: ignore[union-attr]
    about = (decision.case.kind, decision.case.genre) if decision else ("", "")
    return [
        as_cell(film["film_id"] if film else decision.case.film_id if decision else ""),
        as_cell(title),
        "decision" if decision else "correction",
        *map(as_cell, about),
        decision.verdict if decision else "replace",
        outcome,
        as_cell("|".join(film.get("genres", ()))),
        as_cell("|".join(after)),
        as_cell(one.author),
        one.time.isoformat(timespec="seconds"),
        f"{decision.p:.6g}" if decision else "",
    ]
