"""Classical models as torch modules: statistics of a poster, and heads that trees and QDA become.

They are fitted by scikit-learn (in training) and hold its numbers as buffers, so that they are
kept, exported and checked like every other network.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from keyart.images.spec import FilmSpec
from keyart.models.classifier import GenreClassifier
from keyart.models.heads import Head

CELL = 16  # pixels: statistics are computed for cells of this height and width
_GREYS, _HUES, _TONES = 6, 12, 2
_COLOURS = _GREYS + _HUES * _TONES
_GREY_BELOW = 40  # of 255: with less between its channels, a pixel counts as grey
_LEAST_SHARE = 1e-4  # no forest is surer than this of anything


class PosterStatistics(nn.Module):
    """What a poster looks like, in numbers: its colours and its edges, and where they are.

    For each cell the mean of every channel; for each row of cells how many pixels have which
    colour; for each cell how strong its edges are in four directions.

    All are whole numbers, or such over a power of two. fp32 holds them exactly in whatever order
    they are added up, so that no runtime can land on the other side of a tree's threshold.
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
    """Which colour each pixel has, one-hot: (films, colours, height, width), 0 or 1.

    Greys from black to white first, then twelve hues, each dark and bright.
    """
    red, green, blue = rgb.unbind(1)
    most = torch.maximum(torch.maximum(red, green), blue)
    chroma = most - torch.minimum(torch.minimum(red, green), blue)
    # Sixths of the circle of hues. A quotient of bytes that is not whole is far from whole, so
    # the little that is added decides nothing but how a rounded whole one falls.
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
    # The border repeats itself, by slices: convolutions may take ways that round.
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
    """What both heads share: they take numbers, not maps, and so a map's mean."""

    def pool(self, features: Tensor) -> Tensor:
        """The map's mean (films, numbers)."""
        return features.mean((2, 3))


class QdaHead(ClassicalHead):
    """Quadratic discriminant analysis, one a genre, on principal components of what it is given.

    A number first becomes its square root, with its sign: counts are less lopsided so.
    centre, components: (numbers,), (numbers, components), from roots to components. quadratic:
    (genres, components, components), linear: (genres, components), constant: (genres,): a genre's
    log-odds are z'Qz + l'z + c.
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
    """A random forest a genre, all trees of all genres walked at once.

    feature, threshold, right, share: (nodes,). A node sends a film whose number `feature` is above
    `threshold` to the node `right`, and every other to the node after it; a leaf sends all to
    itself, and `share` of its films have the genre. roots: (genres, trees). offset: (genres,), what
    is added to the log-odds of the trees' mean share: where trees were grown on balanced films,
    those of the genre's rate.
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
    """How many steps lead from the roots to the deepest leaf."""
    level, depth = roots.flatten().long(), 0
    while True:
        level = level[right[level] != level]
        if len(level) == 0:
            return depth
        level = torch.cat([right[level].long(), level + 1])
        depth += 1


def head_from(tensors: Mapping[str, Tensor]) -> ClassicalHead:
    """The head with these tensors, by name, as its state_dict gives them. Raises TypeError."""
    return (QdaHead if "quadratic" in tensors else ForestHead)(**tensors)


class Pooled(nn.Module):
    """A backbone whose map is one place, its mean."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """x: (films, 3, height, width), normalised. Returns (films, channels, 1, 1)."""
        features: Tensor = self.body(x)
        return features.mean((2, 3), keepdim=True)


class FilmClassifier(GenreClassifier):
    """A classifier of films, that is of a poster's features and of facts, as FilmSpec has them."""

    def __init__(self, backbone: nn.Module, head: Head, spec: FilmSpec) -> None:
        super().__init__(backbone, head, spec.image)
        self._shape = spec.image.shape if spec.uses_poster else None

    def features(self, pixels: Tensor) -> Tensor:
        """pixels: (films, bytes). Returns (films, numbers, 1, 1), those of the poster first."""
        if self._shape is None:
            return pixels.float()[:, :, None, None]
        size = math.prod(self._shape)
        poster = super().features(pixels[:, :size].reshape(-1, *self._shape))
        return torch.cat([poster, pixels[:, size:].float()[:, :, None, None]], 1)
