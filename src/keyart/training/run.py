"""A run: the folder that one training leaves, made from a catalog and a recipe.

    recipe.toml  history.csv  metrics.json  predictions-validation.parquet
    predictions-test.parquet  report.html  checkpoints/  bundle/

The bundle is written last: a run that has one is whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from keyart.bundle import Bundle, read_bundle, write_bundle
from keyart.catalog.table import Catalog
from keyart.errors import RunError, TrainingError
from keyart.evaluation.card import model_card
from keyart.evaluation.decide import decide
from keyart.evaluation.evaluate import evaluate, write_evaluation
from keyart.evaluation.report import write_report
from keyart.evaluation.rescore import has_origin, read_origin, write_origin
from keyart.files import write_text
from keyart.images.decode import Pixels
from keyart.images.pixels import pixel_store
from keyart.models.classifier import GenreClassifier, build_classifier, multiply_adds
from keyart.predictor import Network
from keyart.training.checkpoint import load_tensors
from keyart.training.export import check_parity, export_onnx, torch_scores
from keyart.training.loop import BEST, Examples, Progress, fit
from keyart.training.machine import choose_machine
from keyart.training.recipe import Recipe, load_recipe

_RECIPE = "recipe.toml"
_PARITY_POSTERS = 64


@dataclass(frozen=True)
class Watcher:
    """How a training tells what it does: pixels (done, total), steps, and plain sentences."""

    pixels: Callable[[int, int], None]
    steps: Callable[[Progress], None]
    say: Callable[[str], None]


def train(catalog: Catalog, recipe: Recipe, run: Path, watcher: Watcher, *, resume: bool) -> None:
    """Train by `recipe` on `catalog` and leave a whole run.

    With `resume` a run that was stopped at any moment goes on and ends with the same weights.
    Raises RunError where `run` is there already (or, to resume, is not this training's), and
    TrainingError where the catalog cannot be learned from.
    """
    parts = {part: catalog.rows(part) for part in ("train", "validation", "test")}
    for part, rows in parts.items():
        if len(rows) == 0:
            raise TrainingError(
                f"{catalog.path}: its {part} part has no films; build a larger catalog or "
                "another split"
            )
    _open_run(run, catalog, recipe, resume=resume)
    if (run / "bundle").is_dir():
        watcher.say(f"{run}: finished already")
        return
    pixels = catalog_pixels(catalog, recipe, watcher.pixels)
    examples = Examples(pixels, catalog.truth, parts["train"], parts["validation"])
    torch.manual_seed(recipe.seed)
    model = build_classifier(recipe.model, recipe.spec, len(catalog.vocabulary), recipe.dropout)
    passes = 3 * recipe.epochs * len(examples.train)  # a backward pass costs two forward ones
    gflop = passes * 2e-9 * multiply_adds(model, recipe.spec)
    machine = choose_machine(recipe.precision, recipe.compile, gflop)
    fit(model, examples, recipe, machine, run, watcher.steps, watcher.say)
    watcher.say("scoring the validation and test parts")
    _finish(run, recipe, catalog, pixels)


def _open_run(run: Path, catalog: Catalog, recipe: Recipe, *, resume: bool) -> None:
    if resume:
        if has_origin(run):
            _same_training(run, catalog, recipe)
            return
        if run.exists() and any(run.iterdir()):
            raise RunError(f"{run}: holds no training to resume; name another folder")
    elif run.exists() and any(run.iterdir()):
        raise RunError(f"{run}: is already there; add --resume to go on, or name another folder")
    write_text(run / _RECIPE, recipe.to_toml())
    write_origin(run, catalog)


def _same_training(run: Path, catalog: Catalog, recipe: Recipe) -> None:
    if load_recipe(str(run / _RECIPE)) != recipe:
        raise RunError(
            f"{run}: was begun with another recipe ({run / _RECIPE}); resume with that one"
        )
    if read_origin(run).fingerprint != catalog.fingerprint:
        raise RunError(f"{run}: the catalog has changed since; train into a new folder")


def catalog_pixels(
    catalog: Catalog, recipe: Recipe, progress: Callable[[int, int], None] | None = None
) -> Pixels:
    """The prepared posters (films, height, width, 3) of a catalog, decoded at most once."""
    return pixel_store(
        catalog.path, catalog.fingerprint, recipe.spec, len(catalog), catalog.posters, progress
    )


def load_best(run: Path) -> tuple[GenreClassifier, Recipe]:
    """A run's network with its best weights, in evaluation mode, and its recipe.

    Raises RunError where the weights are missing, damaged, or another network's.
    """
    recipe = load_recipe(str(run / _RECIPE))
    tensors, _ = load_tensors(run / "checkpoints" / BEST)
    genres = len(tensors["head.linear.bias"]) if "head.linear.bias" in tensors else 1
    model = build_classifier(recipe.model, recipe.spec, genres, recipe.dropout)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(f"{run}: its weights are not those of its recipe") from error
    return model.eval(), recipe


def _finish(run: Path, recipe: Recipe, catalog: Catalog, pixels: Pixels) -> None:
    """From a trained run's best weights to its figures, predictions, report and bundle."""
    model, _ = load_best(run)
    validation = catalog.rows("validation")
    onnx = export_onnx(model, pixels[validation[:_PARITY_POSTERS]])
    network = Network(onnx)
    decision = decide(
        network.logits_of_rows(pixels, validation),
        catalog.truth[validation],
        catalog.groups[validation],
        catalog.vocabulary,
    )
    evaluation = evaluate(network, decision, catalog, pixels, ("validation", "test"), name=run.name)
    write_evaluation(run, evaluation)
    write_report([run], run / "report.html", catalog=catalog.path)
    provenance = {
        "name": run.name,
        "recipe": recipe.to_toml(),
        "catalog": catalog.fingerprint,
        "films": evaluation.metrics["films"],
        "figures": evaluation.headline("test"),
        "notes": list(decision.notes),
        "thresholds": decision.criterion,
    }
    write_bundle(
        run / "bundle",
        onnx=onnx,
        weights=(run / "checkpoints" / BEST).read_bytes(),
        card=model_card(evaluation.metrics, recipe.to_toml()),
        vocabulary=catalog.vocabulary,
        spec=recipe.spec,
        calibration=decision.calibration,
        thresholds=decision.thresholds,
        precision_thresholds=decision.precision_thresholds,
        provenance=provenance,
    )


def export_run(run: Path, out: Path) -> Bundle:
    """Write a finished run's bundle to the folder `out`, after checking it against PyTorch anew.

    Raises RunError for a run that is not finished, BundleError where scores differ by over 1e-4.
    """
    if not (run / "bundle").is_dir():
        raise RunError(f"{run}: has no bundle yet; finish it with keyart train --resume")
    bundle = read_bundle(run / "bundle")
    model, recipe = load_best(run)
    shape = (_PARITY_POSTERS, recipe.height, recipe.width, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    onnx = bundle.onnx.read_bytes()
    check_parity(onnx, noise, torch_scores(model, noise))
    return write_bundle(
        out,
        onnx=onnx,
        weights=bundle.weights.read_bytes(),
        card=bundle.card,
        vocabulary=bundle.vocabulary,
        spec=bundle.spec,
        calibration=bundle.calibration,
        thresholds=bundle.thresholds,
        precision_thresholds=bundle.precision_thresholds,
        provenance=bundle.provenance,
    )
