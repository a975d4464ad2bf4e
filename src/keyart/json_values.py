"""Values of JSON from outside, checked strictly: ValueError says where the first fault is."""

import re
from typing import Any

from keyart.errors import shown

MOST_KEYS = 1_020
_LONGEST = 200  # characters of a name


def check_object(
    value: Any, where: str, keys: set[str] | None = None, *, most: int = MOST_KEYS
) -> dict[str, Any]:
    """value: expected to be an object with exactly these keys, or any that are not too many."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, got {shown(value)}")
    if len(value) > most:
        raise ValueError(f"{where}: has {len(value):,} keys, more than {most:,}")
    if keys is not None and (missing := sorted(keys - value.keys())):
        raise ValueError(f"{where}: incomplete, has no {shown(missing[0])}")
    if keys is not None and (unknown := sorted(value.keys() - keys)):
        raise ValueError(f"{where}: unknown key {shown(unknown[0])}")
    return value


def check_list(value: Any, where: str, least: int, most: int) -> list[Any]:
    """value: expected to be a list of so many, from `least` to `most`."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        count = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        got = f"{len(value):,}" if isinstance(value, list) else shown(value)
        raise ValueError(f"{where}: expected a list of {count}, got {got}")
    return value


def check_text(value: Any, where: str) -> None:
    """value: expected to be text of one line."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
        raise ValueError(
            f"{where}: expected text of one line, up to {_LONGEST} characters, got {shown(value)}"
        )


def check_hash(value: Any, where: str) -> None:
    """value: expected to be a SHA-256."""
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError(f"{where}: expected a SHA-256 in hexadecimal, got {shown(value)}")


def is_integer(value: Any) -> bool:
    """Whether a value is an integer; JSON's true is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_integer(value: Any, where: str, low: int, high: int) -> None:
    """value: expected to be an integer from `low` to `high`."""
    if not is_integer(value) or not low <= value <= high:
        raise ValueError(
            f"{where}: expected an integer from {low:,} to {high:,}, got {shown(value)}"
        )


def check_number(value: Any, where: str, low: float, high: float) -> None:
    """value: expected to be a number from `low` to `high`."""
    number = is_integer(value) or isinstance(value, float)
    if not number or not low <= value <= high:  # NaN is refused too
        raise ValueError(f"{where}: expected a number from {low:g} to {high:g}, got {shown(value)}")
