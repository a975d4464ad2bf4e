"""Heads: from a backbone's last map to logits."""

import torch
from torch import Tensor, nn

from keyart.models.dropout import Dropout


class Head(nn.Module):
    """Logits from a map, in two steps. What the first returns can be cached."""

    def forward(self, features: Tensor) -> Tensor:
        """features: (films, channels, height, width). Returns logits (films, genres)."""
        return self.decide(self.pool(features))

    def pool(self, features: Tensor) -> Tensor:
        """The features (films, numbers) of a map (films, channels, height, width)."""
        raise NotImplementedError

    def decide(self, pooled: Tensor) -> Tensor:
        """pooled: (films, numbers), as pool returns them. Returns logits (films, genres)."""
        raise NotImplementedError


class GenreHead(Head):
    """Mean over the map, dropout, one linear layer."""

    def __init__(self, channels: int, genres: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(channels, genres)

    def start_at(self, rates: Tensor) -> None:
        """Start with scores that are the genres' rates (genres,), each above 0 and below 1.

        If all started at 0.5, the bias of a rare genre would first have to fall, which takes longer
        than a whole training at small learning rates (Lin et al., arXiv 1708.02002).
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
        """What every place of the map adds to every logit: the linear layer without the mean.

        Class activation maps (Zhou et al., CVPR 2016). Returns (films, genres, height, width). The
        mean over places, plus the bias, is the logits.
        """
        return nn.functional.conv2d(features, self.linear.weight[:, :, None, None])


class DenseHead(Head):
    """Dense layers on the whole map, as in the networks of 2017.

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
        """The whole map, flattened (films, channels x height x width)."""
        return torch.flatten(features, 1)

    def decide(self, pooled: Tensor) -> Tensor:
        """pooled: (films, channels x height x width). Returns logits (films, genres)."""
        logits: Tensor = self.layers(pooled)
        return logits
