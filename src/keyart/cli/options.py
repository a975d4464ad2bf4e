"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.terminal.logs import hide_logs

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=hide_logs, help="Print no progress and no notes.")
]
Agreement = Annotated[
    bool,
    typer.Option(
        "--i-have-an-agreement",
        help="You have TMDb's written agreement, which its terms require for training.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="A run, a bundle, or hf:OWNER/NAME on a hub, optionally with @REVISION.",
        show_default="the model that comes with keyart",
    ),
]
CorrectionsUrl = Annotated[
    str, typer.Option("--from", help="URL of the SQLite or PostgreSQL database of corrections.")
]
CatalogFolder = Annotated[Path, typer.Argument(metavar="CATALOG", help="A catalog's folder.")]
Vocabulary_ = Annotated[
    Path | None,
    typer.Option(
        "--vocabulary",
        help="File of genres: one per line, other names after '='. Default: 19 genres.",
    ),
]
Posters = Annotated[
    Path | None,
    typer.Option(help="Folder or archive (.zip, .tar) of posters, for tables of films."),
]
Errors = Annotated[
    Path | None,
    typer.Option(help="Write a CSV of the posters that could not be read, with the reasons."),
]
Evidence = Annotated[
    Literal["all", "poster"],
    typer.Option(help="What to predict from: posters, titles and years, or posters alone."),
]
Precision = Annotated[
    float | None,
    typer.Option(
        help="Precision that predicted genres keep: 0.5 to 0.95. Default: the model's own, "
        "usually 0.6."
    ),
]
Balanced = Annotated[
    bool,
    typer.Option("--balanced", help="Predict more genres at a lower precision, for the best F1."),
]
IdColumn = Annotated[str | None, typer.Option("--id", help="The table's column of film ids.")]
TitleColumn = Annotated[str | None, typer.Option("--title", help="The table's column of titles.")]
YearColumn = Annotated[str | None, typer.Option("--year", help="The table's column of years.")]
PosterColumn = Annotated[
    str | None,
    typer.Option("--poster-column", help="The table's column of poster file names."),
]


def columns(**given: str | None) -> dict[str, str]:
    """The columns that the user names."""
    return {kind: name for kind, name in given.items() if name is not None}
