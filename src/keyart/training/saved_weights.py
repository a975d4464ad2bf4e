"""The weights of a saved model, to train on from: from its safetensors file, or from its network.

A small bundle, such as the model that comes with keyart, keeps its weights in the ONNX file alone,
as float16. They are named after PyTorch's parameters, and batch normalisations are not folded
into convolutions, so that they can be read back, statistics included.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from keyart.bundle import Bundle
from keyart.errors import BundleError
from keyart.models.classifier import GenreClassifier
from keyart.training.checkpoint import load_tensors

_PREFIX = "model."  # of the exported module that holds the classifier
_NORM = ("weight", "bias", "running_mean", "running_var")  # a BatchNormalization's inputs, after x


def load_saved(model: GenreClassifier, bundle: Bundle) -> None:
    """Load the weights of a bundle's network into `model`. Raises BundleError if they do not fit.

    model: a classifier of the bundle's recipe and number of genres.
    """
    saved = (
        load_tensors(bundle.weights)[0] if bundle.weights.exists() else network_weights(bundle.onnx)
    )
    wanted = model.state_dict()
    # ONNX leaves out how many batches a normalisation has seen, which nothing here uses.
    counts = {name: value for name, value in wanted.items() if name.endswith("batches_tracked")}
    try:
        model.load_state_dict(counts | {name: saved[name] for name in wanted if name in saved})
    except RuntimeError as error:
        raise BundleError(
            f"{bundle.path}: its weights are not those of its recipe; export it again"
        ) from error


def network_weights(path: Path) -> dict[str, Tensor]:
    """The weights and batch statistics in a bundle's ONNX file, by PyTorch's names."""
    graph = onnx.load(path, load_external_data=False).graph
    values: dict[str, Tensor] = {}
    for one in graph.initializer:
        values[one.name] = torch.from_numpy(np.array(numpy_helper.to_array(one)))
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in values:  # stored as float16
            values[node.output[0]] = values[node.input[0]].float()
    named = {
        name.removeprefix(_PREFIX): value
        for name, value in values.items()
        if name.startswith(_PREFIX) and value.is_floating_point()
    }
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            # Equal tensors are stored once, under the name of the first, so their names say little.
            named |= _norm(list(node.input), values)
    return named


def _norm(inputs: list[str], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a batch normalisation, named after its mean, which no other one shares."""
    own = inputs[3].removeprefix(_PREFIX).rpartition(".")[0]
    return {f"{own}.{part}": values[name] for part, name in zip(_NORM, inputs[1:], strict=True)}
