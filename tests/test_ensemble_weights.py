"""ensemble/weights.py: the weights that are learned."""

import numpy as np
import numpy.typing as npt
import pytest

from keyart.ensemble.weights import learned_weights, log_loss


@pytest.mark.parametrize("seed", range(8))
def test_the_weights_are_the_best_there_are(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.random((200, 4)) < random.random(4)
    scores = np.clip(
        [truth * skill + (1 - skill) * random.random(truth.shape) for skill in random.random(3)],
        0,
        1,
    )
    weights = learned_weights(scores, truth)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)

    def loss(some: npt.NDArray[np.float64]) -> float:
        return log_loss(np.tensordot(some, scores, axes=1), truth)

    least = loss(weights)
    assert least <= loss(np.full(3, 1 / 3))
    assert all(least <= loss(other) + 1e-6 for other in random.dirichlet(np.ones(3), 300))
