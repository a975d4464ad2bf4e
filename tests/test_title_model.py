"""The title model: what n-grams and years add up to, and how it is saved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart.title_model import TitleModel, check_year, rarity_of, stored_rarity, year_vector
from tests.tiny_titles import tiny_titles


def test_a_title_is_the_sum_of_its_known_ngrams_as_a_vector_of_length_1() -> None:
    model = tiny_titles()
    one = model.title_logits("Moon")
    assert one is not None
    assert one == pytest.approx([0, 0, 12.7])
    both = model.title_logits("Love Moon")
    assert both is not None
    assert both == pytest.approx(np.array([0, 6, 12.7 - 2]) / np.sqrt(2))
    # Counted twice, an n-gram weighs 1 + log 2.
    twice, length = 1 + np.log(2), np.hypot(1 + np.log(2), 1)
    more = model.title_logits("Moon, moon, love")
    assert more is not None
    assert more == pytest.approx(np.array([0, 6, 12.7 * twice - 2]) / length)


@pytest.mark.parametrize("title", ["", "???", "Unheard of", "\u5343\u3068"])
def test_a_title_without_a_known_ngram_says_nothing(title: str) -> None:
    assert tiny_titles().title_logits(title) is None


def test_the_words_of_a_title_add_up_to_its_logits() -> None:
    model = tiny_titles()
    title = "Saw Love (Moon, the)"
    words = model.word_logits(title)
    assert set(words) == {"saw", "love", "saw love", "moon"}
    total = model.title_logits(title)
    assert total is not None
    assert sum(words.values()) == pytest.approx(total)
    assert words["saw"][0] > words["saw love"][0] > 0 == words["moon"][0]


@given(st.integers(1870, 2100))
def test_a_year_lies_between_the_decades_around_it(year: int) -> None:
    near = year_vector(year)
    assert near.sum() == pytest.approx(1)
    assert (near > 0).sum() <= 2
    decades = 1900 + 10 * np.arange(len(near))
    assert near @ decades == pytest.approx(min(max(year, 1900), 2020))


def test_no_year_that_cannot_be_is_taken_for_one() -> None:
    check_year(None)
    check_year(1895)
    for year in (0, 1869, 2101, 20015):
        with pytest.raises(ValueError, match="expected 1870 to 2100"):
            check_year(year)


def test_rarities_keep_their_order_in_a_byte() -> None:
    films = np.array([1, 2, 50, 9_000, 70_000])
    stored = stored_rarity(rarity_of(films, 70_000))
    assert stored == pytest.approx(1 + np.log(70_001 / (1 + films)), abs=1 / 32)


def test_a_model_is_the_same_after_saving() -> None:
    model = tiny_titles()
    again = TitleModel.from_parts(model.to_bytes(), model.to_json())
    for title in ("Saw", "Love, the Moon"):
        first, second = model.title_logits(title), again.title_logits(title)
        assert first is not None
        assert second is not None
        assert np.array_equal(first, second)
    assert np.array_equal(model.year_logits(1985), again.year_logits(1985))
    assert again.never_seen(["saw", "moon", ""]).tolist() == [False, True, False]


def test_a_model_of_an_older_keyart_does_not_know_its_series() -> None:
    model = tiny_titles()
    plain = {key: value for key, value in model.to_json().items() if key != "series"}
    older = TitleModel.from_parts(model.to_bytes()[: -4 * len(model.series)], plain)
    assert np.array_equal(older.weights, model.weights)
    assert len(older.series) == 0


def test_a_damaged_model_is_refused() -> None:
    model = tiny_titles()
    content, plain = model.to_bytes(), model.to_json()
    wrong = [
        (content[:-1], plain, "do not hold"),
        (content, plain | {"ngrams": 3}, "do not hold"),
        (content, plain | {"series": 3}, "do not hold"),
        (content[:-8] + content[-4:] + content[-8:-4], plain, "rise"),
        (content, plain | {"scale": [1.0]}, "years"),
        (content, plain | {"years": [[0, 0, 0]]}, "years"),
        (content[4:8] + content[:4] + content[8:], plain, "rise"),
    ]
    for data, facts, reason in wrong:
        with pytest.raises(ValueError, match=reason):
            TitleModel.from_parts(data, facts)
