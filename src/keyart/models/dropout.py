"""Dropout for large layers: on a CPU, torch's own spends most of its time on random numbers."""

import torch
from torch import Tensor, nn

_DRAWS = 2**16


class Dropout(nn.Module):
    """torch.nn.Dropout in a third of its time on a CPU: one random integer decides four numbers.

    rate: the fraction that becomes 0 in training, rounded to 1/65536. The rest is scaled up so that
    the mean stays.

    part: the first film of x in a batch, and the batch's films, if x is a part of one. Numbers are
    drawn for the whole batch then, so that each film gets its own as if all were here.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.part: tuple[int, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x: (films, ...). Returns the same shape."""
        blanked = round(self.rate * _DRAWS)
        if not self.training or not blanked:
            return x
        if blanked == _DRAWS:
            return torch.zeros_like(x)
        first, films = self.part or (0, len(x))
        each = x.numel() // len(x)
        quarters = (films * each + 3) // 4
        integers = torch.randint(-(2**63), 2**63 - 1, (quarters,), device=x.device)
        strides = torch.empty_like(x).stride()  # also of channels_last maps
        draws = integers.view(torch.int16)[first * each :].as_strided(x.shape, strides)
        kept = draws >= blanked - _DRAWS // 2
        return torch.where(kept, x * (_DRAWS / (_DRAWS - blanked)), 0)
