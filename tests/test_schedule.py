"""training/schedule.py, state.py and balance.py: rates, patience, and weights of rare genres."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from keyart.training.balance import cell_weights, genre_weights
from keyart.training.recipe import Recipe
from keyart.training.schedule import learning_rate, momentum_of
from keyart.training.state import LoopState


def test_the_rate_warms_up_peaks_and_falls_along_a_cosine() -> None:
    rates = [
        learning_rate(step, peak=1.0, warmup=10, total=110, final=0.1, cosine=True)
        for step in range(110)
    ]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[10 + 50] == pytest.approx(0.55, abs=0.01)
    assert rates[-1] == pytest.approx(0.1)


def test_without_cosine_the_peak_is_kept() -> None:
    assert learning_rate(500, peak=0.3, warmup=2, total=501, final=0.0, cosine=False) == 0.3


def run_through(losses: list[float], recipe: Recipe) -> LoopState:
    state = LoopState()
    for loss in losses:
        if not state.stopped:
            state.take({"validation_loss": loss}, recipe)
    return state


def test_the_best_epoch_has_the_least_loss_by_the_minimum_change() -> None:
    state = run_through([0.5, 0.4, 0.39995, 0.41], Recipe().with_settings(min_delta=1e-4))
    assert (state.best_epoch, state.best) == (2, 0.4)


def test_a_plateau_cuts_the_rate_down_to_its_floor() -> None:
    recipe = Recipe().with_settings(
        schedule="plateau",
        plateau_patience=2,
        plateau_factor=0.1,
        learning_rate=0.1,
        final_learning_rate=1e-3,
    )
    factors = [run_through([0.5] * n, recipe).rate_factor for n in range(1, 10)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01])


def test_early_stopping_waits_for_its_patience() -> None:
    recipe = Recipe().with_settings(early_stopping_patience=3)
    assert not run_through([0.5, 0.6, 0.6], recipe).stopped
    state = run_through([0.5, 0.6, 0.6, 0.6, 0.1], recipe)
    assert state.stopped
    assert state.epochs_done == 4


def test_early_stopping_and_the_best_epoch_follow_map_if_the_recipe_says_so() -> None:
    recipe = Recipe().with_settings(early_stopping_patience=2, monitor="map")
    state = LoopState()
    for number, value in enumerate((0.1, 0.3, 0.2, 0.25, 0.9)):
        if not state.stopped:
            falling = 0.5 - 0.01 * number
            row = {"validation_loss": falling, "validation_mean_average_precision": value}
            state.take(row, recipe)
    assert (state.stopped, state.best_epoch, state.epochs_done) == (True, 2, 4)


def test_inverse_weights_follow_the_counts() -> None:
    weights = genre_weights("inverse", np.array([10, 100, 1000]), 1000)
    assert weights.mean() == pytest.approx(1)
    assert weights[0] / weights[1] == pytest.approx(10)
    assert weights[1] / weights[2] == pytest.approx(10)


def test_effective_weights_flatten_what_inverse_exaggerates() -> None:
    counts = np.array([10, 10_000, 20_000])
    effective, inverse = (genre_weights(name, counts, 1000) for name in ("effective", "inverse"))
    assert effective[0] > effective[1] > 0
    assert effective[1] / effective[2] < inverse[1] / inverse[2]
    assert (genre_weights("none", counts, 1000) == 1).all()


@pytest.mark.parametrize("balance", ["inverse", "effective"])
def test_a_genre_without_films_weighs_as_the_rarest_and_does_not_outweigh_the_others(
    balance: str,
) -> None:
    weights = genre_weights(balance, np.array([5000, 3000, 300, 0]), 6000)
    assert weights[3] == weights[2] == weights.max()
    assert weights.mean() == pytest.approx(1)
    without = genre_weights(balance, np.array([5000, 3000, 300]), 6000)
    assert weights[:3] / weights[0] == pytest.approx(without / without[0])
    assert (genre_weights(balance, np.array([0, 0]), 9) == 1).all()


def test_the_studys_weights_follow_its_formula() -> None:
    weights = genre_weights("study", np.array([9, 99, 0]), 300)
    assert weights.tolist() == [300 / (3 * 10), 300 / (3 * 100), 300 / 3]


def test_by_genre_each_column_weighs_its_own_and_by_first_genre_a_film_its_first() -> None:
    weights = torch.tensor([5.0, 3.0, 1.0])
    truth = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert cell_weights(weights, truth, "genre").expand(3, 3)[0].tolist() == [5, 3, 1]
    by_film = cell_weights(weights, truth, "first_genre").expand(3, 3)
    # Keras took the argmax of a row for its class: 0 where all are 0.
    assert by_film[:, 0].tolist() == [3, 5, 5]
    assert (by_film == by_film[:, :1]).all()


def test_momentum_rises_in_a_line() -> None:
    rising = [momentum_of(epoch, 5, 0.9, 0.98) for epoch in range(5)]
    assert rising == pytest.approx([0.9, 0.92, 0.94, 0.96, 0.98])
    assert momentum_of(3, 5, 0.9, None) == 0.9
    assert momentum_of(0, 1, 0.9, 0.98) == 0.9
