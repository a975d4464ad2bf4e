"""Run: what a run folder holds, and how it is read and written. No other module knows its files.

    recipe.toml  history.csv  metrics.json  predictions-SPLIT.parquet  report.html
    checkpoints/  bundle/

The bundle is written last: a run that has one is finished.
"""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from keyart.bundle import Bundle, read_bundle
from keyart.catalog.catalog import Catalog
from keyart.copies import copied_tree
from keyart.errors import KeyartError, RunError, why
from keyart.files import no_folder, replacing, write_csv, write_json, write_text
from keyart.genres import Vocabulary
from keyart.metric_table import MetricTable
from keyart.reading import parse_toml, read_json, read_toml
from keyart.stores.paths import RemotePath, place

History = Mapping[str, npt.NDArray[np.float64]]
"""The columns of history.csv, one number for each epoch; NaN if a cell is empty."""

_LARGEST_JSON = 64 << 20  # bytes
_FACTS = ("film_id", "title", "group", "truth", "predicted")


@dataclass(frozen=True)
class Origin:
    """The catalog that a run was trained on: its folder, its fingerprint, and how it was split.

    split: "catalog" if the run uses the splits of the catalog.
    """

    path: Path
    fingerprint: str
    split: str


@dataclass(frozen=True, repr=False, eq=False)
class ScoredFilms:
    """The films of a split as a model scored them.

    film_ids, titles, groups: one for each film. truth, predicted, scores: (films, genres), in the
    order of the vocabulary. predicted: by the balanced thresholds, which the metrics are for.
    """

    vocabulary: Vocabulary
    film_ids: Sequence[str]
    titles: Sequence[str]
    groups: Sequence[str]
    truth: npt.NDArray[np.bool_]
    predicted: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.film_ids)

    def __repr__(self) -> str:
        return f"<ScoredFilms: {len(self):,} films, {len(self.vocabulary)} genres>"

    def take(self, rows: Sequence[int]) -> Self:
        """The films of these rows, in this order."""
        at = list(rows)
        ids, titles, groups = (
            [column[row] for row in at] for column in (self.film_ids, self.titles, self.groups)
        )
        flags = (self.truth[at], self.predicted[at])
        return type(self)(self.vocabulary, ids, titles, groups, *flags, self.scores[at])

    def to_table(self) -> pa.Table:
        """One row per film: film_id, title, group, truth, predicted, and a score for each genre."""
        truth, predicted = (
            pa.array([list(self.vocabulary.decode(row)) for row in flags], pa.list_(pa.string()))
            for flags in (self.truth, self.predicted)
        )
        texts = (pa.array(list(column), pa.string()) for column in
                 (self.film_ids, self.titles, self.groups))  # fmt: skip
        scores = [pa.array(column.astype(np.float32)) for column in self.scores.T]
        return pa.Table.from_arrays(
            [*texts, truth, predicted, *scores], [*_FACTS, *self.vocabulary.names]
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Read `to_table`. Raises KeyError, TypeError, ValueError or a KeyartError if it is not."""
        if tuple(table.column_names[: len(_FACTS)]) != _FACTS:
            raise ValueError(f"it does not start with the columns {', '.join(_FACTS)}")
        vocabulary = Vocabulary(tuple(table.column_names[len(_FACTS) :]))
        columns = table.columns
        scores = np.column_stack([column.to_numpy() for column in columns[len(_FACTS) :]])
        if not len(scores) or np.isnan(scores).any() or scores.min() < 0 or scores.max() > 1:
            raise ValueError("it holds no scores from 0 to 1")
        ids, titles, groups = ([str(text) for text in c.to_pylist()] for c in columns[:3])
        truth, predicted = (vocabulary.encode(c.to_pylist()) for c in columns[3:5])
        return cls(vocabulary, ids, titles, groups, truth, predicted, scores.astype(np.float64))


class Run:
    """A run folder. `Run.open` checks that there is one; `Run(path)` names one to be written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.place = place(path)
        """Where it is: a folder, or an address in an object store."""

    @cached_property
    def path(self) -> Path:
        """The folder, on this machine: a copy if the run is in an object store.

        Raises RunError if there is nothing in the store, and StoreError.
        """
        if not isinstance(self.place, RemotePath):
            return self.place
        folder = copied_tree(self.place)
        if folder is None:
            raise RunError(f"{self.place}: nothing there; give a run")
        return folder

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """The run in a folder. Raises RunError if the folder holds no file of a run."""
        run = cls(path)
        if problem := no_folder(run.path):
            raise RunError(f"{problem}; give a run")
        if not run.exists():
            raise RunError(f"{path}: not a run (no recipe.toml, history.csv or metrics.json in it)")
        return run

    def exists(self) -> bool:
        """Whether the folder holds any file of a run. A bundle by itself is no run."""
        files = (self.recipe_path, self.history_path, self.metrics_path, self.origin_path)
        return any(file.is_file() for file in files)

    def __fspath__(self) -> str:
        return str(self.path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.place == other.place

    def __hash__(self) -> int:
        return hash(self.place)

    def __repr__(self) -> str:
        """One line: the folder, and the mAP on the test split if it is known."""
        state = "finished" if self.is_finished else "not finished"
        try:
            found = self.metrics.split("test").model["mean_average_precision"]
        except (KeyartError, KeyError):
            found = None
        score = f", test mAP {found.value:.3f}" if found else ""
        return f"<Run {str(self.place)!r}: {state}{score}>"

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.place.resolve().name

    @property
    def recipe_path(self) -> Path:
        """recipe.toml."""
        return self.path / "recipe.toml"

    @property
    def history_path(self) -> Path:
        """history.csv: one row per epoch."""
        return self.path / "history.csv"

    @property
    def progress_path(self) -> Path:
        """progress.json: the last step of a training that runs, every two seconds."""
        return self.path / "progress.json"

    @property
    def metrics_path(self) -> Path:
        """metrics.json."""
        return self.path / "metrics.json"

    def predictions_path(self, split: str) -> Path:
        """predictions-SPLIT.parquet."""
        return self.path / f"predictions-{split}.parquet"

    @property
    def report_path(self) -> Path:
        """report.html."""
        return self.path / "report.html"

    @property
    def bundle_path(self) -> Path:
        """The folder of the saved model."""
        return self.path / "bundle"

    @property
    def checkpoints(self) -> Path:
        """The folder that training resumes from."""
        return self.path / "checkpoints"

    @property
    def head(self) -> "Run":
        """The training of the head alone, before the whole network is fine-tuned."""
        return Run(self.checkpoints / "head")

    @property
    def last_checkpoint(self) -> Path:
        """Everything that training needs to resume."""
        return self.checkpoints / "last.safetensors"

    @property
    def best_checkpoint(self) -> Path:
        """The weights that the bundle is made from."""
        return self.checkpoints / "best.safetensors"

    @property
    def origin_path(self) -> Path:
        """checkpoints/catalog.json: which catalog, so that evaluate and resume find it."""
        return self.checkpoints / "catalog.json"

    @property
    def is_finished(self) -> bool:
        """Whether the run has its bundle, which is written last."""
        return self.bundle_path.is_dir()

    @property
    def bundle(self) -> Bundle:
        """The saved model. Raises BundleError if there is none yet, or it is damaged."""
        return read_bundle(self.bundle_path)

    @property
    def recipe_text(self) -> str:
        """recipe.toml, checked to be TOML. Raises RunError if it is missing or is not."""
        try:
            text, _ = read_toml(self.recipe_path)
        except FileNotFoundError as error:
            raise RunError(f"{self.path}: has no recipe.toml") from error
        except OSError as error:
            raise RunError(f"{self.recipe_path}: cannot be read ({why(error)})") from error
        except ValueError as error:
            raise RunError(f"{self.recipe_path}: {error}; fix or delete it") from error
        return text.strip()

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings in recipe.toml, as they are written there. Raises RunError."""
        return parse_toml(self.recipe_text)

    def write_recipe(self, text: str) -> None:
        """Write recipe.toml."""
        write_text(self.recipe_path, text)

    @property
    def history(self) -> History | None:
        """The columns of history.csv; None if no epoch has ended. Raises RunError for damage."""
        file = self.history_path
        if not file.is_file():
            return None
        try:
            with file.open(newline="", encoding="utf-8") as text:
                rows = list(csv.DictReader(text))
            columns = {
                name: np.array([float(row[name] or math.nan) for row in rows])
                for name in (rows[0] if rows else {})
            }
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise RunError(
                f"{file}: damaged ({why(error)}); delete it to report without it"
            ) from error
        if "epoch" not in columns:
            return None
        if not np.isfinite(columns["epoch"]).all():
            raise RunError(
                f"{file}: damaged (an epoch without a number); delete it to report without it"
            )
        return columns

    def write_history(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Write history.csv: one row per epoch, all with the same columns."""
        write_csv(self.history_path, list(rows[0]), [list(row.values()) for row in rows])

    @property
    def metrics(self) -> MetricTable:
        """The metrics of the run. Raises RunError if they are missing, damaged or too old."""
        file = self.metrics_path
        try:
            plain = read_json(file, _LARGEST_JSON, links=True)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.path}: no metrics.json that can be read; make it with keyart evaluate "
                f"{self.path}"
            ) from error
        try:
            return MetricTable.from_json(plain)
        except ValueError as error:
            raise RunError(
                f"{file}: {error}; make it again with keyart evaluate {self.path}"
            ) from error

    def write_metrics(self, metrics: MetricTable) -> None:
        """Write metrics.json."""
        write_json(self.metrics_path, metrics.to_json())

    def predictions(self, split: str = "test") -> ScoredFilms:
        """The films of a split as the run scored them. Raises RunError if missing or damaged."""
        file = self.predictions_path(split)
        remedy = f"make it with keyart evaluate {self.path} --split {split}"
        if not file.is_file():
            raise RunError(f"{self.path}: has no {file.name}; {remedy}")
        try:
            # Not read_table, which cannot read a genre that has the name of another column.
            with pq.ParquetFile(file) as parquet:
                return ScoredFilms.from_table(parquet.read())
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, KeyartError) as error:
            raise RunError(f"{file}: damaged ({error}); {remedy}") from error

    def write_predictions(self, split: str, films: ScoredFilms) -> None:
        """Write predictions-SPLIT.parquet."""
        with replacing(self.predictions_path(split)) as partial:
            pq.write_table(films.to_table(), partial)

    def write_evaluation(self, metrics: MetricTable, films: Mapping[str, ScoredFilms]) -> None:
        """Write predictions-SPLIT.parquet for each split, then metrics.json."""
        for split, scored in films.items():
            self.write_predictions(split, scored)
        self.write_metrics(metrics)

    @property
    def has_origin(self) -> bool:
        """Whether the run knows its catalog."""
        return self.origin_path.is_file()

    @property
    def origin(self) -> Origin:
        """The catalog that the run was trained on. Raises RunError if it does not know."""
        try:
            origin: dict[str, str] = read_json(self.origin_path, _LARGEST_JSON, links=True)
            return Origin(place(origin["path"]), origin["fingerprint"], origin["split"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self.path}: not a run (checkpoints/catalog.json is missing or damaged)"
            ) from error

    def write_origin(self, catalog: Catalog, split: str = "catalog") -> None:
        """Have the run remember its catalog. split: see Origin."""
        path = str(catalog.path.resolve())
        facts = {"path": path, "fingerprint": catalog.fingerprint, "split": split}
        write_json(self.origin_path, facts)

    def catalog_path(self) -> Path:
        """The folder of the run's catalog. Raises RunError if it is no longer there."""
        path = self.origin.path
        if not path.is_dir():
            raise RunError(f"{self.path}: its catalog {path} is gone; give one with --catalog")
        return path

    @property
    def catalog(self) -> Catalog:
        """The run's catalog, opened. Raises RunError if it is gone, CatalogError if damaged."""
        return Catalog.open(self.catalog_path())
