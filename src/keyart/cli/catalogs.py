"""Commands that make catalogs, look at them and check them."""

from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import AsJson, CatalogFolder, Quiet, Vocabulary_

commands = typer.Typer(
    help="Make, look at and check catalogs: films with their posters, in Parquet.",
    no_args_is_help=True,
)


@commands.command("build")
def catalog_build(
    films: Annotated[Path, typer.Option(help="Table of films: CSV, TSV, Parquet or JSON lines.")],
    posters: Annotated[Path, typer.Option(help="Folder with posters named by film id.")],
    out: Annotated[Path, typer.Option(help="Folder of the catalog.")],
    grow: Annotated[
        bool, typer.Option("--grow", help="Add to the catalog at --out; nothing there moves.")
    ] = False,
    replace_genres: Annotated[
        bool,
        typer.Option(
            "--replace-genres",
            help="With --grow: films that are there take the table's genres, and keep their part.",
        ),
    ] = False,
    vocabulary: Vocabulary_ = None,
    split: Annotated[
        str, typer.Option(help="Parts of train, validation and test, in per cent.")
    ] = "60/20/20",
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a catalog from a table of films and a folder of posters."""
    if replace_genres and not grow:
        raise typer.BadParameter("needs --grow: a new catalog has no genres to replace")
    from keyart.catalog.build import build_catalog, grow_catalog, parse_fractions
    from keyart.catalog.table import Catalog
    from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
    from keyart.terminal.progress import progress
    from keyart.terminal.screens import show_catalog

    with progress("posters", quiet=quiet) as advance:
        if grow:
            catalog = grow_catalog(
                Catalog.open(out),
                films,
                posters,
                replace_genres=replace_genres,
                progress=advance,
                say=(lambda line: None) if quiet else (lambda line: typer.echo(line, err=True)),
            )
        else:
            catalog = build_catalog(
                films,
                posters,
                out,
                vocabulary=Vocabulary.read(vocabulary) if vocabulary else DEFAULT_VOCABULARY,
                fractions=parse_fractions(split),
                seed=seed,
                progress=advance,
            )
    if not quiet or as_json:
        show_catalog(catalog, as_json=as_json)


@commands.command("show")
def catalog_show(
    catalog: CatalogFolder,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Also draw a contact sheet of posters by genre, as PNG."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count a catalog's films by genre, part, year and duplicate group."""
    from keyart.catalog.show import draw_sheet
    from keyart.catalog.table import Catalog
    from keyart.terminal.screens import show_catalog

    opened = Catalog.open(catalog)
    show_catalog(opened, as_json=as_json)
    if sheet:
        draw_sheet(opened, sheet)


@commands.command("check")
def catalog_check(catalog: CatalogFolder, quiet: Quiet = False) -> None:
    """Verify a catalog: hashes, no group on two sides, every poster decodes."""
    from keyart.catalog.check import check_catalog
    from keyart.terminal.progress import progress

    with progress("posters", quiet=quiet) as advance:
        problems = check_catalog(catalog, progress=advance)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    if not quiet:
        typer.echo(f"{catalog}: sound")
