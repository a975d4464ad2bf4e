"""The convolutions of a network: their names, their filters, and what they make of a poster."""

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

# The convolutions that the study shows, counted from 1. Of VGG16's sixth and eighth, which its two
# texts disagree on, the sixth; --layer 8 shows the other.
SHOWN = {"milestone-scratch": (1, 4, 6), "milestone-vgg16": (1, 6, 13)}


@dataclass(frozen=True)
class Layer:
    """A convolution. number: counted from 1, as the network goes. weights: (filters, inputs, h, w).

    bgr: the inputs are blue, green and red, in this order.
    """

    number: int
    name: str
    weights: Maps
    bgr: bool

    @property
    def sees_colours(self) -> bool:
        """Whether its inputs are a poster's own three channels."""
        return self.number == 1 and self.weights.shape[1] == 3

    @property
    def title(self) -> str:
        """What it is, for people."""
        filters, inputs, height, width = self.weights.shape
        return (
            f"Convolution {self.number}, {self.name}: {filters} filters of {height}x{width} "
            f"on {inputs} channels"
        )


def convolutions(model: GenreClassifier, *, bgr: bool) -> list[Layer]:
    """All convolutions of a network, in its own order."""
    found = [(name, module) for name, module in model.named_modules() if _is_map(module)]
    return [
        Layer(number, name, _weights(module), bgr)
        for number, (name, module) in enumerate(found, start=1)
    ]


def choose_layers(layers: Sequence[Layer], backbone: str, names: Sequence[str]) -> list[Layer]:
    """The layers of these names or numbers; without any, those that the study shows.

    Of a network that the study does not have: the first, the middle and the last one whose filters
    are larger than a single place. Raises RunError for a name that no convolution has.
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
            told = ", ".join(f"{layer.number} {layer.name}" for layer in layers)
            raise RunError(
                f"--layer {name}: no such convolution{nearest(name, known)} The network has, by "
                f"number and name: {told}"
            )
    return list({by_name[name].number: by_name[name] for name in names}.values())


def feature_maps(
    model: GenreClassifier, layers: Sequence[Layer], pixels: Pixels
) -> dict[str, Maps]:
    """What each layer makes of a poster, (filters, height, width), by the layer's name.

    pixels: (height, width, 3), prepared for the network. Where a ReLU follows in the same row of
    layers, its output is taken: the study's convolutions had theirs within.
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


def _is_map(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d)


def _weights(module: nn.Module) -> Maps:
    assert isinstance(module, nn.Conv2d)
    weights: Maps = module.weight.detach().float().cpu().numpy()
    return weights


def _activated(model: nn.Module, name: str) -> nn.Module:
    parent_name, _, place = name.rpartition(".")
    parent = model.get_submodule(parent_name)
    if isinstance(parent, nn.Sequential):
        following = int(place) + 1 if place.isdigit() else len(parent)
        if following < len(parent) and isinstance(parent[following], nn.ReLU):
            return parent[following]
    return model.get_submodule(name)
