"""Batch normalisation over a batch that several workers share.

torch's SyncBatchNorm does this on GPUs alone. Without it a worker would normalise by its own films:
another network than on one machine, and a worse one if they are few.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F


def share_norms(model: nn.Module) -> None:
    """Let the batch normalisations of `model` see the films of all workers while it trains."""
    if next(model.parameters()).is_cuda:
        from timm.layers.norm_act import convert_sync_batchnorm

        # To torch's, also normalisations of timm's own.
        convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            module.__class__ = _SharedNorm  # its tensors and their names stay


class _SharedNorm(nn.BatchNorm2d):
    """A batch normalisation, of timm's with an activation as well."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (films, channels, ...)."""
        assert self.running_mean is not None
        assert self.running_var is not None
        if self.training:
            y, mean, var, films = _Normalise.apply(x, self.weight, self.bias, self.eps)
            momentum = 0.1 if self.momentum is None else self.momentum
            with torch.no_grad():
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(var * (films / (films - 1)), momentum)
        else:
            statistics = self.running_mean, self.running_var
            y = F.batch_norm(x, *statistics, self.weight, self.bias, False, 0.0, self.eps)
        for after in (getattr(self, "drop", None), getattr(self, "act", None)):
            y = y if after is None else after(y)
        normalised: Tensor = y
        return normalised


class _Normalise(torch.autograd.Function):
    """Normalise by the mean and variance of all workers' x; also returns both, and the count."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, var = (one.double() for one in torch.batch_norm_update_stats(x, None, None, 0.0))
        count = mean.new_full((1,), x.numel() // x.shape[1])
        sums = torch.cat([mean * count, (var + mean**2) * count, count])
        dist.all_reduce(sums)
        count = sums[-1:]
        mean, square = (sums[:-1] / count).chunk(2)
        mean, var = mean.float(), (square - mean**2).float()
        y = F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, var, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var, count)
        return y, mean, var, count.float()

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, var, count = ctx.saved_tensors
        # As if the statistics were constants; then what x does to them.
        dx, dweight, dbias = torch.ops.aten.native_batch_norm_backward(
            dy, x, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.cat([dbias, dweight]).double()
        dist.all_reduce(sums)
        by_mean, by_spread = (sums / count).float().chunk(2)
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = torch.rsqrt(var + ctx.eps)
        slope = by_spread * scale**2 * weight
        shift = by_mean * scale * weight - slope * mean
        dx = dx - slope.to(x.dtype).view(shape) * x - shift.to(x.dtype).view(shape)
        return dx, dweight, dbias, None
