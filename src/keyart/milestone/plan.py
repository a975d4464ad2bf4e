"""The plan: which rows run, on how many images, for how many epochs, and for about how long.

It is made before anything runs. By default it is short: the whole comparison takes some 20 minutes
on two cores, with the from-scratch networks on small pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keyart.catalog.catalog import Catalog
from keyart.errors import WeightsError
from keyart.milestone.rows import HONEST, LEAKY, Row
from keyart.models.classifier import build_classifier, multiply_adds
from keyart.training.images import choose_images
from keyart.training.recipe import AnyRecipe, Recipe, any_recipe, load_recipe, parse_settings

# What the short plan changes in both from-scratch rows: pictures of 32x32 cost 1/35 of 128x128, and
# small batches give thousands of steps even on a small catalog. The class weights of the study
# halve the loss; with them, so few steps do not leave the plateau of predicting each genre's rate
# (on 1,500 real films, in 26 epochs, the top class was no better than a guess even with the leak).
SHORT = ("height=32", "width=32", "batch_size=32", 'balance="none"')
# And in all rows of networks: test-time augmentation would take the time of several epochs.
_NO_TTA = "tta=1"

# Seconds of training that the short plan gives a row, which decide its epochs.
_SHARES = {
    LEAKY: 270,
    HONEST: 270,
    "vgg16": 180,
    "mobilenetv2": 150,
    "posternet": 120,
}
# Operations a second of two cores with AVX-512 bf16: in training, and in fp32 when scoring.
_TRAINING_RATE, _SCORING_RATE = 2.2e11, 0.8e11
_BEGIN = 45.0  # seconds to compile a network, export it, and report on it
_CLASSICAL, _ENSEMBLE = 30.0, 20.0
# Depthwise convolutions take this many times as long as their operations suggest.
_SLOW = {"mobilenetv2": 7.0}


@dataclass(frozen=True)
class Request:
    """What to compare.

    films: how many of the catalog; None for all. epochs: at most, of every network. full: whether
    to use the study's own sizes and epochs. settings: recipe keys by row. weights: files, or
    "hub", by row.
    """

    films: int | None = None
    epochs: int | None = None
    full: bool = False
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """The plan of a row. images: in an epoch. done: whether it needs no run. why: why it cannot."""

    row: Row
    seconds: float = 0.0
    recipe: AnyRecipe | None = None
    images: int = 0
    done: bool = False
    why: str = ""

    @property
    def epochs(self) -> int | None:
        """How many epochs at most; training may stop earlier."""
        return self.recipe.optimisation.epochs if isinstance(self.recipe, Recipe) else None


def plan_row(row: Row, catalog: Catalog, request: Request) -> Planned:
    """The plan of a row. Raises WeightsError for a given file that does not fit the row, and
    RecipeError for recipe keys that do not fit.
    """
    if row.kind == "guess":
        return Planned(row, done=True)
    if row.kind == "classical":
        images = len(catalog.rows("train"))
        given = parse_settings(request.settings.get(row.name, ()))
        return Planned(row, _CLASSICAL, any_recipe(row.recipe or row.name, given), images)
    if row.kind == "ensemble":
        return Planned(row, seconds=_ENSEMBLE)
    assert row.recipe
    settings = list(row.settings)
    if row.weights:
        file = request.weights.get(row.name)
        if file is None:
            return Planned(
                row, why=f"no weights (give --weights {row.name}=FILE, {row.weights}, or hub)"
            )
        where = file if file == "hub" else str(Path(file).resolve())
        settings.append(f'weights="{where}"')
    if not request.full:
        settings += [_NO_TTA, *(SHORT if row.name in (LEAKY, HONEST) else ())]
    settings += request.settings.get(HONEST if row.name == LEAKY else row.name, ())
    recipe = load_recipe(row.recipe, parse_settings(settings))
    try:
        cost = _cost(row, recipe, catalog)
    except WeightsError as error:
        if request.weights.get(row.name) != "hub":
            raise
        return Planned(row, why=str(error))
    epochs = recipe.optimisation.epochs
    if request.epochs is not None:
        epochs = min(epochs, request.epochs)
    elif not request.full:
        share = _SHARES[row.name] - cost.once
        epochs = min(epochs, max(1, int(share // cost.epoch)))
    recipe = recipe.with_settings(epochs=epochs)
    return Planned(row, _BEGIN + cost.once + epochs * cost.epoch, recipe, cost.images)


@dataclass(frozen=True)
class _Cost:
    """Seconds on two cores. images: in an epoch. once: features and scoring. epoch: of each."""

    images: int
    once: float
    epoch: float


def _cost(row: Row, recipe: Recipe, catalog: Catalog) -> _Cost:
    classifier = build_classifier(
        recipe.network.backbone,
        recipe.spec,
        len(catalog.vocabulary),
        recipe.network.dropout,
        weights=recipe.network.weights,
        pad_type=recipe.network.pad_type,
    )
    forward = 2.0 * multiply_adds(classifier, recipe.spec) * _SLOW.get(row.name, 1.0)
    images = _images(recipe, catalog)
    once = forward * recipe.network.tta * (images["validation"] + images["test"]) / _SCORING_RATE
    if recipe.network.frozen or recipe.optimisation.head_epochs:
        once += forward * recipe.network.feature_views * len(catalog) / _TRAINING_RATE
    if recipe.network.frozen:
        head = sum(p.numel() for p in classifier.head.parameters())
        return _Cost(images["train"], once, 6.0 * head * images["train"] / _TRAINING_RATE)
    epoch = forward * (3 * images["train"] + images["validation"]) / _TRAINING_RATE
    return _Cost(images["train"], once, epoch)


def _images(recipe: Recipe, catalog: Catalog) -> dict[str, int]:
    """How many images each split has, with the copies that the recipe makes."""
    splits = choose_images(
        catalog,
        recipe.data.split,
        recipe.data.upsample,
        recipe.data.upsample_genres,
        recipe.optimisation.seed,
    )
    return {split: len(images) for split, images in splits.items()}
