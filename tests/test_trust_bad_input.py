"""From logits to the report on catalogs that hardly let one learn: no crash, no warning, no NaN.

Every case goes the whole way: calibration and thresholds, metrics with intervals, predictions,
report and model card.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.decide import decide
from keyart.evaluation.scoring import score_split
from keyart.evaluation.thresholds import Criterion
from keyart.genres import Vocabulary
from keyart.metric_table import MetricTable
from keyart.report.card import model_card
from keyart.report.page import write_report
from keyart.run import Run, ScoredFilms

NAMES = ("Action", "Drama", "Western")
Flags = npt.NDArray[np.bool_]


def some(films: int, genres: int = 3) -> tuple[npt.NDArray[np.float32], Flags]:
    """Logits that know something, and the truth."""
    random = np.random.default_rng(films)
    logits = random.normal(-0.5, 2, (films, genres)).astype(np.float32)
    return logits, random.random(logits.shape) < 1 / (1 + np.exp(-logits))


def whole_way(
    folder: Path,
    logits: npt.NDArray[np.float32],
    truth: Flags,
    criterion: Criterion | float = "f1",
    *,
    test: tuple[npt.NDArray[np.float32], Flags] | None = None,
) -> tuple[MetricTable, str, str]:
    """The metrics, the report and the card of a model that was decided on these films."""
    vocabulary = Vocabulary(NAMES[: truth.shape[1]])
    groups = np.array([f"g{film}" for film in range(len(truth))], dtype=object)
    decision = decide(logits, truth, groups, vocabulary, criterion)
    splits, films = {}, {}
    for split, (values, true) in (
        ("validation", (logits, truth)),
        ("test", test or (logits, truth)),
    ):
        scores = decision.calibration.apply(values)
        names = [f"{split}-{film}" for film in range(len(true))]
        splits[split] = score_split(
            scores,
            true,
            decision.thresholds,
            names,
            vocabulary,
            fit_baselines(true),
            predicted=decision.decisions.predicted(scores),
            resamples=20,
        )
        films[split] = ScoredFilms(
            vocabulary, names, names, names, true, scores >= decision.thresholds, scores
        )
    table = MetricTable(
        "hard",
        "c0ffee",
        vocabulary.names,
        dict.fromkeys(("train", "validation", "test"), len(truth)),
        decision.criterion,
        decision.notes,
        splits,
        precision=decision.precision,
    )
    folder.mkdir()
    run = Run(folder)
    run.write_evaluation(table, films)
    assert run.metrics == table
    write_report([folder], run.report_path)
    page = run.report_path.read_text(encoding="utf-8")
    for cut in (decision.thresholds, *decision.precision_thresholds.values()):
        assert ((cut > 0) & (cut <= 1)).all()
    return table, page, model_card(table, "epochs = 1\n")


CASES: dict[str, Callable[[], tuple[npt.NDArray[np.float32], Flags]]] = {
    "one film": lambda: some(1),
    "two films": lambda: some(2),
    "one genre": lambda: some(80, 1),
    "one film and one genre": lambda: (np.zeros((1, 1), np.float32), np.ones((1, 1), bool)),
    "all genres on every film": lambda: (some(80)[0], np.ones((80, 3), bool)),
    "no genre on any film": lambda: (some(80)[0], np.zeros((80, 3), bool)),
    "logits all equal": lambda: (np.full((80, 3), 0.25, np.float32), some(80)[1]),
    "logits that are huge": lambda: (some(80)[0] * np.float32(1e30), some(80)[1]),
}


@pytest.mark.parametrize("criterion", ["f1", "micro_f1", "hamming", 0.8])
@pytest.mark.parametrize("case", CASES)
def test_a_run_with_hardly_any_films_or_genres_finishes(
    tmp_path: Path, case: str, criterion: Criterion | float
) -> None:
    metrics, page, card = whole_way(tmp_path / "run", *CASES[case](), criterion)
    for text in (json.dumps(metrics.to_json()), page, card):
        assert "NaN" not in text
        assert " nan" not in text


@pytest.mark.parametrize("criterion", ["f1", "micro_f1", "hamming", 0.8])
def test_a_genre_without_a_positive_in_validation_falls_back_and_says_so_everywhere(
    tmp_path: Path, criterion: Criterion | float
) -> None:
    logits, truth = some(400)
    truth[:, 2] = False
    test = some(300)
    metrics, page, card = whole_way(tmp_path / "run", logits, truth, criterion, test=test)
    expected = [
        "Western: calibration: 0 of 400 films have it; calibrated on all genres together",
        "Western: threshold: none of 400 films has it; takes the threshold of all genres",
        "posters alone: threshold: a precision of 0.8 is kept by no genre"
        if criterion == 0.8
        else "posters alone: threshold: a precision of 0.6 is kept by all but Western",
    ]
    assert metrics.notes == tuple(expected)
    for note in expected:
        assert note in page
        assert f"- {note}" in card


def test_a_precision_that_no_threshold_keeps_is_in_the_notes(tmp_path: Path) -> None:
    metrics, page, card = whole_way(tmp_path / "run", *some(400), 0.9)
    note = "posters alone: threshold: a precision of 0.9 is kept by no genre"
    assert metrics.notes == (note,)
    assert note in page
    assert note in card
    assert "At least 90% of the predicted genres should be right" in page
