"""Learning rates and momentum within a training."""

import math


def learning_rate(
    step: int, *, peak: float, warmup: int, total: int, final: float, cosine: bool
) -> float:
    """The rate of a step: it rises linearly to `peak` in `warmup` steps, then a cosine to `final`.

    step: from 0. Without `cosine` the rate stays at the peak (state.py cuts it on a plateau).
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    if not cosine:
        return peak
    share = (step - warmup) / max(1, total - warmup - 1)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def momentum_of(epoch: int, epochs: int, first: float, last: float | None) -> float:
    """The momentum of an epoch (from 0): linear from `first` to `last`; `first` if that is None."""
    if last is None or epochs == 1:
        return first
    return first + (last - first) * epoch / (epochs - 1)
