"""Commands that serve a model."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import CatalogFolder, Model, Quiet

commands = typer.Typer()

_Host = Annotated[str, typer.Option(help="Address to listen on.")]
_Port = Annotated[int, typer.Option(help="Port to listen on. 0: a free one.")]
_Store = Annotated[str, typer.Option(help="Database of corrections: an SQLite or PostgreSQL URL.")]
_TokensFile = Annotated[
    Path | None, typer.Option(help="File of accepted tokens. See keyart token.")
]
_AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        help="Host name to accept, in addition to localhost and IP addresses; may be repeated. "
        "Default with tokens: any name."
    ),
]


@commands.command("serve")
def serve(
    model: Model = None,
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    workers: Annotated[int, typer.Option(help="Number of processes, each with the model.")] = 1,
    index: Annotated[
        Path | None, typer.Option(help="Index of posters, to show similar ones.")
    ] = None,
    corrections: _Store = "sqlite:///keyart-corrections.sqlite",
    tokens: _TokensFile = None,
    allowed_host: _AllowedHost = None,
) -> None:
    """Serve a web page and an HTTP API."""
    from keyart.service.server import serve

    serve(
        model,
        host=host,
        port=port,
        workers=workers,
        index=index,
        corrections=corrections,
        tokens=tokens,
        allowed_hosts=allowed_host or (),
        say=partial(typer.echo, err=True),
    )


@commands.command("review")
def review(
    catalog: CatalogFolder,
    doubts: Annotated[
        Path | None,
        typer.Option(
            help="Output of keyart catalog doubts, as .json.",
            show_default="find them first, which takes minutes",
        ),
    ] = None,
    model: Model = None,
    host: _Host = "127.0.0.1",
    port: _Port = 8001,
    corrections: _Store = "sqlite:///keyart-corrections.sqlite",
    tokens: _TokensFile = None,
    allowed_host: _AllowedHost = None,
    quiet: Quiet = False,
) -> None:
    """Serve a web page to review doubtful genres, by keyboard."""
    from keyart.catalog.catalog import Catalog
    from keyart.review.doubts import Doubts
    from keyart.service.review import serve_review
    from keyart.terminal.progress import progress

    opened = Catalog.open(catalog)
    if doubts:
        found = Doubts.read(doubts)
    else:
        from keyart.doubts.find import find_doubts

        with progress("steps", quiet=quiet) as advance:
            found = find_doubts(opened, model, progress=advance)
    serve_review(
        opened,
        found,
        corrections=corrections,
        host=host,
        port=port,
        tokens=tokens,
        allowed_hosts=allowed_host or (),
        say=partial(typer.echo, err=True),
    )


@commands.command("token")
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the token's owner.")],
) -> None:
    """Make a token for the service, and its line for the tokens file."""
    from keyart.service.tokens import new_token

    secret, line = new_token(name)
    typer.echo(f"token (keep it secret): {secret}")
    typer.echo(f"line for the --tokens file: {line}")
