"""A trained network as ONNX, refused unless it scores posters as PyTorch does."""

import warnings

import numpy as np
import torch
from onnx import ModelProto
from onnxscript.optimizer import fold_constants, remove_unused_nodes
from torch import Tensor, nn

from keyart.errors import BundleError
from keyart.images.decode import Pixels
from keyart.models.classical import ForestHead
from keyart.models.classifier import GenreClassifier
from keyart.models.heads import GenreHead
from keyart.models.quiet import errors_only
from keyart.network import Network

TOLERANCE = 1e-4
PARITY_POSTERS = 64  # posters on which an exported network is compared with PyTorch


class _Exported(nn.Module):
    """A classifier with further outputs: its last feature map, and genre maps of a linear head."""

    def __init__(self, model: GenreClassifier) -> None:
        super().__init__()
        self.model = model
        self.outputs = ["logits", "features"]
        if isinstance(model.head, GenreHead):
            self.outputs.append("maps")

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        logits, features = self.model.with_features(pixels)
        if isinstance(self.model.head, GenreHead):
            return logits, features, self.model.head.maps(features)
        return logits, features


def export_onnx(model: GenreClassifier, samples: Pixels) -> bytes:
    """The network as an ONNX model, `pixels` (films, height, width, 3) uint8 -> `logits`.

    It has two further outputs, which cost next to nothing: `features`, the last feature map; and
    `maps`, if the head is linear: what each place of that map adds to each logit. samples: prepared
    posters on which the scores of the exported network must equal PyTorch's to 1e-4. Raises
    BundleError if they do not.
    """
    model = model.cpu().eval()
    pixels = torch.from_numpy(np.array(samples))
    exported = _Exported(model).eval()
    with errors_only("torch.onnx"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations; parity decides
        program = torch.onnx.export(
            exported,
            (pixels[[0, -1]],),  # the exporter would make a batch size of one a constant
            dynamo=True,
            input_names=["pixels"],
            output_names=exported.outputs,
            dynamic_shapes=({0: torch.export.Dim("films")},),
            verbose=False,
            optimize=False,
        )
    assert program is not None
    # Not the exporter's own optimizer: it folds batch normalisations into convolutions, and a small
    # bundle's weights could not be trained on. ONNX Runtime folds them when it loads the network.
    fold_constants(program.model)
    remove_unused_nodes(program.model)
    onnx: bytes = _without_traces(program.model_proto).SerializeToString()
    check_parity(onnx, model, samples)
    return onnx


def _without_traces(model: ModelProto) -> ModelProto:
    """The model without the exporter's stack traces, which show paths of this machine."""
    nodes = [*model.graph.node, *(node for one in model.functions for node in one.node)]
    values = (model.graph.input, model.graph.output, model.graph.value_info)
    tensors = [*model.graph.initializer, *(value for some in values for value in some)]
    for part in (model, model.graph, *model.functions, *nodes, *tensors):
        del part.metadata_props[:]
        part.doc_string = ""
    return model


@torch.no_grad()
def check_parity(onnx: bytes, model: GenreClassifier, samples: Pixels) -> None:
    """Raise BundleError unless the ONNX model scores prepared posters as PyTorch does, to 1e-4.

    A tree sends a film one way or the other, so a tiny difference of its features can change a
    score much. A forest is therefore checked in two steps: the features must equal PyTorch's to
    1e-4 of their size, and the scores must be those that PyTorch gives to the ONNX features.
    """
    logits, features = Network(onnx).run(["logits", "features"], samples)
    pixels = torch.from_numpy(np.array(samples))
    if isinstance(model.head, ForestHead):
        expected = model.features(pixels).numpy()
        _within(
            float(np.abs(features - expected).max() / max(np.abs(expected).max(), 1)), "numbers"
        )
        scores = torch.sigmoid(model.head(torch.from_numpy(features)))
    else:
        scores = torch.sigmoid(model(pixels))
    found = 1 / (1 + np.exp(-logits.astype(np.float64)))
    _within(float(np.abs(found - scores.numpy()).max()), "scores")


def _within(drift: float, what: str) -> None:
    if not drift <= TOLERANCE:  # NaN is refused too
        raise BundleError(
            f"the exported network's {what} differ from PyTorch's by {drift:.2g}, more than "
            f"{TOLERANCE:g}; nothing was written. Please report the recipe"
        )
