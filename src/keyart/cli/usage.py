"""Wrong usage: the error about an unknown option or command names the commands that have it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from keyart.errors import listed

# Typer has its own Click or another's, by its version; this is the error of the one it has.
_UsageError: Any = typer.BadParameter.__mro__[1]
_NAMED = 5  # commands that have an option


class Commands(TyperGroup):
    """The root of all commands: it finds the commands that have an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with self._naming_owners():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with self._naming_owners():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except _UsageError as error:
            found = [name for name, _ in _leaves(self) if name.endswith(f" {args[0]}")]
            if found:
                error.message = f"No such command {args[0]!r}. Did you mean {_listed(found)}?"
            raise

    @contextmanager
    def _naming_owners(self) -> Iterator[None]:
        try:
            yield
        except _UsageError as error:
            option = getattr(error, "option_name", None)
            # Other errors have a name as well, that of an existing option.
            if option is None or not hasattr(error, "possibilities"):
                raise
            owners = [f"keyart {name}" for name, one in _leaves(self) if _has(one, option)]
            command = error.ctx.command if error.ctx else self
            hints = []
            if owners:
                alike = error.possibilities or ()  # names that begin so are meant, others may be
                error.possibilities = [name for name in alike if name.startswith(option)] or None
                hints.append(f"{_listed(owners)} {'has' if len(owners) == 1 else 'have'} it.")
                if command is self:
                    hints.append("Options go after the command.")
            if _has(command, "--set") and not error.possibilities:
                key = option.lstrip("-").replace("-", "_")
                hints.append(f"A key of the recipe is set with --set {key}=VALUE.")
            if hints:
                error.message = " ".join([f"{error.message}.", *hints])
            raise


def _leaves(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """All commands below a group, with their names as people type them."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{before}{name} ")
        else:
            yield before + name, command


def _has(command: Any, option: str) -> bool:
    return any(option in parameter.opts for parameter in command.params)


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return listed(names)
