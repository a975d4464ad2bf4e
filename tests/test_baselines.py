"""The constant guesses: fitted on training films, and as strong as a constant can be."""

from itertools import product

import numpy as np
import pytest

from keyart.evaluation import metrics
from keyart.evaluation.baselines import fit_baselines

RNG = np.random.default_rng(2)
TRUTH = RNG.random((200, 5)) < (0.1, 0.55, 0.05, 0.3, 0.2)


def test_nothing_scores_nothing() -> None:
    scores, predicted = fit_baselines(TRUTH)["nothing"].predict(4)
    assert scores.shape == predicted.shape == (4, 5)
    assert not scores.any()
    assert not predicted.any()


def test_genre_rates_are_the_rates_of_training() -> None:
    scores, predicted = fit_baselines(TRUTH)["genre_rates"].predict(3)
    np.testing.assert_allclose(scores, np.tile(TRUTH.mean(axis=0), (3, 1)))
    np.testing.assert_array_equal(predicted[0], [False, True, False, False, False])


def test_no_constant_answer_beats_the_baselines_at_what_they_are_for() -> None:
    baselines = fit_baselines(TRUTH)
    answers = [np.tile(answer, (200, 1)) for answer in product([False, True], repeat=5)]
    best_f1 = max(metrics.precision_recall_f1(a, TRUTH, "micro").f1 for a in answers)
    _, frequent = baselines["most_frequent"].predict(200)
    assert metrics.precision_recall_f1(frequent, TRUTH, "micro").f1 == pytest.approx(best_f1)
    assert 1 <= frequent[0].sum() < 5
    best_accuracy = max(metrics.label_accuracy(a, TRUTH) for a in answers)
    scores, likely = baselines["genre_rates"].predict(200)
    assert metrics.label_accuracy(likely, TRUTH) == pytest.approx(best_accuracy)
    for shift in (0.05, -0.04):
        moved = np.clip(scores + shift, 0, 1)
        assert metrics.brier(scores, TRUTH) < metrics.brier(moved, TRUTH)


def test_the_most_frequent_genres_keep_the_rates_as_scores() -> None:
    baselines = fit_baselines(TRUTH)
    np.testing.assert_array_equal(
        baselines["most_frequent"].scores, baselines["genre_rates"].scores
    )


@pytest.mark.parametrize("value", [False, True])
def test_one_film_and_one_genre_are_enough(value: bool) -> None:
    baselines = fit_baselines([[value]])
    assert baselines["genre_rates"].predict(1)[1][0, 0] == value
    assert baselines["genre_rates"].scores[0] == value
