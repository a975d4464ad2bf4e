"""What titles and years say about genres: a linear model of n-grams, in one compact table.

It gives logits without an intercept, one for a title and one for a year; fusion.py adds them to
those of a poster. A title is the sum of its n-grams, each counted once and then by the logarithm,
times its rarity, divided by the length of that vector: TF-IDF, as in scikit-learn. So each word's
part in an answer is known.

A model may have a sentence encoder as well. Then a linear head on the vectors of titles adds to
these logits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from keyart.film import EARLIEST, LATEST
from keyart.titles import Hashes, has_words, hash_of, hashed_ngrams, title_ngrams

Floats = npt.NDArray[np.float64]

# Years count by how near they are to the first years of decades; those beyond are like the ends.
FIRST_YEAR, LAST_YEAR, YEARS_APART = 1900, 2020, 10
DECADES = (LAST_YEAR - FIRST_YEAR) // YEARS_APART + 1
_RARITY_STEP = 1 / 16  # rarities are stored as bytes


class Encoder(Protocol):
    """A sentence encoder, as keyart.text_encoder has it."""

    onnx: Path
    tokenizer: Path
    prompt: str

    @property
    def fingerprint(self) -> str:
        """Changes with any byte of its files."""
        ...

    def vectors(self, titles: Sequence[str]) -> npt.NDArray[np.float32]:
        """The vectors (titles, width) of titles."""
        ...


@dataclass(frozen=True, eq=False)
class TextHead:
    """What the vectors of titles say: weights (width + 1, genres), the last row for all titles."""

    encoder: Encoder
    weights: npt.NDArray[np.float32]

    def logits(self, titles: Sequence[str]) -> Floats:
        """(titles, genres)."""
        vectors = self.encoder.vectors(titles).astype(np.float64)
        if vectors.shape[1] != len(self.weights) - 1:
            raise ValueError(
                f"titles: the encoder gives {vectors.shape[1]} numbers for a title where the model "
                f"takes {len(self.weights) - 1}"
            )
        logits: Floats = vectors @ self.weights[:-1] + self.weights[-1]
        return logits


@dataclass(frozen=True, eq=False)
class TitleModel:
    """The n-grams that a model knows, and their weights.

    hashes: (n-grams,) uint32, rising. rarity: (n-grams,) uint8, in steps of 1/16. weights:
    (n-grams, genres) int8, times scale: (genres,). years: (DECADES, genres), the logits of the
    first year of each decade. series: the stems of all titles that it learned from, as numbers that
    rise, see series.py; none if an older keyart made it. text: what a sentence encoder adds; None
    if there is none.
    """

    hashes: Hashes
    rarity: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.int8]
    scale: Floats
    years: Floats
    series: Hashes = field(default_factory=lambda: np.empty(0, np.uint32))
    text: TextHead | None = None

    def title_logits(self, title: str) -> Floats | None:
        """What a title says of each genre: (genres,). None if it says nothing to this model."""
        return self.logits_of_titles([title])[0]

    def logits_of_titles(self, titles: Sequence[str | None]) -> list[Floats | None]:
        """As `title_logits`, of many titles, which an encoder reads together."""
        found = [self._ngram_logits(title) if title else None for title in titles]
        readable = [place for place, title in enumerate(titles) if title and has_words(title)]
        if self.text is not None and readable:
            by_text = self.text.logits([titles[place] or "" for place in readable])
            for place, logits in zip(readable, by_text, strict=True):
                before = found[place]
                found[place] = logits if before is None else before + logits
        return found

    def _ngram_logits(self, title: str) -> Floats | None:
        rows, values = self.vector(title)
        if not len(rows):
            return None
        logits: Floats = (values @ self.weights[rows].astype(np.float64)) * self.scale
        return logits

    def year_logits(self, year: int) -> Floats:
        """What a year says of each genre: (genres,)."""
        logits: Floats = year_vector(year) @ self.years
        return logits

    def never_seen(self, stems: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which films are of no series that it learned from: (films,).

        stems: of their titles. A title without a stem counts as seen: nobody knows.
        """
        hashes = np.array([hash_of(stem) for stem in stems], np.uint32)
        named = np.array([bool(stem) for stem in stems], bool)
        return named & ~np.isin(hashes, self.series)

    def vector(self, title: str) -> tuple[npt.NDArray[np.int64], Floats]:
        """The rows of a title's known n-grams, and their values, a vector of length 1."""
        hashes, counts = hashed_ngrams(title)
        return known_ngrams(hashes, counts, self.hashes, stored_rarity(self.rarity))

    def word_logits(self, title: str) -> dict[str, Floats]:
        """What each word of a title, or two in a row, adds to its logits: (genres,) each.

        What an encoder adds is under the title as a whole. They sum to `title_logits`.
        """
        found: dict[str, Floats] = {}
        for word, row, value in self._by_word(title):
            part = value * self.weights[row].astype(np.float64) * self.scale
            found[word] = found.get(word, 0.0) + part
        if self.text is not None and has_words(title):
            (whole,) = self.text.logits([title])
            found[title] = found.get(title, 0.0) + whole
        return found

    def word_shares(self, title: str) -> dict[str, float]:
        """How much of a title's vector is of each word, or two in a row. They sum to 1.

        The title as a whole has its place only if none of its n-grams is known.
        """
        found: dict[str, float] = {}
        for word, _, value in self._by_word(title):
            found[word] = found.get(word, 0.0) + value
        whole = sum(found.values())
        shares = {word: value / whole for word, value in found.items()}
        if self.text is not None:
            shares.setdefault(title, 0.0 if shares else 1.0)
        return shares

    def _by_word(self, title: str) -> Iterator[tuple[str, int, float]]:
        """Each word with a known n-gram of it: its row, and its value, shared by its words."""
        rows, values = self.vector(title)
        value = dict(zip(self.hashes[rows].tolist(), zip(rows, values, strict=True), strict=True))
        places: dict[int, list[str]] = {}
        for word, ngram in title_ngrams(title):
            places.setdefault(hash_of(ngram), []).append(word)
        for hashed, words in places.items():
            if hashed in value:
                row, of_film = value[hashed]
                for word in words:
                    yield word, int(row), float(of_film) / len(words)

    def to_bytes(self) -> bytes:
        """The n-grams: hashes, rarities, weights; the encoder's weights; series. Little-endian."""
        hashes, series = self.hashes.astype("<u4"), self.series.astype("<u4")
        text = np.empty(0, "<f4") if self.text is None else self.text.weights.astype("<f4")
        parts = (hashes, self.rarity, self.weights, text, series)
        return b"".join(part.tobytes() for part in parts)

    def to_json(self) -> dict[str, Any]:
        """What `to_bytes` leaves out, as plain JSON; of the encoder its place alone."""
        text = self.text
        return {
            "ngrams": len(self.hashes),
            "scale": self.scale.tolist(),
            "years": self.years.tolist(),
            "series": len(self.series),
            **({"text": {"width": len(text.weights) - 1}} if text is not None else {}),
        }

    @classmethod
    def from_parts(
        cls, content: bytes, plain: Mapping[str, Any], encoder: Encoder | None = None
    ) -> "TitleModel":
        """The inverse of `to_bytes` and `to_json`. Raises ValueError if they do not fit.

        encoder: of a model that has one.
        """
        count, scale = plain["ngrams"], np.array(plain["scale"], np.float64)
        of_series = plain.get("series", 0)  # older models do not have it
        years = np.array(plain["years"], np.float64)
        if years.shape != (DECADES, len(scale)):
            raise ValueError(f"titles: expected years ({DECADES}, {len(scale)}), got {years.shape}")
        ngrams, width = count * (5 + len(scale)), plain["text"]["width"] if "text" in plain else -1
        of_head = (width + 1) * len(scale)
        if len(content) != ngrams + 4 * (of_head + of_series):
            raise ValueError(
                f"titles: {len(content):,} bytes do not hold {count:,} n-grams and {of_series:,} "
                "series"
            )
        hashes = np.frombuffer(content, "<u4", count).astype(np.uint32)
        series = np.frombuffer(content[len(content) - 4 * of_series :], "<u4").astype(np.uint32)
        for rising in (hashes, series):
            if not (rising[1:] > rising[:-1]).all():
                raise ValueError("titles: expected hashes that rise")
        rarity = np.frombuffer(content, np.uint8, count, 4 * count)
        weights = np.frombuffer(content, np.int8, count * len(scale), 5 * count)
        text = None
        if encoder is not None:
            head = np.frombuffer(content, "<f4", of_head, ngrams).astype(np.float32)
            if not np.isfinite(head).all():
                raise ValueError("titles: a weight of the encoder's head is no number")
            text = TextHead(encoder, head.reshape(width + 1, len(scale)))
        ngram_weights = weights.reshape(count, len(scale))
        return cls(hashes, rarity, ngram_weights, scale, years, series, text)


def joined_series(several: Sequence[Hashes]) -> Hashes:
    """The series that any of several models learned from; none if one of them does not know."""
    if not several or not all(len(series) for series in several):
        return np.empty(0, np.uint32)
    return np.unique(np.concatenate(several))


def rarity_of(films: npt.NDArray[np.int64], all_films: int) -> npt.NDArray[np.uint8]:
    """How rare n-grams are, as stored: 1 + log((1 + all films) / (1 + films with it))."""
    exact = 1 + np.log((1 + all_films) / (1 + films))
    return np.clip(np.rint(exact / _RARITY_STEP), 1, 255).astype(np.uint8)


def steps_of(weights: Floats) -> Floats:
    """The step (genres,) in which 8 bits hold the weights (inputs, genres) of each genre."""
    steps: Floats = np.abs(weights).max(0, initial=0.0) / 127
    steps[steps == 0] = 1.0
    return steps


def stored_rarity(rarity: npt.NDArray[np.uint8]) -> Floats:
    """Rarities as numbers, from how they are stored."""
    return rarity.astype(np.float64) * _RARITY_STEP


def known_ngrams(
    hashes: Hashes, counts: npt.NDArray[np.int64], known: Hashes, rarity: npt.ArrayLike
) -> tuple[npt.NDArray[np.int64], Floats]:
    """The rows in `known` of a title's n-grams, and their values, a vector of length 1."""
    if not len(known):
        return np.empty(0, np.int64), np.empty(0)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    there = known[places] == hashes
    rows = places[there].astype(np.int64)
    values = (1 + np.log(counts[there])) * np.asarray(rarity, np.float64)[rows]
    return rows, values / (np.linalg.norm(values) or 1.0)


def year_vector(year: int) -> Floats:
    """How near a year is to the first year of each decade: (DECADES,), which sum to 1."""
    place = np.clip((year - FIRST_YEAR) / YEARS_APART, 0, DECADES - 1)
    near: Floats = np.maximum(0, 1 - np.abs(place - np.arange(DECADES)))
    return near


def is_year(year: int) -> bool:
    """Whether a film can be of this year."""
    return EARLIEST <= year <= LATEST


def check_year(year: int | None) -> None:
    """Raise ValueError for a year that no film can be of."""
    if year is not None and not is_year(year):
        raise ValueError(f"year: expected {EARLIEST} to {LATEST}, got {year}")
