"""The doors of saved models: bundles with a changed manifest or file, and changed networks."""

import hashlib
import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.fuzz.campaign import Door, put
from benchmarks.fuzz.mutate import ODD, mutate, mutate_tree, numbered, pick
from keyart.bundle import Content, Member, write_bundle
from keyart.manifest import CARD, MANIFEST, ONNX, WEIGHTS
from keyart.predictor import Predictor
from tests.tiny import tiny_bundle
from tests.wire import GREEN, RED

_OPERATORS = (
    "Add",
    "Loop",
    "If",
    "Scan",
    "Reshape",
    "Expand",
    "Tile",
    "Resize",
    "Identity",
    "Gather",
)
_NUMBERS = (-(2**63), -(2**31), -1, 0, 1, 2, 3, 7, 2**31, 2**40, 2**63 - 1)


def bundles(folder: Path, stack: ExitStack) -> Door:
    """Load a bundle and predict. The input is a manifest; its number decides about the files."""
    single = tiny_bundle(folder / "single")
    members = [Member(name, 0.5, single) for name in "ab"]
    content = Content(members, single.vocabulary, single.decisions, "card", {})
    seeds = [single, write_bundle(folder / "ensemble", content)]

    def make(number: int) -> bytes:
        rng = numbered("bundles", number)
        tree = json.loads((seeds[number % 2].path / MANIFEST).read_bytes())
        for _ in range(int(rng.geometric(0.6))):
            mutate_tree(tree, rng)
        data = json.dumps(tree).encode()
        return mutate(data, [data], rng) if rng.random() < 0.2 else data

    def check(number: int, data: bytes) -> object:
        rng = numbered("bundles", number)
        place = folder / "changed"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(seeds[number % 2].path, place)
        put(place / MANIFEST, _signed(data) if rng.random() < 0.9 else data)
        if rng.random() < 0.2:
            _damage(place, rng)
        return _predicted(place)

    return Door(make, check)


def networks(folder: Path, stack: ExitStack) -> Door:
    """Load a network in a bundle with the right hashes, and predict. The input is an ONNX file."""
    seed = tiny_bundle(folder / "bundle").path
    network = (seed / ONNX).read_bytes()

    def make(number: int) -> bytes:
        rng = numbered("networks", number)
        if rng.random() < 0.4:
            return mutate(network, [network], rng)
        model = onnx.load_from_string(network)
        for _ in range(int(rng.geometric(0.5))):
            _change_graph(model, rng)
        changed: bytes = model.SerializeToString()
        return changed

    def check(number: int, data: bytes) -> object:
        manifest = json.loads((seed / MANIFEST).read_bytes())
        identity = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        manifest["files"][ONNX] |= identity
        put(seed / ONNX, data)
        put(seed / MANIFEST, _signed(json.dumps(manifest).encode()))
        return _predicted(seed)

    return Door(make, check)


def _predicted(path: Path) -> object:
    model = Predictor.load(path)
    answers = [model.predict(poster) for poster in (RED, GREEN)]
    for answer in answers:
        assert all(0 <= score <= 1 for score in answer.scores.values())
    return [(answer.genres, answer.scores) for answer in answers]


def _signed(data: bytes) -> bytes:
    """The manifest with the digest of its content, if it is one."""
    try:
        manifest = json.loads(data)
        rest = {key: value for key, value in manifest.items() if key != "digest"}
        canonical = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False)
        manifest["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
        return json.dumps(manifest).encode()
    except (ValueError, AttributeError, TypeError):
        return data


def _damage(place: Path, rng: np.random.Generator) -> None:
    """Another kind of file, or none, or more, in place of one of the bundle's."""
    file = place / pick((MANIFEST, ONNX, WEIGHTS, CARD, "members", "other"), rng)
    kind = int(rng.integers(5))
    if file.is_dir():
        shutil.rmtree(file)
    else:
        file.unlink(missing_ok=True)
    if kind == 1:
        file.mkdir()
    elif kind == 2:
        file.symlink_to("/dev/zero")
    elif kind == 3:
        os.mkfifo(file)
    elif kind == 4:
        file.write_bytes(rng.bytes(50))


def _change_graph(model: Any, rng: np.random.Generator) -> None:
    """One change of a network that a reader of ONNX files does not expect."""
    graph = model.graph
    node = pick(graph.node, rng) if graph.node else graph.node.add()
    names = [name for one in graph.node for name in (*one.input, *one.output)] or ["x"]
    kind = int(rng.integers(9))
    if kind == 0:
        node.op_type = pick(_OPERATORS, rng)
    elif kind == 1 and node.input:
        node.input[int(rng.integers(len(node.input)))] = pick(names, rng)
    elif kind == 2 and node.output:
        node.output[int(rng.integers(len(node.output)))] = pick(names, rng)
    elif kind == 3 and node.attribute:
        attribute = pick(node.attribute, rng)
        attribute.i = pick(_NUMBERS, rng)
        attribute.ints[:] = [pick(_NUMBERS, rng) for _ in attribute.ints]
    elif kind == 4 and graph.initializer:
        tensor = pick(graph.initializer, rng)
        tensor.dims[:] = [abs(pick(_NUMBERS, rng)) % 2**62 for _ in range(int(rng.integers(3)))]
        tensor.data_type = int(rng.integers(24))
    elif kind == 5:
        value = pick((*graph.input, *graph.output), rng)
        for size in value.type.tensor_type.shape.dim:
            size.dim_value = abs(pick(_NUMBERS, rng)) % 2**62
    elif kind == 6 and graph.initializer:
        tensor = pick(graph.initializer, rng)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        location = tensor.external_data.add()
        location.key, location.value = (
            "location",
            str(pick(ODD, rng)).encode("ascii", "replace").decode(),
        )
    elif kind == 7:
        graph.node.add().CopyFrom(node)
    else:
        graph.node.remove(node)
