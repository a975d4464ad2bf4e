"""A title model of three genres, small enough to check by hand, and a bundle that has it."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from keyart.bundle import Bundle, content_of, write_bundle
from keyart.calibration import Calibration
from keyart.decisions import Decisions, Films
from keyart.evidence import Evidence, Fusion
from keyart.series import stem_hashes
from keyart.title_model import DECADES, TitleModel
from keyart.titles import hash_of
from tests.tiny import tiny_bundle

WORDS = {"=saw": (90, 0, 0), "=love": (0, 60, -20), "=saw love": (30, 0, 0), "=moon": (0, 0, 127)}
EVIDENCE: tuple[Evidence, ...] = (
    ("poster", "title", "year"),
    ("poster", "title"),
    ("title", "year"),
    ("title",),
)


def tiny_titles() -> TitleModel:
    """Red is "saw", Green "love", Blue "moon"; each decade makes Blue likelier by 0.1."""
    hashed = sorted((hash_of(ngram), row) for ngram, row in WORDS.items())
    years = np.zeros((DECADES, 3))
    years[:, 2] = 0.1 * np.arange(DECADES)
    return TitleModel(
        np.array([hashed for hashed, _ in hashed], np.uint32),
        np.full(len(hashed), 16, np.uint8),
        np.array([row for _, row in hashed], np.int8),
        np.array([0.1, 0.1, 0.1]),
        years,
        stem_hashes(["Saw", "Love"]),
    )


def tiny_films() -> Films:
    """Weights 1 and 0.5; thresholds that differ by evidence."""
    fusions, decisions = {}, {}
    for place, evidence in enumerate(EVIDENCE):
        weights = {kind: 0.5 if kind == "title" else 1.0 for kind in evidence}
        fusions[evidence] = Fusion(weights, np.array([0.0, 0.25, -0.25]))
        decisions[evidence] = Decisions(
            Calibration.identity(3), np.full(3, 0.6 + 0.05 * place), {0.8: np.full(3, 0.8)}
        )
    return Films(tiny_titles(), fusions, decisions)


def titled_bundle(folder: Path) -> Bundle:
    """The tiny bundle, which also looks at titles."""
    plain = content_of(tiny_bundle(folder.with_name(folder.name + "-without")))
    decisions = replace(plain.decisions, precision_thresholds={0.8: np.full(3, 0.8)})
    return write_bundle(folder, replace(plain, decisions=decisions, films=tiny_films()))
