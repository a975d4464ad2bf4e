"""Titles: their parts, words and n-grams, in any script."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart.titles import hash_of, hashed_ngrams, title_ngrams, title_parts, words_of

SAME = [
    ("Matrix, The", "The Matrix"),
    ("American President;The", "The American President"),
    ("Avventura, L'", "L'avventura"),
    ("Avventura, L\u2019", "L'Avventura"),
    ("ALIEN (1979)", "Alien"),
    ("Ame\u0301lie", "Am\u00e9lie"),  # letter and accent, and both in one
    ("\uff21lien", "Alien"),  # a full-width A
    ("STRASSE", "Stra\u00dfe"),
    ("Alien!", "alien"),
    ("Spider\u200bMan", "SpiderMan"),  # a joiner of no width
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_title_is_one_however_it_is_written(one: str, other: str) -> None:
    assert list(title_ngrams(one)) == list(title_ngrams(other))


def test_different_titles_differ() -> None:
    for one, other in [("Alien", "Aliens"), ("Mad, Mad World", "Mad World"), ("II", "III")]:
        assert set(title_ngrams(one)) != set(title_ngrams(other))


@pytest.mark.parametrize(
    ("title", "parts"),
    [
        ("Spirited Away (Sen to Chihiro)", ["spirited away", "sen to chihiro"]),
        ("Story, The (L'histoire) (1999)", ["the story", "l'histoire"]),
        ("Am\u00e9lie [Le fabuleux destin]", ["am\u00e9lie", "le fabuleux destin"]),
        ("Iron Cross (a.k.a. Steiner)", ["iron cross", "steiner"]),
        ("\u5343\u3068\u5343\u5c0b / Spirited Away", ["\u5343\u3068\u5343\u5c0b", "spirited away"]),
        ("(500) Days of Summer", ["(500) days of summer"]),
        ("Assassin(s)", ["assassin(s)"]),
        ("Face/Off", ["face/off"]),
        ("Good, the Bad and the Ugly, The", ["the good, the bad and the ugly"]),
        ("", []),
    ],
)
def test_a_second_title_stands_by_itself(title: str, parts: list[str]) -> None:
    assert title_parts(title) == parts


def test_no_pair_of_words_crosses_from_one_title_to_the_other() -> None:
    pairs = [ngram for word, ngram in title_ngrams("Iron Cross (Steiner)") if " " in word]
    assert pairs == ["=iron cross"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("\u0926\u093f\u0932\u0935\u093e\u0932\u0947", 1),  # Hindi: vowels are marks
        ("\u043c\u043e\u0441\u043a\u0432\u0430 \u0441\u043b\u0435\u0437\u0430\u043c", 2),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", 1),  # Persian: a joiner inside a word
        ("8\u00bd", 1),
        ("m*a*s*h", 4),
    ],
)
def test_words_hold_together_in_any_script(part: str, words: int) -> None:
    assert len(words_of(part)) == words


def test_the_ngrams_of_a_word_come_with_its_ends() -> None:
    assert [ngram for _, ngram in title_ngrams("It")] == [
        "=it", "<i", "it", "t>", "<it", "it>", "<it>"
    ]  # fmt: skip


def test_hashes_rise_with_counts_and_are_the_same_everywhere() -> None:
    hashes, counts = hashed_ngrams("La La Land")
    found = dict(zip(hashes.tolist(), counts.tolist(), strict=True))
    assert (np.diff(hashes.astype(np.int64)) > 0).all()
    assert found[hash_of("=la")] == 2
    assert found[hash_of("=la la")] == found[hash_of("=land")] == 1
    assert found[hash_of("<la")] == 3
    assert hash_of("=alien") == 688029828  # zlib's CRC-32; a saved model keeps them


@given(st.text())
def test_any_text_has_ngrams_of_its_words_alone(title: str) -> None:
    for word, ngram in title_ngrams(title):
        assert ngram.strip("=<>") in word or ngram in ("<", ">")
        assert word == unicodedata.normalize("NFC", word)
    hashes, counts = hashed_ngrams(title)
    assert len(hashes) == len(counts)


def test_a_text_that_is_no_title_costs_little() -> None:
    hashes, _ = hashed_ngrams("word " * 100_000 + "x" * 100_000 + "(" * 50_000)
    assert len(hashes) < 5_000
