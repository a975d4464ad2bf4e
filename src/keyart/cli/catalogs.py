"""Commands that make catalogs, show them and check them."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.cli.options import (
    AsJson,
    CatalogFolder,
    CorrectionsUrl,
    IdColumn,
    Model,
    PosterColumn,
    Quiet,
    TitleColumn,
    Vocabulary_,
    YearColumn,
    columns,
)
from keyart.errors import counted
from keyart.stores.paths import place

commands = typer.Typer(
    help="Make, show, check and correct catalogs: films with their posters, in Parquet.",
    no_args_is_help=True,
)


@commands.command("build")
def catalog_build(
    out: Annotated[Path, typer.Option(help="Folder of the catalog.")],
    films: Annotated[
        Path | None,
        typer.Option(help="Table of films: CSV, TSV, Parquet, JSON or Excel, optionally gzipped."),
    ] = None,
    posters: Annotated[
        Path | None,
        typer.Option(help="Folder of posters, named in the table or after film ids."),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(help="A media library, instead of --films and --posters."),
    ] = None,
    grow: Annotated[
        bool,
        typer.Option(
            "--grow", help="Add films to the catalog at --out. No film changes its split."
        ),
    ] = False,
    replace_genres: Annotated[
        bool,
        typer.Option(
            "--replace-genres",
            help="With --grow: films in the catalog take the genres of the table.",
        ),
    ] = False,
    id: IdColumn = None,
    title: TitleColumn = None,
    year: YearColumn = None,
    genres: Annotated[str | None, typer.Option(help="The table's column of genres.")] = None,
    poster_column: PosterColumn = None,
    vocabulary: Vocabulary_ = None,
    split: Annotated[
        str, typer.Option(help="Percentages of films in train, validation and test.")
    ] = "60/20/20",
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a catalog from a table of films and a folder of posters, or from a media library."""
    if (library is None) != (films is not None and posters is not None) or (
        library is not None and (films or posters)
    ):
        raise typer.BadParameter("give --films and --posters, or --library")
    if replace_genres and not grow:
        raise typer.BadParameter("needs --grow: a new catalog has no genres to replace")
    from keyart.catalog.catalog import Catalog
    from keyart.terminal.catalog import show_catalog
    from keyart.terminal.progress import progress

    named = columns(id=id, title=title, year=year, genres=genres, poster=poster_column)
    with progress("posters", quiet=quiet) as advance:
        if library is not None:
            from keyart.library.library import Library

            opened = Library.open(library)
            if grow:
                catalog = opened.grow_catalog(
                    Catalog.open(out), replace_genres=replace_genres, progress=advance
                )
            else:
                catalog = opened.build_catalog(
                    out, vocabulary=vocabulary, split=split, seed=seed, progress=advance
                )
        elif films is None or posters is None:
            raise AssertionError("checked above")
        elif grow:
            catalog = Catalog.open(out).grow(
                films, posters, columns=named, replace_genres=replace_genres, progress=advance
            )
        else:
            catalog = Catalog.build(
                films,
                posters,
                out,
                columns=named,
                vocabulary=vocabulary,
                split=split,
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
        typer.Option(help="Also draw a contact sheet of posters by genre: PNG, JPEG or WebP."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a catalog: films by genre, split and year, groups of near-duplicates, series."""
    from keyart.catalog.catalog import Catalog
    from keyart.terminal.catalog import show_catalog

    opened = Catalog.open(catalog)
    show_catalog(opened, as_json=as_json)
    if sheet:
        opened.contact_sheet(sheet)


@commands.command("check")
def catalog_check(catalog: CatalogFolder, quiet: Quiet = False) -> None:
    """Check a catalog: hashes of all files, no group in two splits, every poster decodes."""
    from keyart.catalog.check import check_catalog
    from keyart.terminal.progress import progress

    with progress("posters", quiet=quiet) as advance:
        problems = check_catalog(catalog, progress=advance)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    if not quiet:
        typer.echo(f"{place(catalog)}: no problems")


@commands.command("doubts")
def catalog_doubts(
    catalog: CatalogFolder,
    model: Model = None,
    kind: Annotated[
        Literal["wrong", "missing"] | None,
        typer.Option(help="Only listed genres that may be wrong, or only missing genres."),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Most doubts of each kind.")] = 500,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the doubts to a .csv, or to a .json for keyart review."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find wrong and missing genres in a catalog, by posters, titles and years."""
    from keyart.doubts.find import find_doubts
    from keyart.review.decisions import DoubtKind
    from keyart.review.doubts import doubts_suffix
    from keyart.terminal.doubts import show_doubts
    from keyart.terminal.progress import progress

    if out:
        doubts_suffix(out)  # before minutes of work
    kinds: tuple[DoubtKind, ...] = (kind,) if kind else ("wrong", "missing")
    with progress("steps", quiet=quiet) as advance:
        found = find_doubts(catalog, model, most=most, kinds=kinds, progress=advance)
    if out:
        found.write(out)
    if not quiet or as_json:
        show_doubts(found, out, as_json=as_json)


@commands.command("apply-corrections")
def catalog_apply_corrections(
    catalog: CatalogFolder,
    out: Annotated[Path, typer.Option(help="Folder of the new version.")],
    corrections: CorrectionsUrl = "sqlite:///keyart-corrections.sqlite",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write a new version of a catalog with people's corrections and decisions."""
    from keyart.catalog.catalog import Catalog
    from keyart.review.apply import apply_corrections
    from keyart.terminal.doubts import show_applied

    applied = apply_corrections(Catalog.open(catalog), corrections, out)
    if not quiet or as_json:
        show_applied(applied, as_json=as_json)


@commands.command("sweep")
def catalog_sweep(
    catalog: CatalogFolder,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE",
            help="Remove only files that are older than this, such as 12h or 7d. Younger files may "
            "belong to a writer that is still running.",
        ),
    ] = "1d",
    quiet: Quiet = False,
) -> None:
    """Remove files that interrupted writers left in a catalog."""
    from keyart.catalog.catalog import Catalog

    removed = Catalog.sweep(catalog, _age(older_than))
    if not quiet:
        typer.echo(f"{place(catalog)}: {counted(len(removed), 'file')} removed")
        for name in removed:
            typer.echo(f"  {name}")


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,6}) ?([smhd])", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not an age; write 30m, 12h or 7d")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return timedelta(**{unit: int(match[1])})
