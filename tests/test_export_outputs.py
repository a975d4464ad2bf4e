"""training/export.py: an exported network has its features and genre maps as outputs."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import keyart
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec
from keyart.models.classifier import GenreClassifier, build_classifier
from keyart.models.heads import GenreHead
from keyart.training.halve import halved
from keyart.training.onnx_export import export_onnx
from keyart.training.saved_weights import network_weights

SPEC = ImageSpec(height=64, width=48)


@pytest.fixture(scope="module")
def model() -> GenreClassifier:
    torch.manual_seed(0)
    return build_classifier("posternet-small", SPEC, 3, 0.1).eval()


@pytest.fixture(scope="module")
def exported(model: GenreClassifier) -> bytes:
    """The model as ONNX, exported with one poster."""
    return export_onnx(model, posters(1))


def posters(films: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (films, 64, 48, 3), dtype=np.uint8)


def test_an_exported_network_reveals_nothing_of_the_machine_that_made_it(exported: bytes) -> None:
    content = onnx.load_from_string(exported)
    for weights in content.graph.initializer:
        weights.ClearField("raw_data")  # random bytes may spell anything
    named = content.SerializeToString()
    for trace in (str(Path(keyart.__file__).parent).encode(), b"site-packages", b".py"):
        assert trace not in named


def test_one_poster_is_enough_to_export_and_check_a_network_for_any_number(
    model: GenreClassifier, exported: bytes
) -> None:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"pixels": posters(5)})
    with torch.no_grad():
        assert np.abs(logits - model(torch.from_numpy(posters(5))).numpy()).max() < 1e-4


def test_features_and_maps_are_pytorchs_and_the_maps_sum_to_the_logits(
    model: GenreClassifier, exported: bytes
) -> None:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    logits, features, maps = session.run(["logits", "features", "maps"], {"pixels": posters(3)})
    assert isinstance(model.head, GenreHead)
    with torch.no_grad():
        expected = model.features(torch.from_numpy(posters(3)))
        expected_maps = model.head.maps(expected)
        bias = model.head.linear.bias.numpy()
    assert np.abs(features - expected.numpy()).max() < 1e-4
    assert np.abs(maps - expected_maps.numpy()).max() < 1e-4
    assert np.abs(maps.mean((2, 3)) + bias - logits).max() < 1e-4


@pytest.mark.parametrize("small", [False, True])
def test_all_weights_and_batch_statistics_can_be_read_back(
    model: GenreClassifier, exported: bytes, tmp_path: Path, small: bool
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(halved(exported) if small else exported)
    found = network_weights(file)
    for name, value in model.state_dict().items():
        if not name.endswith("batches_tracked"):
            torch.testing.assert_close(found[name], value, rtol=1e-3 if small else 0, atol=1e-6)
