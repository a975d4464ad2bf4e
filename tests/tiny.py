"""A tiny saved model for tests that need one and no training: it looks at mean colours alone.

Its features are the colours of 4x4-pixel places, its maps what each place adds to each logit.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from keyart.bundle import Bundle, Content, NetworkFiles, write_bundle
from keyart.calibration import Calibration
from keyart.decisions import Decisions
from keyart.genres import Vocabulary
from keyart.images.spec import ImageSpec

VOCABULARY = Vocabulary(("Red", "Green", "Blue"))
SPEC = ImageSpec(height=32, width=24)


def tiny_onnx() -> bytes:
    """logit of a colour = (its mean over the poster - 128) / 16."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "middle"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["logits"]),
        helper.make_node("Transpose", ["x"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["features"], kernel_shape=[4, 4], strides=[4, 4]
        ),
        helper.make_node("Div", ["features", "scale"], ["maps"]),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "axes": np.array([1, 2], np.int64),
        "middle": np.array(128, np.float32),
        "scale": np.array(16, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["films", 32, 24, 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["films", 3]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["films", 3, 8, 6]),
            helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["films", 3, 8, 6]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def tiny_bundle(path: Path, **provenance: str) -> Bundle:
    """Write the tiny model's bundle to `path`."""
    return write_bundle(
        path,
        Content(
            NetworkFiles(tiny_onnx(), SPEC, b"weights"),
            VOCABULARY,
            Decisions(Calibration.identity(3), np.array([0.5, 0.5, 0.9])),
            card="# A tiny model\n",
            provenance={"name": "tiny", **provenance},
        ),
    )
