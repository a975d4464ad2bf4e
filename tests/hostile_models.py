"""Bundles and networks that are broken on purpose, each by one change to the tiny model's."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

Break = Callable[[Path], None]
Manifest = dict[str, Any]

GIGA = 1 << 30


def forge(folder: Path, manifest: Manifest) -> None:
    """Write a manifest with a digest that fits it."""
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    text = json.dumps({**rest, "digest": digest}, ensure_ascii=True)
    (folder / "keyart.json").write_text(text)


def _changed(change: Callable[[Manifest], object]) -> Break:
    def broken(folder: Path) -> None:
        manifest = json.loads((folder / "keyart.json").read_text())
        change(manifest)
        forge(folder, manifest)

    return broken


def _put(*where: Any, to: Any) -> Break:
    """Another value at a place of the manifest."""

    def change(manifest: Manifest) -> None:
        *path, last = where
        inside: Any = manifest
        for key in path:
            inside = inside[key]
        inside[last] = to

    return _changed(change)


def _listed(name: str, size: int = 1) -> Break:
    """Another file in the manifest's list."""
    return _put("files", name, to={"size": size, "sha256": "0" * 64})


def _text(text: bytes) -> Break:
    def broken(folder: Path) -> None:
        (folder / "keyart.json").write_bytes(text)

    return broken


def _instead(name: str, make: Callable[[Path], object]) -> Break:
    """Something else at the place of a file."""

    def broken(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return broken


def _sparse(file: Path, size: int) -> None:
    with file.open("wb") as opened:
        opened.truncate(size)


def _huge(name: str, size: int) -> Break:
    """A sparse file, and a manifest that lists its size."""

    def broken(folder: Path) -> None:
        _sparse(folder / name, size)
        _put("files", name, "size", to=size)(folder)

    return broken


def _ensemble(members: list[Any]) -> Break:
    """The manifest of an ensemble, without its members' folders."""

    def change(manifest: Manifest) -> None:
        manifest["members"] = members
        for key in ("image", "probe"):
            manifest.pop(key, None)
        del manifest["files"]["model.onnx"], manifest["files"]["model.safetensors"]

    def broken(folder: Path) -> None:
        _changed(change)(folder)
        for name in ("model.onnx", "model.safetensors"):
            (folder / name).unlink()

    return broken


def _member(digest: str = "0" * 64, weight: float = 1.0) -> Manifest:
    return {"name": "one", "weight": weight, "digest": digest}


def _itself(folder: Path) -> None:
    _ensemble([_member()])(folder)
    (folder / "members").mkdir()
    (folder / "members" / "0").symlink_to("../..", target_is_directory=True)


def _nested(folder: Path) -> None:
    """Ensembles in ensembles."""
    _ensemble([_member()])(folder)
    content = {name: (folder / name).read_bytes() for name in ("keyart.json", "MODEL_CARD.md")}
    at = os.open(folder, os.O_RDONLY)
    for _ in range(100):
        for name in ("members", "0"):
            os.mkdir(name, dir_fd=at)
            inner = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = inner
        for name, data in content.items():
            file = os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=at)
            os.write(file, data)
            os.close(file)
    os.close(at)


def _folder(file: Path) -> None:
    file.mkdir()


def _device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _link(file: Path) -> None:
    outside = file.parent.parent / f"outside-{file.name}"
    outside.write_bytes(b"outside")
    file.symlink_to(outside)


def _link_to_its_own(name: str) -> Break:
    def broken(folder: Path) -> None:
        shutil.move(folder / name, folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return broken


def _unlisted(folder: Path) -> None:
    (folder / "more.bin").write_bytes(b"x")


def _delete(*keys: str) -> Break:
    def change(manifest: Manifest) -> None:
        for key in keys:
            del manifest[key]

    return _changed(change)


def _no_digest(folder: Path) -> None:
    manifest = json.loads((folder / "keyart.json").read_text())
    del manifest["digest"]
    (folder / "keyart.json").write_text(json.dumps(manifest))


_KNOTS = {"method": "isotonic", "slope": 1.0, "intercept": 0.0}

BUNDLES: dict[str, Break] = {
    "empty manifest": _text(b""),
    "manifest is a list": _text(b"[]"),
    "manifest is not UTF-8": _text(b'{"format": "\xff\xfe"}'),
    "manifest in UTF-16": _text('{"format": 3}'.encode("utf-16")),
    "manifest is cut": lambda folder: _text((folder / "keyart.json").read_bytes()[:-9])(folder),
    "manifest nested 100,000 deep": _text(b'{"format": ' + b"[" * 100_000),
    "manifest nested 100,000 deep, whole": _text(b"[" * 100_000 + b"]" * 100_000),
    "manifest of 100 MB": _text(b'{"format": 3, "keyart": "' + b"x" * 100_000_000 + b'"}'),
    "sparse manifest of 8 GiB": lambda folder: _sparse(folder / "keyart.json", 8 * GIGA),
    "manifest is a FIFO": _instead("keyart.json", os.mkfifo),
    "manifest is a device": _instead("keyart.json", _device),
    "manifest is a folder": _instead("keyart.json", _folder),
    "manifest is a link": _link_to_its_own("keyart.json"),
    "manifest with a number of 10,000 digits": _text(b'{"format": ' + b"9" * 10_000 + b"}"),
    "manifest with a NaN": _put("provenance", "name", to=float("nan")),
    "manifest with an infinite number": _text(b'{"format": 1e999}'),
    "manifest with a lone surrogate": _put("provenance", "name", to="\ud800"),
    "key twice": lambda folder: _text(
        b'{"format": 1, ' + (folder / "keyart.json").read_bytes().lstrip()[1:]
    )(folder),
    "format is true": _put("format", to=True),
    "format is negative": _put("format", to=-1),
    "format is text": _put("format", to="2"),
    "no vocabulary": _delete("vocabulary"),
    "no calibration": _delete("calibration"),
    "no files": _delete("files"),
    "no digest": _no_digest,
    "no image": _delete("image"),
    "unknown key": _put("extra", to=1),
    "vocabulary is text": _put("vocabulary", to="Red"),
    "vocabulary of numbers": _put("vocabulary", to=[1, 2, 3]),
    "vocabulary is empty": _put("vocabulary", to=[]),
    "genre twice": _put("vocabulary", to=["Red", "Green", "Red"]),
    "genre twice but for case": _put("vocabulary", to=["Red", "Green", "red"]),
    "genre of a line break": _put("vocabulary", to=["Red", "Green", "Bl\nue"]),
    "thresholds are a list": _put("thresholds", to=[0.5, 0.5, 0.5]),
    "threshold missing": _put("thresholds", to={"Red": 0.5, "Green": 0.5}),
    "threshold too many": _put("thresholds", "Grey", to=0.5),
    "threshold above 1": _put("thresholds", "Red", to=2),
    "threshold below 0": _put("thresholds", "Red", to=-0.1),
    "threshold is text": _put("thresholds", "Red", to="0.5"),
    "threshold is true": _put("thresholds", "Red", to=True),
    "threshold is NaN": _put("thresholds", "Red", to=float("nan")),
    "threshold of 300 digits": _put("thresholds", "Red", to=10**300),
    "precision is no number": _put("precision_thresholds", to={"high": {}}),
    "precision above 1": _put(
        "precision_thresholds", to={"7": {"Red": 0.5, "Green": 0.5, "Blue": 0.5}}
    ),
    "precision is NaN": _put(
        "precision_thresholds", to={"nan": {"Red": 0.5, "Green": 0.5, "Blue": 0.5}}
    ),
    "height is 10^9": _put("image", "height", to=10**9),
    "height is 0": _put("image", "height", to=0),
    "height is a fraction": _put("image", "height", to=32.5),
    "height is true": _put("image", "height", to=True),
    "fit is unknown": _put("image", "fit", to="crop"),
    "mean of two": _put("image", "mean", to=[0.5, 0.5]),
    "std is 0": _put("image", "std", to=[0, 0, 0]),
    "image is a list": _put("image", to=[]),
    "image of titles and years": _put("image", to={"words": [], "uses_poster": False, "year": 1}),
    "calibration of one genre": _put("calibration", to=[{**_KNOTS, "method": "identity"}]),
    "calibration with NaN": _put("calibration", 0, "slope", to=float("nan")),
    "calibration with a slope of 0": _put("calibration", 0, "slope", to=0),
    "calibration with text": _put("calibration", 0, "slope", to="1.0"),
    "calibration that falls": _put("calibration", 0, to={**_KNOTS, "knots": [[0, 1], [1, 0]]}),
    "calibration of an unknown kind": _put("calibration", 0, "method", to="magic"),
    "calibration of infinite slopes": _put(
        "calibration", 0, to={**_KNOTS, "knots": [[0, 0], [1e-320, 1e308]]}
    ),
    "provenance is a list": _put("provenance", to=[]),
    "provenance with a name of numbers": _put("provenance", "name", to=[1]),
    "provenance with broken metrics": _put("provenance", "metrics", to=[1]),
    "provenance with broken films": _put("provenance", "films", to="many"),
    "provenance with a rate above 1": _put("provenance", "rates", to={"Red": 1.5}),
    "size is negative": _put("files", "model.onnx", "size", to=-1),
    "size is text": _put("files", "model.onnx", "size", to="1"),
    "hash is wrong": _put("files", "model.onnx", "sha256", to="0" * 64),
    "hash is a number": _put("files", "model.onnx", "sha256", to=0),
    "files is a list": _put("files", to=["model.onnx"]),
    "files without the network": _changed(lambda manifest: manifest["files"].pop("model.onnx")),
    "file above the folder": _listed("../outside"),
    "file with an absolute name": _listed("/etc/hostname"),
    "file that is a device": _listed("/dev/zero"),
    "file that is the folder": _listed("."),
    "file with a NUL in its name": _listed("a\0b"),
    "file with a long name": _listed("x" * 10_000),
    "file that is not there": _listed("more.onnx"),
    "unlisted file": _unlisted,
    "unlisted folder": lambda folder: (folder / "members").mkdir(),
    "network is a FIFO": _instead("model.onnx", os.mkfifo),
    "network is a folder": _instead("model.onnx", _folder),
    "network is a device": _instead("model.onnx", _device),
    "network is a link": _instead("model.onnx", _link),
    "network is a link to itself": _instead("model.onnx", lambda file: file.symlink_to(file)),
    "weights are a link to the same bytes": _link_to_its_own("model.safetensors"),
    "card is not UTF-8": lambda folder: _replace(folder, "MODEL_CARD.md", b"\xff\xfe\xff"),
    "card of 20 MB": lambda folder: _replace(folder, "MODEL_CARD.md", b"x" * 20_000_000),
    "sparse network of 1 TiB": _huge("model.onnx", 1 << 40),
    "sparse weights of 1 TiB": _huge("model.safetensors", 1 << 40),
    "ensemble of none": _ensemble([]),
    "ensemble of text": _ensemble(["one"]),
    "ensemble with a weight of NaN": _ensemble([_member(weight=float("nan"))]),
    "ensemble with weights above 1": _ensemble([_member(weight=0.9), _member(weight=0.9)]),
    "ensemble without its members": _ensemble([_member()]),
    "ensemble of 100,000": _ensemble([_member(weight=1e-5)] * 100_000),
    "ensemble that holds itself": _itself,
    "ensembles nested 100 deep": _nested,
}
"""What is done to the folder of a sound bundle, by name."""


def _replace(folder: Path, name: str, data: bytes) -> None:
    """Another content of a file, with a manifest that fits it."""
    (folder / name).write_bytes(data)
    identity = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    _put("files", name, to=identity)(folder)


def replace_network(folder: Path, onnx: bytes) -> None:
    """Put another network into a bundle, with a manifest that fits it."""
    _replace(folder, "model.onnx", onnx)


def _node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> NodeProto:
    return helper.make_node(kind, inputs, outputs, **attributes)


_MEAN = [
    _node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
    _node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
]


def _graph(
    nodes: list[NodeProto],
    *,
    constants: dict[str, npt.NDArray[Any]] | None = None,
    name: str = "pixels",
    dtype: int = TensorProto.UINT8,
    shape: tuple[Any, ...] = ("films", 32, 24, 3),
    output: str = "logits",
    output_dtype: int = TensorProto.FLOAT,
    output_shape: tuple[Any, ...] | None = ("films", 3),
) -> GraphProto:
    values: dict[str, npt.NDArray[Any]] = {"axes": np.array([1, 2], np.int64), **(constants or {})}
    return helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info(name, dtype, shape)],
        [helper.make_tensor_value_info(output, output_dtype, output_shape)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )


def _model(graph: GraphProto, **more: Any) -> ModelProto:
    sets = [helper.make_opsetid("", 20), helper.make_opsetid("other.domain", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=10, **more)


def _of(*nodes: NodeProto, **more: Any) -> bytes:
    data: bytes = _model(_graph([*_MEAN, *nodes], **more)).SerializeToString()
    return data


def _external(location: str) -> bytes:
    model = _model(_graph([*_MEAN, _node("Add", ["mean", "far"], ["logits"])]))
    tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    model.graph.initializer.append(tensor)
    data: bytes = model.SerializeToString()
    return data


def _tensor_without_data(*dims: int) -> bytes:
    model = _model(_graph([*_MEAN, _node("Add", ["mean", "far"], ["logits"])]))
    tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=dims)
    model.graph.initializer.append(tensor)
    data: bytes = model.SerializeToString()
    return data


def _identity_graph(kind: str) -> GraphProto:
    value = helper.make_tensor_value_info
    inputs = []
    outputs = [value(f"{kind}-out", TensorProto.FLOAT, None)]
    nodes = [_node("Identity", ["mean"], [f"{kind}-out"])]
    if kind == "Loop":
        inputs = [value("i", TensorProto.INT64, []), value("on", TensorProto.BOOL, [])]
        inputs.append(value("state", TensorProto.FLOAT, None))
        nodes = [_node("Identity", ["on"], ["still"]), _node("Cos", ["state"], [f"{kind}-out"])]
        outputs.insert(0, value("still", TensorProto.BOOL, []))
    if kind == "Scan":
        inputs = [value("one", TensorProto.FLOAT, None)]
        nodes = [_node("Identity", ["one"], [f"{kind}-out"])]
    return helper.make_graph(nodes, kind, inputs, outputs)


def _endless_loop() -> bytes:
    constants = {"times": np.array(2**62, np.int64), "yes": np.array(True)}
    return _of(
        _node("Loop", ["times", "yes", "mean"], ["logits"], body=_identity_graph("Loop")),
        constants=constants,
    )


def _branch() -> bytes:
    one, other = _identity_graph("If"), _identity_graph("If")
    return _of(
        _node("If", ["yes"], ["logits"], then_branch=one, else_branch=other),
        constants={"yes": np.array(True)},
    )


def _scan() -> bytes:
    body = _identity_graph("Scan")
    return _of(_node("Scan", ["mean"], ["logits"], body=body, num_scan_inputs=1))


def _function(recursive: bool) -> bytes:
    model = _model(_graph([*_MEAN, helper.make_node("F", ["mean"], ["logits"], domain="d")]))
    inner = _node("Neg", ["a"], ["b"])
    if recursive:
        inner = helper.make_node("F", ["a"], ["b"], domain="d")
    sets = [helper.make_opsetid("", 20), helper.make_opsetid("d", 1)]
    model.functions.append(helper.make_function("d", "F", ["a"], ["b"], [inner], sets))
    model.opset_import.append(helper.make_opsetid("d", 1))
    data: bytes = model.SerializeToString()
    return data


def _doubling(times: int) -> bytes:
    """Each node doubles what is kept in memory."""
    nodes = [
        _node("Concat", [f"d{n}", f"d{n}"], [f"d{n + 1}"], axis=1) if n else
        _node("Identity", ["x"], ["d1"])
        for n in range(times)
    ]  # fmt: skip
    nodes.append(_node("ReduceMean", [f"d{times}", "axes"], ["logits"], keepdims=0))
    return _of(*nodes)


def _constant_doubling(times: int) -> bytes:
    """As `_doubling`, but of a constant: the runtime does it when it loads the network."""
    nodes = [_node("Concat", [f"c{n}", f"c{n}"], [f"c{n + 1}"], axis=0) for n in range(times)]
    nodes.append(_node("ReduceMax", [f"c{times}"], ["most"], keepdims=0))
    nodes.append(_node("Add", ["mean", "most"], ["logits"]))
    return _of(*nodes, constants={"c0": np.ones(1024, np.float32)})


def _endless_products(times: int) -> bytes:
    """Matrix products that take hours in little memory."""
    nodes = [_node("ConstantOfShape", ["side"], ["zeros"])]
    nodes.append(_node("ReduceMean", ["mean"], ["least"], keepdims=0))
    nodes.append(_node("Add", ["zeros", "least"], ["m0"]))
    nodes += [_node("MatMul", [f"m{n}", f"m{n}"], [f"m{n + 1}"]) for n in range(times)]
    nodes.append(_node("ReduceMax", [f"m{times}"], ["most"], keepdims=0))
    nodes.append(_node("Mul", ["most", "nothing"], ["zero"]))
    nodes.append(_node("Add", ["mean", "zero"], ["logits"]))
    constants = {"side": np.array([2048, 2048], np.int64), "nothing": np.array(0, np.float32)}
    return _of(*nodes, constants=constants)


def _constants_of_shape() -> bytes:
    return _of(
        _node("ConstantOfShape", ["side"], ["zeros"]),
        _node("ReduceMax", ["zeros"], ["most"], keepdims=0),
        _node("Add", ["mean", "most"], ["logits"]),
        constants={"side": np.array([1 << 19, 1 << 19], np.int64)},
    )


def _first_row() -> bytes:
    start, end = np.array([0], np.int64), np.array([1], np.int64)
    return _of(
        _node("Slice", ["mean", "start", "end", "start"], ["logits"]),
        constants={"start": start, "end": end},
    )


def _log_of_less_than_nothing() -> bytes:
    return _of(
        _node("Neg", ["mean"], ["less"]),
        _node("Log", ["less"], ["logits"]),
    )


def _sound() -> bytes:
    return _of(_node("Identity", ["mean"], ["logits"]))


def _many_nodes() -> bytes:
    nodes = [_node("Neg", [f"n{at}"], [f"n{at + 1}"]) for at in range(150_000)]
    return _of(_node("Identity", ["mean"], ["n0"]), *nodes, _node("Neg", ["n150000"], ["logits"]))


def _cycle() -> bytes:
    return _of(_node("Add", ["mean", "b"], ["a"]), _node("Add", ["a", "a"], ["b"]),
               _node("Neg", ["b"], ["logits"]))  # fmt: skip


NETWORKS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "noise": lambda: np.random.default_rng(0).bytes(10_000),
    "text": lambda: b"import os",
    "truncated": lambda: _sound()[:-40],
    "no graph": lambda: ModelProto(ir_version=10).SerializeToString(),
    "data outside, relative": lambda: _external("../outside"),
    "data outside, absolute": lambda: _external("/etc/passwd"),
    "data in a device": lambda: _external("/dev/zero"),
    "endless loop": _endless_loop,
    "branch": _branch,
    "scan": _scan,
    "function": lambda: _function(recursive=False),
    "function that calls itself": lambda: _function(recursive=True),
    "unknown operator": lambda: _of(_node("Magic", ["mean"], ["logits"])),
    "operator of another domain": lambda: _of(
        helper.make_node("Magic", ["mean"], ["logits"], domain="other.domain")
    ),
    "cycle": _cycle,
    "input of another name": lambda: _model(
        _graph(
            [_node("Cast", ["images"], ["x"], to=1), _MEAN[1], _node("Neg", ["mean"], ["logits"])],
            name="images",
        )
    ).SerializeToString(),
    "input of another dtype": lambda: _of(
        _node("Neg", ["mean"], ["logits"]), dtype=TensorProto.FLOAT
    ),
    "input of another shape": lambda: _of(
        _node("Neg", ["mean"], ["logits"]), shape=("films", 64, 24, 3)
    ),
    "input for one poster": lambda: _of(_node("Neg", ["mean"], ["logits"]), shape=(1, 32, 24, 3)),
    "output of another name": lambda: _of(_node("Neg", ["mean"], ["out"]), output="out"),
    "output of another dtype": lambda: _of(
        _node("Cast", ["mean"], ["logits"], to=TensorProto.DOUBLE),
        output_dtype=TensorProto.DOUBLE,
    ),
    "a genre too many": lambda: _of(
        _node("Concat", ["mean", "mean"], ["logits"], axis=1), output_shape=("films", 6)
    ),
    "a row for two posters": lambda: _of(
        _node("ReduceMean", ["mean", "first"], ["logits"], keepdims=1),
        constants={"first": np.array([0], np.int64)},
        output_shape=None,
    ),
    "the first row alone": _first_row,
    "two rows for a poster": lambda: _of(_node("Concat", ["mean", "mean"], ["logits"], axis=0)),
    "a number for all posters": lambda: _of(
        _node("ReduceMean", ["mean"], ["logits"], keepdims=0), output_shape=None
    ),
    "NaN": _log_of_less_than_nothing,
    "infinity": lambda: _of(
        _node("Div", ["mean", "none"], ["logits"]), constants={"none": np.zeros(3, np.float32)}
    ),
    "the same for every poster": lambda: _of(
        _node("Sub", ["mean", "mean"], ["zero"]),
        _node("Add", ["zero", "answer"], ["logits"]),
        constants={"answer": np.array([3, -3, -3], np.float32)},
    ),
    "another network": _sound,
    "tensor of 10^18 without data": lambda: _tensor_without_data(10**9, 10**9),
    "tensor of 16 GiB without data": lambda: _tensor_without_data(4 * GIGA),
    "tensor of a negative size": lambda: _tensor_without_data(-3),
    "zeros of 1 TiB": _constants_of_shape,
    "doubles 40 times": lambda: _doubling(40),
    "doubles a constant 40 times": lambda: _constant_doubling(40),
    "endless products": lambda: _endless_products(10_000),
    "150,000 operators": _many_nodes,
}
"""Networks for the tiny model's bundle, by what is wrong with them."""
