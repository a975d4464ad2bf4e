"""Augmentation: random changes to each poster of a batch that do not change its genres."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def augment(
    pixels: Tensor,
    generator: torch.Generator,
    *,
    flip: bool,
    zoom: float,
    shift: float,
    crop: float,
    colour: float,
    erase: float,
    randaugment: int,
) -> Tensor:
    """Flip, zoom, shift, crop, recolour and erase, with random draws of its own for each poster.

    pixels: (films, height, width, 3) uint8. zoom, shift: at most this fraction of the size. crop:
    at most this fraction of height and width is cut away, the same of both, so that the shape
    stays. colour: largest relative change of contrast and brightness; half of it for each channel.
    erase: fraction of posters that lose a rectangle of up to a third of each side. randaugment:
    strength of two operations drawn for each poster (Cubuk et al., arXiv 1909.13719, as in
    torchvision), 0 for none.
    Returns (films, height, width, 3) float in [0, 255]. All draws come from `generator`, a CPU one.
    """
    films, height, width, _ = pixels.shape
    device = pixels.device

    def draw(*shape: int) -> Tensor:
        """Uniform in [-1, 1]."""
        return (torch.rand(*shape, generator=generator) * 2 - 1).to(device)

    x = (_randaugment(pixels, randaugment, generator) if randaugment else pixels).float()
    if flip or zoom or shift or crop:
        scale = 1 + zoom * draw(films)
        mirrored = torch.where(draw(films) < 0, -1.0, 1.0) if flip else torch.ones_like(scale)
        offset = 2 * shift * draw(films, 2)  # grids run from -1 to 1
        if crop:
            kept = 1 - crop * (draw(films) + 1) / 2
            offset = offset + (1 - kept)[:, None] * draw(films, 2)
            scale = scale * kept
        # Rows of the affine map: where in the source each output column and row is read.
        theta = torch.zeros(films, 2, 3, device=device)
        theta[:, 0, 0] = scale * mirrored
        theta[:, 1, 1] = scale
        theta[:, :, 2] = offset
        grid = F.affine_grid(theta, [films, 3, height, width], align_corners=False)
        x = F.grid_sample(
            x.permute(0, 3, 1, 2), grid, padding_mode="border", align_corners=False
        ).permute(0, 2, 3, 1)
    if colour:
        mean = x.mean((1, 2, 3), keepdim=True)
        contrast = 1 + colour * draw(films, 1, 1, 1)
        gain = 1 + colour / 2 * draw(films, 1, 1, 3)
        brightness = 1 + colour * draw(films, 1, 1, 1)
        x = (((x - mean) * contrast + mean) * gain * brightness).clamp(0, 255)
    if erase:
        rows = torch.arange(height, device=device).view(1, height, 1, 1) / height
        columns = torch.arange(width, device=device).view(1, 1, width, 1) / width
        centre = draw(films, 2).view(films, 2, 1, 1, 1) / 2 + 0.5
        reach = (draw(films, 2).view(films, 2, 1, 1, 1) + 1) / 12
        chosen = (draw(films).view(films, 1, 1, 1) + 1) / 2 < erase
        inside = ((rows - centre[:, 0]).abs() < reach[:, 0]) & (
            (columns - centre[:, 1]).abs() < reach[:, 1]
        )
        x = torch.where(chosen & inside, x.mean((1, 2), keepdim=True), x)
    return x


def _randaugment(pixels: Tensor, strength: int, generator: torch.Generator) -> Tensor:
    from torchvision.transforms.v2 import RandAugment

    change = RandAugment(num_ops=2, magnitude=strength, fill=[0.0, 0.0, 0.0])
    seed = int(torch.randint(2**31, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # RandAugment takes no generator
        changed = [change(poster) for poster in pixels.permute(0, 3, 1, 2)]
    return torch.stack(changed).permute(0, 2, 3, 1)


def mix(
    pixels: Tensor, truth: Tensor, draws: np.random.Generator, *, mixup: float, cutmix: float
) -> tuple[Tensor, Tensor]:
    """Mix each poster of a batch with another one, and their genres with the same weights.

    MixUp (Zhang et al., arXiv 1710.09412) blends two posters; CutMix (Yun et al., arXiv
    1905.04899) puts a rectangle of one into the other. mixup, cutmix: alpha of the beta
    distribution of a batch's weight, 0 for none. If both are set, each batch draws one of them.
    pixels: (films, height, width, 3) float. truth: (films, genres) in [0, 1].
    """
    if not mixup and not cutmix:
        return pixels, truth
    other = torch.from_numpy(draws.permutation(len(pixels))).to(pixels.device)
    cut = bool(cutmix) and (not mixup or draws.random() < 0.5)
    alpha = cutmix if cut else mixup
    share = float(draws.beta(alpha, alpha))
    if cut:
        height, width = pixels.shape[1:3]
        side = np.sqrt(1 - share)
        y, x = draws.random(2) * (height, width)
        top, bottom = (int(np.clip(y + s * side * height / 2, 0, height)) for s in (-1, 1))
        left, right = (int(np.clip(x + s * side * width / 2, 0, width)) for s in (-1, 1))
        mixed = pixels.clone()
        mixed[:, top:bottom, left:right] = pixels[other, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
    else:
        mixed = share * pixels + (1 - share) * pixels[other]
    return mixed, share * truth + (1 - share) * truth[other]
