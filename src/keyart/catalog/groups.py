"""Groups: films whose posters are near-duplicates of each other, directly or through others."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from keyart.catalog.rejections import Rejection


def join_groups(
    film_ids: Sequence[str],
    pairs: npt.NDArray[np.int64],
    *,
    given: Sequence[str] = (),
    splits: Mapping[str, str] | None = None,
) -> tuple[list[str | None], list[Rejection]]:
    """Put films into the groups of their near-duplicates.

    film_ids: the new films. pairs: (earlier, later) rows of near-duplicates, old films first, see
    near_duplicates.near_pairs. given: the groups of the old films, which stay as they are. splits:
    the split of each of those groups.

    Returns the group of each new film, None if it is rejected, and the rejections. A film with
    near-duplicates in two splits is rejected: in either split it would leak into the other. So is a
    near-duplicate of a rejected film, because it may be an exact copy of it. A new group is named
    after its first film, so a catalog that grows keeps its names.
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

    groups: list[str | None] = list(given)
    rejections: list[Rejection] = []
    refused: dict[int, str] = {}  # why, by row
    for film_id, rows in zip(film_ids, near, strict=True):
        found = [group for row in sorted(rows) if (group := groups[row]) is not None]
        touched = list(dict.fromkeys(map(current, found)))
        old = {known[group]: group for group in reversed(touched) if group in known}
        reason = next((refused[row] for row in rows if row in refused), None)
        if len(old) > 1:
            where = " and ".join(f"{group} ({split})" for split, group in sorted(old.items()))
            reason = f"its poster is a near-duplicate of films in two splits: {where}"
        if reason:
            refused[len(groups)] = reason
            rejections.append(Rejection(film_id, reason))
            groups.append(None)
            continue
        home = next(iter([*old.values(), *touched]), film_id)
        # Old groups of one split keep their names: they are together already.
        merged |= {group: home for group in touched if group != home and group not in known}
        groups.append(home)
    new = groups[len(given) :]
    return [None if group is None else current(group) for group in new], rejections
