"""The space of a search: a range or a choice of values for some keys of a recipe."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from keyart.errors import RecipeError, nearest, why
from keyart.reading import read_toml
from keyart.training.recipe import Recipe, parse_settings

# A range with at least this ratio of its ends is searched on a logarithmic scale.
_LOG_FROM = 10

Value = float | int | str | bool | None
Dimension = FloatDistribution | IntDistribution | CategoricalDistribution
Space = Mapping[str, Dimension]
Variant = Callable[[Mapping[str, Value]], Recipe]
"""Makes the recipe with these values of some keys. Raises RecipeError."""


def numbers(low: float, high: float) -> FloatDistribution | IntDistribution:
    """Numbers from `low` to `high`, both included; integers if both ends are."""
    log = low > 0 and high >= _LOG_FROM * low
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def written(dimension: Dimension) -> str:
    """A dimension in the form that --search takes."""
    if isinstance(dimension, CategoricalDistribution):
        return "|".join(map(_written, dimension.choices))
    return f"{dimension.low:g}..{dimension.high:g}"


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """Have Optuna choose a value for each key of the space, to three digits."""
    for key, dimension in space.items():
        if isinstance(dimension, CategoricalDistribution):
            trial.suggest_categorical(key, dimension.choices)
        elif isinstance(dimension, IntDistribution):
            trial.suggest_int(key, dimension.low, dimension.high, log=dimension.log)
        else:
            trial.suggest_float(key, dimension.low, dimension.high, log=dimension.log)
    return rounded(trial.params)


def default_space(recipe: Recipe) -> Space:
    """The keys that matter most when training from scratch on little data (arXiv:2212.12478):
    learning rate, weight decay and batch size; and dropout and augmentation.

    A head on a frozen backbone trains without augmentation. If pretrained weights are fine-tuned,
    the learning rate of deeper layers is searched too.
    """
    rate = recipe.optimisation.learning_rate
    decay = numbers(0.005, 0.5) if recipe.optimisation.optimizer == "adamw" else numbers(1e-5, 1e-2)
    space: dict[str, Dimension] = {
        "learning_rate": numbers(rate / 5, rate * 5),
        "weight_decay": decay,
        "batch_size": CategoricalDistribution((32, 64, 128)),
        "dropout": numbers(0.0, 0.5),
    }
    if not recipe.network.frozen:
        space |= {
            "zoom": numbers(0.0, 0.25),
            "shift": numbers(0.0, 0.12),
            "colour": numbers(0.0, 0.3),
            "erase": numbers(0.0, 0.5),
        }
        if recipe.network.weights is not None:
            space["layer_decay"] = numbers(0.6, 1.0)
    return space


def read_space(settings: Sequence[str], variant: Variant) -> Space:
    """The space of the keys in `settings`; without any, the default one.

    Each is `key=low..high`, `key=a|b|c`, or a TOML file with a table [search] of such strings or
    of lists of values. Raises RecipeError for a key or a value that no recipe can have.
    """
    space: dict[str, Dimension] = {}
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
    known = list(Recipe.homes())
    for key, dimension in space.items():
        if key not in known:
            raise RecipeError(f"--search: no recipe key {key!r}{nearest(key, known)}")
        if isinstance(dimension, CategoricalDistribution):
            ends: tuple[Value, ...] = tuple(dimension.choices)
        else:
            ends = dimension.low, dimension.high
        for end in ends:
            variant({key: end})
    return space


def start_of(space: Space, recipe: Recipe) -> dict[str, Value]:
    """The first trial of a search: the recipe's own values, for keys with these in their range."""
    own = recipe.settings()
    return {key: own[key] for key, dimension in space.items() if _holds(dimension, own[key])}


def rounded(values: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a trial, rounded to three digits as in its recipe."""
    return {
        key: float(f"{value:.3g}") if isinstance(value, float) else value
        for key, value in values.items()
    }


def assignments(values: Mapping[str, Any]) -> list[str]:
    """Values in the form that --set takes."""
    return [f"{key}={_written(value)}" for key, value in values.items()]


def _holds(dimension: Dimension, value: Any) -> bool:
    if isinstance(dimension, CategoricalDistribution):
        return value in dimension.choices
    return isinstance(value, int | float) and dimension.low <= value <= dimension.high


def _table(path: Path) -> dict[str, Dimension]:
    try:
        table = read_toml(path)[1].get("search")
    except (OSError, ValueError) as error:
        raise RecipeError(f"--search {path}: cannot be read ({why(error)})") from error
    if not isinstance(table, dict) or not table:
        raise RecipeError(f"--search {path}: has no table [search]")
    return {key: _dimension(key, value) for key, value in table.items()}


def _dimension(key: str, value: Any) -> Dimension:
    if isinstance(value, str) and ".." in value:
        ends = [_value(key, end) for end in value.split("..")]
        match ends:
            case [int() | float() as low, int() | float() as high] if low < high:
                return numbers(low, high)
        raise RecipeError(f"--search {key}={value}: a range is two numbers, low..high")
    values = (
        value if isinstance(value, list) else [_value(key, one) for one in str(value).split("|")]
    )
    if any(isinstance(one, list | dict) for one in values) or not values:
        raise RecipeError(f"--search {key}: choices are numbers, words, true, false or none")
    return CategoricalDistribution(tuple(values))


def _value(key: str, text: str) -> Any:
    return parse_settings([f"{key}={text}"])[key]


def _written(value: Any) -> str:
    return "none" if value is None else json.dumps(value)
