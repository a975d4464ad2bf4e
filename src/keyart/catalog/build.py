"""Building a catalog and growing one: choose films, examine posters, group, split, write."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keyart.catalog.examine import (
    Examined,
    Progress,
    choose_films,
    examine_posters,
    kept_as_it_was,
)
from keyart.catalog.films_table import read_films
from keyart.catalog.groups import join_groups
from keyart.catalog.poster_folder import PosterFolder
from keyart.catalog.rejections import Rejection, read_rejections, write_rejections
from keyart.catalog.split import DEFAULT_FRACTIONS, SPLITS, Fractions, split_groups
from keyart.catalog.table import COLUMNS, FACTS, Catalog
from keyart.catalog.write import Row, catalog_facts, growing, write_genres, write_shards
from keyart.errors import CatalogError
from keyart.files import new_folder, write_json
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
from keyart.near_duplicates import THUMBNAIL, near_pairs


def parse_fractions(text: str) -> tuple[float, float, float]:
    """'60/20/20' as fractions of train, validation and test. Raises CatalogError."""
    try:
        train, validation, test = (float(part) / 100 for part in text.split("/"))
    except ValueError as error:
        raise CatalogError(f"--split {text}: write three numbers, as in 60/20/20") from error
    parts = (train, validation, test)
    if not (min(parts) >= 0 and train > 0 and abs(sum(parts) - 1) <= 1e-9):  # NaN fails all
        raise CatalogError(f"--split {text}: three parts that sum to 100, with some of train")
    return parts


def build_catalog(
    films: Path,
    posters: Path,
    out: Path,
    *,
    vocabulary: Vocabulary = DEFAULT_VOCABULARY,
    fractions: Fractions = DEFAULT_FRACTIONS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Catalog:
    """Make a catalog of the films of a table whose posters are in a folder.

    progress: called with (posters examined, posters). Raises TableError for a table or folder
    that cannot be read, CatalogError where `out` exists or no film is left.
    """
    if out.exists() or out.is_symlink():
        raise CatalogError(
            f"{out}: is already there; add --grow to add films to it, or name another folder"
        )
    listings, notes = read_films(films, vocabulary)
    choice = choose_films(listings, vocabulary)
    folder = PosterFolder(posters)
    examined, unread = examine_posters(choice.new, folder, progress)
    rejections = [*choice.rejections, *unread]
    if not examined:
        first = (
            f"; the first: {rejections[0].film_id}: {rejections[0].reason}" if rejections else ""
        )
        raise CatalogError(f"{films}: no film with a genre and a poster in {posters}{first}")

    rows, paths, homeless = _place(vocabulary, [], examined, fractions, seed)
    assert not homeless, "without old films there are no two sides"
    with new_folder(out) as beside:
        shards = write_shards(beside, rows, paths, first=0)
        rejected = write_rejections(beside, [], rejections)
        facts = catalog_facts(
            vocabulary,
            rows,
            shards=shards,
            split={
                "method": "iterative stratification of groups",
                "seed": seed,
                "fractions": list(fractions),
            },
            unmapped=choice.unmapped,
            notes=[*notes, *folder.notes],
            rejections=len(rejected),
        )
        write_json(beside / FACTS, facts)
    return Catalog.open(out)


def grow_catalog(
    catalog: Catalog,
    films: Path,
    posters: Path,
    *,
    replace_genres: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Catalog:
    """Add films to a catalog. No film that is in it moves to another part or group.

    A new film whose poster is near to an old one's joins its group and so its part; one that is
    near to films of two parts is rejected. A film that is in the catalog already is a rejection;
    where the table gives it other genres, `replace_genres` lets it take them instead. say: gets a
    line that counts such films. The catalog is whole at every moment: catalog.json changes last,
    in one step.
    """
    with growing(catalog.path):
        catalog = Catalog.open(catalog.path)  # as it is now: someone may have grown it meanwhile
        before = catalog.facts
        listings, notes = read_films(films, catalog.vocabulary)
        old = catalog.columns(COLUMNS).to_pylist()
        known = {row["film_id"]: row["genres"] for row in old}
        choice = choose_films(listings, catalog.vocabulary, known)
        folder = PosterFolder(posters)
        examined, unread = examine_posters(choice.new, folder, progress)
        rejections = [*choice.rejections, *unread]
        kept = list(before["shards"])
        if replace_genres:
            genres = {film_id: given for film_id, (_, given) in choice.other_genres.items()}
            old = [
                {**row, "genres": list(genres.get(row["film_id"], row["genres"]))} for row in old
            ]
            kept = write_genres(catalog, genres)
        else:
            rejections += [
                kept_as_it_was(name, *both) for name, both in choice.other_genres.items()
            ]

        fractions, seed = before["split"]["fractions"], before["split"]["seed"]
        rows, paths, homeless = _place(catalog.vocabulary, old, examined, fractions, seed)
        old_rejections = read_rejections(catalog)
        shards = write_shards(catalog.path, rows, paths, first=len(kept))
        rejected = write_rejections(catalog.path, old_rejections, [*rejections, *homeless])
        facts = catalog_facts(
            catalog.vocabulary,
            [*old, *rows],
            shards=[*kept, *shards],
            split=before["split"],
            unmapped=Counter(before["unmapped"]) + choice.unmapped,
            notes=[*before["notes"], *notes, *folder.notes],
            rejections=len(rejected),
        )
        write_json(catalog.path / FACTS, facts)
    if count := len(choice.other_genres):
        say(
            f"films of the catalog that took other genres from {films}: {count:,}"
            if replace_genres
            else f"films of the catalog that have other genres in {films}: {count:,}; they kept "
            "theirs (--replace-genres lets them take the table's)"
        )
    return Catalog.open(catalog.path)


def _place(
    vocabulary: Vocabulary,
    old: Sequence[Row],
    examined: Sequence[Examined],
    fractions: Fractions,
    seed: int,
) -> tuple[list[Row], list[Path], list[Rejection]]:
    """Give each new film its group and part. Returns the rows, their posters, the rejections.

    old: the rows that stand already; groups that new films join keep their part, the others are
    dealt so that old and new films together are balanced.
    """
    examined = sorted(examined, key=lambda one: one.film.film_id)
    hashes = [row["poster_hash"] for row in old] + [one.hash for one in examined]
    looks = [row["poster_thumbnail"] for row in old] + [one.thumbnail for one in examined]
    thumbnails = np.frombuffer(b"".join(looks), np.uint8).reshape(len(looks), *THUMBNAIL)
    parts: dict[str, str] = {row["group"]: row["split"] for row in old}
    groups, rejections = join_groups(
        [one.film.film_id for one in examined],
        near_pairs(np.array(hashes, np.uint64), thumbnails, since=len(old)),
        given=[row["group"] for row in old],
        parts=parts,
    )
    placed = [(one, group) for one, group in zip(examined, groups, strict=True) if group]
    given = _films_by_part(vocabulary, old)
    for part, side in enumerate(SPLITS):  # films that join old groups count as given too
        joined = [one.film.genres for one, group in placed if parts.get(group) == side]
        given[0][part] += vocabulary.encode(joined).sum(0)
        given[1][part] += len(joined)

    dealt = [(one, group) for one, group in placed if group not in parts]
    names, numbers = np.unique([group for _, group in dealt], return_inverse=True)
    truth = np.zeros((len(names), len(vocabulary)), np.int64)
    np.add.at(truth, numbers, vocabulary.encode([one.film.genres for one, _ in dealt]))
    sizes = np.bincount(numbers, minlength=len(names))
    sides = split_groups(truth, sizes, fractions=fractions, seed=seed, given=given)
    parts |= {str(name): SPLITS[side] for name, side in zip(names, sides, strict=True)}
    rows = [_row(one, group, parts[group]) for one, group in placed]
    return rows, [one.path for one, _ in placed], rejections


def _films_by_part(
    vocabulary: Vocabulary, rows: Sequence[Row]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Films with each genre in each part, (parts, genres), and films in each part, (parts,)."""
    genres = [[row["genres"] for row in rows if row["split"] == side] for side in SPLITS]
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
