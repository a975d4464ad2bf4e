"""models/dropout.py: that it blanks what torch's own would blank, in share."""

import pytest
import torch

from keyart.models.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
def test_the_rate_s_share_is_blanked_and_the_mean_stays(rate: float) -> None:
    torch.manual_seed(0)
    dropped = Dropout(rate)(torch.ones(1_000, 1_001))
    assert float((dropped == 0).float().mean()) == pytest.approx(rate, abs=0.002)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.01)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=1e-3)


def test_neighbours_are_blanked_independently() -> None:
    torch.manual_seed(0)
    blank = (Dropout(0.5)(torch.ones(4_000_000)) == 0).float().view(-1, 4)
    together = torch.corrcoef(blank.T) - torch.eye(4)
    assert float(together.abs().max()) < 0.005


def test_its_draws_follow_torch_s_seed_and_change_from_call_to_call() -> None:
    drop, x = Dropout(0.3), torch.ones(7, 5)
    torch.manual_seed(3)
    first, second = drop(x), drop(x)
    torch.manual_seed(3)
    assert torch.equal(drop(x), first)
    assert not torch.equal(first, second)


def test_slopes_pass_where_numbers_were_kept() -> None:
    x = torch.ones(50, 3, requires_grad=True)
    dropped = Dropout(0.4)(x)
    dropped.sum().backward()
    torch.testing.assert_close(x.grad, dropped.detach())


def test_nothing_is_blanked_in_evaluation_or_at_rate_0_and_all_at_rate_1() -> None:
    x = torch.randn(4, 6)
    assert Dropout(0.7).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert not Dropout(1.0)(x).any()


def test_channels_last_maps_and_slices_keep_their_layout() -> None:
    maps = torch.randn(2, 3, 5, 7).to(memory_format=torch.channels_last)
    assert Dropout(0.5)(maps).is_contiguous(memory_format=torch.channels_last)
    assert Dropout(0.5)(torch.randn(6, 8)[::2, 1::3]).shape == (3, 3)
