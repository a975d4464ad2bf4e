"""training/augment.py: what changes, what must not, and who draws."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from keyart.training.augment import augment, draw_mixture

OFF: dict[str, Any] = {
    "flip": False, "zoom": 0.0, "shift": 0.0, "crop": 0.0, "colour": 0.0, "erase": 0.0,
    "randaugment": 0,
}  # fmt: skip


def posters(count: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, 3, 4, 3, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, (48, 32), mode="bilinear")
    return (fine * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def changed(pixels: Tensor, draw: int = 0, /, **options: Any) -> Tensor:
    generator = torch.Generator().manual_seed(draw)
    return augment(pixels, generator, **{**OFF, **options})


def test_with_everything_off_nothing_changes() -> None:
    assert (changed(posters()) == posters()).all()


def test_a_flip_mirrors_about_half_of_the_posters_and_nothing_else() -> None:
    before = posters().float()
    after = changed(posters(), flip=True)
    same = torch.isclose(after, before, atol=0.01).flatten(1).all(1)
    mirrored = torch.isclose(after, before.flip(2), atol=0.01).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 16 < int(mirrored.sum()) < 48


@pytest.mark.parametrize("option", ["zoom", "shift", "colour", "erase"])
def test_each_change_differs_from_poster_to_poster(option: str) -> None:
    alike = posters(1).expand(32, -1, -1, -1).contiguous()
    after = changed(alike, **{option: 0.3})
    assert len({tuple(poster.flatten().tolist()) for poster in after}) > 8


@pytest.mark.parametrize("option", ["zoom", "shift", "colour", "erase", "flip"])
def test_changed_posters_stay_pixels(option: str) -> None:
    after = changed(posters(), **{option: True if option == "flip" else 1.0})
    assert after.shape == (64, 48, 32, 3)
    assert after.min() >= 0
    assert after.max() <= 255.001


def test_a_shift_moves_the_picture_by_at_most_its_share() -> None:
    dot = torch.zeros(40, 48, 32, 3, dtype=torch.uint8)
    dot[:, 24, 16] = 255
    after = changed(dot, shift=0.1).sum(3)
    rows = torch.tensor([int(poster.sum(1).argmax()) for poster in after])
    columns = torch.tensor([int(poster.sum(0).argmax()) for poster in after])
    assert (rows - 24).abs().max() <= 5 < 2 * (rows - 24).abs().max() + 1
    assert (columns - 16).abs().max() <= 4
    assert len(set(rows.tolist())) > 3


def test_erase_blanks_that_share_of_posters() -> None:
    after = changed(posters(400), erase=0.25)
    touched = (after != posters(400)).flatten(1).any(1).float().mean()
    assert 0.17 < touched < 0.33


def test_equal_seeds_draw_equally_and_others_do_not() -> None:
    options: dict[str, Any] = {"flip": True, "zoom": 0.1, "shift": 0.1, "colour": 0.2, "erase": 0.5}
    assert (changed(posters(), 3, **options) == changed(posters(), 3, **options)).all()
    assert (changed(posters(), 3, **options) != changed(posters(), 4, **options)).any()


def test_a_crop_shows_a_smaller_part_in_the_posters_own_shape() -> None:
    steps = torch.arange(32).float() * 8
    ramp = steps.view(1, 1, 32, 1).expand(64, 48, 32, 3).to(torch.uint8)
    after = changed(ramp.contiguous(), crop=0.5)
    reach = after.amax((1, 2, 3)) - after.amin((1, 2, 3))
    full = 31 * 8
    assert (reach < full + 0.5).all()
    assert (reach >= 0.45 * full).all()
    assert reach.min() < 0.6 * full < 0.9 * full < reach.max()
    # It never leaves the poster: no column is repeated at an edge for want of pixels.
    slopes = after[:, 0, 1:, 0] - after[:, 0, :-1, 0]
    assert (slopes[:, 1:-1] > 0).all()


def test_randaugment_changes_posters_by_the_generator_alone() -> None:
    before = posters(16)
    torch.manual_seed(1)
    first = changed(before, 3, randaugment=9)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(changed(before, 3, randaugment=9), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(changed(before, 4, randaugment=9), first)
    assert first.shape == before.shape


def test_randaugment_changes_posters_the_more_the_stronger_it_is() -> None:
    before = posters(80).float()
    change = [
        float((changed(posters(80), randaugment=strength) - before).abs().mean())
        for strength in (1, 9, 30)
    ]
    assert change[0] < 0.8 * change[1] < 0.8 * 0.8 * change[2]


def test_zoom_enlarges_and_shrinks_by_at_most_its_share() -> None:
    steps = torch.arange(32).float() * 8
    ramp = steps.view(1, 1, 32, 1).expand(256, 48, 32, 3).to(torch.uint8)
    after = changed(ramp.contiguous(), zoom=0.2)[:, 24, :, 0]
    slope = (after[:, 20] - after[:, 11]) / 9 / 8  # of the middle, where no edge is repeated
    assert slope.min() == pytest.approx(0.8, abs=0.02)
    assert slope.max() == pytest.approx(1.2, abs=0.02)


def test_colour_changes_brightness_contrast_and_tint_by_at_most_its_share() -> None:
    grey = torch.full((400, 4, 4, 3), 100, dtype=torch.uint8)
    gains = changed(grey, colour=0.2)[:, 0, 0] / 100
    assert gains.min() >= 0.8 * 0.9 - 1e-3
    assert gains.max() <= 1.2 * 1.1 + 1e-3
    assert gains.min() < 0.8 < 1.2 < gains.max()
    tint = gains / gains.mean(1, keepdim=True)
    assert 1.05 < tint.max() < 1.15
    halves = torch.full((400, 4, 4, 3), 80, dtype=torch.uint8)
    halves[:, :2] = 120
    after = changed(halves, colour=0.2)
    contrast = (after[:, 0, 0, 0] - after[:, 3, 0, 0]) / after.mean((1, 2))[:, 0] / 0.4
    assert contrast.min() == pytest.approx(0.8, abs=0.02)
    assert contrast.max() == pytest.approx(1.2, abs=0.02)


def test_erase_blanks_a_rectangle_of_up_to_a_third_of_each_side() -> None:
    after = changed(posters(400), erase=1.0)
    touched = (after != posters(400)).any(3)
    rows, columns = touched.any(2), touched.any(1)
    assert rows.sum(1).max() <= 48 / 3 + 1
    assert columns.sum(1).max() <= 32 / 3 + 1
    assert rows.sum(1).max() > 48 / 4
    assert columns.sum(1).max() > 32 / 4
    whole = touched == (rows[:, :, None] & columns[:, None, :])
    assert whole.float().mean() > 0.999, "it is one rectangle"


def mix(
    pixels: Tensor, truth: Tensor, draws: np.random.Generator, **alphas: float
) -> tuple[Tensor, Tensor]:
    mixture = draw_mixture(len(pixels), draws, **alphas)
    assert mixture is not None
    return mixture.of(pixels, truth, pixels[mixture.partner], truth[mixture.partner])


def test_mixup_blends_posters_and_their_genres_in_the_same_share() -> None:
    values = torch.arange(8.0)
    pixels = values.view(8, 1, 1, 1).expand(8, 4, 4, 3)
    mixed, truth = mix(pixels, values[:, None], np.random.default_rng(0), mixup=1.0, cutmix=0.0)
    assert torch.allclose(mixed[:, 0, 0, 0], truth[:, 0], atol=1e-5)
    assert not torch.allclose(truth[:, 0], values)


def test_cutmix_shares_genres_by_the_area_that_is_pasted() -> None:
    values = torch.arange(8.0)
    pixels = values.view(8, 1, 1, 1).expand(8, 24, 16, 3)
    for draw in range(20):
        draws = np.random.default_rng(draw)
        mixed, truth = mix(pixels, values[:, None], draws, mixup=0.0, cutmix=1.0)
        assert torch.allclose(mixed.mean((1, 2, 3)), truth[:, 0], atol=1e-4)
        assert set(mixed.flatten().tolist()) <= set(values.tolist())


def test_without_mixing_a_batch_stays_as_it_is() -> None:
    assert draw_mixture(4, np.random.default_rng(0), mixup=0.0, cutmix=0.0) is None


def test_posters_of_a_part_of_a_batch_change_as_in_the_whole_batch() -> None:
    everything = {**OFF, "flip": True, "zoom": 0.2, "shift": 0.1, "crop": 0.2, "colour": 0.3,
                  "erase": 0.5, "randaugment": 9}  # fmt: skip
    whole = changed(posters(), **everything)
    places = np.array([3, 17, 18, 40])
    part = changed(posters()[places], batch=64, places=places, **everything)
    assert torch.allclose(part, whole[places], atol=1e-4)
