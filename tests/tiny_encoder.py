"""A sentence encoder of a few words: a table of vectors as ONNX, and its tokenizer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers


def write_encoder(folder: Path, words: Mapping[str, Sequence[float]], output: str = "") -> Path:
    """Write model.onnx and tokenizer.json. Each token has its word's vector, unknown ones 0.

    output: the name of its output, which gives a vector for each token; "sentence_embedding" gives
    the sum for each title.
    """
    folder.mkdir(parents=True, exist_ok=True)
    width = len(next(iter(words.values())))
    table = np.array([np.zeros(width), *words.values()], np.float32)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["states"])]
    name = output or "last_hidden_state"
    shape: list[str | int] = ["titles", "tokens", width]
    if name == "sentence_embedding":
        nodes.append(helper.make_node("ReduceSum", ["states", "one"], [name], keepdims=0))
        shape = ["titles", width]
    else:
        nodes.append(helper.make_node("Identity", ["states"], [name]))
    graph = helper.make_graph(
        nodes,
        "encoder",
        [
            helper.make_tensor_value_info(each, TensorProto.INT64, ["titles", "tokens"])
            for each in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    known = {word: place for place, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(known, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
