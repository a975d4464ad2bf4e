"""A run's folder: begun with a recipe, and filled once a model was learned.

    recipe.toml  history.csv  metrics.json  predictions-validation.parquet
    predictions-test.parquet  report.html  checkpoints/  bundle/

The bundle is written last: a run that has one is whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.bundle import Content, NetworkFiles, write_bundle
from keyart.catalog.catalog import Catalog
from keyart.errors import RunError
from keyart.evaluation.decide import decide
from keyart.evaluation.evaluate import evaluate_logits
from keyart.images.spec import FilmSpec, ImageSpec
from keyart.network import Logits
from keyart.report.card import model_card
from keyart.report.page import write_report
from keyart.run import Run
from keyart.training.classical_recipe import ClassicalRecipe
from keyart.training.loop import BEST
from keyart.training.recipe import Recipe, any_recipe, portable

RECIPE = "recipe.toml"


def open_run(
    run: Path,
    catalog: Catalog,
    recipe: Recipe | ClassicalRecipe,
    split: str = "catalog",
    *,
    resume: bool,
) -> None:
    """Begin a run's folder, or see that it is this training's.

    split: 'catalog' where the run's parts are the catalog's own. Raises RunError where `run` is
    there already or, to resume, is another training's.
    """
    if resume:
        if Run(run).has_origin:
            _same_training(run, catalog, recipe)
            return
        if run.exists() and any(run.iterdir()):
            raise RunError(f"{run}: holds no training to resume; name another folder")
    elif run.exists() and any(run.iterdir()):
        raise RunError(f"{run}: is already there; add --resume to go on, or name another folder")
    Run(run).write_recipe(recipe.to_toml())
    Run(run).write_origin(catalog, split)


def _same_training(run: Path, catalog: Catalog, recipe: Recipe | ClassicalRecipe) -> None:
    if any_recipe(str(run / RECIPE)) != recipe:
        raise RunError(
            f"{run}: was begun with another recipe ({run / RECIPE}); resume with that one"
        )
    if Run(run).origin.fingerprint != catalog.fingerprint:
        raise RunError(f"{run}: the catalog has changed since; train into a new folder")


def fill_run(
    run: Path,
    recipe: Recipe | ClassicalRecipe,
    catalog: Catalog,
    onnx: bytes,
    spec: ImageSpec | FilmSpec,
    logits: Mapping[str, Logits],
    rows: Mapping[str, npt.NDArray[np.int64]],
    *,
    notes: Sequence[str] = (),
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """From an exported network to a run's figures, predictions, report and bundle.

    spec: how films are prepared for it. logits, rows: of the
    validation and test parts what the network tells, and which films they are (of rows, also of
    the training part). notes: on the model, which the figures and the card repeat. provenance:
    what else the bundle tells.
    """
    validation = rows["validation"]
    decision = decide(
        logits["validation"],
        catalog.truth[validation],
        catalog.groups[validation],
        catalog.vocabulary,
        recipe.ending.thresholds,
    )
    decision = replace(decision, notes=(*notes, *decision.notes))
    table, scored = evaluate_logits(decision, catalog, logits, name=run.name, rows=rows)
    Run(run).write_evaluation(table, scored)
    write_report([run], run / "report.html", catalog=catalog.path)
    told = portable(recipe).to_toml()
    write_bundle(
        run / "bundle",
        Content(
            NetworkFiles(onnx, spec, (run / "checkpoints" / BEST).read_bytes()),
            catalog.vocabulary,
            decision.decisions,
            card=model_card(table, told),
            provenance={
                **table.provenance(),
                "recipe": told,
                **(provenance or {}),
            },
        ),
    )
