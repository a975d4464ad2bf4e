"""A trained network as ONNX, let through only if it scores posters as PyTorch does."""

import logging
import warnings

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import Tensor, nn

from keyart.errors import BundleError
from keyart.images.decode import Pixels
from keyart.models.classifier import GenreClassifier
from keyart.models.heads import GenreHead

TOLERANCE = 1e-4


class _Exported(nn.Module):
    """A classifier that also tells its last feature map and, where its head can, genre maps."""

    def __init__(self, model: GenreClassifier) -> None:
        super().__init__()
        self.model = model
        self.outputs = ["logits", "features"]
        if isinstance(model.head, GenreHead):
            self.outputs.append("maps")

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        features = self.model.features(pixels)
        logits = self.model(pixels)  # where it looks once, the exporter merges the two
        if isinstance(self.model.head, GenreHead):
            return logits, features, self.model.head.maps(features)
        return logits, features


def export_onnx(model: GenreClassifier, samples: Pixels) -> bytes:
    """The network as an ONNX model, `pixels` (films, height, width, 3) uint8 -> `logits`.

    Further outputs, whose cost is lost in the noise: `features`, the last feature map, and, where
    the head is linear, `maps`, what each of its places adds to each logit.
    samples: prepared posters, at least two, on which the exported network's scores must equal
    PyTorch's to 1e-4. Raises BundleError where they do not.
    """
    model = model.cpu().eval()
    pixels = torch.from_numpy(np.array(samples))
    exported = _Exported(model).eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations; parity decides
        program = torch.onnx.export(
            exported,
            (pixels[:2],),
            dynamo=True,
            input_names=["pixels"],
            output_names=exported.outputs,
            dynamic_shapes=({0: torch.export.Dim("films")},),
            verbose=False,
        )
    assert program is not None
    onnx: bytes = program.model_proto.SerializeToString()
    check_parity(onnx, samples, torch_scores(model, samples))
    return onnx


def torch_scores(model: GenreClassifier, samples: Pixels) -> npt.NDArray[np.float32]:
    """Sigmoid of PyTorch's logits (films, genres) of prepared posters, in fp32 on the CPU."""
    with torch.no_grad():
        scores: npt.NDArray[np.float32] = torch.sigmoid(model(torch.from_numpy(samples))).numpy()
    return scores


def check_parity(onnx: bytes, samples: Pixels, expected: npt.NDArray[np.float32]) -> None:
    """Raise BundleError unless the ONNX model's scores of `samples` equal `expected` to 1e-4.

    expected: (films, genres), sigmoid of PyTorch's logits.
    """
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"pixels": np.ascontiguousarray(samples)})
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    drift = float(np.abs(scores - expected).max())
    if not drift <= TOLERANCE:  # NaN is not within any tolerance
        raise BundleError(
            f"the exported network's scores differ from PyTorch's by {drift:.2g}, more than "
            f"{TOLERANCE:g}; nothing was written. Please report the recipe"
        )
