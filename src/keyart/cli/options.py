"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from keyart.terminal.logs import hide_logs

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=hide_logs, help="Print no progress and no notes.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Model = Annotated[
    Path | None,
    typer.Option(help="A run or a bundle.", show_default="the model that comes with keyart"),
]
CatalogFolder = Annotated[Path, typer.Argument(metavar="CATALOG", help="A catalog's folder.")]
Vocabulary_ = Annotated[
    Path | None,
    typer.Option("--vocabulary", help="One genre per line, aliases after '='. Default: 19 genres."),
]
