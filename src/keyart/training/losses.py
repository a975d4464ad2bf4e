"""Losses: what a logit costs, given whether the film has the genre."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Focal loss: Lin et al. 2017 (arXiv 1708.02002), section 5.1; asymmetric loss: Ridnik et al. 2020
# (arXiv 2009.14119), section 3.2. The values that their authors recommend.
_GAMMA = 2.0
_GAMMA_POSITIVE, _GAMMA_NEGATIVE, _MARGIN = 0.0, 4.0, 0.05


def loss_of(name: str, logits: Tensor, truth: Tensor) -> Tensor:
    """The cost of every cell, before weights and the mean.

    name: 'bce' (cross-entropy); 'focal' (cells that are right already count for less);
    'asymmetric' (absent genres that are scored low count for nearly nothing, since there are so
    many of them). logits: (films, genres). truth: (films, genres) in [0, 1]; mixed posters have
    shares. Returns (films, genres).
    """
    if name == "bce":
        return F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    present, absent = F.logsigmoid(logits), F.logsigmoid(-logits)
    score = torch.sigmoid(logits)
    if name == "focal":
        weight_present, weight_absent = (1 - score) ** _GAMMA, score**_GAMMA
    else:
        shifted = (score - _MARGIN).clamp(min=0)
        absent = torch.log1p(-shifted)
        weight_present, weight_absent = (1 - score) ** _GAMMA_POSITIVE, shifted**_GAMMA_NEGATIVE
    return -(truth * weight_present * present + (1 - truth) * weight_absent * absent)
