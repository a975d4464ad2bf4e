"""Building a catalog and growing it: choose films, examine posters, group, split, write."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.catalog.examine import Examined, Offer, kept_as_it_was, read_offer
from keyart.catalog.films_table import Columns
from keyart.catalog.groups import common_stems, join_groups
from keyart.catalog.listed import ListedFilms
from keyart.catalog.rejections import Rejection, read_rejections, write_rejections
from keyart.catalog.split import ALL_FILMS, NEW_FILMS, SPLITS, Fractions, split_groups
from keyart.catalog.table import COLUMNS, FACTS, CatalogTable
from keyart.catalog.terms import joined_terms, read_terms, terms_of, terms_to_json
from keyart.catalog.write import Row, catalog_facts, growing, write_genres, write_shards
from keyart.errors import CatalogError, counted
from keyart.files import new_folder, write_json
from keyart.genres import Vocabulary
from keyart.near_duplicates import THUMBNAIL, near_pairs
from keyart.parallel import Progress
from keyart.series import RULE, series_stem


def build_catalog(
    films: Path | ListedFilms,
    posters: Path | None,
    out: Path,
    *,
    vocabulary: Vocabulary,
    columns: Columns | None,
    fractions: Fractions,
    seed: int,
    progress: Progress | None,
) -> None:
    """Write a new catalog, see `Catalog.build`."""
    if out.exists() or out.is_symlink():
        raise CatalogError(
            f"{out}: already exists; add --grow to add films to it, or choose another folder"
        )
    offer = read_offer(films, posters, vocabulary, columns=columns, progress=progress)
    table = films.path if isinstance(films, ListedFilms) else films
    folder = posters or table
    if not offer.examined:
        first = [f"the first: {one.film_id}: {one.reason}" for one in offer.rejections[:1]]
        if offer.without_poster:
            first.insert(0, f"{offer.without_poster:,} of {offer.rows:,} rows have no poster")
        nothing = f"{table}: no film with a genre and a poster in {folder}"
        raise CatalogError("; ".join([nothing, *offer.notes, *first]))

    split = {
        "method": "iterative stratification of groups",
        "seed": seed,
        "fractions": list(fractions),
        "series": {"of": ALL_FILMS, "rule": RULE, "ignored": []},
    }
    placed = _place(vocabulary, [], offer.examined, split)
    assert not placed.rejections, "without old films there are no two splits to choose from"
    with new_folder(out) as partial:
        shards = write_shards(partial, placed.rows, placed.posters, first=0)
        rejected = write_rejections(partial, [], offer.rejections)
        facts = catalog_facts(
            vocabulary,
            placed.rows,
            shards=shards,
            split=placed.split,
            tables=[_account(table, offer, len(placed.rows), len(offer.rejections))],
            unmapped=offer.unmapped,
            unmapped_cells=offer.unmapped_cells,
            notes=[*offer.notes, *placed.notes],
            rejections=len(rejected),
            terms=terms_to_json(read_terms(folder)),
        )
        write_json(partial / FACTS, facts)


def grow_catalog(
    path: Path,
    films: Path | ListedFilms,
    posters: Path | None,
    *,
    columns: Columns | None,
    replace_genres: bool,
    progress: Progress | None,
) -> None:
    """Add films to the catalog at `path`, see `Catalog.grow`."""
    with growing(path):
        catalog = CatalogTable.open(path)
        before = catalog.facts
        old = catalog.columns(COLUMNS).to_pylist()
        known = {row["film_id"]: row["genres"] for row in old}
        offer = read_offer(
            films, posters, catalog.vocabulary, columns=columns, known=known, progress=progress
        )
        table = films.path if isinstance(films, ListedFilms) else films
        rejections, notes, kept = list(offer.rejections), list(offer.notes), list(before["shards"])
        others = offer.other_genres
        if replace_genres and others:
            old = [
                {**row, "genres": list(others.get(row["film_id"], row["genres"]))} for row in old
            ]
            kept = write_genres(catalog, others)
            notes.append(f"{table.name}: {counted(len(others), 'film')} took the table's genres")
        elif others:
            rejections += [
                kept_as_it_was(name, known[name], given) for name, given in others.items()
            ]
            notes.append(
                f"{table.name}: {len(others):,} films have other genres there and kept their own; "
                "--replace-genres takes the table's"
            )

        split = before["split"]
        if not catalog.keeps_series:
            split = {**split, "series": {"of": NEW_FILMS, "rule": RULE, "ignored": []}}
        placed = _place(catalog.vocabulary, old, offer.examined, split)
        old_rejections = read_rejections(catalog)
        shards = write_shards(path, placed.rows, placed.posters, first=len(kept))
        rejected = write_rejections(path, old_rejections, [*rejections, *placed.rejections])
        taken = len(placed.rows) + (len(others) if replace_genres else 0)
        new_rejections = len(rejections) + len(placed.rejections)
        facts = catalog_facts(
            catalog.vocabulary,
            [*old, *placed.rows],
            shards=[*kept, *shards],
            split=placed.split,
            tables=[*before.get("tables", []), _account(table, offer, taken, new_rejections)],
            unmapped=Counter(before["unmapped"]) + offer.unmapped,
            unmapped_cells=Counter(before.get("unmapped_cells", {})) + offer.unmapped_cells,
            notes=[*before["notes"], *notes, *placed.notes],
            rejections=len(rejected),
            terms=terms_to_json(joined_terms(terms_of(catalog), read_terms(posters or table))),
            corrections=before.get("corrections", ()),
        )
        write_json(path / FACTS, facts)


def _account(films: Path, offer: Offer, taken: int, rejected: int) -> dict[str, Any]:
    """What became of the rows of a table."""
    without = offer.without_poster
    accounted = taken + rejected + without
    assert accounted == offer.rows, f"{films}: {offer.rows} rows, {accounted} accounted for"
    return {
        "name": films.name,
        "rows": offer.rows,
        "films": taken,
        "rejections": rejected,
        "without_poster": without,
    }


@dataclass(frozen=True, slots=True)
class _Placed:
    """New films with their groups and splits: rows, their posters' files, and the rejections.

    split: how the catalog is split now, as in catalog.json.
    """

    rows: list[Row]
    posters: list[Path]
    rejections: list[Rejection]
    split: dict[str, Any]
    notes: list[str]


def _place(
    vocabulary: Vocabulary,
    old: Sequence[Row],
    examined: Sequence[Examined],
    split: Mapping[str, Any],
) -> _Placed:
    """Give each new film its group and split.

    old: the rows that are in the catalog. Their groups keep their splits; new groups are dealt so
    that old and new films together are balanced. split: how the catalog is split, as in
    catalog.json.
    """
    examined = sorted(examined, key=lambda one: one.film.film_id)
    hashes = [row["poster_hash"] for row in old] + [one.hash for one in examined]
    small = [row["poster_thumbnail"] for row in old] + [one.thumbnail for one in examined]
    thumbnails = np.frombuffer(b"".join(small), np.uint8).reshape(len(small), *THUMBNAIL)
    splits: dict[str, str] = {row["group"]: row["split"] for row in old}
    titles = [row["title"] for row in old] + [one.film.title for one in examined]
    stems, ignored, notes = _series(titles, len(old), split["series"])
    groups, rejections = join_groups(
        [one.film.film_id for one in examined],
        near_pairs(np.array(hashes, np.uint64), thumbnails, since=len(old)),
        stems=stems,
        given=[row["group"] for row in old],
        splits=splits,
    )
    placed = [(one, group) for one, group in zip(examined, groups, strict=True) if group]
    given = _films_by_split(vocabulary, old)
    for number, name in enumerate(SPLITS):  # films that join old groups count as given too
        joined = [one.film.genres for one, group in placed if splits.get(group) == name]
        given[0][number] += vocabulary.encode(joined).sum(0)
        given[1][number] += len(joined)

    dealt = [(one, group) for one, group in placed if group not in splits]
    names, numbers = np.unique([group for _, group in dealt], return_inverse=True)
    truth = np.zeros((len(names), len(vocabulary)), np.int64)
    np.add.at(truth, numbers, vocabulary.encode([one.film.genres for one, _ in dealt]))
    sizes = np.bincount(numbers, minlength=len(names))
    chosen = split_groups(
        truth, sizes, fractions=split["fractions"], seed=split["seed"], given=given
    )
    splits |= {str(name): SPLITS[number] for name, number in zip(names, chosen, strict=True)}
    rows = [_row(one, group, splits[group]) for one, group in placed]
    series = {**split["series"], "ignored": ignored}
    posters = [one.path for one, _ in placed]
    return _Placed(rows, posters, rejections, {**split, "series": series}, notes)


def _series(
    titles: Sequence[str], old: int, facts: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    """The stem of each title, "" for none; those that name no series; and notes on new ones.

    titles: of the old films, then of the new ones. facts: on series, as in catalog.json.
    """
    stems = [series_stem(title) for title in titles]
    ignored = set(facts["ignored"])
    grouped = facts["of"] == ALL_FILMS
    common = common_stems(["" if stem in ignored else stem for stem in stems], old, grouped=grouped)
    notes = [
        f"{count:,} films are called {stem!r}: too many for a series, so they are not kept in one "
        "split"
        for stem, count in common.items()
    ]
    ignored |= common.keys()
    return ["" if stem in ignored else stem for stem in stems], sorted(ignored), notes


def _films_by_split(
    vocabulary: Vocabulary, rows: Sequence[Row]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Films with each genre in each split, (splits, genres), and films in each, (splits,)."""
    genres = [[row["genres"] for row in rows if row["split"] == split] for split in SPLITS]
    by_genre = np.stack([vocabulary.encode(films).sum(0, dtype=np.int64) for films in genres])
    return by_genre, np.array([len(films) for films in genres], np.int64)


def _row(one: Examined, group: str, split: str) -> Row:
    """A film's row of the catalog, without its poster."""
    return {
        "film_id": one.film.film_id,
        "title": one.film.title,
        "year": one.film.year,
        "genres": list(one.film.genres),
        "width": one.width,
        "height": one.height,
        "group": group,
        "split": split,
        "poster_sha256": one.sha256,
        "poster_hash": one.hash,
        "poster_thumbnail": one.thumbnail,
    }
