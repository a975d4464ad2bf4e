"""The page of the comparison: every row next to the study, the leak, and the pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.files import write_text
from keyart.milestone.metrics import STUDY_METRICS, TABLE, describe
from keyart.milestone.pictures import RunPictures, run_pictures
from keyart.milestone.published import SOURCE
from keyart.milestone.results import Result, leak_sentences
from keyart.milestone.rows import HONEST, LEAKY
from keyart.report.templates import template
from keyart.run import Run

# The rows with thresholds and filters on the page; `keyart pictures` draws those of the others.
_THRESHOLDS = (LEAKY, HONEST, "vgg16")
_FILTERS = (HONEST, "vgg16", "mobilenetv2", "posternet")


@dataclass(frozen=True)
class LeakRow:
    """A metric with the leak and without it, here and in the study."""

    label: str
    lower_is_better: bool
    leaky: float
    honest: float
    leaky_published: float | None = None
    honest_published: float | None = None


@dataclass(frozen=True)
class Page:
    """All that the template shows. drawn: pictures by row. first: for the ROC curve."""

    catalog: Catalog
    films: Mapping[str, int]
    leak: Sequence[str]
    leak_rows: Sequence[LeakRow]
    results: Sequence[Result]
    drawn: Mapping[str, RunPictures]
    first: RunPictures | None
    thresholds: Sequence[RunPictures]
    filters: Sequence[RunPictures]


def write_page(
    out: Path, results: Sequence[Result], catalog: Catalog, runs: Mapping[str, Run]
) -> None:
    """Write the page to the file `out`. runs: by row."""
    # The feature maps are of the first poster of the test split.
    poster = catalog.poster(int(catalog.rows("test")[0]))
    drawn = {
        name: run_pictures(runs[name], result.finished, poster=poster if name in _FILTERS else None)
        for result in results
        if result.finished is not None and (name := result.row.name) in runs
    }
    first = next((drawn[name] for name in (HONEST, "vgg16", *drawn) if name in drawn), None)
    shown = [one for name, one in drawn.items() if name in _THRESHOLDS or one is first]
    page = Page(
        catalog=catalog,
        films={name: len(catalog.rows(name)) for name in SPLITS},
        leak=leak_sentences(results),
        leak_rows=_leak_rows(results),
        results=results,
        drawn=drawn,
        first=first,
        thresholds=shown,
        filters=[drawn[name] for name in _FILTERS if name in drawn],
    )
    text = template("milestone.html.j2", room="milestone").render(
        page=page, columns={name: describe(name) for name in TABLE}, source=SOURCE
    )
    write_text(out, text)


def _leak_rows(results: Sequence[Result]) -> list[LeakRow]:
    """The metrics of the two from-scratch rows; none unless both were run."""
    by_name = {result.row.name: result for result in results}
    leaky, honest = by_name[LEAKY], by_name[HONEST]
    if leaky.finished is None or honest.finished is None:
        return []
    rows = []
    for name, metric in STUDY_METRICS.items():
        published = [
            next((text.metrics[name] for text in result.published if name in text.metrics), None)
            for result in (leaky, honest)
        ]
        found = leaky.finished.study[name], honest.finished.study[name]
        rows.append(LeakRow(metric.label, metric.lower_is_better, *found, *published))
        if name == "top_class":
            guesses = leaky.finished.most_frequent, honest.finished.most_frequent
            rows.append(LeakRow("Top class of the most frequent genre", False, *guesses))
    return rows
