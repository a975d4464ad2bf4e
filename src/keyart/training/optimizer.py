"""The two optimizers, with weight decay on matrices alone."""

import torch
from torch import nn


def build_optimizer(
    model: nn.Module, name: str, *, learning_rate: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW ('adamw') or SGD with Nesterov momentum ('sgd').

    Biases and the scales of normalisations are not decayed: shrinking them changes what a layer
    computes without making it simpler.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if name == "sgd":
        return torch.optim.SGD(
            groups, lr=learning_rate, momentum=momentum, nesterov=momentum > 0, fused=True
        )
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)
