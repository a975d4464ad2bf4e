"""training/shared_norm.py: equal to torch's batch normalisation if all films are here."""

import copy
from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from keyart.training.freezing import training_mode
from keyart.training.shared_norm import share_norms


@pytest.fixture(scope="module", autouse=True)
def group_of_one() -> Iterator[None]:
    """A process group with this process alone."""
    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def trained(network: nn.Sequential, x: Tensor) -> list[Tensor]:
    """What a step gives: outputs, gradients and running statistics, then outputs to evaluate."""
    x = x.clone().requires_grad_()
    network.train()
    y = network(x)
    (y.float() ** 3).sum().backward()
    assert x.grad is not None
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    network.eval()
    return [y, x.grad, *gradients, *network.buffers(), network(x.detach())]


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, BatchNormAct2d])
@pytest.mark.parametrize(
    ("dtype", "rounding"), [(torch.float32, 1e-4), (torch.bfloat16, 5e-2)], ids=["fp32", "bf16"]
)
def test_a_step_is_that_of_torch(
    kind: type[nn.BatchNorm2d], dtype: torch.dtype, rounding: float
) -> None:
    torch.manual_seed(0)
    x = (torch.randn(6, 8, 5, 4) * 3 + 20).to(dtype).to(memory_format=torch.channels_last)
    network = nn.Sequential(kind(8))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.5, 1.5)
    shared = copy.deepcopy(network)
    share_norms(shared)
    assert type(shared[0]) is not type(network[0])
    for expected, found in zip(trained(network, x), trained(shared, x), strict=True):
        if expected.is_floating_point():
            scale = expected.abs().max().clamp(min=1)
            assert ((expected.float() - found.float()).abs().max() / scale) < rounding


def test_the_names_of_weights_stay_and_frozen_statistics_too() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    names = list(network.state_dict())
    share_norms(network)
    assert list(network.state_dict()) == names
    training_mode(network, freeze_batch_norm=True)
    before = [buffer.clone() for buffer in network.buffers()]
    network(torch.rand(2, 3, 8, 8) + 5)
    assert all(map(torch.equal, before, network.buffers()))
