"""Losses of logits, given whether films have the genres."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Focal loss: Lin et al. 2017 (arXiv 1708.02002), section 5.1; asymmetric loss: Ridnik et al. 2020
# (arXiv 2009.14119), section 3.2. The values are those that their authors recommend.
_GAMMA = 2.0
_GAMMA_POSITIVE, _GAMMA_NEGATIVE, _MARGIN = 0.0, 4.0, 0.05


def loss_of(name: str, logits: Tensor, truth: Tensor) -> Tensor:
    """The loss of every film and genre, before weights and the mean.

    name: 'bce' (binary cross-entropy); 'focal' (cells that are right already count for less);
    'asymmetric' (absent genres with low scores, which are most cells, count for nearly nothing).
    logits: (films, genres). truth: (films, genres) in [0, 1], with values in between for mixed
    posters. Returns (films, genres).
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
