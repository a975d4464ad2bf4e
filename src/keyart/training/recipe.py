"""Recipe: all choices of one training, as a frozen record that TOML and settings override."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from keyart.errors import RecipeError, nearest, shown, why
from keyart.images.spec import ImageSpec
from keyart.reading import parse_toml, read_toml
from keyart.stores.paths import place
from keyart.training.classical_recipe import CLASSIFIERS, ClassicalRecipe
from keyart.training.recipe_groups import Data, Ending, Network, Optimisation, Regularisation
from keyart.training.recipe_tables import Tables


@dataclass(frozen=True, kw_only=True)
class Recipe(Tables):
    """All choices of one network's training, in groups. Each group is a table of a TOML file.

        Recipe().with_settings(epochs=5, backbone="resnet50")

    None means that a key has no value; a TOML file leaves it out.
    """

    data: Data = Data()
    network: Network = Network()
    optimisation: Optimisation = Optimisation()
    regularisation: Regularisation = Regularisation()
    ending: Ending = Ending()

    @property
    def spec(self) -> ImageSpec:
        """How posters are prepared for this network. Raises WeightsError for an unknown one."""
        from keyart.models.backbones import statistics

        data, network = self.data, self.network
        mean, std = statistics(network.backbone)
        return ImageSpec(
            data.height, data.width, data.fit, network.mean or mean, network.std or std
        )

    def check(self, where: str) -> None:
        """Raise RecipeError if keys contradict each other."""
        data, optimisation, regularisation = self.data, self.optimisation, self.regularisation
        if data.upsample and not data.upsample_genres:
            raise RecipeError(f"{where}: upsample = {data.upsample} needs upsample_genres")
        if self.network.frozen and (
            optimisation.head_epochs or data.mixup or data.cutmix or regularisation.teachers
        ):
            raise RecipeError(
                f"{where}: frozen trains the head alone, on cached features; it works without "
                "head_epochs, mixup, cutmix and teacher"
            )
        if self.network.start is not None and (
            self.network.weights is not None or optimisation.head_epochs or data.split != "catalog"
        ):
            raise RecipeError(
                f"{where}: start has weights and fits the head first; it works without weights, "
                'head_epochs and other splits than "catalog"'
            )
        if regularisation.feature_weight and not regularisation.teachers:
            raise RecipeError(f"{where}: feature_weight needs a teacher")
        if optimisation.balance_by == "first_genre" and optimisation.balance == "none":
            raise RecipeError(f"{where}: balance_by = first_genre needs a balance")
        if optimisation.balance_by == "first_genre" and regularisation.teachers:
            raise RecipeError(
                f"{where}: balance_by = first_genre works without a teacher only: to a teacher "
                "every film has every genre to some degree"
            )


AnyRecipe = Recipe | ClassicalRecipe


def recipe_names() -> list[str]:
    """Names of the recipes that keyart ships."""
    folder = resources.files("keyart.training") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())


def any_recipe(
    recipe: AnyRecipe | str | os.PathLike[str], settings: Mapping[str, Any] | None = None
) -> AnyRecipe:
    """A recipe by name, from a TOML file, or as it is; with settings (key: value) applied.

    A file with the table [classifier] is a classical model's recipe, every other a network's.
    Raises RecipeError.
    """
    found = recipe if isinstance(recipe, Recipe | ClassicalRecipe) else _read(recipe)
    return found.with_settings(**settings or {})


def recipe_of(text: str, where: str) -> AnyRecipe:
    """The recipe that a TOML text holds. where: names it in messages. Raises RecipeError."""
    try:
        tables = parse_toml(text)
    except ValueError as error:
        raise RecipeError(f"{where}: cannot be read ({why(error)})") from error
    return _kind(tables, where).from_tables(tables, where)


def load_recipe(
    recipe: AnyRecipe | str | os.PathLike[str], settings: Mapping[str, Any] | None = None
) -> Recipe:
    """A network's recipe, as from `any_recipe`. Raises RecipeError, also for a classical one."""
    found = any_recipe(recipe, settings)
    if not isinstance(found, Recipe):
        raise RecipeError(f"{recipe}: is a {found.classifier.kind}; give a network's recipe")
    return found


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Settings from `key=value` texts, as `--set` takes them; `none` is no value.

    Raises RecipeError for a text without an equals sign.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--set {text}: write key=value")
        settings[key.strip()] = _value(value.strip())
    return settings


def portable(recipe: AnyRecipe) -> AnyRecipe:
    """The recipe as a bundle shows it: names of files and runs, without their folders."""
    known = recipe.settings()
    named = {key: known.get(key) for key in ("weights", "teacher", "titles", "encoder", "start")}
    return recipe.with_settings(
        **{
            key: Path(value).name if isinstance(value, str) else [Path(one).name for one in value]
            for key, value in named.items()
            if value not in (None, "hub")
        }
    )


def _value(text: str) -> Any:
    if text == "none":
        return None
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text  # a bare word is a string


def _read(recipe: str | os.PathLike[str]) -> AnyRecipe:
    path = place(recipe)
    if path.suffix == ".toml":
        where = str(path)
        try:
            _, tables = read_toml(path)
        except (OSError, ValueError) as error:
            raise RecipeError(f"{path}: cannot be read ({why(error)}); give a TOML file") from error
    elif str(recipe) in recipe_names():
        where = f"recipe {recipe}"
        shipped = resources.files("keyart.training") / "recipes" / f"{recipe}.toml"
        tables = parse_toml(shipped.read_text(encoding="utf-8"))
    else:
        raise RecipeError(
            f"no recipe {shown(str(recipe))}{nearest(str(recipe), recipe_names()) or '.'} "
            f"Shipped: {', '.join(recipe_names())}; or give a TOML file"
        )
    return _kind(tables, where).from_tables(tables, where)


def _kind(tables: Mapping[str, Any], where: str) -> type[AnyRecipe]:
    """Which recipe a TOML file's tables make."""
    classifier = tables.get("classifier")
    if classifier is None:
        return Recipe
    if not isinstance(classifier, dict):
        raise RecipeError(
            f"{where}: classifier is in no table; move it under [classifier], as kind"
        )
    kind = classifier.get("kind")
    if not isinstance(kind, str) or kind not in CLASSIFIERS:
        raise RecipeError(
            f"{where}: [classifier] kind = {shown(kind)}: not one"
            f"{nearest(str(kind), CLASSIFIERS) or '.'} Known: {', '.join(CLASSIFIERS)}"
        )
    return CLASSIFIERS[kind]
