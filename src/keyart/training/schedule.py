"""Learning rates within a training: a warm-up, then a cosine or a flat line."""

import math


def learning_rate(
    step: int, *, peak: float, warmup: int, total: int, final: float, cosine: bool
) -> float:
    """The rate of a step: up a line to `peak` in `warmup` steps, then a cosine to `final`.

    step: from 0. Without `cosine` the peak is kept (plateau cuts multiply it; see state.py).
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    if not cosine:
        return peak
    share = (step - warmup) / max(1, total - warmup - 1)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
