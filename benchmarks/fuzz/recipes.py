"""The door of recipes: TOML files, and settings as --set takes them."""

import functools
import json
import tomllib
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Any

from benchmarks.fuzz.campaign import Door, put
from benchmarks.fuzz.mutate import ODD, mutate, mutate_tree, numbered, pick
from keyart.training.recipe import Recipe, any_recipe, parse_settings, recipe_names


def recipes(folder: Path, stack: ExitStack) -> Door:
    """Read a recipe, or change one by settings; what is read must be read again the same."""

    def check(number: int, data: bytes) -> object:
        if _is_file(number):
            put(folder / "recipe.toml", data)
            recipe = any_recipe(folder / "recipe.toml")
        else:
            texts = data.decode("utf-8", "surrogateescape").splitlines()
            recipe = any_recipe(pick(recipe_names(), numbered("", number)), parse_settings(texts))
        if isinstance(recipe, Recipe):
            assert recipe.spec.height > 0
        written = recipe.to_toml()
        put(folder / "again.toml", written.encode())
        assert any_recipe(folder / "again.toml") == recipe
        return written

    return Door(mutated_recipe, check)


def mutated_recipe(number: int) -> bytes:
    """The lines of a TOML file or of settings."""
    rng = numbered("recipes", number)
    if _is_file(number):
        tree = tomllib.loads(pick(_shipped(), rng))
        for _ in range(int(rng.geometric(0.6))):
            mutate_tree(tree, rng)
        text = _toml(tree)
    else:
        keys = list(Recipe().settings())
        text = "\n".join(
            f"{pick(keys, rng)}={_value(pick(ODD, rng))}" for _ in range(int(rng.integers(1, 4)))
        )
    data = text.encode("utf-8", "surrogatepass")
    return mutate(data, [data], rng) if rng.random() < 0.3 else data


def _is_file(number: int) -> bool:
    return number % 2 == 0


@functools.cache
def _shipped() -> list[str]:
    folder = resources.files("keyart.training") / "recipes"
    return [(folder / f"{name}.toml").read_text(encoding="utf-8") for name in recipe_names()]


def _toml(tree: dict[str, Any]) -> str:
    """Values above tables, as TOML wants it."""
    lines = [
        f"{_key(key)} = {_value(value)}" for key, value in tree.items() if not _is_table(value)
    ]
    for name, table in tree.items():
        if _is_table(table):
            lines += [f"[{_key(name)}]", *(f"{_key(k)} = {_value(v)}" for k, v in table.items())]
    return "\n".join(lines)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    """JSON's values are TOML's too, but for these."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
