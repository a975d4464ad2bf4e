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
    parts: Mapping[str, str] | None = None,
) -> tuple[list[str | None], list[Rejection]]:
    """Put films into the groups that their near-duplicates are in.

    film_ids: the new films. pairs: (earlier, later) rows of near-duplicates, old films first, see
    duplicates.near_pairs. given: the groups of the old films, which stay as they are. parts: the
    split of each of those groups.

    Returns the group of each new film, None where it is rejected, and the rejections: a film that
    is near to groups of two parts has no place, as one of the two would leak into the other; nor
    has one that is near to such a film, as it may be its exact copy. A new group is named after its
    first film, so that a catalog that grows keeps its names.
    """
    sides = dict(parts or {})
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
        old = {sides[group]: group for group in reversed(touched) if group in sides}
        reason = next((refused[row] for row in rows if row in refused), None)
        if len(old) > 1:
            where = " and ".join(f"{group} ({side})" for side, group in sorted(old.items()))
            reason = f"its poster is a near-duplicate of films on two sides: {where}"
        if reason:
            refused[len(groups)] = reason
            rejections.append(Rejection(film_id, reason))
            groups.append(None)
            continue
        home = next(iter([*old.values(), *touched]), film_id)
        # Old groups of one side keep their names: they are together already.
        merged |= {group: home for group in touched if group != home and group not in sides}
        groups.append(home)
    new = groups[len(given) :]
    return [None if group is None else current(group) for group in new], rejections
