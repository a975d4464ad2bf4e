"""What an ONNX file may hold, checked on its bytes before any runtime sees it.

keyart's networks are plain graphs: no loops and branches, no functions, no operators of other
domains, no data in other files. This reads the protobuf wire format of onnx.proto; the numbers
below are its field numbers.
"""

import math
import mmap
from collections.abc import Iterator
from typing import BinaryIO

_MOST_NODES = 20_000  # the largest backbones of timm have a few thousand
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OP_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_DIMS, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 1, 13, 14

_Span = tuple[int, int]
_Data = mmap.mmap | bytes


def check_graph(file: BinaryIO) -> None:
    """Raise ValueError, with what it is, if an ONNX file has a part that keyart never writes."""
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            check_model(data)
    except IndexError as error:
        raise ValueError("is cut short") from error


def check_model(data: _Data) -> None:
    """As `check_graph`, of a file's content. Raises ValueError, or IndexError if it is cut."""
    graphs = []
    for number, value in _fields(data, (0, len(data))):
        if number == _MODEL_FUNCTIONS:
            raise ValueError("has functions; only plain graphs are read")
        if number == _MODEL_TRAINING:
            raise ValueError("has steps of training; only plain graphs are read")
        if number == _MODEL_GRAPH:
            graphs.append(_span(value))
    if len(graphs) != 1:
        raise ValueError("is not an ONNX model of one graph")
    nodes = 0
    for number, value in _fields(data, graphs[0]):
        if number == _GRAPH_NODE:
            nodes += 1
            if nodes > _MOST_NODES:
                raise ValueError(f"has more than {_MOST_NODES:,} operators")
            _check_node(data, _span(value))
        elif number == _GRAPH_INITIALIZER:
            _check_tensor(data, _span(value))
        elif number == _GRAPH_SPARSE:
            raise ValueError("has sparse tensors; only plain ones are read")


def _check_node(data: _Data, span: _Span) -> None:
    fields = [(number, value) for number, value in _fields(data, span)]
    kind = next((_text(data, value) for number, value in fields if number == _NODE_OP_TYPE), "")
    for number, value in fields:
        if number == _NODE_DOMAIN and _text(data, value) not in ("", "ai.onnx"):
            raise ValueError(
                f"has the operator {kind!r} of the domain {_text(data, value)!r}; only those of "
                "ONNX itself are read"
            )
        if number != _NODE_ATTRIBUTE:
            continue
        for inner, content in _fields(data, _span(value)):
            if inner in _ATTRIBUTE_GRAPHS:
                raise ValueError(f"has the operator {kind!r}; only plain graphs are read")
            if inner in _ATTRIBUTE_SPARSE:
                raise ValueError("has sparse tensors; only plain ones are read")
            if inner in _ATTRIBUTE_TENSORS:
                _check_tensor(data, _span(content))


def _check_tensor(data: _Data, span: _Span) -> None:
    dims: list[int] = []
    for number, value in _fields(data, span):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0):
            raise ValueError("keeps data in another file; only whole files are read")
        if number == _TENSOR_DIMS:
            dims += [value] if isinstance(value, int) else _packed(data, value)
    # The smallest numbers have 4 bits. Negative ones are huge as a varint.
    if math.prod(dims) > 2 * (span[1] - span[0]):
        shape = " x ".join(str(size) for size in dims[:4])
        raise ValueError(f"has a tensor of {shape} without the numbers for it")


def _fields(data: _Data, span: _Span) -> Iterator[tuple[int, int | _Span]]:
    """The fields of a message: their number, and the number or the span of bytes they hold."""
    at, end = span
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("is not an ONNX model")
        if at + size > end:
            raise ValueError("is cut short, or not an ONNX model")
        yield number, (at, at + size)
        at += size


def _varint(data: _Data, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("is not an ONNX model")


def _packed(data: _Data, span: _Span) -> list[int]:
    values, (at, end) = [], span
    while at < end:
        value, at = _varint(data, at)
        values.append(value)
        if len(values) > 64:
            raise ValueError("has a tensor of more than 64 dimensions")
    return values


def _span(value: int | _Span) -> _Span:
    if isinstance(value, int):
        raise ValueError("is not an ONNX model")
    return value


def _text(data: _Data, value: int | _Span) -> str:
    start, end = _span(value)
    return data[start : min(end, start + 100)].decode("utf-8", "replace")
