"""training/export.py: an exported network has its features and genre maps as outputs."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

import keyart
from keyart.images.spec import ImageSpec
from keyart.models.classifier import build_classifier
from keyart.models.heads import GenreHead
from keyart.training.onnx_export import export_onnx

SPEC = ImageSpec(height=64, width=48)


def test_an_exported_network_reveals_nothing_of_the_machine_that_made_it() -> None:
    model = build_classifier("posternet-small", SPEC, 3, 0.1).eval()
    samples = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 3), dtype=np.uint8)
    exported = onnx.load_from_string(export_onnx(model, samples))
    for weights in exported.graph.initializer:
        weights.ClearField("raw_data")  # random bytes may spell anything
    content = exported.SerializeToString()
    for trace in (str(Path(keyart.__file__).parent).encode(), b"site-packages", b".py"):
        assert trace not in content


def test_one_poster_is_enough_to_export_and_check_a_network_for_any_number() -> None:
    model = build_classifier("posternet-small", SPEC, 3, 0.1).eval()
    samples = np.random.default_rng(0).integers(0, 256, (5, 64, 48, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(
        export_onnx(model, samples[:1]), providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], {"pixels": samples})
    with torch.no_grad():
        assert np.abs(logits - model(torch.from_numpy(samples)).numpy()).max() < 1e-4


def test_features_and_maps_are_pytorchs_and_the_maps_sum_to_the_logits() -> None:
    torch.manual_seed(0)
    model = build_classifier("posternet-small", SPEC, 3, 0.1).eval()
    samples = np.random.default_rng(0).integers(0, 256, (3, 64, 48, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(
        export_onnx(model, samples), providers=["CPUExecutionProvider"]
    )
    logits, features, maps = session.run(["logits", "features", "maps"], {"pixels": samples})
    assert isinstance(model.head, GenreHead)
    with torch.no_grad():
        expected = model.features(torch.from_numpy(samples))
        expected_maps = model.head.maps(expected)
        bias = model.head.linear.bias.numpy()
    assert np.abs(features - expected.numpy()).max() < 1e-4
    assert np.abs(maps - expected_maps.numpy()).max() < 1e-4
    assert np.abs(maps.mean((2, 3)) + bias - logits).max() < 1e-4
