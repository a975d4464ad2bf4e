"""training/losses.py: what a cell costs, against the formulas of the papers cell by cell."""

import math

import pytest
import torch

from keyart.training.losses import loss_of

LOGITS = torch.tensor([[-3.0, -0.5, 0.0, 2.0], [4.0, 0.1, -8.0, -1.0]])
TRUTH = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.3]])


def by_hand(name: str, logit: float, truth: float) -> float:
    score = 1 / (1 + math.exp(-logit))
    if name == "bce":
        return -truth * math.log(score) - (1 - truth) * math.log(1 - score)
    if name == "focal":
        present = (1 - score) ** 2 * math.log(score)
        absent = score**2 * math.log(1 - score)
        return -truth * present - (1 - truth) * absent
    shifted = max(score - 0.05, 0.0)
    return -truth * math.log(score) - (1 - truth) * shifted**4 * math.log(1 - shifted)


@pytest.mark.parametrize("name", ["bce", "focal", "asymmetric"])
def test_the_loss_of_every_cell_is_that_of_the_paper(name: str) -> None:
    costs = loss_of(name, LOGITS, TRUTH)
    expected = [
        [by_hand(name, float(logit), float(truth)) for logit, truth in zip(row, cells, strict=True)]
        for row, cells in zip(LOGITS, TRUTH, strict=True)
    ]
    assert torch.allclose(costs, torch.tensor(expected), atol=1e-5)


@pytest.mark.parametrize("name", ["bce", "focal", "asymmetric"])
def test_extreme_logits_have_finite_costs_and_slopes(name: str) -> None:
    logits = torch.tensor([[-90.0, 90.0, -90.0, 90.0]], requires_grad=True)
    cost = loss_of(name, logits, torch.tensor([[0.0, 0.0, 1.0, 1.0]])).sum()
    torch.autograd.backward(cost)
    assert torch.isfinite(cost)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_asymmetric_loss_ignores_absent_genres_that_are_scored_low() -> None:
    low = torch.tensor([[-4.0]])
    assert loss_of("asymmetric", low, torch.zeros(1, 1)).item() == 0
    assert loss_of("bce", low, torch.zeros(1, 1)).item() > 0.01
