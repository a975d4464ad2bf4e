"""Recipes of the classical models: told from a network's recipe by their key `classifier`."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from keyart.errors import RecipeError
from keyart.images.spec import ImageSpec
from keyart.models.classical import CELL

Positive = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, kw_only=True)
class _Common:
    """What both classifiers choose. height, width: of posters, as statistics are taken of them."""

    __pydantic_config__ = ConfigDict(strict=True)

    # what is looked at
    features: Literal["poster", "facts", "poster+facts", "backbone"] = "poster"
    height: Positive = 96
    width: Positive = 64
    fit: Literal["squash", "pad"] = "squash"
    words: Positive = 200  # of titles, the most frequent; with features that have facts
    backbone: str | None = None  # with features = "backbone": its name, and where its weights are
    weights: str | None = None
    padding: Literal["same"] | None = None
    mean: tuple[float, float, float] | None = None  # of RGB in [0, 1]; the backbone's own if absent
    std: tuple[float, float, float] | None = None

    thresholds: Literal["f1", "micro_f1", "hamming"] = "f1"
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def spec(self) -> ImageSpec:
        """How posters are prepared. Raises WeightsError for an unknown backbone."""
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # statistics are of bytes
        if self.backbone is not None:
            from keyart.models.backbones import statistics

            mean, std = statistics(self.backbone)
        return ImageSpec(self.height, self.width, self.fit, self.mean or mean, self.std or std)

    def to_toml(self) -> str:
        """The recipe as TOML; absent values are left out."""
        lines = [f"{k} = {json.dumps(v)}" for k, v in asdict(self).items() if v is not None]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class ForestRecipe(_Common):
    """A random forest a genre. least_leaf: training films that a leaf holds, or more."""

    classifier: Literal["random-forest"] = "random-forest"
    trees: Positive = 100
    least_leaf: Positive = 30
    balance: bool = True  # films with a genre weigh as much, together, as those without it


@dataclass(frozen=True, kw_only=True)
class QdaRecipe(_Common):
    """QDA a genre. regularisation: how far each covariance is drawn to that of all films."""

    classifier: Literal["qda"] = "qda"
    components: Positive = 64  # principal ones, of all that is looked at
    regularisation: Annotated[float, Field(ge=0, le=1)] = 0.99


ClassicalRecipe = ForestRecipe | QdaRecipe

CLASSIFIERS: dict[str, type[ForestRecipe] | type[QdaRecipe]] = {
    "random-forest": ForestRecipe,
    "qda": QdaRecipe,
}


def check_consistent(recipe: ClassicalRecipe, where: str) -> None:
    """Raise RecipeError where keys contradict each other. where: for the message."""
    backbone = recipe.features == "backbone"
    if backbone and recipe.backbone is None:
        raise RecipeError(f'{where}: features = "backbone" of which backbone?')
    asked = (recipe.backbone, recipe.weights, recipe.padding, recipe.mean, recipe.std)
    if not backbone and any(key is not None for key in asked):
        raise RecipeError(
            f"{where}: backbone, weights, padding, mean and std go with features = "
            f'"backbone", not "{recipe.features}"'
        )
    if not backbone and (recipe.height % CELL or recipe.width % CELL):
        raise RecipeError(
            f"{where}: statistics need a height and width that are multiples of {CELL}, not "
            f"{recipe.height}x{recipe.width}"
        )
