"""The convolutions of a network: their names, their filters, and their feature maps of a poster."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from keyart.errors import RunError, nearest
from keyart.images.decode import Pixels
from keyart.models.classifier import GenreClassifier

Maps = npt.NDArray[np.float32]

# The convolutions that the study shows, counted from 1. Its two texts disagree on VGG16: this is
# the sixth; `--layer 8` shows the other.
SHOWN = {"milestone-scratch": (1, 4, 6), "milestone-vgg16": (1, 6, 13)}


@dataclass(frozen=True)
class Layer:
    """A convolution. number: from 1, in the order of the network. bgr: the inputs are in BGR order.

    weights: (filters, inputs, height, width).
    """

    number: int
    name: str
    weights: Maps
    bgr: bool

    @property
    def sees_colours(self) -> bool:
        """Whether its inputs are the three channels of a poster."""
        return self.number == 1 and self.weights.shape[1] == 3

    @property
    def title(self) -> str:
        """A title for people."""
        filters, inputs, height, width = self.weights.shape
        return (
            f"Convolution {self.number}, {self.name}: {filters} filters of {height}x{width} "
            f"on {inputs} channels"
        )


def convolutions(model: GenreClassifier, *, bgr: bool) -> list[Layer]:
    """All convolutions of a network, in its order."""
    found = [
        (name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d)
    ]
    return [
        Layer(number, name, module.weight.detach().float().cpu().numpy(), bgr)
        for number, (name, module) in enumerate(found, start=1)
    ]


def choose_layers(layers: Sequence[Layer], backbone: str, names: Sequence[str]) -> list[Layer]:
    """The layers of these names or numbers; without any, those that the study shows.

    For networks that the study does not have: the first, the middle and the last one with filters
    larger than 1x1. Raises RunError for a name that no convolution has.
    """
    by_name = {layer.name: layer for layer in layers}
    by_name |= {str(layer.number): layer for layer in layers}
    if not names:
        if backbone in SHOWN:
            return [by_name[str(number)] for number in SHOWN[backbone]]
        wide = [layer for layer in layers if layer.weights[0, 0].size > 1] or list(layers)
        places = dict.fromkeys((0, len(wide) // 2, len(wide) - 1))
        return [wide[place] for place in places]
    for name in names:
        if name not in by_name:
            known = [layer.name for layer in layers]
            every = ", ".join(f"{layer.number} {layer.name}" for layer in layers)
            raise RunError(
                f"layer {name}: no such convolution{nearest(name, known)} The network has these, "
                f"by number and name: {every}"
            )
    return list({by_name[name].number: by_name[name] for name in names}.values())


def feature_maps(
    model: GenreClassifier, layers: Sequence[Layer], pixels: Pixels
) -> dict[str, Maps]:
    """The output of each layer for a poster, (filters, height, width), by the name of the layer.

    pixels: (height, width, 3), prepared for the network. If a ReLU follows in the same
    `nn.Sequential`, its output is taken: in the study the ReLU belongs to the convolution.
    """
    found: dict[str, Maps] = {}
    hooks = []
    for layer in layers:

        def keep(_: nn.Module, __: object, output: Tensor, name: str = layer.name) -> None:
            found[name] = output[0].float().numpy()

        hooks.append(_activated(model, layer.name).register_forward_hook(keep))
    try:
        with torch.no_grad():
            model.eval().features(torch.from_numpy(np.array(pixels))[None])
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _activated(model: nn.Module, name: str) -> nn.Module:
    """The ReLU that follows a layer, or the layer itself."""
    parent_name, _, place = name.rpartition(".")
    parent = model.get_submodule(parent_name)
    if isinstance(parent, nn.Sequential):
        following = int(place) + 1 if place.isdigit() else len(parent)
        if following < len(parent) and isinstance(parent[following], nn.ReLU):
            return parent[following]
    return model.get_submodule(name)
