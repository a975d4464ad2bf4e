"""The command that gives a person's own table back with genres."""

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
        typer.Option(help="The filled table, of the same kind. -: standard output."),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Fill the table itself; NAME.bak is as it was.")
    ] = False,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Fill the empty cells of this column of genres, and change nothing else.",
        ),
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Also a column of scores for each genre.")
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
    """Give a table of films back with genres: every row and column as it was, in order."""
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
