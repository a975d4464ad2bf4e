"""Groups: films with near-duplicate posters or of one series, directly or through others."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from keyart.catalog.rejections import Rejection
from keyart.catalog.split import SPLITS
from keyart.catalog.table import CatalogTable

_MOST = 50  # films of one stem; the largest series of 24,675 real films has 12


def common_stems(stems: Sequence[str], old: int, *, grouped: bool) -> dict[str, int]:
    """The stems that so many films have that they name no series, as "untitled"; how many have it.

    stems: of all films, the old ones first, which are `old`. grouped: the old films were grouped by
    series. Then what was a series once is one for ever, however many films it gets.
    """
    known = set(stems[:old]) if grouped else ()
    counts = Counter(stem for stem in stems if stem and stem not in known)
    most = min(_MOST, max(2, len(stems) // 2))
    return {stem: count for stem, count in counts.items() if count > most}


def join_groups(
    film_ids: Sequence[str],
    pairs: npt.NDArray[np.int64],
    *,
    stems: Sequence[str],
    given: Sequence[str] = (),
    splits: Mapping[str, str] | None = None,
) -> tuple[list[str | None], list[Rejection]]:
    """Put films into the groups of their near-duplicates and of their series.

    film_ids: the new films. pairs: (earlier, later) rows of near-duplicates, old films first, see
    near_duplicates.near_pairs. stems: of the series of each film, old films first; "" for none.
    given: the groups of the old films, which stay as they are. splits: the split of each of those
    groups.

    Returns the group of each new film, None if it is rejected, and the rejections. A film with
    near-duplicates in two splits is rejected: in either split it would leak into the other. So is
    a film with near-duplicates in one split and its series in another, and a near-duplicate of a
    rejected film, because it may be an exact copy of it. A series that lies in two splits already,
    in a catalog that was split without series, takes new films into the first of them: no other
    split gets to know it. A new group is named after its first film, so a catalog that grows keeps
    its names.
    """
    known = dict(splits or {})
    merged: dict[str, str] = {}  # a new group that a later film joined to another one

    def current(group: str) -> str:
        while group in merged:
            group = merged[group]
        return group

    near: list[list[int]] = [[] for _ in film_ids]
    for earlier, later in pairs.tolist():
        near[later - len(given)].append(earlier)
    series: dict[str, dict[str, None]] = {}  # the groups of each stem, in order
    for stem, old_group in zip(stems, given, strict=False):
        series.setdefault(stem, {})[old_group] = None

    groups: list[str | None] = [*given]
    rejections: list[Rejection] = []
    refused: dict[int, str] = {}  # why, by row
    for film_id, rows, stem in zip(film_ids, near, stems[len(given) :], strict=True):
        found = [group for row in sorted(rows) if (group := groups[row]) is not None]
        alike = dict.fromkeys(map(current, found))
        named = dict.fromkeys(map(current, series.get(stem, ()) if stem else ()))
        by_poster, by_series = _by_split(alike, known), _by_split(named, known)
        reason = next((refused[row] for row in rows if row in refused), None) or _disagreement(
            by_poster, by_series
        )
        if reason:
            refused[len(groups)] = reason
            rejections.append(Rejection(film_id, reason))
            groups.append(None)
            continue
        old = by_poster or by_series
        fresh = [group for group in (alike | named) if group not in known]
        home = old[min(old, key=SPLITS.index)] if old else next(iter(fresh), film_id)
        # Old groups of one split keep their names: they are together already.
        merged |= {group: home for group in fresh if group != home}
        groups.append(home)
        series.setdefault(stem, {})[home] = None
    new = groups[len(given) :]
    return [None if group is None else current(group) for group in new], rejections


def splits_of_series(catalog: CatalogTable) -> dict[str, Counter[str]]:
    """How many films each series has in each split; only series of several films."""
    found: dict[str, Counter[str]] = {}
    splits = catalog.to_table()["split"].to_pylist()
    for stem, split in zip(catalog.stems, splits, strict=True):
        if stem:
            found.setdefault(stem, Counter())[split] += 1
    return {stem: counts for stem, counts in found.items() if counts.total() > 1}


def _by_split(groups: Collection[str], known: Mapping[str, str]) -> dict[str, str]:
    """The first old group in each split."""
    return {known[group]: group for group in reversed(list(groups)) if group in known}


def _disagreement(by_poster: Mapping[str, str], by_series: Mapping[str, str]) -> str | None:
    """Why a film fits into no split, if it does not."""
    if len(by_poster) > 1:
        return f"its poster is a near-duplicate of films in two splits: {_listed(by_poster)}"
    if by_poster and by_series and not by_poster.keys() <= by_series.keys():
        return (
            "its poster and its series are in two splits: a near-duplicate in "
            f"{_listed(by_poster)}, its series in {_listed(by_series)}"
        )
    return None


def _listed(groups: Mapping[str, str]) -> str:
    return " and ".join(f"{group} ({split})" for split, group in sorted(groups.items()))
