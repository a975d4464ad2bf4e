"""The command that adds genres to a user's own table."""

from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import (
    Balanced,
    Errors,
    Evidence,
    IdColumn,
    Model,
    PosterColumn,
    Posters,
    Precision,
    Quiet,
    TitleColumn,
    YearColumn,
    columns,
)

commands = typer.Typer()


@commands.command("fill")
def fill(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE", help="A table of films: CSV, TSV, JSON, Parquet or Excel's .xlsx."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File for the filled table, of the same kind. -: standard output."),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Fill the table itself. NAME.bak keeps the original.")
    ] = False,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Only fill the empty cells of this column of genres.",
        ),
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Also add a column of scores for each genre.")
    ] = False,
    posters: Posters = None,
    model: Model = None,
    errors: Errors = None,
    evidence: Evidence = "all",
    precision: Precision = None,
    balanced: Balanced = False,
    id: IdColumn = None,
    title: TitleColumn = None,
    year: YearColumn = None,
    poster_column: PosterColumn = None,
    quiet: Quiet = False,
) -> None:
    """Add genres to a table of films, and change nothing else in it."""
    from keyart.evidence import KINDS, POSTER
    from keyart.predictor import Predictor
    from keyart.tables.fill import fill
    from keyart.terminal.predictions import failure_lines, filled_lines, precision_line
    from keyart.terminal.progress import progress

    if balanced and precision is not None:
        raise typer.BadParameter("give --precision or --balanced, not both")
    if (out is None) != in_place:
        raise typer.BadParameter("give --out FILE, or --in-place to fill the table itself")
    predictor = Predictor.load(model, precision=precision, balanced=balanced)
    if precision is not None and not quiet:
        typer.echo(precision_line(predictor.bundle), err=True)
    with progress("films", quiet=quiet) as advance:
        filled = fill(
            table,
            out,
            in_place=in_place,
            into=into,
            scores=scores,
            posters=posters,
            columns=columns(id=id, title=title, year=year, poster=poster_column),
            model=predictor,
            evidence=KINDS if evidence == "all" else POSTER,
            errors=errors,
            progress=advance,
        )
    for line in filled_lines(filled) if not quiet else ():
        typer.echo(line, err=True)
    for line in failure_lines(filled, errors):
        typer.echo(line, err=True)
    if filled.films and not filled.predictions:
        raise typer.Exit(1)
