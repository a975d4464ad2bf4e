"""Recipe: all choices of one training, as a frozen record that TOML and --set override."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from keyart.errors import RecipeError, nearest
from keyart.images.spec import ImageSpec

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All choices of one training. None means absent, as a key that a TOML file leaves out."""

    __pydantic_config__ = ConfigDict(strict=True)

    # the network and its input
    model: str = "posternet"
    height: Positive = 176
    width: Positive = 120
    fit: Literal["squash", "pad"] = "squash"
    dropout: Share = 0.1

    # how long, how fast
    epochs: Positive = 30
    batch_size: Positive = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Rate = 2e-3
    momentum: Share = 0.9  # of sgd, Nesterov's
    weight_decay: NotNegative = 0.05
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup_epochs: NotNegative = 2.0
    final_learning_rate: NotNegative = 1e-6  # where cosine ends, and plateau cuts stop
    plateau_factor: Share = 0.1
    plateau_patience: Positive = 10
    early_stop_patience: Positive | None = None
    minimum_change: NotNegative = 1e-4  # of validation loss, to count as an improvement
    keep: Literal["best", "last"] = "best"  # by validation loss

    # what is learned from
    balance: Literal["none", "inverse", "effective"] = "none"
    flip: bool = True
    zoom: Share = 0.15  # up to this share in or out
    shift: Share = 0.08  # up to this share of height and width
    colour: Share = 0.2  # brightness, contrast and tint
    erase: Share = 0.25  # of posters get a blank rectangle

    # weight averaging
    average_decay: Share | None = None

    # the machine
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def spec(self) -> ImageSpec:
        """How posters are prepared for this network."""
        return ImageSpec(self.height, self.width, self.fit)

    def to_toml(self) -> str:
        """The recipe as TOML; absent values are left out."""
        # JSON's strings, numbers and booleans are TOML's too.
        lines = [f"{k} = {json.dumps(v)}" for k, v in asdict(self).items() if v is not None]
        return "\n".join(lines) + "\n"


_KEYS = tuple(field.name for field in fields(Recipe))
_ADAPTER = TypeAdapter(Recipe)


def recipe_names() -> list[str]:
    """Names of the recipes that keyart ships."""
    folder = resources.files("keyart.training") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())


def load_recipe(name_or_path: str, settings: Sequence[str] = ()) -> Recipe:
    """The recipe of that name or TOML file, with `key=value` settings applied over it.

    A file's absent keys take their defaults. Raises RecipeError.
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


def _validated(values: Mapping[str, Any], where: str) -> Recipe:
    for key in values:
        if key not in _KEYS:
            raise RecipeError(
                f"{where}: no key {key!r}{nearest(key, _KEYS)} The keys are: {', '.join(_KEYS)}"
            )
    try:
        # JSON, because in it a whole number may stand for a real one, as people write them.
        return _ADAPTER.validate_json(json.dumps(dict(values), default=str))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise RecipeError(f"{where}: {key} = {first['input']!r}: {first['msg'].lower()}") from error
