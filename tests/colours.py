"""Small models for tests of ensembles: they look at mean colours, each in its own size."""

from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save

from keyart.bundle import Content, NetworkFiles, write_bundle
from keyart.catalog.catalog import Catalog
from keyart.evaluation.decide import decide
from keyart.images.pixels import pixel_store
from keyart.images.spec import ImageSpec
from keyart.network import Network
from keyart.run import Run
from keyart.training.evaluate import evaluate


def colours_onnx(
    spec: ImageSpec,
    scale: float,
    *,
    rows: tuple[float, float] = (0, 1),
    opset: int = 20,
    ml: int | None = None,
) -> bytes:
    """logit of a colour = (its mean over these rows of the poster - 128) / scale.

    rows: from, to: fractions of the height. opset: version of ONNX's operators, ml: and of its
    classical ones.
    """
    if opset < 18:
        mean = helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2], keepdims=0)
    else:
        mean = helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0)
    nodes = [
        helper.make_node("Slice", ["pixels", "from", "to", "height"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["x"], to=TensorProto.FLOAT),
        mean,
        helper.make_node("Sub", ["mean", "middle"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["logits"]),
    ]
    top, bottom = (round(part * spec.height) for part in rows)
    constants = [
        numpy_helper.from_array(np.array([top], np.int64), "from"),
        numpy_helper.from_array(np.array([bottom], np.int64), "to"),
        numpy_helper.from_array(np.array([1], np.int64), "height"),
        numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
        numpy_helper.from_array(np.array(128, np.float32), "middle"),
        numpy_helper.from_array(np.array(scale, np.float32), "scale"),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["films", *spec.shape])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["films", 3])
    graph = helper.make_graph(nodes, "colours", [pixels], [logits], constants)
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid("ai.onnx.ml", ml)] if ml else []
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8 if opset < 18 else 10)
    content: bytes = model.SerializeToString()
    return content


def colours_run(
    path: Path,
    catalog: Catalog,
    spec: ImageSpec,
    scale: float,
    rows: tuple[float, float] = (0, 1),
    **facts: object,
) -> Path:
    """A finished run of such a model, calibrated and scored on a catalog of red, green and blue.

    facts: more facts for its bundle.
    """
    onnx = colours_onnx(spec, scale, rows=rows)
    films = catalog.rows("validation")
    pixels = pixel_store(catalog.path, catalog.fingerprint, spec, len(catalog), catalog.posters)
    logits = Network(onnx).logits_of_rows(pixels, films)
    decision = decide(logits, catalog.truth[films], catalog.groups[films], catalog.vocabulary)
    recipe = f"height = {spec.height}\nwidth = {spec.width}\n"
    Run(path).write_recipe(recipe)
    Run(path).write_origin(catalog)
    write_bundle(
        path / "bundle",
        Content(
            NetworkFiles(onnx, spec, save({"scale": torch.tensor([scale])})),
            catalog.vocabulary,
            decision.decisions,
            card=f"# {path.name}\n",
            provenance={"name": path.name, "recipe": recipe, **facts},
        ),
    )
    evaluate(path)
    return path
