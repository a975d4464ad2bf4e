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
        help="Train on posters of TMDb: its terms ask for a written agreement.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="A run or a bundle; or hf:OWNER/NAME on a hub, also with @REVISION.",
        show_default="the model that comes with keyart",
    ),
]
CorrectionsUrl = Annotated[
    str, typer.Option("--from", help="URL of the SQLite or PostgreSQL database of corrections.")
]
CatalogFolder = Annotated[Path, typer.Argument(metavar="CATALOG", help="A catalog's folder.")]
Vocabulary_ = Annotated[
    Path | None,
    typer.Option("--vocabulary", help="One genre per line, aliases after '='. Default: 19 genres."),
]
Posters = Annotated[
    Path | None,
    typer.Option(help="Folder or archive (.zip, .tar) of the posters of the films in tables."),
]
Errors = Annotated[
    Path | None,
    typer.Option(help="CSV of the posters that could not be read, with the reasons."),
]
Evidence = Annotated[
    Literal["all", "poster"],
    typer.Option(help="What predictions may rest on: also titles and years, or posters alone."),
]
Precision = Annotated[
    float | None,
    typer.Option(
        help="Share of the predicted genres that is to be right: 0.5 to 0.95. Default: the "
        "model's own, usually 0.6."
    ),
]
Balanced = Annotated[
    bool,
    typer.Option(
        "--balanced", help="Predict more genres, of which fewer are right: for the best F1."
    ),
]
IdColumn = Annotated[str | None, typer.Option("--id", help="The table's column of film ids.")]
TitleColumn = Annotated[str | None, typer.Option("--title", help="Its column of titles.")]
YearColumn = Annotated[str | None, typer.Option("--year", help="Its column of years.")]
PosterColumn = Annotated[
    str | None, typer.Option("--poster-column", help="Its column of the posters' file names.")
]


def columns(**given: str | None) -> dict[str, str]:
    """The columns that the user names."""
    return {kind: name for kind, name in given.items() if name is not None}
