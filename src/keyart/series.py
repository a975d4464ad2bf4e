"""Series: films whose titles share a stem, as "Saw II" and "Saw III: The Legend" do.

The stem is the title without its subtitle, its number and its article. Remakes and films that
share a title by chance have one stem, too: a model that has read one of the titles has read the
other. Measured on 24,675 titles: 3,614 films share one of 1,511 stems, and the most common stem is
that of 12 films. Of 3,127 pairs 1,398 have the same title. Of 100 random others 84 are of one
series, and 16 share a word by chance ("The Mission", "Mission: Impossible"). A false pair only
makes a split less free; a missed one leaks.

Not found: a series whose titles share no beginning ("Alien", "Prometheus"), or one of which only an
alternative title in brackets shares it.
"""

import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from keyart.titles import Hashes, hash_of, is_article, title_parts, words_of

RULE = 1
"""Raise it when stems change: catalogs that were grouped by other stems are then not checked."""

# "Saw: The Legend", "Saw - The Legend"; not "3:10 to Yuma" and "Spider-Man".
_SUBTITLE = re.compile(r"\s*:(?!\d)\s*|\s+[-\u2013\u2014]+\s+|\s*[\u2013\u2014]\s*")
# A year or a house number is part of a name: "Death Race 2000", "Room 237".
_NUMBER = re.compile(r"0?[1-9]|1\d|20|[1-9]\d?(?:st|nd|rd|th)|(?=[ivx])x{0,2}(?:ix|iv|v?i{0,3})|3d")
_GLUED = re.compile(r"([^\W\d]{3,})[2-9]")  # "Alien\u00b3", "Cube2"
_SPELT = re.compile(
    "one|two|three|four|five|six|seven|eight|nine|ten|first|second|third|fourth|fifth|final|last|"
    "eins|zwei|drei|une?|deux|trois|uno|dos|tres|due|tre"
)
_COUNTED = re.compile(
    "part|pt|chapter|episode|ep|vol|volume|book|no|nr|teil|kapitel|folge|partie|chapitre|tome|"
    "parte|capitulo|volumen|osa|del|deel|czesc"
)


def series_stem(title: str) -> str:
    """What the titles of a series have in common; "" for a title without words.

    Equal for all ways to write a title: Unicode forms, accents, case, "Matrix, The".
    """
    parts = title_parts(title)
    if not parts:
        return ""
    whole = _words(parts[0])
    words = _words(_SUBTITLE.split(parts[0], maxsplit=1)[0])
    return " ".join(_without_number(words) or _without_article(whole))


def stem_hashes(titles: Iterable[str]) -> Hashes:
    """The stems of titles as numbers, rising: a model keeps them to know what it has seen."""
    stems = {series_stem(title) for title in titles} - {""}
    return np.array(sorted({hash_of(stem) for stem in stems}), np.uint32)


def _words(part: str) -> list[str]:
    """Its words without accents. Marks of other scripts are letters, and stay."""
    plain = unicodedata.normalize("NFD", part.replace("&", " and "))
    plain = "".join(letter for letter in plain if not "\u0300" <= letter <= "\u036f")
    return words_of(unicodedata.normalize("NFC", plain))


def _without_number(words: list[str]) -> list[str]:
    """A title's words without article and number; none if nothing else is left."""
    words = list(words)
    for place in range(1, len(words) - 1):  # "Friday the 13th Part 2 Uncut"
        if _is_counted(words[place]) and _is_number(words[place + 1], counted=True):
            words = words[: place + 2]
            break
    counted = False
    while words:
        spelt = len(words) > 1 and _is_counted(words[-2])
        if not _is_number(words[-1], counted=spelt) and not (counted and _is_counted(words[-1])):
            break
        words.pop()
        counted = True
    if words and (glued := _GLUED.fullmatch(words[-1])):
        words[-1] = glued[1]
    if all(_is_counted(word) or is_article(word) for word in words):
        return []
    return _without_article(words)


def _is_number(word: str, *, counted: bool) -> bool:
    return _NUMBER.fullmatch(word) is not None or (counted and _SPELT.fullmatch(word) is not None)


def _is_counted(word: str) -> bool:
    return _COUNTED.fullmatch(word) is not None


def _without_article(words: list[str]) -> list[str]:
    return words[1:] if len(words) > 1 and is_article(words[0]) else words
