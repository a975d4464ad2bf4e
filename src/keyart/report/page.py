"""The report: one page that opens offline and shows how good runs are, and where they fail.

It is made from runs, and a catalog for the posters. Two reports of the same runs are equal byte for
byte.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from markupsafe import Markup

from keyart.bundle import Bundle
from keyart.catalog.catalog import Catalog
from keyart.errors import BundleError, RunError
from keyart.files import StrPath, known_suffix, write_text
from keyart.metric_table import MetricTable, Row, SplitMetrics
from keyart.model_metrics import BASELINES, HEADLINE, METRICS, GenreMetrics, Interval
from keyart.report import charts
from keyart.report.charts import Chart, GenreCurves
from keyart.report.contents import Contents
from keyart.report.gallery import Gallery
from keyart.report.numbers import value_text
from keyart.report.side_by_side import SideBySide
from keyart.report.svg import interval_bar
from keyart.report.templates import template
from keyart.run import Run, ScoredFilms
from keyart.stores.paths import place

AnyRun = Run | StrPath

_log = logging.getLogger(__name__)


def write_report(
    runs: AnyRun | Sequence[AnyRun],
    out: StrPath,
    *,
    catalog: Catalog | StrPath | None = None,
    bundle: Bundle | None = None,
) -> None:
    """Write the report of one run, or of several compared with each other, to the file `out`.

    The first run is shown in full. catalog: for the posters of the gallery, found by film_id; by
    default, the catalog of the first run if it is still there. bundle: the model of the first run,
    for what titles say in the gallery; by default, the one that it has. If a run lacks something, a
    sentence says so in its place. Raises RunError for a folder that is not a run or is damaged, and
    CatalogError for a catalog that cannot be opened, OutputError if `out` does not end in .html
    or .htm.
    """
    known_suffix(Path(out), (".html", ".htm"))
    paths = [runs] if isinstance(runs, Run | str | os.PathLike) else list(runs)
    if not paths:
        raise RunError("no run to report on; name at least one run folder")
    read = [Contents.read(path) for path in paths]
    run = read[0].run
    page = Page.of(read, _open(catalog, run), bundle or _bundle(run))
    text = template("report.html.j2").render(page=page, baselines=BASELINES, glossary=METRICS)
    write_text(place(out), text)


def _open(catalog: Catalog | StrPath | None, run: Run) -> Catalog | None:
    if isinstance(catalog, Catalog):
        return catalog
    if catalog is not None:
        return Catalog.open(catalog)
    return run.catalog if run.has_origin and run.origin.path.is_dir() else None


def _bundle(run: Run) -> Bundle | None:
    """The model of a run, if it has one that can be read; only the gallery would be richer."""
    try:
        return run.bundle if run.is_finished else None
    except BundleError as error:
        _log.warning("%s; the report leaves out what titles say", error)
        return None


@dataclass(frozen=True)
class MetricCard:
    """A headline metric, and its bar with the best constant guess."""

    row: Row
    bar: Markup | None


@dataclass(frozen=True)
class GenreRow:
    """The metrics of a genre. times: its average precision over the base rate."""

    name: str
    metrics: GenreMetrics
    base_rate: Interval | None
    bar: Markup | None
    times: float | None


@dataclass(frozen=True)
class MetricSection:
    """What the metrics of a split show. evidence: the test split, see MetricTable.by_evidence."""

    cards: Sequence[MetricCard]
    rows: Sequence[Row]
    genres: Sequence[GenreRow]
    counts: Chart
    evidence: Sequence[tuple[str, str, SplitMetrics]]
    shown: Sequence[str] = ("mean_average_precision", "top_class", "top_three")

    @classmethod
    def of(cls, split: SplitMetrics, table: MetricTable) -> Self:
        """Draw the metrics of a split of the table."""
        genres = split.model.genres
        counts = charts.counts_chart(
            list(genres),
            [genre.predicted for genre in genres.values()],
            [genre.true for genre in genres.values()],
        )
        cards = [MetricCard(row, _card_bar(row)) for row in split.rows(HEADLINE)]
        evidence = table.by_evidence() if split is table.splits.get("test") else []
        return cls(cards, split.rows(), _genre_rows(split), counts, evidence)


@dataclass(frozen=True)
class CurveSection:
    """What the scores of single films show. pairs: the mistakes that stand out, as sentences."""

    genres: Sequence[GenreCurves]
    sweep: Sequence[Chart]
    calibration: Sequence[Chart]
    mistakes: Chart
    pairs: Sequence[str]
    coverage: Chart

    @classmethod
    def of(cls, films: ScoredFilms, split: SplitMetrics) -> Self:
        """Draw the curves of films with their metrics."""
        mistakes, pairs = charts.mistakes_chart(films)
        return cls(
            charts.genre_curves(films, split.model.genres),
            charts.sweep_charts(films, _nothing(split)),
            charts.calibration_charts(films, split.model["expected_calibration_error"]),
            mistakes,
            pairs,
            charts.coverage_chart(films),
        )


@dataclass(frozen=True)
class Page:
    """All that the template shows. A section is None if the run has nothing for it."""

    run: Contents
    learning: Sequence[Chart]
    metrics: MetricSection | None
    curves: CurveSection | None
    gallery: Gallery | None
    several: SideBySide | None

    @classmethod
    def of(cls, runs: Sequence[Contents], catalog: Catalog | None, bundle: Bundle | None) -> Self:
        """The page of the first run, next to the others."""
        run = runs[0]
        split, films = run.split, run.films
        return cls(
            run=run,
            learning=_learning(run),
            metrics=MetricSection.of(split, run.metrics) if split and run.metrics else None,
            curves=CurveSection.of(films, split) if split and films else None,
            gallery=Gallery.of(films, catalog, bundle) if films else None,
            several=SideBySide.of(runs) if len(runs) > 1 else None,
        )


def _learning(run: Contents) -> list[Chart]:
    if run.history is None or run.is_one_step:
        return []
    test = run.metrics.splits.get("test") if run.metrics else None
    found = test.model.metrics if test else {}
    known = {name: interval.value for name, interval in found.items() if interval is not None}
    return charts.learning_charts(run.history, known, _nothing(run.split))


def _nothing(split: SplitMetrics | None) -> float | None:
    """The label accuracy of predicting nothing."""
    found = split.baselines["nothing"]["label_accuracy"] if split else None
    return found.value if found else None


def _card_bar(row: Row) -> Markup | None:
    found, guess = row.found, row.best_guess
    if found is None:
        return None
    # Rates end at 1. An error has no such end, so its bar ends a little after what it shows.
    shown = [found.high, *([guess.value] if guess else []), 1e-9]
    most = 1.25 * max(shown) if row.metric.lower_is_better else 1.0
    alt = f"{row.metric.label} {value_text(found)}, best constant guess {value_text(guess)}"
    return _bar(found, guess, most, alt)


def _genre_rows(split: SplitMetrics) -> list[GenreRow]:
    """A row for each genre, the best average precision first, undefined ones last."""
    guesses = split.baselines["genre_rates"].genres
    rows = []
    for name, metrics in split.model.genres.items():
        found, guess = metrics.average_precision, guesses[name].average_precision
        alt = f"average precision {value_text(found)}, base rate {value_text(guess)}"
        bar = _bar(found, guess, 1.0, alt) if found else None
        times = found.value / guess.value if found and guess and guess.value else None
        rows.append(GenreRow(name, metrics, guess, bar, times))
    return sorted(rows, key=_rank)


def _rank(row: GenreRow) -> float:
    found = row.metrics.average_precision
    return -found.value if found else 1.0


def _bar(found: Interval, guess: Interval | None, most: float, alt: str) -> Markup:
    mark = guess.value if guess else None
    return interval_bar(found.value, found.low, found.high, mark, most, alt)
