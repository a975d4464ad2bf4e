"""Commands that find similar posters."""

from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import CatalogFolder, Model, Quiet

commands = typer.Typer()


@commands.command("index")
def index(
    catalog: CatalogFolder,
    out: Annotated[Path, typer.Option(help="Folder of the index.")],
    model: Model = None,
    quiet: Quiet = False,
) -> None:
    """Index a catalog's posters, to find similar ones."""
    from keyart.catalog.catalog import Catalog
    from keyart.predictor import Predictor
    from keyart.similar import Index
    from keyart.terminal.progress import progress

    predictor = Predictor.load(model)
    with progress("posters", quiet=quiet) as advance:
        built = Index.build(Catalog.open(catalog), out=out, model=predictor, progress=advance)
    if not quiet:
        typer.echo(f"{out}: {len(built):,} posters")


@commands.command("similar")
def similar(
    poster: Annotated[
        Path | None,
        typer.Argument(
            metavar="POSTER", help="A poster. Without one: the near-duplicates in the index."
        ),
    ] = None,
    *,
    model: Model = None,
    index: Annotated[Path, typer.Option(help="Folder of an index, made by keyart index.")],
    count: Annotated[int, typer.Option(min=1, help="How many to show.")] = 5,
) -> None:
    """Find the posters in an index that are most similar to a poster, or list near-duplicates."""
    from keyart.similar import Index
    from keyart.terminal.similar import show_near_duplicates, show_similar

    known = Index.open(index, model)
    if poster:
        show_similar(known.nearest(poster, count))
    else:
        show_near_duplicates(known.near_duplicates())
