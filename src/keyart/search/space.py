"""What a search varies: for some keys of a recipe a range or a choice of values."""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from keyart.errors import RecipeError, nearest
from keyart.training.recipe import Recipe

# A range whose ends lie so many times apart is searched by orders of magnitude.
_LOG_FROM = 10

Value = float | int | str | bool | None


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where both ends are."""

    low: float
    high: float

    @property
    def whole(self) -> bool:
        """Whether all its numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def log(self) -> bool:
        """Whether small numbers are tried as often as large ones, by orders of magnitude."""
        return self.low > 0 and self.high >= _LOG_FROM * self.low

    def holds(self, value: Value) -> bool:
        """Whether `value` lies in it."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]

    def holds(self, value: Value) -> bool:
        """Whether `value` is one of them."""
        return value in self.values

    def __str__(self) -> str:
        return "|".join(map(_written, self.values))


Space = Mapping[str, Range | Choice]
Variant = Callable[[Mapping[str, Value]], Recipe]
"""From values of some keys to the recipe that has them. Raises RecipeError."""


def default_space(recipe: Recipe) -> Space:
    """What matters most when one trains from scratch on little data (arXiv:2212.12478): learning
    rate, weight decay and batch size; and how much is regularised, beside them.

    Where a frozen backbone's head is trained posters are not changed; where weights are fine-tuned
    deeper layers may learn at a lower rate.
    """
    rate = recipe.optimisation.learning_rate
    decay = Range(0.005, 0.5) if recipe.optimisation.optimizer == "adamw" else Range(1e-5, 1e-2)
    space: dict[str, Range | Choice] = {
        "learning_rate": Range(rate / 5, rate * 5),
        "weight_decay": decay,
        "batch_size": Choice((32, 64, 128)),
        "dropout": Range(0.0, 0.5),
    }
    if not recipe.network.frozen:
        space |= {
            "zoom": Range(0.0, 0.25),
            "shift": Range(0.0, 0.12),
            "colour": Range(0.0, 0.3),
            "erase": Range(0.0, 0.5),
        }
        if recipe.network.weights is not None:
            space["layer_decay"] = Range(0.6, 1.0)
    return space


def read_space(settings: Sequence[str], variant: Variant) -> Space:
    """The space that `settings` name, and nothing beside; the default one where there are none.

    Each is `key=low..high`, `key=a|b|c`, or a TOML file with a table [search] of such strings (or
    lists of values). Raises RecipeError for a key or an end that a recipe cannot have.
    """
    space: dict[str, Range | Choice] = {}
    for setting in settings:
        if setting.endswith(".toml") and "=" not in setting:
            space |= _table(Path(setting))
        else:
            key, equals, value = setting.partition("=")
            if not equals:
                raise RecipeError(f"--search {setting}: write key=low..high or key=a|b")
            space[key.strip()] = _dimension(key.strip(), value.strip())
    if not space:
        return default_space(variant({}))
    known = [field.name for field in fields(Recipe)]
    for key, dimension in space.items():
        if key not in known:
            raise RecipeError(f"--search: no recipe key {key!r}{nearest(key, known)}")
        ends = (
            dimension.values if isinstance(dimension, Choice) else (dimension.low, dimension.high)
        )
        for end in ends:
            variant({key: end})
    return space


def start_of(space: Space, recipe: Recipe) -> dict[str, Value]:
    """The recipe's own values, of the keys whose dimension holds them: where a search begins."""
    own = asdict(recipe)
    return {key: own[key] for key, dimension in space.items() if dimension.holds(own[key])}


def rounded(values: Mapping[str, Any]) -> dict[str, Value]:
    """A trial's values as its recipe has them: three digits are enough for any of them."""
    return {
        key: float(f"{value:.3g}") if isinstance(value, float) else value
        for key, value in values.items()
    }


def assignments(values: Mapping[str, Value]) -> list[str]:
    """Values as --set takes them."""
    return [f"{key}={_written(value)}" for key, value in values.items()]


def _table(path: Path) -> dict[str, Range | Choice]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("search")
    except (OSError, ValueError) as error:
        raise RecipeError(f"--search {path}: cannot be read ({error})") from error
    if not isinstance(table, dict) or not table:
        raise RecipeError(f"--search {path}: has no table [search]")
    return {key: _dimension(key, value) for key, value in table.items()}


def _dimension(key: str, value: Any) -> Range | Choice:
    if isinstance(value, str) and ".." in value:
        ends = [_parsed(end) for end in value.split("..")]
        match ends:
            case [int() | float() as low, int() | float() as high] if low < high:
                return Range(low, high)
        raise RecipeError(f"--search {key}={value}: a range is two numbers, low..high")
    values = value if isinstance(value, list) else [_parsed(one) for one in str(value).split("|")]
    if any(isinstance(one, list | dict) for one in values) or not values:
        raise RecipeError(f"--search {key}: choices are numbers, words, true, false or none")
    return Choice(tuple(values))


def _parsed(text: str) -> Value:
    word = text.strip()
    if word == "none":
        return None
    try:
        value = tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word  # a bare word is a string
    return value if isinstance(value, int | float | str | bool) else word


def _written(value: Value) -> str:
    return "none" if value is None else json.dumps(value)
