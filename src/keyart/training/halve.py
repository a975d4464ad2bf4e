"""A network at half its size: weights are stored in 16 bits, and computed with in 32."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Smaller tensors (biases, constants, shapes) save nothing.
_LEAST = 1_024


def halved(model: bytes) -> bytes:
    """An ONNX model with its large float32 weights stored as float16.

    A Cast turns each back into float32; the runtime does this once, when it loads the model. A
    weight keeps 11 of its 24 significant bits, which changes scores by about 1e-4.
    """
    loaded = onnx.load_from_string(model)
    graph = loaded.graph
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < _LEAST:
            continue
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        # Either too large for 16 bits, or the thresholds of a forest, which have -inf at leaves.
        # Those must stay exact: after rounding, films would go to the other side of a node.
        if not np.isfinite(halves).all():
            continue
        name = weight.name
        half = numpy_helper.from_array(halves, f"{name}.half")
        weight.CopyFrom(half)
        casts.append(
            helper.make_node("Cast", [half.name], [name], f"{name}.cast", to=TensorProto.FLOAT)
        )
    # A weight may also be listed as an input; the runtime would then expect it as float32.
    kept = [value for value in graph.input if value.name not in {c.output[0] for c in casts}]
    del graph.input[:]
    graph.input.extend(kept)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(loaded)
    content: bytes = loaded.SerializeToString()
    return content
