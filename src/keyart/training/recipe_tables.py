"""Tables of recipe keys: how they are documented, checked, changed and written as TOML."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic import Field as Limits

from keyart.errors import RecipeError, nearest, shown

Side = Annotated[int, Limits(ge=1, le=2_048, description="integer from 1 to 2,048")]
Views = Annotated[int, Limits(ge=1, le=100, description="integer from 1 to 100")]
Copies = Annotated[int, Limits(ge=0, le=100, description="integer from 0 to 100")]
Positive = Annotated[int, Limits(ge=1, le=100_000, description="integer from 1 to 100,000")]
Count = Annotated[int, Limits(ge=0, le=100_000, description="integer from 0 to 100,000")]
# More is refused by NumPy.
Seed = Annotated[int, Limits(ge=0, le=2**32 - 1, description="integer from 0 to 4,294,967,295")]
Rate = Annotated[float, Limits(gt=0, le=1_000, description="number above 0, up to 1,000")]
NotNegative = Annotated[float, Limits(ge=0, le=1_000, description="number from 0 to 1,000")]
Fraction = Annotated[float, Limits(ge=0, le=1, description="number from 0 to 1")]
Prompt = Annotated[
    str,
    Limits(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="text of one line"),
]
_Mean = Annotated[float, Limits(ge=-1_000, le=1_000)]
_Std = Annotated[float, Limits(ge=0.001, le=1_000)]
Colour = Annotated[tuple[_Mean, _Mean, _Mean], Limits(description="[red, green, blue]")]
Spread = Annotated[
    tuple[_Std, _Std, _Std], Limits(description="[red, green, blue], each 0.001 or more")
]


@dataclass(frozen=True)
class Key:
    """One recipe key, as the documentation shows it."""

    table: str
    name: str
    type: str
    default: str
    does: str
    when: str


def key(default: Any, does: str, when: str) -> Any:
    """A key with its default. does: what it does. when: when to change it. Both in Markdown."""
    return field(default=default, metadata={"does": does, "when": when})


class Table:
    """Base of the groups: each is one table of a TOML file, and a frozen dataclass of `key`s."""

    __pydantic_config__: ClassVar = ConfigDict(strict=True)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Base of all recipes: a dataclass of groups. The name of a key is unique across its groups."""

    @classmethod
    def groups(cls) -> dict[str, type[Any]]:
        """The class of each group, by the name of its table."""
        return {group.name: _class(group.type) for group in fields(cls)}

    @classmethod
    def homes(cls) -> dict[str, str]:
        """The table of each key."""
        return {one.name: table for table, group in cls.groups().items() for one in fields(group)}

    @classmethod
    def documented_keys(cls) -> list[Key]:
        """All keys in order, with their documentation."""
        return [
            Key(
                table,
                one.name,
                _words(one.type),
                "none" if one.default is None else json.dumps(one.default),
                one.metadata["does"],
                one.metadata["when"],
            )
            for table, group in cls.groups().items()
            for one in fields(group)
        ]

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any], where: str) -> Self:
        """The recipe of a TOML file's tables; absent keys take their defaults.

        where: names the file in messages. Raises RecipeError.
        """
        groups, homes = cls.groups(), cls.homes()
        for name, values in tables.items():
            if name in groups and not isinstance(values, dict):
                raise RecipeError(f"{where}: {name} is a table; write [{name}]")
            if not isinstance(values, dict):
                raise RecipeError(_outside(name, homes, where))
            if name not in groups:
                raise RecipeError(
                    f"{where}: no table [{_named(name)}]{nearest(name, groups) or '.'} "
                    f"The tables are: {_list(groups)}"
                )
            known = [one.name for one in fields(groups[name])]
            for given in values:
                if given in known:
                    continue
                if given in homes:
                    raise RecipeError(
                        f"{where}: {given} belongs under [{homes[given]}], not [{name}]"
                    )
                raise RecipeError(
                    f"{where}: no key {shown(given)}{nearest(given, homes) or '.'} "
                    f"The keys of [{name}] are: {', '.join(known)}"
                )
        return cls._checked({name: tables.get(name, {}) for name in groups}, where)

    def with_settings(self, **settings: Any) -> Self:
        """The same recipe with other values for some keys, of whatever table. Raises RecipeError.

        recipe.with_settings(epochs=5, dropout=0.2)
        """
        homes = self.homes()
        values: dict[str, dict[str, Any]] = asdict(self)
        for name, value in settings.items():
            if name not in homes:
                raise RecipeError(
                    f"settings: no key {shown(name)}{nearest(name, homes) or '.'} The keys are: "
                    f"{', '.join(homes)}"
                )
            values[homes[name]][name] = value
        return self._checked(values, "settings")

    def settings(self) -> dict[str, Any]:
        """The value of each key, without the tables."""
        return {name: value for table in asdict(self).values() for name, value in table.items()}

    def to_toml(self) -> str:
        """The recipe as TOML, a table for each group; keys without a value are left out."""
        # JSON's strings, numbers, booleans and lists are TOML's too.
        tables = [
            "\n".join(
                [f"[{table}]"]
                + [
                    f"{name} = {json.dumps(value, ensure_ascii=False)}"
                    for name, value in values.items()
                    if value is not None
                ]
            )
            for table, values in asdict(self).items()
        ]
        return "\n\n".join(tables) + "\n"

    def check(self, where: str) -> None:
        """Raise RecipeError if keys contradict each other. where: for the message."""

    @classmethod
    def _checked(cls, values: Mapping[str, Mapping[str, Any]], where: str) -> Self:
        recipe = cls(
            **{name: _valid(group, values[name], where) for name, group in cls.groups().items()}
        )
        recipe.check(where)
        return recipe


def _valid(group: type[Any], values: Mapping[str, Any], where: str) -> Any:
    try:
        # JSON, because in it an integer may stand for a real number, as people write them.
        return _adapter(group).validate_json(json.dumps(dict(values), default=str))
    except ValidationError as error:
        first, *others = error.errors()
        name = str(first["loc"][0]) if first["loc"] else group.__name__.lower()
        problem = first["msg"].lower()
        if any(other["loc"][:1] == first["loc"][:1] for other in others):  # for each alternative
            (kind,) = (one.type for one in fields(group) if one.name == name)
            problem = f"expected {_words(kind)}"
        raise RecipeError(f"{where}: {name} = {shown(first['input'])}: {problem}") from error


def _adapter(group: type[Any]) -> TypeAdapter[Any]:
    if group not in _ADAPTERS:
        _ADAPTERS[group] = TypeAdapter(group)
    return _ADAPTERS[group]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _outside(name: str, homes: Mapping[str, str], where: str) -> str:
    """What is wrong with a key that is in no table."""
    tables = _list(dict.fromkeys(homes.values()))
    if name not in homes:
        known = nearest(name, homes) or "."
        return f"{where}: no key {shown(name)}{known} Keys are in tables: {tables}"
    return (
        f"{where}: {name} is in no table; move it under [{homes[name]}] (recipes have tables now: "
        f"{tables})"
    )


def _named(name: str) -> str:
    """A key in a message; one that TOML needs quotes for is in quotes."""
    return name if re.fullmatch(r"[\w-]{1,60}", name) else shown(name)


def _list(tables: Mapping[str, object]) -> str:
    return ", ".join(f"[{name}]" for name in tables)


def _class(kind: Any) -> type[Any]:
    assert isinstance(kind, type)
    return kind


def _words(kind: Any) -> str:
    """A type as people read it."""
    if get_origin(kind) is Annotated:
        described = [one.description for one in get_args(kind)[1:] if hasattr(one, "description")]
        return described[0] if described else _words(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return ", ".join(json.dumps(value) for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_words(get_args(kind)[0])}s"
    if get_args(kind):  # a union
        return " or ".join(_words(one) for one in get_args(kind) if one is not NoneType)
    return {str: "text", bool: "true, false", int: "integer", float: "number"}[kind]
