"""Augmentation: random changes to each poster of a batch that do not change its genres.

Random numbers are always drawn for a whole batch. A worker of a training on several machines takes
those of its own posters, so that each poster changes as it would on one machine.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F


def augment(
    pixels: Tensor,
    generator: torch.Generator,
    *,
    batch: int | None = None,
    places: npt.NDArray[np.int64] | None = None,
    flip: bool,
    zoom: float,
    shift: float,
    crop: float,
    colour: float,
    erase: float,
    randaugment: int,
) -> Tensor:
    """Flip, zoom, shift, crop, recolour and erase, with random draws of its own for each poster.

    pixels: (films, height, width, 3) uint8. batch, places: the size of the batch, and the place in
    it of each of these posters; None if they are the whole batch. zoom, shift: at most this
    fraction of the size. crop: at most this fraction of height and width is cut away, the same of
    both, so that the shape stays. colour: largest relative change of contrast and brightness; half
    of it for each channel. erase: fraction of posters that lose a rectangle of up to a third of
    each side. randaugment: strength of two operations drawn for each poster (Cubuk et al., arXiv
    1909.13719, as in torchvision), 0 for none.
    Returns (films, height, width, 3) float in [0, 255]. All draws come from `generator`, a CPU one.
    """
    films, height, width, _ = pixels.shape
    device = pixels.device
    whole, own = films if batch is None else batch, np.arange(films) if places is None else places

    def draw(*shape: int) -> Tensor:
        """Uniform in [-1, 1], of this shape for each poster."""
        return (torch.rand(whole, *shape, generator=generator)[own] * 2 - 1).to(device)

    x = pixels
    if randaugment:
        x = _randaugment(pixels, randaugment, generator, whole, own)
    x = x.float()
    if flip or zoom or shift or crop:
        scale = 1 + zoom * draw()
        mirrored = torch.where(draw() < 0, -1.0, 1.0) if flip else torch.ones_like(scale)
        offset = 2 * shift * draw(2)  # grids run from -1 to 1
        if crop:
            kept = 1 - crop * (draw() + 1) / 2
            offset = offset + (1 - kept)[:, None] * draw(2)
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
        contrast = 1 + colour * draw(1, 1, 1)
        gain = 1 + colour / 2 * draw(1, 1, 3)
        brightness = 1 + colour * draw(1, 1, 1)
        x = (((x - mean) * contrast + mean) * gain * brightness).clamp(0, 255)
    if erase:
        rows = torch.arange(height, device=device).view(1, height, 1, 1) / height
        columns = torch.arange(width, device=device).view(1, 1, width, 1) / width
        centre = draw(2).view(films, 2, 1, 1, 1) / 2 + 0.5
        reach = (draw(2).view(films, 2, 1, 1, 1) + 1) / 12
        chosen = (draw().view(films, 1, 1, 1) + 1) / 2 < erase
        inside = ((rows - centre[:, 0]).abs() < reach[:, 0]) & (
            (columns - centre[:, 1]).abs() < reach[:, 1]
        )
        x = torch.where(chosen & inside, x.mean((1, 2), keepdim=True), x)
    return x


def _randaugment(
    pixels: Tensor,
    strength: int,
    generator: torch.Generator,
    batch: int,
    places: npt.NDArray[np.int64],
) -> Tensor:
    from torchvision.transforms.v2 import RandAugment

    change = RandAugment(num_ops=2, magnitude=strength, fill=[0.0, 0.0, 0.0])
    seed = int(torch.randint(2**31, (1,), generator=generator))
    posters = dict(zip(places.tolist(), pixels.permute(0, 3, 1, 2), strict=True))
    blank = pixels.new_zeros(3, 1, 1)  # others draw their numbers too, which takes no pixels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # RandAugment takes no generator
        changed = [change(posters.get(place, blank)) for place in range(batch)]
    return torch.stack([changed[place] for place in posters]).permute(0, 2, 3, 1)


@dataclass(frozen=True)
class Mixture:
    """How a batch is mixed. partner: (films,), the place of each film's other one.

    share: of the film itself. centre: of the rectangle that comes from the other film, in fractions
    of height and width; None if the two are blended.
    """

    partner: npt.NDArray[np.int64]
    share: float
    centre: tuple[float, float] | None

    def of(
        self, pixels: Tensor, truth: Tensor, others: Tensor, other_truth: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Films mixed with their partners.

        pixels, others: (films, height, width, 3) float. truth, other_truth: (films, genres) in
        [0, 1].
        """
        share = self.share
        if self.centre is None:
            mixed = share * pixels + (1 - share) * others
        else:
            height, width = pixels.shape[1:3]
            side = np.sqrt(1 - share)
            y, x = self.centre[0] * height, self.centre[1] * width
            top, bottom = (int(np.clip(y + s * side * height / 2, 0, height)) for s in (-1, 1))
            left, right = (int(np.clip(x + s * side * width / 2, 0, width)) for s in (-1, 1))
            mixed = pixels.clone()
            mixed[:, top:bottom, left:right] = others[:, top:bottom, left:right]
            share = 1 - (bottom - top) * (right - left) / (height * width)
        return mixed, share * truth + (1 - share) * other_truth


def draw_mixture(
    films: int, draws: np.random.Generator, *, mixup: float, cutmix: float
) -> Mixture | None:
    """How to mix each poster of a batch with another one; None without `mixup` and `cutmix`.

    MixUp (Zhang et al., arXiv 1710.09412) blends two posters; CutMix (Yun et al., arXiv
    1905.04899) puts a rectangle of one into the other. mixup, cutmix: alpha of the beta
    distribution of a batch's weight, 0 for none. If both are set, each batch draws one of them.
    """
    if not mixup and not cutmix:
        return None
    partner = draws.permutation(films)
    cut = bool(cutmix) and (not mixup or draws.random() < 0.5)
    alpha = cutmix if cut else mixup
    share = float(draws.beta(alpha, alpha))
    y, x = draws.random(2) if cut else (0.0, 0.0)
    return Mixture(partner, share, (float(y), float(x)) if cut else None)
