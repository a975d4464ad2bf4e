"""Heads: what stands between a backbone's last map and the logits."""

import torch
from torch import Tensor, nn

from keyart.models.dropout import Dropout


class Head(nn.Module):
    """Logits from a map, in two steps, so that what the first gives can be kept."""

    def forward(self, features: Tensor) -> Tensor:
        """features: (films, channels, height, width). Returns logits (films, genres)."""
        return self.decide(self.pool(features))

    def pool(self, features: Tensor) -> Tensor:
        """What is kept of a map (films, channels, height, width): (films, numbers)."""
        raise NotImplementedError

    def decide(self, pooled: Tensor) -> Tensor:
        """pooled: (films, numbers), as pool gives it. Returns logits (films, genres)."""
        raise NotImplementedError


class GenreHead(Head):
    """Mean over the map, dropout, one linear layer."""

    def __init__(self, channels: int, genres: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(channels, genres)

    def start_at(self, rates: Tensor) -> None:
        """Start with scores that are the genres' rates (genres,), each above 0 and below 1.

        From 0.5 for all, a rare genre's bias would have to learn alone that it is rare, which at
        small learning rates takes longer than a training (Lin et al., arXiv 1708.02002).
        """
        with torch.no_grad():
            self.linear.bias.copy_(torch.logit(rates))

    def pool(self, features: Tensor) -> Tensor:
        """The map's mean (films, channels)."""
        return features.mean((2, 3))

    def decide(self, pooled: Tensor) -> Tensor:
        """pooled: (films, channels). Returns logits (films, genres)."""
        logits: Tensor = self.linear(self.dropout(pooled))
        return logits

    def maps(self, features: Tensor) -> Tensor:
        """What every place of the map adds to every logit: the linear layer without its mean.

        Class activation maps (Zhou et al., CVPR 2016). Returns (films, genres, height, width),
        whose mean over places is the logits less the bias.
        """
        return nn.functional.conv2d(features, self.linear.weight[:, :, None, None])


class DenseHead(Head):
    """Dense layers on the whole map, as the networks of 2017 had them.

    widths: of the hidden layers, ReLU after each. dropouts: the rate after each of them.
    """

    def __init__(
        self, inputs: int, widths: tuple[int, ...], genres: int, dropouts: tuple[float, ...]
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, rate in zip(widths, dropouts, strict=True):
            layers += [nn.Linear(inputs, width), nn.ReLU()]
            if rate:
                layers.append(Dropout(rate))
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, genres))

    def pool(self, features: Tensor) -> Tensor:
        """All of the map, flat (films, channels x height x width)."""
        return torch.flatten(features, 1)

    def decide(self, pooled: Tensor) -> Tensor:
        """pooled: (films, channels x height x width). Returns logits (films, genres)."""
        logits: Tensor = self.layers(pooled)
        return logits
