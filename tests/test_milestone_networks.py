"""models/milestone.py: every layer's shape and parameter count, as the study's tables list them."""

import pytest
import torch
from torch import nn

from keyart.images.spec import ImageSpec
from keyart.models.classifier import GenreClassifier, build_classifier
from keyart.models.dropout import Dropout
from keyart.models.milestone import SIZE, Vgg16Convolutions, vgg16_head

# Keras lists height x width x channels; a row is (output, parameters).
SCRATCH = [
    ((124, 124, 64), 4_864),
    ((120, 120, 64), 102_464),
    ((116, 116, 64), 102_464),
    ((56, 56, 128), 73_856),
    ((54, 54, 128), 147_584),
    ((52, 52, 128), 147_584),
    ((256,), 22_151_424),
    ((256,), 65_792),
    ((256,), 65_792),
    ((19,), 4_883),
]
HEAD = [((4096,), 33_558_528), ((4096,), 16_781_312), ((19,), 77_843)]


def network_from_scratch() -> GenreClassifier:
    return build_classifier("milestone-scratch", ImageSpec(SIZE, SIZE), 19, 0.2)


def layer_table(network: nn.Module, inputs: torch.Tensor) -> list[tuple[tuple[int, ...], int]]:
    """Output shape without the batch, channels last, and parameters of each layer with weights."""
    table: list[tuple[tuple[int, ...], int]] = []

    def note(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        shape = tuple(output.shape[1:])
        channels_last = shape if len(shape) == 1 else (*shape[1:], shape[0])
        table.append((channels_last, sum(p.numel() for p in layer.parameters())))

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(note)
    with torch.no_grad():
        network.eval()(inputs)
    return table


def test_the_network_from_scratch_is_the_studys() -> None:
    network = network_from_scratch()
    assert layer_table(network, torch.zeros(1, 128, 128, 3)) == SCRATCH
    assert sum(p.numel() for p in network.parameters()) == 22_866_707


def test_pools_and_dropouts_are_where_the_study_had_them() -> None:
    network = network_from_scratch()
    assert isinstance(network.backbone, nn.Sequential)
    dense = network.head.layers
    assert isinstance(dense, nn.Sequential)
    layers = [*network.backbone, *dense]
    kinds = [type(layer).__name__ for layer in layers if not isinstance(layer, nn.ReLU)]
    assert kinds == [
        "Dropout", "Conv2d", "Conv2d", "Conv2d", "MaxPool2d",
        "Dropout", "Conv2d", "Conv2d", "Conv2d", "MaxPool2d",
        "Dropout", "Linear", "Dropout", "Linear", "Dropout", "Linear", "Linear",
    ]  # fmt: skip
    rates = {layer.rate for layer in layers if isinstance(layer, Dropout)}
    assert rates == {0.2}


def test_vgg16_retrained_is_the_studys() -> None:
    convolutions, head = Vgg16Convolutions(), vgg16_head(19)
    shapes = [shape for shape, _ in layer_table(convolutions, torch.zeros(1, 3, 128, 128))]
    assert shapes[0] == (128, 128, 64)
    assert shapes[-1] == (8, 8, 512)
    assert len(shapes) == 13
    assert sum(p.numel() for p in convolutions.parameters()) == 14_714_688
    assert layer_table(head, torch.zeros(1, 512, 4, 4)) == HEAD
    assert sum(p.numel() for p in head.parameters()) == 50_417_683


def test_our_vgg16_has_timms_layers_under_timms_names() -> None:
    timm = pytest.importorskip("timm")
    # Its dense layers are as narrow as can be: 100 million weights would be drawn for nothing.
    theirs = timm.create_model("vgg16", pretrained=False, num_classes=0, mlp_ratio=0.01)
    ours = Vgg16Convolutions()
    ours.load_state_dict(theirs.features.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours.eval()(x), theirs.eval().features(x), atol=1e-6)
