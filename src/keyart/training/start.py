"""Starting from a trained model: its network, its titles, and a recipe for the catalog's size.

The vocabulary may be another one. Genres of the same name, or of names that stand for one another,
keep what the model knows of them; other genres start at their rates.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from keyart.bundle import Bundle, read_bundle
from keyart.calibration import Calibration, GenreCalibration
from keyart.decisions import Decisions
from keyart.errors import RecipeError
from keyart.evaluation.decide import Decision
from keyart.evaluation.fusing import Known
from keyart.evaluation.metrics import Flags
from keyart.evidence import Evidence
from keyart.genres import Vocabulary
from keyart.models.classifier import GenreClassifier
from keyart.models.heads import GenreHead
from keyart.places import find_model
from keyart.title_model import Floats, TitleModel, steps_of
from keyart.training.near import fit_near
from keyart.training.networks import build_network
from keyart.training.recipe import AnyRecipe, Recipe, any_recipe, recipe_of
from keyart.training.saved_weights import load_saved

OWN_FILMS = "own-films"
"""The recipe to start with, if none is given."""

# Films to train on. With fewer than the first number the head alone learns; with fewer than the
# second the last stages too (docs/results.md).
_LAST_STAGES, _ALL_STAGES = 3_000, 10_000
_LAST = 2  # blocks of the backbone

# For the distance from the head of the start.
_PENALTIES = (30_000.0, 10_000.0, 3_000.0, 1_000.0, 300.0)
_NOT_KEPT = {"weights": None, "teacher": None, "feature_weight": 0.0, "start": None, "tta": 1}
# What a network is, and how posters are prepared for it.
_INHERITED = ("height", "width", "fit", "backbone", "pad_type", "channels", "mean", "std")


@dataclass(frozen=True)
class Start:
    """A trained model to start from. recipe: of its network.

    promises: whether its precisions count as proven, see `promised_thresholds`.
    """

    name: str
    bundle: Bundle
    recipe: Recipe
    promises: bool = True

    @property
    def catalog(self) -> str:
        """The fingerprint of the catalog that it was trained on; empty if that is not known."""
        return str(self.bundle.provenance.get("catalog", ""))

    def columns(self, vocabulary: Vocabulary) -> list[list[int]]:
        """For each genre of a vocabulary, the model's genres that it stands for; [] if none."""
        own = self.bundle.vocabulary
        return [
            [own.names.index(one) for one in own.resolve(name)]
            or [row for row, one in enumerate(own.names) if vocabulary.resolve(one) == (name,)]
            for name in vocabulary.names
        ]

    def classifier(
        self, vocabulary: Vocabulary, rates: torch.Tensor, dropout: float
    ) -> GenreClassifier:
        """The model's network, with a head for these genres whose logits `decision` takes.

        rates: (genres,), between 0 and 1, of genres that the model does not know. dropout: of the
        head. Raises BundleError if the weights do not fit the model's recipe.
        """
        known = self.network()
        assert isinstance(known.head, GenreHead)
        before = known.head.linear
        lines = torch.tensor([curve.line for curve in self.bundle.calibration.genres])
        head = GenreHead(before.in_features, len(vocabulary), dropout)
        head.start_at(rates)
        with torch.no_grad():
            head.linear.weight.zero_()
            for genre, columns in enumerate(self.columns(vocabulary)):
                weight, bias = before.weight[columns], before.bias[columns]
                if len(columns) > 1:  # only calibrated logits have a mean that says something
                    slopes, shifts = lines[columns].T
                    weight, bias = weight * slopes[:, None], bias * slopes + shifts
                if columns:
                    head.linear.weight[genre] = weight.mean(0)
                    head.linear.bias[genre] = bias.mean()
        known.head = head
        return known

    def decision(self, vocabulary: Vocabulary) -> Decision:
        """The model's curves and thresholds for these genres, by posters alone."""
        return self._decision(self.bundle.decisions, self.columns(vocabulary))

    def network(self) -> GenreClassifier:
        """The model's network, as it was trained. Raises BundleError as `classifier`."""
        known = build_network(self.recipe, len(self.bundle.vocabulary))
        load_saved(known, self.bundle)
        return known

    def titles(self, vocabulary: Vocabulary) -> TitleModel | None:
        """What the model knows of titles, for these genres; None if it learned none.

        Without its sentence encoder; a recipe that names one adds it again.
        """
        films = self.bundle.films
        if films is None:
            return None
        known = films.titles
        weights = _columns(known.weights.astype(np.float64) * known.scale, self.columns(vocabulary))
        scale = steps_of(weights)
        return replace(
            known,
            weights=np.rint(weights / scale).astype(np.int8),
            scale=scale,
            years=_columns(known.years, self.columns(vocabulary)),
            text=None,
        )

    def fusions(self, vocabulary: Vocabulary) -> Mapping[Evidence, Known]:
        """How the model answers with more evidence than the poster, for these genres."""
        films, columns = self.bundle.films, self.columns(vocabulary)
        if films is None:
            return {}
        sets = films.sets.project(columns) if films.sets is not None else None
        return {
            evidence: Known(
                replace(
                    fusion,
                    intercept=np.where(
                        [bool(alike) for alike in columns],
                        _columns(fusion.intercept[None], columns)[0],
                        np.nan,
                    ),
                    sets=None if fusion.sets is None else sets,
                ),
                self._decision(films.decisions[evidence], columns),
            )
            for evidence, fusion in films.fusions.items()
        }

    def _decision(self, known: Decisions, columns: Sequence[Sequence[int]]) -> Decision:
        """The curves and thresholds of these genres.

        Logits of a genre that stands for several, or that the model does not know, need no curve.
        The thresholds of the latter are NaN. If the model knows none, it promises nothing.
        """
        curves = (
            known.calibration.genres[alike[0]] if len(alike) == 1 else GenreCalibration("identity")
            for alike in columns
        )

        def cuts(before: Floats) -> Floats:
            return np.array([before[list(alike)].max() if alike else np.nan for alike in columns])

        promised = known.precision_thresholds if self.promises and any(columns) else {}
        return replace(
            Decision.of(self.bundle),
            calibration=Calibration(tuple(curves)),
            thresholds=cuts(known.thresholds),
            precision_thresholds={at: cuts(one) for at, one in promised.items()},
        )


def open_start(name: str | os.PathLike[str]) -> Start:
    """The model to start from: any that `find_model` finds. Its name is the one found there.

    Raises BundleError if there is none or it is damaged, and RecipeError if it is not a single
    network with a linear head.
    """
    place = find_model(name)
    bundle, name = read_bundle(place.bundle), place.name
    if bundle.members:
        names = " or ".join(member.name for member in bundle.members)
        raise RecipeError(f"{name}: is an ensemble; start from one of its members, {names}")
    recipe = recipe_of(str(bundle.provenance.get("recipe", "")), f"{name}: its recipe")
    if not isinstance(recipe, Recipe) or recipe.network.backbone.startswith("milestone-"):
        raise RecipeError(f"{name}: its head is not linear; start from another model")
    return Start(name, bundle, recipe.with_settings(**_NOT_KEPT))


def fit_head(
    head: GenreHead,
    features: npt.ArrayLike,
    truth: Flags,
    groups: npt.ArrayLike,
    calibration: Calibration,
) -> float:
    """Fit a head to films, near the weights that it has. Returns the penalty, as in `fit_near`.

    features: (films, channels), as its `pool` returns them. truth: (films, genres). groups:
    (films,). calibration: of the head's logits. What is fitted moves what it gives; the head moves
    as if its curves were their nearest lines. What curves that bend make of that differs a little.
    """
    inputs = np.asarray(features, np.float64)
    mean, std = inputs.mean(0), inputs.std(0)
    std[std < 1e-6] = 1.0  # a constant feature
    weight, bias = (one.detach().double().numpy() for one in head.linear.parameters())
    known = calibration.logits(inputs @ weight.T + bias)
    # On scaled features the penalty is as strong for each of them.
    moved = fit_near((inputs - mean) / std, truth, known, groups, _PENALTIES)
    steep = np.array([curve.line[0] for curve in calibration.genres])
    slopes = moved.weights.slopes.T / std
    with torch.no_grad():
        head.linear.weight.add_(torch.from_numpy(slopes / steep[:, None]))
        head.linear.bias.add_(torch.from_numpy((moved.weights.intercepts - slopes @ mean) / steep))
    return moved.penalty


def starting_recipe(
    name: str | os.PathLike[str],
    recipe: AnyRecipe | str | os.PathLike[str] | None,
    settings: Mapping[str, Any],
    films: int,
) -> Recipe:
    """A recipe that starts from a trained model, with its network and its size of posters.

    recipe: None chooses what to train by the number of `films` to train on: the head, the last
    stages too, or all. Raises RecipeError for a recipe of another network, and what `open_start`
    raises.
    """
    start = open_start(name)
    chosen = any_recipe(OWN_FILMS if recipe is None else recipe, settings)
    if not isinstance(chosen, Recipe):
        raise RecipeError(f"{recipe}: is not a network's recipe; leave it out")
    usual, asked, known = (one.settings() for one in (Recipe(), chosen, start.recipe))
    for key in _INHERITED:
        if asked[key] not in (usual[key], known[key]):
            raise RecipeError(
                f"{key} = {asked[key]}: {name} has {known[key]}; leave it out, or train without "
                "--from"
            )
    changes = {key: known[key] for key in _INHERITED} | {"start": start.name}
    if recipe is None:
        plan = _plan(films, start)
        changes |= {key: value for key, value in plan.items() if key not in settings}
    return chosen.with_settings(**changes)


def _plan(films: int, start: Start) -> dict[str, Any]:
    if films < _LAST_STAGES:
        return {"frozen": True, "mixup": 0.0, "cutmix": 0.0}
    if films < _ALL_STAGES:
        from keyart.training.optimizer import layers_of

        network = build_network(start.recipe, len(start.bundle.vocabulary))
        return {"frozen_stages": max(layers_of(network.backbone).values()) + 1 - _LAST}
    return {}


def _columns(table: npt.NDArray[np.float64], columns: Sequence[Sequence[int]]) -> Floats:
    """The mean of the named columns for each genre, 0 for none. table: (rows, known genres)."""
    found = np.zeros((len(table), len(columns)))
    for genre, alike in enumerate(columns):
        if alike:
            found[:, genre] = table[:, list(alike)].mean(1)
    return found
