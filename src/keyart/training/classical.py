"""Classical models: fitted on a catalog, saved in a run, and loaded again."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from keyart.catalog.catalog import Catalog
from keyart.errors import RunError
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec
from keyart.models.backbones import build_backbone
from keyart.models.classical import (
    ClassicalHead,
    Pooled,
    PosterStatistics,
    head_from,
)
from keyart.models.classifier import GenreClassifier
from keyart.run import Run
from keyart.training.checkpoint import load_tensors, save_tensors
from keyart.training.classical_recipe import ClassicalRecipe
from keyart.training.features import Changes, cached_features
from keyart.training.loop import validation_metrics
from keyart.training.machine import choose_machine

_BLOCK = 64  # films in a batch
_SPEC, _NOTES = "spec", "notes"

_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Classical:
    """A fitted model, and how films are prepared for it. notes: genres that were not fitted."""

    model: GenreClassifier
    spec: ImageSpec
    notes: tuple[str, ...]


def fit_classical(
    recipe: ClassicalRecipe, catalog: Catalog, run: Run, progress: Callable[[int, int], None]
) -> None:
    """Fit by `recipe`, and leave the best checkpoint and a history of one row in `run`.

    progress: called with (done, total) while posters are prepared. Raises TrainingError if there
    are too few films, and WeightsError for a backbone's weights.
    """
    train, validation = catalog.rows("train"), catalog.rows("validation")
    spec = recipe.spec
    films = catalog.pixels(spec, progress)
    torch.manual_seed(recipe.classifier.seed)  # for a backbone without pretrained weights
    body = _backbone(recipe, recipe.network.weights)
    started = time.monotonic()
    if recipe.data.features == "backbone":
        numbers = _kept_features(recipe, catalog, body, films, progress)
    else:
        numbers = _numbers(GenreClassifier(body, ClassicalHead(), spec), films, len(catalog))
    # scikit-learn takes as long to import as torch, and training a network needs none of it.
    from keyart.training.classical_fit import fit_head

    fitted = fit_head(recipe, numbers[train], catalog.truth[train], catalog.vocabulary)
    with torch.no_grad():
        logits = fitted.head.decide(torch.from_numpy(numbers[validation])).numpy()
    row = {
        "epoch": 1,
        "seconds": round(time.monotonic() - started, 2),
        **validation_metrics(logits, catalog.truth[validation]),
    }
    run.write_history([row])
    tensors = GenreClassifier(body, fitted.head, spec).state_dict()
    facts = {_SPEC: json.dumps(spec.to_json()), _NOTES: json.dumps(fitted.notes)}
    save_tensors(run.best_checkpoint, tensors, facts)


def load_classical(recipe: ClassicalRecipe, path: Path) -> Classical:
    """The model that was fitted by `recipe` and saved in a safetensors file.

    Raises RunError if the file is missing, damaged, or of another model.
    """
    tensors, facts = load_tensors(path)
    head, body = _below("head.", tensors), _below("backbone.", tensors)
    try:
        spec = ImageSpec.from_json(json.loads(facts[_SPEC]))
        model = GenreClassifier(_backbone(recipe, None), head_from(head), spec)
        model.backbone.load_state_dict(body)
        notes = tuple(json.loads(facts[_NOTES]))
    except (TypeError, KeyError, ValueError, RuntimeError) as error:
        raise RunError(f"{path}: not what its recipe made; train again") from error
    return Classical(model.eval(), spec, notes)


def _backbone(recipe: ClassicalRecipe, weights: str | None) -> nn.Module:
    """The module that turns a poster into features."""
    network = recipe.network
    if network.backbone is None:
        return PosterStatistics(recipe.data.height, recipe.data.width)
    return Pooled(
        build_backbone(network.backbone, recipe.spec, weights=weights, pad_type=network.pad_type)
    )


@torch.no_grad()
def _numbers(model: GenreClassifier, films: Pixels, count: int) -> _Floats:
    """The head's input for all films of a catalog: (films, features)."""
    blocks = [
        model.pooled(torch.from_numpy(films[np.arange(start, min(start + _BLOCK, count))]))
        for start in range(0, count, _BLOCK)
    ]
    numbers: _Floats = torch.cat(blocks).numpy()
    return numbers


def _kept_features(
    recipe: ClassicalRecipe,
    catalog: Catalog,
    body: nn.Module,
    films: Pixels,
    progress: Callable[[int, int], None],
) -> _Floats:
    """A backbone's features (films, features), from the cache that frozen networks share."""
    assert isinstance(body, Pooled)
    plain = GenreClassifier(body.body, ClassicalHead(), recipe.spec)
    machine = choose_machine("auto", "off", 0)
    (view,) = cached_features(
        catalog, films, plain, recipe.spec, 1, Changes(0, 0, 0, 0, 0, 0), machine,
        progress=progress,
    )  # fmt: skip
    body.cpu()
    return view.astype(np.float32)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
