"""The comparison's page: every row beside the study's figures, the leak, and the pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keyart
from keyart.catalog.catalog import Catalog
from keyart.files import write_text
from keyart.milestone.pictures import RunPictures, environment, run_pictures
from keyart.milestone.published import BESIDE, FIGURES, SOURCE
from keyart.milestone.results import Result, leak_sentences
from keyart.milestone.rows import HONEST, LEAKY
from keyart.report.glossary import Found

# Figures of the large table, as `Result.figure` knows them.
_TABLE = (
    "top_class", "label_accuracy", "null", "best_label_accuracy", "hamming_loss_low", "precision",
    "recall", "loss", "mean_average_precision",
)  # fmt: skip
_PAIR = (
    "top_class", "label_accuracy", "null", "hamming_loss", "hamming_loss_low", "precision",
    "recall", "loss",
)  # fmt: skip
_LABELS = {name: label for name, (label, _) in FIGURES.items()} | {"mean_average_precision": "mAP"}
# Rows whose filters are shown; those of the others are had with keyart pictures.
_SHOWN = (HONEST, "vgg16", "mobilenetv2", "posternet")


@dataclass(frozen=True)
class Cell:
    """A figure with its interval, where it has one, and the study's own."""

    value: float | None
    interval: Found
    published: Sequence[float]


def write_page(out: Path, results: Sequence[Result], catalog: Catalog, runs: Path) -> None:
    """Write the page to the file `out`. runs: the folder in which each row's run lies."""
    poster = _a_poster(catalog)
    drawn = {
        result.row.name: _drawn(result, runs / result.row.name, poster)
        for result in results
        if result.finished is not None and result.row.kind != "guess"
    }
    by_name = {result.row.name: result for result in results}
    page = environment().get_template("milestone.html.j2")
    text = page.render(
        version=keyart.__version__,
        catalog=catalog,
        parts={part: len(catalog.rows(part)) for part in ("train", "validation", "test")},
        leak=leak_sentences(results),
        names=_TABLE,
        labels=_LABELS,
        rows=[(result, _cells(result)) for result in results],
        beside=BESIDE,
        source=SOURCE,
        pair=[by_name[name] for name in (LEAKY, HONEST)],
        pair_names=(
            "top_class",
            "label_accuracy",
            "null",
            "hamming_loss",
            "precision",
            "recall",
            "loss",
        ),
        figures=FIGURES,
        drawn=drawn,
        shown=[name for name in _SHOWN if name in drawn],
        first=next((name for name in (HONEST, "vgg16", *drawn) if name in drawn), None),
    )
    write_text(out, text)


def _cells(result: Result) -> list[Cell]:
    return [
        Cell(result.figure(name), result.interval(name), result.published(name)) for name in _TABLE
    ]


def _drawn(result: Result, run: Path, poster: bytes) -> RunPictures:
    assert result.finished is not None
    return run_pictures(run, result.finished, poster=poster if result.row.name in _SHOWN else None)


def _a_poster(catalog: Catalog) -> bytes:
    """The first poster of the test part, whose feature maps are shown."""
    return catalog.poster(int(catalog.rows("test")[0]))
