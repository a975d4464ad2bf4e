"""GenreClassifier: pixels in, logits out. Normalisation, backbone and head in one module."""

import torch
from torch import Tensor, nn

from keyart.images.spec import ImageSpec
from keyart.models.backbones import build_backbone
from keyart.models.heads import GenreHead, Head
from keyart.models.milestone import scratch_head, vgg16_head


class GenreClassifier(nn.Module):
    """A backbone and its head, with the normalisation of its ImageSpec.

    bgr: the backbone gets blue first; callers always pass RGB. tta: test-time augmentation: in
    evaluation the logits are means over this many views of a poster (see `_views`).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        head: Head,
        spec: ImageSpec,
        *,
        bgr: bool = False,
        tta: int = 1,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.bgr = bgr
        self.tta = tta
        self.register_buffer("mean", torch.tensor(spec.mean) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(spec.std) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels: (films, height, width, 3), RGB in [0, 255], uint8 or float.

        Returns logits (films, genres).
        """
        return self.with_features(pixels)[0]

    def with_features(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the map of the whole poster that `features` returns, from one pass."""
        features = self.features(pixels)
        logits: Tensor = self.head(features)
        if self.training or self.tta == 1:
            return logits, features
        others = [self.head(self.features(view)) for view in _views(pixels, self.tta)[1:]]
        return torch.stack([logits, *others]).mean(0), features

    def features(self, pixels: Tensor) -> Tensor:
        """The backbone's last map (films, channels, height, width) of pixels as in forward."""
        # Permuted to (films, 3, height, width), such pixels are channels_last already.
        x = (pixels.float() - self.mean) / self.std
        if self.bgr:
            x = x.flip(3)
        features: Tensor = self.backbone(x.permute(0, 3, 1, 2))
        return features

    def pooled(self, pixels: Tensor) -> Tensor:
        """The head's input, for pixels as in forward. Returns (films, features)."""
        return self.head.pool(self.features(pixels))


def build_classifier(
    backbone: str,
    spec: ImageSpec,
    genres: int,
    dropout: float,
    *,
    weights: str | None = None,
    pad_type: str | None = None,
    bgr: bool = False,
    tta: int = 1,
) -> GenreClassifier:
    """Assemble the network on the backbone of that name, with pretrained or random weights.

    Arguments as in `build_backbone`. The two networks of the 2017 study have its dense heads, all
    others a linear head. Raises WeightsError as `build_backbone` does.
    """
    body = build_backbone(backbone, spec, weights=weights, pad_type=pad_type)
    head: Head
    if backbone == "milestone-scratch":
        head = scratch_head(genres, dropout, height=spec.height, width=spec.width)
    elif backbone == "milestone-vgg16":
        head = vgg16_head(genres, dropout, height=spec.height, width=spec.width)
    else:
        head = GenreHead(_channels(body, spec), genres, dropout)
    classifier = GenreClassifier(body, head, spec, bgr=bgr, tta=tta)
    return classifier.to(memory_format=torch.channels_last)


_CROPPED = 0.875  # fraction of height and of width in the view of a corner


def _views(pixels: Tensor, count: int) -> list[Tensor]:
    """Views of posters (films, height, width, 3): the whole, the four corners, their flips.

    count: 1 (the whole), 2 (and flipped), 5 (and the corners), 10 (and all flipped).
    """
    whole = pixels.float()
    views = [whole]
    if count >= 5:
        height, width = pixels.shape[1:3]
        tall, wide = round(_CROPPED * height), round(_CROPPED * width)
        planes = whole.permute(0, 3, 1, 2)
        for top in (0, height - tall):
            for left in (0, width - wide):
                corner = planes[:, :, top : top + tall, left : left + wide]
                full = nn.functional.interpolate(
                    corner, (height, width), mode="bilinear", align_corners=False
                )
                views.append(full.permute(0, 2, 3, 1))
    if count in (2, 10):
        views += [view.flip(2) for view in views]
    return views


def _channels(backbone: nn.Module, spec: ImageSpec) -> int:
    known = getattr(backbone, "channels", None)
    if isinstance(known, int):
        return known
    training = backbone.training
    with torch.no_grad():
        features = backbone.eval()(torch.zeros(1, 3, spec.height, spec.width))
    backbone.train(training)
    return int(features.shape[1])


def multiply_adds(classifier: GenreClassifier, spec: ImageSpec) -> int:
    """Multiply-adds of a forward pass of one poster, in convolutions and linear layers."""
    total = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d | nn.Linear)
        outputs = module.weight.shape[0]
        total += module.weight.numel() * (output[0].numel() // outputs)

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


def has_depthwise(model: nn.Module) -> bool:
    """Whether a network has depthwise convolutions."""
    convolutions = (m for m in model.modules() if isinstance(m, nn.Conv2d))
    return any(m.groups > 1 and m.groups == m.in_channels for m in convolutions)
