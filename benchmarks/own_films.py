"""How a person's own films do: the box as it is, a model that starts from it, and from scratch.

python -m benchmarks.own_films APART --out DIR [--draws 5] [--films 100 300 1000 3000] [--labels T]

APART is a catalog of films that the box was never trained on; its own splits do not matter. Each
draw takes some films as the person's own (three quarters to train on, one for validation) and
others as their test films, at most 1,500, groups apart. Kinds of draws: `decade` has films from
before 1990 eight times as often as others, `balance` films of six genres that are rare in the box's
training films; `labels` has the genres that another database gives the films, from the table T. A
draw that is there already is read, not made again.

--scratch N: how many draws of each size are also trained from scratch, by the default recipe.
--picture FILE: draw mAP and top class by the number of films.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.measure import Clock
from keyart.bundle import Bundle
from keyart.catalog.catalog import Catalog
from keyart.catalog.films_table import read_films
from keyart.decisions import DEFAULT_PRECISION, Films
from keyart.evaluation.decide import Decision, decide
from keyart.evaluation.evaluate import evidence_of_rows, fuse_titles
from keyart.evaluation.fusing import rows_with
from keyart.evaluation.scoring import all_metrics
from keyart.files import write_json
from keyart.models.heads import GenreHead
from keyart.run import Run
from keyart.training.callbacks import Callbacks
from keyart.training.features import Changes, cached_features
from keyart.training.machine import choose_machine, keep_freed_memory
from keyart.training.networks import load_best
from keyart.training.recipe import load_recipe
from keyart.training.start import Start, fit_head, open_start
from keyart.training.titles import learn_titles
from keyart.training.train import learn

METRICS = ("mean_average_precision", "top_class", "f1_micro", "brier")
PREDICTED = ("genres_per_film", "precision", "films_without_any")  # of predicted genres
_OFTEN = 8.0  # as often as other films
_RARE = ("Animation", "Documentary", "Horror", "Sci-Fi", "War", "Western")
_MOST_TEST_FILMS = 1_500
_NEW_BEFORE = 1990
_SILENT = Callbacks(lambda done, total: None, lambda step: None, lambda line: None)
_ALL = ("poster", "title", "year")

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Drawn(Catalog):
    """A catalog of which only some films are used, in splits of their own."""

    splits: Mapping[str, Rows]

    def rows(self, split: str) -> Rows:
        """The films of a split."""
        return self.splits[split]


@dataclass(frozen=True)
class Pool:
    """The films to draw from. features: (films, channels), of the box's network.

    labels: (films, genres), by another database; unlabelled: films that it does not have.
    """

    catalog: Drawn
    start: Start
    features: npt.NDArray[np.float32]
    labels: Flags
    labelled: Flags

    @property
    def box(self) -> Bundle:
        """The model to compare with."""
        return self.start.bundle


def read_pool(path: Path, table: Path | None) -> Pool:
    """Open the catalog, and compute the features of its posters once."""
    catalog, start = Drawn.open(path), open_start("box")
    machine = choose_machine("fp32", "off", 0)
    pixels = catalog.pixels(start.recipe.spec)
    nothing = Changes(0, 0, 0, 0, 0, 0)
    (features,) = cached_features(
        catalog, pixels, start.network(), start.recipe.spec, 1, nothing, machine
    )
    labels = np.zeros_like(catalog.truth)
    if table is not None:
        known = {one.film_id: one.genres for one in read_films(table, catalog.vocabulary)[0]}
        for row, film in enumerate(catalog.to_table()["film_id"].to_pylist()):
            cells = known.get(film, ())
            names = {name for cell in cells for name in catalog.vocabulary.resolve(cell)}
            labels[row] = catalog.vocabulary.encode([names])[0]
    return Pool(catalog, start, np.asarray(features, np.float32), labels, np.asarray(labels.any(1)))


def draw(pool: Pool, kind: str, films: int, seed: int) -> Drawn:
    """One person's films: a catalog with their splits, and in `labels` with other genres."""
    catalog = Drawn.open(pool.catalog.path)
    if kind == "labels":
        catalog.__dict__["truth"] = pool.labels
        often = pool.labelled.astype(float)
    elif kind == "balance":
        columns = [catalog.vocabulary.index(name) for name in _RARE]
        often = np.where(catalog.truth[:, columns].any(1), _OFTEN, 1.0)
    else:
        years = [year or _NEW_BEFORE for year in catalog.to_table()["year"].to_pylist()]
        often = np.where(np.array(years) < _NEW_BEFORE, _OFTEN, 1.0)
    random = np.random.default_rng([films, seed])
    count = min(films + _MOST_TEST_FILMS, int((often > 0).sum()))
    # The first of a weighted draw are the likelier ones, so they are put in another order.
    rows = random.permutation(
        random.choice(len(often), count, replace=False, p=often / often.sum())
    )
    own, others = rows[:films], rows[films:]
    groups = catalog.groups.astype(str)
    trained = round(0.75 * films)
    catalog.splits = {
        "train": own[:trained],
        "validation": own[trained:][~np.isin(groups[own[trained:]], groups[own[:trained]])],
        "test": others[~np.isin(groups[others], groups[own])],
    }
    return catalog


def metrics(scores: Scores, thresholds: Scores, kept: Scores, truth: Flags) -> dict[str, float]:
    """The metrics that the table has. kept: thresholds that keep the usual precision."""
    found = all_metrics(scores, scores >= thresholds, truth)(np.ones((1, len(truth))))
    predicted = scores >= kept
    counted = (
        predicted.sum() / len(truth),
        (predicted & truth).sum() / max(1, predicted.sum()),
        (~predicted.any(1)).mean(),
    )
    return {name: float(found[name][0]) for name in METRICS} | dict(
        zip(PREDICTED, map(float, counted), strict=True)
    )


def with_titles(
    films: Films,
    catalog: Drawn,
    posters: npt.NDArray[np.float32],
    alone: Scores,
    decision: Decision,
) -> tuple[Scores, Scores, Scores]:
    """Scores and both thresholds (films, genres) of test films by all that is known of them."""
    rows = catalog.rows("test")
    found = evidence_of_rows(films.titles, catalog, posters, rows)
    scores = alone.copy()
    thresholds, kept = (
        np.broadcast_to(cuts, alone.shape).copy()
        for cuts in (decision.thresholds, decision.precision_thresholds[DEFAULT_PRECISION])
    )
    for evidence in sorted(films.fusions, key=len):
        if "poster" in evidence:
            having = rows_with(found, evidence)
            decisions = films.decisions[evidence]
            logits = films.fusions[evidence].logits(
                {kind: found[kind][having] for kind in evidence}
            )
            scores[having] = decisions.calibration.apply(logits)
            thresholds[having] = decisions.thresholds
            kept[having] = decisions.precision_thresholds[DEFAULT_PRECISION]
    return scores, thresholds, kept


def scored(
    decision: Decision, films: Films | None, catalog: Drawn, logits: npt.NDArray[np.float32]
) -> dict[str, dict[str, float]]:
    """The metrics of test films by their posters, and with their titles and years."""
    truth = catalog.truth[catalog.rows("test")]
    scores, kept = decision.calibration.apply(logits), decision.precision_thresholds
    found = {"poster": metrics(scores, decision.thresholds, kept[DEFAULT_PRECISION], truth)}
    if films is not None:
        both = with_titles(films, catalog, logits, scores, decision)
        found["with title and year"] = metrics(*both, truth)
    return found


def of_box(pool: Pool, catalog: Drawn) -> dict[str, Any]:
    """The box as it is."""
    with torch.no_grad():
        head = pool.start.network().eval().head
        logits = head.decide(torch.from_numpy(pool.features[catalog.rows("test")])).numpy()
    return scored(Decision.of(pool.box), pool.box.films, catalog, logits)


def of_start(pool: Pool, catalog: Drawn) -> dict[str, Any]:
    """A model that starts from the box: its head and its titles."""
    rows, vocabulary = catalog.splits, catalog.vocabulary
    train, validation = rows["train"], rows["validation"]
    with Clock() as clock:
        rates = torch.full((len(vocabulary),), 0.5)
        head = pool.start.classifier(vocabulary, rates, 0.0).head.eval()
        assert isinstance(head, GenreHead)
        known = pool.start.decision(vocabulary)
        penalty = fit_head(
            head,
            pool.features[train],
            catalog.truth[train],
            catalog.groups[train],
            known.calibration,
        )
        with torch.no_grad():
            logits = {
                split: head.decide(torch.from_numpy(pool.features[rows[split]])).numpy()
                for split in ("validation", "test")
            }
        decision = decide(
            logits["validation"],
            catalog.truth[validation],
            catalog.groups[validation],
            vocabulary,
            known=known,
        )
        titles, _ = learn_titles(catalog, rows, start=pool.start.titles(vocabulary))
        fusions = pool.start.fusions(vocabulary)
        films = fuse_titles(titles, catalog, logits["validation"], rows, "f1", fusions)
    found = scored(decision, films, catalog, logits["test"])
    moved = penalty if np.isfinite(penalty) else None
    return {**found, "penalty": moved, "seconds": clock.seconds}


def of_scratch(catalog: Drawn, folder: Path) -> dict[str, Any]:
    """The default recipe, from random weights and from these films' titles."""
    recipe, run = load_recipe("posternet"), Run(folder)
    learn(catalog, recipe, run, _SILENT, resume=True)
    model, _ = load_best(run)
    pixels, rows = catalog.pixels(recipe.spec), catalog.splits
    logits = {}
    for split in ("validation", "test"):
        with torch.no_grad():
            parts = [
                model(torch.from_numpy(pixels[part])) for part in np.array_split(rows[split], 32)
            ]
        logits[split] = torch.cat(parts).numpy()
    validation = rows["validation"]
    decision = decide(
        logits["validation"],
        catalog.truth[validation],
        catalog.groups[validation],
        catalog.vocabulary,
    )
    titles, _ = learn_titles(catalog, rows)
    films = fuse_titles(titles, catalog, logits["validation"], rows, "f1")
    return scored(decision, films, catalog, logits["test"])


def main() -> None:
    """Make what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--films", type=int, nargs="+", default=[100, 300, 1_000, 3_000])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--scratch", type=int, default=0)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    keep_freed_memory()
    pool = read_pool(given.catalog, given.labels)
    kinds = ["decade", "balance", *(["labels"] if given.labels else [])]
    print("| films | draws of | evidence | metric | draws | box | from the box | from scratch |")
    print("|---:|---|---|---|---:|---:|---:|---:|")
    every: dict[str, dict[int, list[dict[str, Any]]]] = {kind: {} for kind in kinds}
    for films in given.films:
        for kind in kinds:
            draws: list[dict[str, Any]] = []
            for seed in range(given.draws):
                file = given.out / f"{kind}-{films}-{seed}.json"
                found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
                catalog = draw(pool, kind, films, seed)
                if not found:
                    found = {"box": of_box(pool, catalog), "start": of_start(pool, catalog)}
                if seed < given.scratch and "scratch" not in found:
                    found["scratch"] = of_scratch(catalog, given.out / f"{file.stem}-scratch")
                write_json(file, found)
                draws.append(found)
            show(films, kind, draws)
            every[kind][films] = draws
    if given.picture:
        picture(every, given.picture)


def picture(every: Mapping[str, Mapping[int, list[dict[str, Any]]]], path: Path) -> None:
    """Draw means by kind and number of films. every: the draws."""
    import matplotlib.pyplot as plt

    rows = (
        ("poster", "top_class", "top class, poster"),
        ("with title and year", "mean_average_precision", "mAP, poster, title, year"),
    )
    models = (
        ("box", "the box", "#8a8478", "--"),
        ("start", "started from the box", "#9c1f18", "-"),
        ("scratch", "from scratch", "#2f5f9e", "-"),
    )
    figure, grid = plt.subplots(
        len(rows), len(every), figsize=(9, 5.2), layout="constrained", sharex=True, sharey="row"
    )
    for axes, (evidence, metric, label) in zip(grid, rows, strict=True):
        for one, sizes in zip(axes, every.values(), strict=True):
            for key, name, colour, dashes in models:
                means = {
                    films: np.mean([draw[key][evidence][metric] for draw in draws if key in draw])
                    for films, draws in sizes.items()
                    if any(key in draw for draw in draws)
                }
                one.plot(
                    list(means), list(means.values()), dashes, color=colour, label=name, marker="o",
                    markersize=3.5,
                )  # fmt: skip
            one.set_xscale("log")
            one.grid(alpha=0.3)
        axes[0].set(ylabel=label, ylim=(0, 0.75 if metric == "top_class" else 0.5))
    for kind, one in zip(every, grid[0], strict=True):
        one.set_title(kind)
    for one, sizes in zip(grid[-1], every.values(), strict=True):
        one.set_xticks(list(sizes), [f"{films:,}" for films in sizes])
        one.minorticks_off()
        one.set_xlabel("films")
    grid[0, -1].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)


def show(films: int, kind: str, draws: list[dict[str, Any]]) -> None:
    """Print the rows of a size: means over draws, and how many draws beat the box."""
    for evidence in ("poster", "with title and year"):
        for name in (*METRICS, *PREDICTED):
            box = np.array([one["box"][evidence][name] for one in draws])
            start = np.array([one["start"][evidence][name] for one in draws])
            better = (start < box) if name == "brier" else (start > box)
            scratch = [
                one["scratch"][evidence][name]
                for one in draws
                if evidence in one.get("scratch", ())
            ]
            cell = f"{np.mean(scratch):.3f} ({len(scratch)})" if scratch else ""
            print(
                f"| {films:,} | {kind} | {evidence} | {name} | {len(draws)} | {box.mean():.4f} "
                f"| {start.mean():.4f} ({(start - box).mean():+.4f}, better in {better.sum()}) "
                f"| {cell} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
