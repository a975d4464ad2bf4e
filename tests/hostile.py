"""A door for campaigns of hostile input on which nearly everything goes wrong."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fuzz.campaign import Door
from keyart.errors import PosterError


def hostile(folder: Path, stack: ExitStack) -> Door:
    """Some numbers crash, hang, or are answered in two ways."""
    answers = iter(range(1_000))

    def check(number: int, data: bytes) -> object:
        if b"!" in data:
            os.abort()
        if number == 3:
            time.sleep(60)
        if number == 4:
            raise ValueError("not an error of keyart")
        if number == 5:
            return next(answers)
        if number % 2:
            raise PosterError("odd")
        return number

    return Door(lambda number: b"....!..." if number == 2 else b"%d" % number, check)


def mended(folder: Path, stack: ExitStack) -> Door:
    """The hostile door, in which nothing but the hang is left."""
    door = hostile(folder, stack)
    return Door(door.make, lambda number, data: door.check(number, data) if number == 3 else 1)


def slow(folder: Path, stack: ExitStack) -> Door:
    """One number takes 0.5 s of the processor, the others 0.1 s."""

    def check(number: int, data: bytes) -> object:
        end = time.process_time() + 0.1 + 0.4 * (number == 1)
        while time.process_time() < end:
            pass
        raise PosterError("late")

    return Door(lambda number: b"", check)
