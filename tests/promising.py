"""The tiny model, with precisions that it promises."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from keyart.bundle import content_of, write_bundle
from keyart.predictor import Predictor, load
from tests.tiny import tiny_bundle


def promising_model(folder: Path) -> Predictor:
    """It knows a red, green or blue poster; at a precision of 0.95 it never says blue."""
    plain = content_of(tiny_bundle(folder / "plain"))
    cuts = {0.6: np.full(3, 0.6), 0.8: np.full(3, 0.8), 0.95: np.array([0.8, 0.8, 1.0])}
    decisions = replace(plain.decisions, precision_thresholds=cuts, precision=0.6)
    write_bundle(folder / "bundle", replace(plain, decisions=decisions))
    return load(folder / "bundle", precision=0.8)
