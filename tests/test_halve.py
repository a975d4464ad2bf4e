"""training/halve.py: half the bytes, nearly the same scores."""

from pathlib import Path

import numpy as np
import pytest
import torch

from keyart.bundle import read_bundle
from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_films
from keyart.images.spec import ImageSpec
from keyart.models.classifier import build_classifier
from keyart.network import Network
from keyart.prediction import Prediction
from keyart.predictor import Predictor
from keyart.training.callbacks import Callbacks
from keyart.training.export import export
from keyart.training.halve import halved
from keyart.training.onnx_export import export_onnx
from keyart.training.recipe import Recipe
from keyart.training.train import train

SPEC = ImageSpec(height=32, width=24)
SILENT = Callbacks(lambda done, total: None, lambda step: None, lambda line: None)


PIXELS = np.random.default_rng(0).integers(0, 256, (8, 32, 24, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A network as ONNX."""
    torch.manual_seed(0)
    model = build_classifier("posternet-small", SPEC, 3, 0.0).eval()
    with torch.no_grad():
        model.head.linear.weight.mul_(4)  # type: ignore[union-attr, operator]
    return export_onnx(model, PIXELS)


def test_a_halved_network_scores_nearly_as_before_in_nearly_half_the_bytes(whole: bytes) -> None:
    half = halved(whole)
    assert len(half) < 0.55 * len(whole)
    before, after = Network(whole).logits(PIXELS), Network(half).logits(PIXELS)
    assert before.std() > 0.01
    assert 0 < np.abs(after - before).max() < 0.02


def test_halving_twice_changes_nothing_more(whole: bytes) -> None:
    half = halved(whole)
    again = halved(half)
    assert np.array_equal(Network(half).logits(PIXELS), Network(again).logits(PIXELS))


def test_a_small_export_predicts_and_has_no_weights_to_train_on(tmp_path: Path) -> None:
    films = paint_films(60, tmp_path)
    catalog = Catalog.build(films, tmp_path / "posters", tmp_path / "catalog")
    recipe = Recipe().with_settings(
        backbone="posternet-small", height=32, width=24, epochs=1, batch_size=16, compile="off"
    )
    train(catalog, recipe, out=tmp_path / "run", callbacks=SILENT, resume=False)
    small = export(tmp_path / "run", tmp_path / "small", small=True)
    whole = read_bundle(tmp_path / "run" / "bundle")
    assert not small.weights.exists()
    assert small.onnx.stat().st_size < 0.6 * whole.onnx.stat().st_size
    posters = sorted((tmp_path / "posters").iterdir())[:5]
    answers = zip(
        Predictor(small).predict_many(posters), Predictor(whole).predict_many(posters), strict=True
    )
    for ours, theirs in answers:
        assert isinstance(ours, Prediction)
        assert isinstance(theirs, Prediction)
        assert list(ours.scores.values()) == pytest.approx(list(theirs.scores.values()), abs=2e-3)
