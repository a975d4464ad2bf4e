"""Recipe: all choices of one training, as a frozen record that TOML and --set override."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from keyart.errors import RecipeError, nearest
from keyart.images.spec import ImageSpec
from keyart.training.classical_recipe import CLASSIFIERS, ClassicalRecipe, check_consistent

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Strength = Annotated[int, Field(ge=0, le=30)]
Precision = Annotated[float, Field(gt=0, le=1)]
Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All choices of one training. None means absent, as a key that a TOML file leaves out."""

    __pydantic_config__ = ConfigDict(strict=True)

    # the network and its input
    backbone: str = "posternet"  # one of our own, or any name of timm's
    weights: str | None = None  # a safetensors file, or "hub"; random where absent
    padding: Literal["same"] | None = None  # of convolutions, for weights from TensorFlow
    height: Positive = 176
    width: Positive = 120
    fit: Literal["squash", "pad"] = "squash"
    channels: Literal["RGB", "BGR"] = "RGB"  # the order in which the backbone sees them
    mean: Colour | None = None  # of RGB in [0, 1]; the backbone's own where absent
    std: Colour | None = None
    dropout: Share = 0.1

    # what of it is trained
    frozen: bool = False  # the head alone, on the backbone's features, which are computed once
    views: Positive = 2  # of a poster in the feature cache: as it is, flipped, then augmented ones
    head_epochs: Count = 0  # fine-tuning starts from a head that was trained alone so long
    frozen_stages: Count = 0  # stages nearest the input that stay as they are
    frozen_statistics: bool = False  # batch normalisations keep the means that they came with
    layer_decay: Share = 1.0  # each layer towards the input learns at this share of the next rate

    # how long, how fast
    epochs: Positive = 30
    batch_size: Positive = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Rate = 2e-3
    momentum: Share = 0.9  # of sgd, Nesterov's
    final_momentum: Share | None = None  # momentum rises to it, epoch by epoch
    weight_decay: NotNegative = 0.05  # of sgd the L2 penalty's factor; of adamw decoupled
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup_epochs: NotNegative = 2.0
    final_learning_rate: NotNegative = 1e-6  # where cosine ends, and plateau cuts stop
    plateau_factor: Share = 0.1
    plateau_patience: Positive = 10
    early_stop_patience: Positive | None = None
    monitor: Literal["loss", "map"] = "loss"  # of validation: what improves, for all patience
    minimum_change: NotNegative = 1e-4  # of what is monitored, to count as an improvement
    keep: Literal["best", "last"] = "best"  # by what is monitored

    # what is learned from
    split: Literal["catalog", "random", "leaky"] = "catalog"  # see training/images.py
    upsample: Count = 0  # flipped copies of each film of upsample_genres
    upsample_genres: tuple[str, ...] = ()
    loss: Literal["bce", "focal", "asymmetric"] = "bce"
    balance: Literal["none", "inverse", "effective", "study"] = "none"
    balance_by: Literal["genre", "first_genre"] = "genre"  # first_genre: as Keras applied it
    teacher: str | None = None  # a run, whose scores and features guide this one
    teacher_share: Share = 0.5  # of the truth that the teacher's scores make up
    teacher_features: NotNegative = 0.0  # weight of the likeness to the teacher's features

    # how posters are changed
    flip: bool = True
    zoom: Share = 0.15  # up to this share in or out
    shift: Share = 0.08  # up to this share of height and width
    crop: Share = 0.0  # up to this share of each side is cut away, the poster's shape kept
    colour: Share = 0.2  # brightness, contrast and tint
    erase: Share = 0.25  # of posters get a blank rectangle
    randaugment: Strength = 0  # 1 to 30, of two operations drawn at random
    mixup: NotNegative = 0.0  # alpha of the beta distribution of shares
    cutmix: NotNegative = 0.0  # likewise; where both are set each batch draws one

    # weight averaging
    average_decay: Share | None = None

    # how scores become answers
    test_crops: Literal[1, 2, 5, 10] = 1  # looks at a poster once trained, averaged
    thresholds: Literal["f1", "micro_f1", "hamming"] | Precision = "f1"

    # the machine
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    seed: Count = 0

    @property
    def spec(self) -> ImageSpec:
        """How posters are prepared for this network. Raises WeightsError for an unknown one."""
        from keyart.models.backbones import statistics

        mean, std = statistics(self.backbone)
        return ImageSpec(self.height, self.width, self.fit, self.mean or mean, self.std or std)

    def to_toml(self) -> str:
        """The recipe as TOML; absent values are left out."""
        # JSON's strings, numbers, booleans and lists are TOML's too.
        lines = [f"{k} = {json.dumps(v)}" for k, v in asdict(self).items() if v is not None]
        return "\n".join(lines) + "\n"


AnyRecipe = Recipe | ClassicalRecipe

_ADAPTERS: dict[type[AnyRecipe], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Recipe, *CLASSIFIERS.values())
}


def portable(recipe: AnyRecipe) -> AnyRecipe:
    """The recipe as a bundle tells it: of files and runs their names, not where they lay."""
    paths: dict[str, Any] = {
        key: Path(value).name
        for key in ("weights", "teacher")
        if (value := getattr(recipe, key, None)) not in (None, "hub")
    }
    return replace(recipe, **paths)


def recipe_names() -> list[str]:
    """Names of the recipes that keyart ships."""
    folder = resources.files("keyart.training") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())


def load_recipe(name_or_path: str, settings: Sequence[str] = ()) -> Recipe:
    """The network's recipe of that name or TOML file, as `any_recipe` gives it.

    Raises RecipeError, also for a classical one.
    """
    recipe = any_recipe(name_or_path, settings)
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{name_or_path}: is a {recipe.classifier}; name a network's recipe")
    return recipe


def any_recipe(name_or_path: str, settings: Sequence[str] = ()) -> AnyRecipe:
    """The recipe of that name or TOML file, with `key=value` settings applied over it.

    One with the key `classifier` is a classical model's, every other a network's. A file's absent
    keys take their defaults. Raises RecipeError.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        where = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path}: cannot be read ({error}); name a TOML file") from error
    elif name_or_path in recipe_names():
        where = f"recipe {name_or_path}"
        shipped = resources.files("keyart.training") / "recipes" / f"{name_or_path}.toml"
        text = shipped.read_text(encoding="utf-8")
    else:
        raise RecipeError(
            f"no recipe {name_or_path!r}{nearest(name_or_path, recipe_names())} "
            f"Shipped: {', '.join(recipe_names())}; or name a TOML file"
        )
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not TOML: {error}") from error
    recipe = _validated(values, where)
    overrides = dict(_setting(setting) for setting in settings)
    if not overrides:
        return recipe
    return _validated({**asdict(recipe), **overrides}, "--set")


def _setting(setting: str) -> tuple[str, Any]:
    key, equals, value = setting.partition("=")
    if not equals:
        raise RecipeError(f"--set {setting}: write key=value")
    if value.strip() == "none":
        return key.strip(), None
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()  # a bare word is a string


def _validated(values: Mapping[str, Any], where: str) -> AnyRecipe:
    kind: type[AnyRecipe] = Recipe
    if "classifier" in values:
        name = str(values["classifier"])
        if name not in CLASSIFIERS:
            raise RecipeError(
                f"{where}: classifier = {name!r}: not one{nearest(name, CLASSIFIERS)} "
                f"Known: {', '.join(CLASSIFIERS)}"
            )
        kind = CLASSIFIERS[name]
    keys = [field.name for field in fields(kind)]
    for key in values:
        if key not in keys:
            raise RecipeError(
                f"{where}: no key {key!r}{nearest(key, keys)} The keys are: {', '.join(keys)}"
            )
    try:
        # JSON, because in it a whole number may stand for a real one, as people write them.
        recipe: AnyRecipe = _ADAPTERS[kind].validate_json(json.dumps(dict(values), default=str))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise RecipeError(f"{where}: {key} = {first['input']!r}: {first['msg'].lower()}") from error
    if isinstance(recipe, Recipe):
        _consistent(recipe, where)
    else:
        check_consistent(recipe, where)
    return recipe


def _consistent(recipe: Recipe, where: str) -> None:
    """Raise RecipeError where keys contradict each other."""
    if recipe.upsample and not recipe.upsample_genres:
        raise RecipeError(f"{where}: upsample = {recipe.upsample} of which upsample_genres?")
    if recipe.frozen and (recipe.head_epochs or recipe.mixup or recipe.cutmix or recipe.teacher):
        raise RecipeError(
            f"{where}: frozen trains the head alone, on features that are kept; it goes without "
            "head_epochs, mixup, cutmix and teacher"
        )
    if recipe.teacher_features and recipe.teacher is None:
        raise RecipeError(f"{where}: teacher_features of which teacher?")
    if recipe.balance_by == "first_genre" and recipe.balance == "none":
        raise RecipeError(f"{where}: balance_by = first_genre needs a balance")
    if recipe.balance_by == "first_genre" and recipe.teacher is not None:
        raise RecipeError(
            f"{where}: balance_by = first_genre goes without a teacher, for whom every film has "
            "every genre to some degree"
        )
