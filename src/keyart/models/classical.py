"""Classical models as torch modules: statistics of a poster, and heads for forests and QDA.

scikit-learn fits them (in training). They hold the fitted numbers as buffers, and so are saved,
exported and checked like every other network.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from keyart.models.heads import Head

CELL = 16  # pixels: statistics are computed for cells of this height and width
_GREYS, _HUES, _TONES = 6, 12, 2
_COLOURS = _GREYS + _HUES * _TONES
_GREY_BELOW = 40  # of 255: a pixel is grey if its channels differ by less
_LEAST_SHARE = 1e-4  # a forest's scores stay at least this far from 0 and 1


class PosterStatistics(nn.Module):
    """The colours and edges of a poster, as numbers.

    For each cell: the mean of every channel, and the strength of edges in four directions. For each
    row of cells: how many pixels have each colour.

    All are integers, divided by a power of two. fp32 adds them up exactly in any order, so every
    runtime stays on the same side of a tree's threshold.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        rows, columns = height // CELL, width // CELL
        self.channels = rows * columns * (3 + 4) + rows * _COLOURS

    def forward(self, x: Tensor) -> Tensor:
        """x: (films, 3, height, width), RGB in [0, 1]. Returns (films, channels, 1, 1)."""
        rgb = (x * 255).round()
        parts = [
            _cell_sums(rgb) / CELL**2,
            _row_sums(_colours(rgb)) / CELL,
            _cell_sums(_edges(rgb)) / CELL**2,
        ]
        return torch.cat([part.flatten(1) for part in parts], 1)[:, :, None, None]


def _cell_sums(maps: Tensor) -> Tensor:
    """Sums (films, maps, rows, columns) over the cells of (films, maps, height, width)."""
    films, count, height, width = maps.shape
    cells = maps.reshape(films, count, height // CELL, CELL, width // CELL, CELL)
    return cells.sum((3, 5))


def _row_sums(maps: Tensor) -> Tensor:
    """Sums (films, maps, rows) over whole rows of cells."""
    films, count, height, width = maps.shape
    return maps.reshape(films, count, height // CELL, CELL * width).sum(3)


def _colours(rgb: Tensor) -> Tensor:
    """The colour of each pixel, one-hot: (films, colours, height, width), 0 or 1.

    Colours are greys from black to white, then twelve hues, each dark and bright.
    """
    red, green, blue = rgb.unbind(1)
    most = torch.maximum(torch.maximum(red, green), blue)
    chroma = most - torch.minimum(torch.minimum(red, green), blue)
    # Sixths of the colour circle. A quotient of bytes is either an integer or far from one, so the
    # small number that is added only makes sure that an integer is not rounded down.
    part = chroma.clamp(min=1)
    sixth = torch.where(
        most == red,
        (green - blue) / part,
        torch.where(most == green, 2 + (blue - red) / part, 4 + (red - green) / part),
    )
    hue = torch.remainder((sixth * (_HUES / 6) + 1e-3).floor(), _HUES)
    tone = (most >= 160).float()
    grey = (most * (_GREYS / 256)).floor()
    colour = torch.where(chroma < _GREY_BELOW, grey, _GREYS + hue * _TONES + tone)
    kinds = torch.arange(_COLOURS, device=rgb.device, dtype=rgb.dtype)[None, :, None, None]
    return (colour[:, None] == kinds).float()


def _edges(rgb: Tensor) -> Tensor:
    """Strength of edges (films, 4, height, width): level, upright, rising, falling (Sobel's)."""
    grey = rgb[:, 0] + 2 * rgb[:, 1] + rgb[:, 2]
    # The border is repeated. Slices are exact; a convolution may use an algorithm that rounds.
    grey = torch.cat([grey[:, :1], grey, grey[:, -1:]], 1)
    grey = torch.cat([grey[:, :, :1], grey, grey[:, :, -1:]], 2)
    across = grey[:, :, 2:] - grey[:, :, :-2]
    across = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
    down = grey[:, 2:] - grey[:, :-2]
    down = down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]
    x, y = across.abs(), down.abs()
    level, upright = y > 2 * x, x > 2 * y
    slanted = ~(level | upright)
    kinds = [level, upright, slanted & (across * down >= 0), slanted & (across * down < 0)]
    return torch.stack(kinds, 1).float() * (x + y)[:, None]


class ClassicalHead(Head):
    """Base of both heads. They take the mean of a map."""

    def pool(self, features: Tensor) -> Tensor:
        """The map's mean (films, numbers)."""
        return features.mean((2, 3))


class QdaHead(ClassicalHead):
    """Quadratic discriminant analysis for each genre, on principal components of the features.

    The components z are of signed square roots, which make counts less skewed: centre (numbers,)
    is subtracted, and components (numbers, components) multiplied. The log-odds of a genre are
    z'Qz + l'z + c, with quadratic Q (genres, components, components), linear l (genres,
    components) and constant c (genres,).
    """

    centre: Tensor
    components: Tensor
    quadratic: Tensor
    linear: Tensor
    constant: Tensor

    def __init__(
        self,
        centre: Tensor,
        components: Tensor,
        quadratic: Tensor,
        linear: Tensor,
        constant: Tensor,
    ) -> None:
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("components", components)
        self.register_buffer("quadratic", quadratic)
        self.register_buffer("linear", linear)
        self.register_buffer("constant", constant)

    def decide(self, pooled: Tensor) -> Tensor:
        """pooled: (films, numbers). Returns logits (films, genres)."""
        z = (signed_root(pooled) - self.centre) @ self.components
        genres, size, _ = self.quadratic.shape
        products = z @ self.quadratic.reshape(genres * size, size).T
        curved = (products.reshape(-1, genres, size) * z[:, None]).sum(2)
        return curved + z @ self.linear.T + self.constant


def signed_root(x: Tensor) -> Tensor:
    """Square root of the absolute value, with the value's sign."""
    return x.sign() * x.abs().sqrt()


class ForestHead(ClassicalHead):
    """A random forest for each genre. All trees of all genres are walked at once.

    feature, threshold, right, share: (nodes,). If the number `feature` of a film is above
    `threshold`, the film goes to the node `right`, otherwise to the next node. A leaf sends every
    film to itself; `share` of its films have the genre. roots: (genres, trees). offset: (genres,),
    added to the log-odds of the trees' mean share: the log-odds of the genre's rate if the trees
    were grown on balanced films, otherwise 0.
    """

    feature: Tensor
    threshold: Tensor
    right: Tensor
    share: Tensor
    roots: Tensor
    offset: Tensor

    def __init__(
        self,
        feature: Tensor,
        threshold: Tensor,
        right: Tensor,
        share: Tensor,
        roots: Tensor,
        offset: Tensor,
    ) -> None:
        super().__init__()
        self.register_buffer("feature", feature)
        self.register_buffer("threshold", threshold)
        self.register_buffer("right", right)
        self.register_buffer("share", share)
        self.register_buffer("roots", roots)
        self.register_buffer("offset", offset)
        self._depth = _depth(right, roots)

    def decide(self, pooled: Tensor) -> Tensor:
        """pooled: (films, numbers). Returns logits (films, genres)."""
        node = self.roots.flatten().long().expand(pooled.shape[0], -1)
        for _ in range(self._depth):
            above = pooled.gather(1, self.feature[node].long()) > self.threshold[node]
            node = torch.where(above, self.right[node].long(), node + 1)
        share = self.share[node].reshape(-1, *self.roots.shape).mean(2)
        return torch.logit(share.clamp(_LEAST_SHARE, 1 - _LEAST_SHARE)) + self.offset


def _depth(right: Tensor, roots: Tensor) -> int:
    """Number of steps from a root to the deepest leaf."""
    level, depth = roots.flatten().long(), 0
    while True:
        level = level[right[level] != level]
        if len(level) == 0:
            return depth
        level = torch.cat([right[level].long(), level + 1])
        depth += 1


def head_from(tensors: Mapping[str, Tensor]) -> ClassicalHead:
    """The head with the tensors of this state_dict. Raises TypeError."""
    return (QdaHead if "quadratic" in tensors else ForestHead)(**tensors)


class Pooled(nn.Module):
    """A backbone with the mean of its map, as a map of one place."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """x: (films, 3, height, width), normalised. Returns (films, channels, 1, 1)."""
        features: Tensor = self.body(x)
        return features.mean((2, 3), keepdim=True)
