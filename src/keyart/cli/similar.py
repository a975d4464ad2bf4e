"""Commands that find similar posters."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keyart.cli.options import Model, Quiet
from keyart.errors import counted
from keyart.stores.paths import place

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

commands = typer.Typer()


@commands.command("index")
def index(
    known: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A catalog, or a folder, an archive or a table of posters.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the index.")],
    model: Model = None,
    grow: Annotated[
        bool, typer.Option("--grow", help="Add new posters to the index at --out.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Index the posters of a catalog or of a folder, to find similar ones."""
    from keyart.predictor import Predictor
    from keyart.similar import Index
    from keyart.terminal.progress import progress
    from keyart.terminal.similar import unread_lines

    predictor = Predictor.load(model)
    source = _catalog(known) or known
    note = ""
    with progress("posters", quiet=quiet) as advance:
        if grow:
            before = Index.open(out, predictor)
            built, gone = before.grow(source, progress=advance)
            note = f", {len(built) - len(before):,} of them new"
            if gone:
                note += f"; {gone:,} are no longer in {known}, but stay in the index"
        else:
            built = Index.build(source, out=out, model=predictor, progress=advance)
    if not quiet:
        typer.echo(f"{place(out)}: {counted(len(built), 'poster')}{note}")
    for line in unread_lines(built.unread, len(built), out / "unread.csv"):
        typer.echo(line, err=True)


@commands.command("similar")
def similar(
    poster: Annotated[
        Path | None,
        typer.Argument(
            metavar="POSTER", help="A poster. Without it: list near-duplicates in the index."
        ),
    ] = None,
    known: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR", help="A folder of posters, read for each search, or an index."
        ),
    ] = None,
    *,
    model: Model = None,
    index: Annotated[
        Path | None, typer.Option(help="Index to search, made by keyart index.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of posters to show.")] = 5,
    quiet: Quiet = False,
) -> None:
    """Find the most similar posters in a folder or an index.

    Without a poster: list near-duplicates in an index.
    """
    from keyart.folder_search import nearest_among
    from keyart.similar import FACTS, Index
    from keyart.terminal.progress import progress
    from keyart.terminal.similar import show_near_duplicates, show_similar, unread_lines

    if known and index is None and Path(known, FACTS).exists():
        index, known = Path(known), None
    if (known is None) == (index is None):
        raise typer.BadParameter("give a folder of posters after POSTER, or an index with --index")
    if index is not None:
        opened = Index.open(index, model)
        if poster:
            show_similar(opened.nearest(poster, count))
        else:
            show_near_duplicates(opened.near_duplicates())
        return
    assert poster is not None
    assert known is not None
    with progress("posters", quiet=quiet) as advance:
        found, unread, compared = nearest_among(poster, known, count, model=model, progress=advance)
    show_similar(found)
    if not quiet:
        typer.echo(
            f"compared with {counted(compared, 'poster')} in {known}; to search it often, make an "
            "index with keyart index",
            err=True,
        )
    for line in unread_lines(unread, compared, None):
        typer.echo(line, err=True)


def _catalog(known: str) -> "Catalog | None":
    """The catalog in a folder, if it is one."""
    from keyart.catalog.table import FACTS

    if not Path(known, FACTS).exists():
        return None
    from keyart.catalog.catalog import Catalog

    return Catalog.open(known)
