"""Titles: their parts, words and n-grams, in any script."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart.series import series_stem, stem_hashes
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


# Each line is one series.
SERIES = """
Saw | Saw II | Saw 3D: The Final Chapter | SAW IV (2007)
The Matrix | Matrix, The | Matrix | Matrix;The | The Matrix: Reloaded
Kill Bill: Vol. 1 | Kill Bill Vol. 2 | Kill Bill - Volume 2 | Kill Bill, Part Two
Friday the 13th | Friday the 13th Part VIII: Jason | Friday the 13th Part 3 Uncut
Alien | Alien³ | Alien3 | Alien: Covenant
Amélie | Amélie 2 | Amelie
Брат | Брат 2
Les rivières pourpres | Rivières pourpres, Les | Les rivières pourpres 2 - Les anges
Die Nibelungen, Teil 1 | Die Nibelungen: Kriemhilds Rache | Nibelungen Teil Zwei
Mr. & Mrs. Smith | Mr. and Mrs. Smith
Beethoven's 2nd | Beethoven's 3rd | Beethoven's
It | It: Chapter Two | It Chapter Two
Episode VI: It's a Trap
Episode VII: Another
Room 237
Room
8 Women
Women
3:10 to Yuma
3
2012
2010
Death Race 2000
Death Race
Part 2
Spider-Man | Spider-Man 2
Spider | Spider - A Film
"""


def test_the_titles_of_a_series_share_a_stem_and_others_do_not() -> None:
    stems = [
        {series_stem(title.strip()) for title in line.split("|")}
        for line in SERIES.strip().splitlines()
    ]
    assert [len(found) for found in stems] == [1] * len(stems)
    assert len(set.union(*stems)) == len(stems)
    assert "" not in set.union(*stems)
    assert {series_stem(title) for title in ("", "!!!", " : ", "()")} == {""}


@given(st.text(), st.sampled_from(["", " 2", " II", ": Part 3", " - The End 4", " (1979)"]))
def test_any_title_has_one_stem_in_every_form_and_a_letter_is_enough(title: str, more: str) -> None:
    stem = series_stem(title)
    assert stem == series_stem(unicodedata.normalize("NFD", title))
    assert stem or not any("a" <= letter <= "z" for letter in title)
    word = "dark" + "".join(letter for letter in title if "a" <= letter <= "h")
    assert series_stem(word + more) == word


def test_stems_are_kept_as_numbers() -> None:
    hashes = stem_hashes(["Saw II", "", "Saw", "Up"])
    assert hashes.tolist() == sorted([hash_of("saw"), hash_of("up")])


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
