"""Several exported networks as one: each gets its pixels, their calibrated scores are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, compose, helper, inliner, numpy_helper, version_converter

from keyart.calibration import LARGEST_LOGIT, Calibration, GenreCalibration
from keyart.errors import BundleError
from keyart.images.spec import Spec, pack_specs

# No average is closer to 0 or 1 than this, so that each has a logit.
_EDGE = 1e-12
_LEAST_OPSET = 13  # from which the operators below take their axes as inputs


@dataclass(frozen=True)
class Member:
    """One network of several: an ONNX model, what it sees, and how its logits become scores."""

    name: str
    onnx: bytes
    spec: Spec
    calibration: Calibration


def average_logits(
    scores: npt.NDArray[np.float64], weights: npt.ArrayLike
) -> npt.NDArray[np.float32]:
    """What a merged network tells: the logit of the weighted average of its members' scores.

    scores: (members, films, genres), calibrated. weights: (members,), of sum 1.
    """
    average = np.tensordot(np.asarray(weights, np.float64), scores, axes=1)
    average = np.clip(average, _EDGE, 1 - _EDGE)
    logits: npt.NDArray[np.float32] = np.log(average / (1 - average)).astype(np.float32)
    return logits


def merge(members: Sequence[Member], weights: npt.ArrayLike) -> bytes:
    """One ONNX model for all: pixels, as pack_specs of their specs prepares them, -> `logits`.

    The logits (films, genres) are those of the weighted average of the members' calibrated scores.
    weights: (members,), of sum 1. Raises BundleError where a member's network asks for more than
    pixels, or cannot be brought to the operators of the others.
    """
    models = [_loaded(member) for member in members]
    versions = _versions(members, models)
    graph = _Graph()
    packed = pack_specs(member.spec for member in members)
    pictures = _unpacked(graph, packed)
    logits = []
    for number, (member, model) in enumerate(zip(members, models, strict=True)):
        prefix = f"member{number}/"
        seen = [pictures[part.key] for part in member.spec.parts]
        graph.add("Identity", _packed(graph, seen), output=f"{prefix}pixels")
        inner = compose.add_prefix(_converted(member, model, versions[""]), prefix).graph
        graph.nodes.extend(inner.node)
        graph.constants.extend(inner.initializer)
        logits.append(f"{prefix}logits")
    _average(graph, logits, [member.calibration for member in members], weights)
    inputs = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["films", *packed.shape])
    genres = len(members[0].calibration.genres)
    outputs = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["films", genres])
    merged = helper.make_model(
        helper.make_graph(graph.nodes, "ensemble", [inputs], [outputs], graph.constants),
        opset_imports=[helper.make_opsetid(*pair) for pair in versions.items()],
        ir_version=max(model.ir_version for model in models),
    )
    content: bytes = merged.SerializeToString()
    return content


class _Graph:
    """Nodes and constants of a model, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node. Returns the name of its output."""
        output = output or f"ensemble/{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: npt.ArrayLike, kind: npt.DTypeLike = np.float64) -> str:
        """Add a constant. Returns its name."""
        name = f"ensemble/constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name


def _loaded(member: Member) -> ModelProto:
    model = inliner.inline_local_functions(onnx.load_model_from_string(member.onnx))
    known = {constant.name for constant in model.graph.initializer}
    inputs = [one.name for one in model.graph.input if one.name not in known]
    if inputs != ["pixels"]:
        others = ", ".join(name for name in inputs if name != "pixels")
        raise BundleError(
            f"{member.name}: needs {others} beside the poster, and an ensemble sees posters alone; "
            "leave it out"
        )
    return model


def _versions(members: Sequence[Member], models: Sequence[ModelProto]) -> dict[str, int]:
    """The version of each set of operators: the newest of ONNX's own, of others the common one."""
    versions = {"": _LEAST_OPSET}
    for member, model in zip(members, models, strict=True):
        for opset in model.opset_import:
            known = versions.setdefault(opset.domain, opset.version)
            if opset.domain == "":
                versions[""] = max(known, opset.version)
            elif known != opset.version:
                raise BundleError(
                    f"{member.name}: uses version {opset.version} of {opset.domain}, another "
                    f"member version {known}; train them with one keyart"
                )
    return versions


def _converted(member: Member, model: ModelProto, version: int) -> ModelProto:
    if any(opset.domain == "" and opset.version == version for opset in model.opset_import):
        return model
    try:
        return version_converter.convert_version(model, version)
    except Exception as error:  # the converter raises errors without a class of their own
        reason = str(error).strip().splitlines()[0]
        raise BundleError(
            f"{member.name}: cannot be brought to ONNX operators of version {version} ({reason}); "
            "train it again with this keyart"
        ) from error


def _unpacked(graph: _Graph, packed: Spec) -> dict[str, str]:
    """The picture that each preparation, by its key, makes of `pixels`."""
    if len(packed.parts) == 1:
        return {packed.parts[0].key: "pixels"}
    lengths = [int(np.prod(part.shape)) for part in packed.parts]
    ends = np.cumsum(lengths)
    axis = graph.constant([1], np.int64)
    pictures = {}
    for part, length, end in zip(packed.parts, lengths, ends, strict=True):
        start, stop = graph.constant([end - length], np.int64), graph.constant([end], np.int64)
        flat = graph.add("Slice", "pixels", start, stop, axis)
        shape = graph.constant([-1, *part.shape], np.int64)
        pictures[part.key] = graph.add("Reshape", flat, shape)
    return pictures


def _packed(graph: _Graph, pictures: Sequence[str]) -> str:
    """What a member takes that sees these: a picture, or, an ensemble itself, several as one."""
    if len(pictures) == 1:
        return pictures[0]
    return graph.add("Concat", *(graph.add("Flatten", one) for one in pictures), axis=1)


def _average(
    graph: _Graph,
    logits: Sequence[str],
    calibrations: Sequence[Calibration],
    weights: npt.ArrayLike,
) -> None:
    """From the members' logits to `logits`. In fp64: it costs nothing beside the networks."""
    curves = [curve for calibration in calibrations for curve in calibration.genres]
    members, genres = len(calibrations), len(curves) // len(calibrations)
    both = graph.add("Cast", graph.add("Concat", *logits, axis=1), to=TensorProto.DOUBLE)
    finite = _clipped(graph, both, -LARGEST_LOGIT, LARGEST_LOGIT)
    scores = graph.add("Sigmoid", _curved(graph, finite, curves))
    apart = graph.add("Reshape", scores, graph.constant([-1, members, genres], np.int64))
    weight = graph.constant(np.reshape(weights, (members, 1)))
    weighted = graph.add("Mul", apart, weight)
    average = graph.add("ReduceSum", weighted, graph.constant([1], np.int64), keepdims=0)
    average = _clipped(graph, average, _EDGE, 1 - _EDGE)
    odds = graph.add("Div", average, graph.add("Sub", graph.constant(1), average))
    graph.add("Cast", graph.add("Log", odds), output="logits", to=TensorProto.FLOAT)


def _curved(graph: _Graph, logits: str, curves: Sequence[GenreCalibration]) -> str:
    """GenreCalibration.apply of each column.

    A line is a curve with the one knot (0, intercept). A curve starts at its first knot's value,
    rises between knots by the share of each step that the logit has climbed, and goes on with its
    slope beyond.
    """
    knots = [curve.knots or ((0.0, curve.intercept),) for curve in curves]
    steps = max(len(known) for known in knots) - 1
    at, width, rise = np.zeros((3, len(curves), steps))
    width[:] = 1  # of steps that a curve does not have; they do not rise
    for column, known in enumerate(knots):
        x, y = np.array(known).T
        at[column, : len(x) - 1], width[column, : len(x) - 1] = x[:-1], np.diff(x)
        rise[column, : len(x) - 1] = np.diff(y)
    first, last = [known[0][0] for known in knots], [known[-1][0] for known in knots]
    within = _clipped(graph, logits, first, last)
    beyond = graph.add("Sub", logits, within)
    slope = graph.constant([curve.slope for curve in curves])
    start = graph.constant([known[0][1] for known in knots])
    value = graph.add("Add", graph.add("Mul", beyond, slope), start)
    if not steps:
        return value
    last_axis = graph.constant([-1], np.int64)
    reached = graph.add("Sub", graph.add("Unsqueeze", within, last_axis), graph.constant(at))
    share = _clipped(graph, graph.add("Div", reached, graph.constant(width)), 0, 1)
    risen = graph.add("Mul", share, graph.constant(rise))
    return graph.add("Add", value, graph.add("ReduceSum", risen, last_axis, keepdims=0))


def _clipped(graph: _Graph, name: str, low: npt.ArrayLike, high: npt.ArrayLike) -> str:
    return graph.add("Min", graph.add("Max", name, graph.constant(low)), graph.constant(high))
