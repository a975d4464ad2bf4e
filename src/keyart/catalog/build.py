"""Building a catalog and growing one: choose films, examine posters, group, split, write."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import keyart
from keyart.catalog.duplicates import THUMBNAIL, group_labels, name_groups, near_pairs
from keyart.catalog.examine import Examined, Progress, Rejection, choose_films, examine_posters
from keyart.catalog.sources.films_table import read_films
from keyart.catalog.sources.poster_folder import PosterFolder
from keyart.catalog.split import DEFAULT_FRACTIONS, SPLITS, split_groups
from keyart.catalog.table import (
    COLUMNS,
    FACTS,
    FORMAT,
    REJECTIONS,
    ROW_GROUP,
    SCHEMA,
    SHARD,
    Catalog,
    Fingerprint,
    sha256_of,
)
from keyart.errors import CatalogError
from keyart.files import new_folder, replacing, write_csv, write_json
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary

Row = dict[str, Any]


def parse_fractions(text: str) -> tuple[float, float, float]:
    """'60/20/20' as fractions of train, validation and test. Raises CatalogError."""
    try:
        train, validation, test = (float(part) / 100 for part in text.split("/"))
    except ValueError as error:
        raise CatalogError(f"--split {text}: write three numbers, as in 60/20/20") from error
    parts = (train, validation, test)
    if min(parts) < 0 or train == 0 or abs(sum(parts) - 1) > 1e-9:
        raise CatalogError(f"--split {text}: three parts that sum to 100, with some of train")
    return parts


def build_catalog(
    films: Path,
    posters: Path,
    out: Path,
    *,
    vocabulary: Vocabulary = DEFAULT_VOCABULARY,
    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Catalog:
    """Make a catalog of the films of a table whose posters are in a folder.

    progress: called with (posters examined, posters). Raises TableError for a table or folder
    that cannot be read, CatalogError where `out` exists or no film is left.
    """
    if out.exists():
        raise CatalogError(
            f"{out}: is already there; add --grow to add films to it, or name another folder"
        )
    listings, notes = read_films(films, vocabulary)
    chosen, rejections, unmapped = choose_films(listings, vocabulary)
    folder = PosterFolder(posters)
    examined, unread = examine_posters(chosen, folder, progress)
    rejections += unread
    if not examined:
        first = (
            f"; the first: {rejections[0].film_id}: {rejections[0].reason}" if rejections else ""
        )
        raise CatalogError(f"{films}: no film with a genre and a poster in {posters}{first}")
    examined.sort(key=lambda one: one.film.film_id)

    hashes, thumbnails = _looks(examined)
    groups = name_groups([e.film.film_id for e in examined], near_pairs(hashes, thumbnails))
    names, numbers = np.unique(groups, return_inverse=True)
    truth = vocabulary.encode([e.film.genres for e in examined])
    parts = split_groups(
        _sum_by(numbers, truth, len(names)),
        np.bincount(numbers),
        fractions=fractions,
        seed=seed,
    )
    split = {"method": "iterative stratification of groups", "seed": seed}
    split["fractions"] = list(fractions)
    with new_folder(out) as beside:
        rows = _rows(examined, groups.tolist(), [SPLITS[part] for part in parts[numbers]])
        shards = _write_shards(beside, rows, [e.path for e in examined], first=0)
        _write_rejections(beside, [], rejections)
        write_json(
            beside / FACTS,
            _facts(vocabulary, rows, shards, split, unmapped, notes + folder.clashes, rejections),
        )
    return Catalog.open(out)


def grow_catalog(
    catalog: Catalog, films: Path, posters: Path, *, progress: Progress | None = None
) -> Catalog:
    """Add films to a catalog. No film that is in it moves to another part, group or genre.

    A new film whose poster is near to an old one's joins its group and so its part; one that is
    near to films of two parts is rejected. A film that is in the catalog already is a rejection.
    The catalog is whole at every moment: catalog.json changes last, in one step.
    """
    listings, notes = read_films(films, catalog.vocabulary)
    chosen, rejections, unmapped = choose_films(listings, catalog.vocabulary)
    old = catalog.columns(COLUMNS).to_pylist()
    known = {row["film_id"]: row for row in old}
    rejections += [
        _already_there(film.genres, known[film.film_id])
        for film, _ in chosen
        if film.film_id in known
    ]
    chosen = [entry for entry in chosen if entry[0].film_id not in known]
    folder = PosterFolder(posters)
    examined, unread = examine_posters(chosen, folder, progress)
    rejections += unread
    examined.sort(key=lambda one: one.film.film_id)

    hashes, thumbnails = _looks(examined)
    old_hashes = np.array([row["poster_hash"] for row in old], np.uint64)
    old_thumbnails = _thumbnails([row["poster_thumbnail"] for row in old])
    pairs = near_pairs(
        np.concatenate([old_hashes, hashes]),
        np.concatenate([old_thumbnails, thumbnails]),
        since=len(old),
    )
    groups, parts, bridging = _join(old, examined, pairs)
    rejections += bridging
    kept = [index for index, group in enumerate(groups) if group is not None]
    examined = [examined[index] for index in kept]
    _deal_new_groups(catalog, old, examined, [groups[index] for index in kept], parts)

    new_groups = [str(groups[index]) for index in kept]
    rows = _rows(examined, new_groups, [parts[group] for group in new_groups])
    paths = [e.path for e in examined]
    before = catalog.facts
    shards = _write_shards(catalog.path, rows, paths, first=len(before["shards"]))
    old_rejections = read_rejections(catalog)
    _write_rejections(catalog.path, old_rejections, rejections)
    facts = _facts(
        catalog.vocabulary,
        [*old, *rows],
        [*before["shards"], *shards],
        before["split"],
        Counter(before["unmapped"]) + unmapped,
        [*before["notes"], *notes, *folder.clashes],
        [*old_rejections, *rejections],
    )
    write_json(catalog.path / FACTS, facts)
    return Catalog.open(catalog.path)


def read_rejections(catalog: Catalog) -> list[Rejection]:
    """The films that are not in a catalog, and why. Raises CatalogError."""
    path = catalog.path / REJECTIONS
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [Rejection(row["film_id"], row["reason"]) for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise CatalogError(f"{path}: missing or damaged; build the catalog again") from error
    # A growing that was killed may have left rows that catalog.json does not count.
    return rows[: int(catalog.facts["rejections"])]


def _already_there(genres: Sequence[str], row: Mapping[str, Any]) -> Rejection:
    if list(genres) == row["genres"]:
        return Rejection(row["film_id"], "is in the catalog already")
    kept, given = "|".join(row["genres"]), "|".join(genres)
    return Rejection(row["film_id"], f"is in the catalog with {kept}, not {given}; kept as it was")


def _looks(examined: Sequence[Examined]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
    hashes = np.array([one.hash for one in examined], np.uint64)
    return hashes, _thumbnails([one.thumbnail for one in examined])


def _thumbnails(parts: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(parts), np.uint8).reshape(len(parts), *THUMBNAIL)


def _sum_by(
    numbers: npt.NDArray[np.int64], truth: npt.NDArray[np.bool_], groups: int
) -> npt.NDArray[np.int64]:
    """Films with each genre in each group: (groups, genres)."""
    counts = np.zeros((groups, truth.shape[1]), np.int64)
    np.add.at(counts, numbers, truth)
    return counts


def _join(
    old: Sequence[Row], examined: Sequence[Examined], pairs: npt.NDArray[np.int64]
) -> tuple[list[str | None], dict[str, str], list[Rejection]]:
    """The group of each new film (None: rejected), the parts of old groups, and the rejections.

    pairs: (earlier, later) rows, old films first.
    """
    parts: dict[str, str] = {row["group"]: row["split"] for row in old}
    # Old films of one group are one already, whatever linked them.
    first_of: dict[str, int] = {}
    for index, row in enumerate(old):
        first_of.setdefault(row["group"], index)
    own = [(first_of[row["group"]], index) for index, row in enumerate(old)]
    links = np.concatenate([np.array(own, np.int64).reshape(-1, 2), pairs])
    labels = group_labels(len(old) + len(examined), links).tolist()
    old_groups: dict[int, list[str]] = {}
    for label, row in zip(labels, old, strict=False):
        members = old_groups.setdefault(label, [])
        if row["group"] not in members:
            members.append(row["group"])
    groups: list[str | None] = []
    rejections: list[Rejection] = []
    new_groups: dict[int, str] = {}
    for label, one in zip(labels[len(old) :], examined, strict=True):
        near = old_groups.get(label, [])
        sides = sorted({parts[group] for group in near}, key=SPLITS.index)
        if len(sides) > 1:
            reason = f"its poster is a near-duplicate of films in {' and '.join(sides)}"
            rejections.append(Rejection(one.film.film_id, reason))
            groups.append(None)
        elif near:
            groups.append(near[0])
        else:
            groups.append(new_groups.setdefault(label, one.film.film_id))
    return groups, parts, rejections


def _deal_new_groups(
    catalog: Catalog,
    old: Sequence[Row],
    examined: Sequence[Examined],
    groups: Sequence[str | None],
    parts: dict[str, str],
) -> None:
    """Give each group that is not in `parts` a part, so that all films together are balanced."""
    vocabulary = catalog.vocabulary
    genres = [row["genres"] for row in old] + [one.film.genres for one in examined]
    truth = vocabulary.encode(genres)
    known = [row["split"] for row in old] + [parts.get(str(group)) for group in groups]
    have = [[part == side for part in known] for side in SPLITS]
    have_genres = np.stack([truth[rows].sum(0) for rows in have])
    have_films = np.array([sum(rows) for rows in have])
    fresh = [index for index, part in enumerate(known) if part is None]
    names = sorted({str(groups[index - len(old)]) for index in fresh})
    numbers = np.array([names.index(str(groups[i - len(old)])) for i in fresh], np.int64)
    dealt = split_groups(
        _sum_by(numbers, truth[fresh], len(names)),
        np.bincount(numbers, minlength=len(names)),
        fractions=tuple(catalog.facts["split"]["fractions"]),
        seed=catalog.facts["split"]["seed"],
        given=(have_genres, have_films),
    )
    parts |= {name: SPLITS[part] for name, part in zip(names, dealt, strict=True)}


def _rows(examined: Sequence[Examined], groups: Sequence[str], splits: Sequence[str]) -> list[Row]:
    """Rows of the catalog, without their posters."""
    return [
        {
            "film_id": one.film.film_id,
            "title": one.film.title,
            "year": one.film.year,
            "genres": list(one.film.genres),
            "width": one.width,
            "height": one.height,
            "group": str(group),
            "split": split,
            "poster_sha256": one.sha256,
            "poster_hash": one.hash,
            "poster_thumbnail": one.thumbnail,
        }
        for one, group, split in zip(examined, groups, splits, strict=True)
    ]


def _write_shards(
    folder: Path, rows: Sequence[Row], paths: Sequence[Path], *, first: int
) -> list[dict[str, Any]]:
    """Write rows, with their posters read again, as shards numbered from `first`."""
    shards = []
    for number, start in enumerate(range(0, len(rows), SHARD), start=first):
        path = folder / f"films-{number:05}.parquet"
        stop = min(start + SHARD, len(rows))
        with replacing(path) as beside, pq.ParquetWriter(beside, SCHEMA, compression="none") as w:
            for table in _row_groups(rows[start:stop], paths[start:stop]):
                w.write_table(table, row_group_size=ROW_GROUP)
        shards.append(
            {
                "name": path.name,
                "films": stop - start,
                "size": path.stat().st_size,
                "sha256": sha256_of(path),
            }
        )
    return shards


def _row_groups(rows: Sequence[Row], paths: Sequence[Path]) -> Iterator[pa.Table]:
    for start in range(0, len(rows), ROW_GROUP):
        some = []
        for row, path in zip(
            rows[start : start + ROW_GROUP], paths[start : start + ROW_GROUP], strict=True
        ):
            poster = path.read_bytes()
            if hashlib.sha256(poster).hexdigest() != row["poster_sha256"]:
                raise CatalogError(f"{path}: changed while the catalog was made; run it again")
            some.append({**row, "poster": poster})
        yield pa.Table.from_pylist(some, SCHEMA)


def _write_rejections(folder: Path, old: Sequence[Rejection], new: Sequence[Rejection]) -> None:
    rows = [*old, *sorted(new, key=lambda one: (one.film_id, one.reason))]
    header = ("film_id", "reason")
    write_csv(folder / REJECTIONS, header, [(one.film_id, one.reason) for one in rows])


def _facts(
    vocabulary: Vocabulary,
    rows: Sequence[Row],
    shards: Sequence[Mapping[str, Any]],
    split: Mapping[str, Any],
    unmapped: Counter[str],
    notes: Sequence[str],
    rejections: Sequence[Rejection],
) -> dict[str, Any]:
    fingerprint = Fingerprint(vocabulary)
    counts = {name: dict.fromkeys(SPLITS, 0) for name in vocabulary.names}
    for row in rows:
        fingerprint.add(row)
        for genre in row["genres"]:
            counts[genre][row["split"]] += 1
    return {
        "format": FORMAT,
        "keyart": keyart.__version__,
        "vocabulary": {
            "names": list(vocabulary.names),
            "aliases": {alias: list(to) for alias, to in vocabulary.aliases.items()},
        },
        "films": len(rows),
        "fingerprint": fingerprint.hex(),
        "parts": {side: sum(row["split"] == side for row in rows) for side in SPLITS},
        "counts": counts,
        "split": dict(split),
        "unmapped": dict(unmapped.most_common()),
        "notes": list(notes),
        "rejections": len(rejections),
        "shards": list(shards),
    }
