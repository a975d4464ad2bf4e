"""Commands for corrections."""

from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import CorrectionsUrl
from keyart.errors import counted

commands = typer.Typer(
    help="Corrections of genres that people made in the service.", no_args_is_help=True
)


@commands.command("export")
def corrections_export(
    out: Annotated[Path, typer.Option(help="New folder: films.csv and posters/.")],
    corrections: CorrectionsUrl = "sqlite:///keyart-corrections.sqlite",
    catalog: Annotated[
        Path | None, typer.Option(help="A catalog. Its posters keep their film ids.")
    ] = None,
) -> None:
    """Write corrections as a films table and posters, for keyart catalog build --grow."""
    from keyart.review.export import export_corrections

    known = None
    if catalog:
        from keyart.catalog.catalog import Catalog  # needs more than the base install has

        known = Catalog.open(catalog)
    exported = export_corrections(corrections, out, catalog=known)
    typer.echo(
        f"{out}: {counted(exported.films, 'film')}, {exported.known:,} of them in the catalog"
    )
