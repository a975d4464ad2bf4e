"""Exponential moving average of the weights, which scores better than those of the last step."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]


def start_average(model: nn.Module) -> Weights:
    """The average before the first step: a copy of the model's weights and batch statistics."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@torch.no_grad()
def follow(average: Weights, model: nn.Module, step: int, decay: float) -> None:
    """Move the average towards the model after a step (from 0).

    The first steps use a smaller decay, so that the average forgets the random weights soon.
    """
    decay = min(decay, (1 + step) / (10 + step))
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            average[name].lerp_(tensor, 1 - decay)
        else:
            average[name].copy_(tensor)


@contextmanager
def evaluating(model: nn.Module, weights: Mapping[str, Tensor] | None) -> Iterator[None]:
    """Put `model` into evaluation mode with these weights (its own if None), then back."""
    before = start_average(model) if weights is not None else {}
    if weights is not None:
        model.load_state_dict(weights)
    model.eval()
    try:
        yield
    finally:
        if weights is not None:
            model.load_state_dict(before)
        model.train()
