"""Changes to a batch of posters that leave their genres as they are, drawn poster by poster."""

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
    colour: float,
    erase: float,
) -> Tensor:
    """Flip, zoom, shift, recolour and blank a part, each poster by its own draw.

    pixels: (films, height, width, 3) uint8. zoom, shift: largest share of the size. colour:
    largest relative change of contrast, brightness and of each channel's gain (half of it).
    erase: share of posters that lose a rectangle of up to a third of each side.
    Returns (films, height, width, 3) float in [0, 255]. All draws come from `generator`, a CPU one.
    """
    films, height, width, _ = pixels.shape
    device = pixels.device

    def draw(*shape: int) -> Tensor:
        """Uniform in [-1, 1]."""
        return (torch.rand(*shape, generator=generator) * 2 - 1).to(device)

    x = pixels.float()
    if flip or zoom or shift:
        scale = 1 + zoom * draw(films)
        mirrored = torch.where(draw(films) < 0, -1.0, 1.0) if flip else torch.ones_like(scale)
        offset = 2 * shift * draw(films, 2)  # grids run from -1 to 1
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
