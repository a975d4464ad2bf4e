"""Random changes of valid input: to its bytes, or to the tree that JSON or TOML is."""

import copy
import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

Item = TypeVar("Item")

_SIZES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, -0.0, 0.5, 1e-320, 1e308),
    *(math.nan, math.inf, -math.inf, "", " ", "0", "nan", "none", "..", "../../x", "/dev/zero"),
    *(
        "a\x00b",
        "\ud800",
        "a\nb",
        "\u202e",
        "x" * 5_000,
        [],
        {},
        [[]],
        [None],
        {"a": {}},
        ["x"] * 300,
    ),
)


def pick(items: Sequence[Item], rng: np.random.Generator) -> Item:
    """One of the items."""
    return items[int(rng.integers(len(items)))]


def numbered(door: str, number: int) -> np.random.Generator:
    """All random draws of an input."""
    return np.random.default_rng([zlib.crc32(door.encode()), number])


def mutate(data: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """One to a few changes of the kinds that break readers."""
    changed = bytearray(data)
    for _ in range(min(8, int(rng.geometric(0.5)))):
        if len(changed) < 8:
            break
        # Headers are short and matter most.
        reach = len(changed) if rng.random() < 0.7 else min(len(changed), 256)
        at = int(rng.integers(reach))
        kind = int(rng.integers(9))
        if kind == 0:
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[at] = int(rng.integers(256))
        elif kind == 2:
            order = ">" if rng.random() < 0.5 else "<"
            changed[at : at + 4] = struct.pack(f"{order}I", pick(_SIZES, rng))
        elif kind == 3:
            changed[at : at + 2] = struct.pack(">H", pick(_SIZES, rng) & 0xFFFF)
        elif kind == 4:
            del changed[at:]
        elif kind == 5:
            del changed[at : at + int(rng.integers(1, 64))]
        elif kind == 6:
            length = int(rng.integers(1, 256))
            changed[at:at] = changed[at : at + length] * int(rng.integers(1, 9))
        elif kind == 7:
            changed[at:at] = rng.bytes(int(rng.integers(1, 64)))
        else:
            other = pick(others, rng)
            changed[at:] = other[int(rng.integers(len(other))) :]
    return bytes(changed)


def mutate_tree(tree: Any, rng: np.random.Generator) -> None:
    """One change at a place of a tree of dicts and lists, in it."""
    places = list(_places(tree))
    if not places:
        return
    parent, key = pick(places, rng)
    kind = int(rng.integers(6))
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[str(pick(ODD, rng))] = parent.pop(key)
    elif kind == 2:
        other, name = pick(places, rng)
        parent[key] = copy.deepcopy(other[name])
    else:
        parent[key] = copy.deepcopy(pick(ODD, rng))


def _places(tree: Any) -> Any:
    items = enumerate(tree) if isinstance(tree, list) else tree.items()
    for key, value in items:
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)
