"""Write docs/cli.md from the commands themselves: python -m scripts.cli_page [--check]"""

import sys
from collections.abc import Iterator

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from keyart.cli import app
from scripts.pages import cell, publish

_INTRO = """# Command line

Every command and option of `keyart`. `keyart COMMAND --help` prints the same text.

- Errors are one line on stderr that says what is wrong, where, and what to do. `keyart --debug
  COMMAND ...` shows the traceback.
- The exit status is 0 for success, 1 for an error and 2 for wrong usage.
- Long work shows a progress bar on a terminal. `--quiet` turns it off.

This page is generated from the commands.
"""


def cli_page() -> str:
    """The page as Markdown: one section per command, in the order of `keyart --help`."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return "\n".join([_INTRO, *(_section(*found) for found in _walk("keyart", root))])


def _walk(path: str, group: TyperGroup) -> Iterator[tuple[str, TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _walk(f"{path} {name}", command)
        elif isinstance(command, TyperCommand) and not command.hidden:
            yield f"{path} {name}", command


def _section(path: str, command: TyperCommand) -> str:
    context = typer.Context(command, info_name=path)
    # (name and type, help and notes), as --help prints them
    records = []
    for param in command.params:
        if record := param.get_help_record(context):
            name, text = record
            if name[0] != "-":  # the type of an argument is only noise
                name = name.partition(" <")[0] + ("..." if param.nargs == -1 else "")
            records.append((name, text))
    required = [name for name, text in records if "required]" in text]
    optional = [name for name, text in records if "required]" not in text]
    usage = [path, *(name for name in required if name[0] != "-")]
    usage += [f"[{name}]" for name in optional if name[0] != "-"]
    usage += [name for name in required if name[0] == "-"]
    if any(name[0] == "-" for name in optional):
        usage.append("[OPTIONS]")
    lines = [f"## {path}", "", " ".join((command.help or "").split()), ""]
    lines += ["```", " ".join(usage), "```", ""]
    lines += ["| argument or option | what it does |", "|---|---|"]
    lines += [
        f"| `{_without_choices(name)}` | {cell(_meaning(name, text))} |" for name, text in records
    ]
    return "\n".join([*lines, ""])


def _without_choices(name: str) -> str:
    """`--split <train|test>` as `--split`: a bar would end the cell."""
    return name.partition(" <")[0] if "|" in name else name


def _meaning(name: str, text: str) -> str:
    """Help with its notes, as in "[default: 5; x>=1]", and its choices, as sentences."""
    text, bracket, notes = text.rstrip("]").partition("  [")
    words = text.split()
    if "|" in name.partition("<")[2]:
        choices = name.partition("<")[2].rstrip(">").split("|")
        words.append(f"One of {', '.join(f'`{choice}`' for choice in choices)}.")
    for note in notes.split("; ") if bracket else ():
        kind, _, value = note.partition(": ")
        if kind == "default":
            words += ["Default:", f"{value.strip('()')}." if value[0] == "(" else f"`{value}`."]
        elif kind == "required":
            words.append("Required.")
        else:
            words.append(f"Allowed: `{kind}`.")
    return " ".join(words)


if __name__ == "__main__":
    sys.exit(publish("docs/cli.md", cli_page(), check="--check" in sys.argv))
