"""The command that shows films with their posters in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import Model, Posters, Quiet
from keyart.errors import counted
from keyart.stores.paths import place

commands = typer.Typer()


@commands.command("browse")
def browse(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="Output of keyart predict, a catalog, a folder of posters, or a table of films.",
        ),
    ],
    posters: Posters = None,
    model: Model = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write an HTML file that contains all pictures (about 5 kB a film). Default: "
            "serve a page on this machine until Ctrl-C."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port to listen on. 0: a free one.", min=0, max=65535)
    ] = 0,
    quiet: Quiet = False,
) -> None:
    """Look through films with their posters and genres in a browser.

    A catalog, a folder or a table is predicted first.
    """
    from contextlib import suppress

    from keyart.browsing.page import browsing, write_tiles
    from keyart.browsing.tiles import read_tiles
    from keyart.files import known_suffix
    from keyart.terminal.progress import advancing, progress

    if out:
        known_suffix(out, (".html", ".htm"))  # before the work
    with progress("films", quiet=quiet) as advance:
        tiles = list(advancing(read_tiles(path, posters=posters, model=model), 0, advance))
    films = counted(len(tiles), "film")
    if out:
        with progress("pictures", quiet=quiet) as advance:
            write_tiles(tiles, out, name=path, progress=advance)
        if not quiet:
            typer.echo(f"{place(out)}: {films}")
        return
    with suppress(KeyboardInterrupt), browsing(tiles, name=path, port=port) as server:
        typer.echo(f"http://127.0.0.1:{server.server_port}/ shows {films}; Ctrl-C stops it")
        server.serve_forever()
