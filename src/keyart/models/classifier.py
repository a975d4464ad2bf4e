"""GenreClassifier: bytes of pixels in, logits out. Backbone, head and preparation in one module."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from keyart.errors import RecipeError, nearest
from keyart.images.spec import ImageSpec
from keyart.models.posternet import PATCH, PosterNet


class GenreHead(nn.Module):
    """Mean over the map, dropout, one linear layer."""

    def __init__(self, channels: int, genres: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, genres)

    def forward(self, features: Tensor) -> Tensor:
        """features: (films, channels, height, width). Returns logits (films, genres)."""
        logits: Tensor = self.linear(self.dropout(features.mean((2, 3))))
        return logits

    def maps(self, features: Tensor) -> Tensor:
        """What every place of the map adds to every logit: the linear layer without its mean.

        Class activation maps (Zhou et al., CVPR 2016). Returns (films, genres, height, width),
        whose mean over places is the logits less the bias.
        """
        return nn.functional.conv2d(features, self.linear.weight[:, :, None, None])


class GenreClassifier(nn.Module):
    """A backbone and its head, with the normalisation that its ImageSpec asks for."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, head: nn.Module, spec: ImageSpec) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.register_buffer("mean", torch.tensor(spec.mean) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(spec.std) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels: (films, height, width, 3), RGB in [0, 255], uint8 or float.

        Returns logits (films, genres).
        """
        logits: Tensor = self.head(self.features(pixels))
        return logits

    def features(self, pixels: Tensor) -> Tensor:
        """The backbone's last map (films, channels, height, width) of pixels as in forward."""
        # Height-width-channel bytes seen as (films, 3, height, width) are channels_last already.
        x = (pixels.float() - self.mean) / self.std
        features: Tensor = self.backbone(x.permute(0, 3, 1, 2))
        return features


BACKBONES: dict[str, Callable[[], PosterNet]] = {
    "posternet": lambda: PosterNet(widths=(32, 64, 128, 256), depths=(1, 1, 2, 2)),
    "posternet-small": lambda: PosterNet(widths=(32, 64, 128), depths=(1, 1, 1)),
}


def build_classifier(model: str, spec: ImageSpec, genres: int, dropout: float) -> GenreClassifier:
    """Assemble the network called `model`, with fresh weights.

    Raises RecipeError for an unknown name or a spec that the network cannot take.
    """
    if model not in BACKBONES:
        raise RecipeError(
            f"model: no network {model!r}{nearest(model, BACKBONES)} "
            f"Known: {', '.join(sorted(BACKBONES))}"
        )
    if spec.height % PATCH or spec.width % PATCH:
        raise RecipeError(
            f"height and width: {model} needs multiples of {PATCH}, not {spec.height}x{spec.width}"
        )
    backbone = BACKBONES[model]()
    classifier = GenreClassifier(backbone, GenreHead(backbone.channels, genres, dropout), spec)
    return classifier.to(memory_format=torch.channels_last)


def multiply_adds(classifier: GenreClassifier, spec: ImageSpec) -> int:
    """Multiply-adds of one poster's forward pass: convolutions and linear layers alone."""
    total = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d | nn.Linear)
        positions = output.shape[2] * output.shape[3] if output.ndim == 4 else 1
        total += module.weight.numel() * positions

    layers = [m for m in classifier.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = classifier.training
    classifier.eval()
    with torch.no_grad():
        classifier(torch.zeros(1, spec.height, spec.width, 3, dtype=torch.uint8))
    classifier.train(training)
    for hook in hooks:
        hook.remove()
    return total
