"""What a title is made of, in any script: its parts, its words, and the n-grams of its words."""

import re
import unicodedata
import zlib
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint32]

_SHORTEST, _LONGEST = 2, 5  # characters of an n-gram
_LONGEST_TITLE = 500  # characters; what is longer is no title, and the rest of it is ignored

_ARTICLES = re.compile(
    "the|an?|l[ae]s?|l'|une?|des|el|los?|il|gli|i|un[oa]|os|as|uma?|der|die|das|eine?|de|het|een|"
    "den|det|en|ett|et"
)
_ENDS = str.maketrans({"[": "(", "]": ")", "\u2019": "'"})
# "Spirited Away (Sen to Chihiro no kamikakushi)", "(a.k.a. ...)" as well
_BRACKET = re.compile(r"(.*\S)\s+\((?:a\.?k\.?a\.?\s+)?([^()]+)\)", re.IGNORECASE)
_MOVED = re.compile(r"(.+?)\s*[,;]\s*([^\W\d_]+'?)")  # "Matrix, The"; MovieLens writes "Matrix;The"
_YEAR = re.compile(r"\d{4}")


def title_parts(title: str) -> list[str]:
    """The titles that a text holds, in lower case, with a moved article back in front.

    "Matrix, The" is "the matrix". A second title follows in brackets or after a slash, as databases
    write the original one next to the local one. A year in brackets is no title.
    """
    # Case folding can undo the composition, so NFKC (NFC, and one form of each letter) comes last.
    return _parts(unicodedata.normalize("NFKC", _bounded(title).casefold()))


def readable_title(title: str) -> str:
    """A title as people write it: the same parts in their own case, with slashes between them."""
    return " / ".join(_parts(unicodedata.normalize("NFKC", _bounded(title))))


def _bounded(title: str) -> str:
    return title[:_LONGEST_TITLE].translate(_ENDS)


def _parts(text: str) -> list[str]:
    parts = []
    for half in text.split(" / "):
        rest, inner = half.strip(), []
        while match := _BRACKET.fullmatch(rest):
            rest = match[1]
            if not _YEAR.fullmatch(match[2].strip()):
                inner.append(match[2])
        parts += [_article_first(part) for part in (rest, *reversed(inner))]
    return [part for part in parts if part]


def _article_first(part: str) -> str:
    match = _MOVED.fullmatch(part.strip())
    if match is None or not is_article(match[2].casefold()):
        return part.strip()
    return match[2] + ("" if match[2].endswith("'") else " ") + match[1]


def is_article(word: str) -> bool:
    """Whether a word, in lower case, is an article in one of ten languages."""
    return _ARTICLES.fullmatch(word) is not None


def words_of(part: str) -> list[str]:
    """The words of one title: runs of letters, digits and the marks that some scripts write on."""
    letters = []
    for letter in part:
        kind = unicodedata.category(letter)
        if kind[0] in "LNM":
            letters.append(letter)
        elif kind != "Cf":  # a joiner is inside a word, and says nothing
            letters.append(" ")
    return "".join(letters).split()


def has_words(title: str) -> bool:
    """Whether there is anything to read in a title."""
    return any(map(words_of, title_parts(title)))


def title_ngrams(title: str) -> Iterator[tuple[str, str]]:
    """The n-grams of a title, each with the word, or two words, that it comes from.

    A word is "=alien", two that follow each other "=alien nation"; 2 to 5 characters of a word come
    with its ends: "<al", "lien>".
    """
    for part in title_parts(title):
        words = words_of(part)
        for word in words:
            yield word, f"={word}"
            ended = f"<{word}>"
            for length in range(_SHORTEST, min(_LONGEST, len(ended)) + 1):
                for start in range(len(ended) - length + 1):
                    yield word, ended[start : start + length]
        for first, second in pairwise(words):
            both = f"{first} {second}"
            yield both, f"={both}"


def hash_of(ngram: str) -> int:
    """A 32-bit number for an n-gram, the same everywhere."""
    return zlib.crc32(ngram.encode("utf-8", "surrogatepass"))


def hashed_ngrams(title: str) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """The hashes of a title's n-grams, rising, and how often each is there."""
    hashes = [hash_of(ngram) for _, ngram in title_ngrams(title)]
    return np.unique(np.array(hashes, np.uint32), return_counts=True)
