"""Commands that serve a model."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import Model

commands = typer.Typer()


@commands.command("serve")
def serve(
    model: Model = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(help="Number of processes, each with the model.")] = 1,
    index: Annotated[
        Path | None, typer.Option(help="An index of known posters, to show similar ones.")
    ] = None,
    corrections: Annotated[
        str, typer.Option(help="Where to keep corrections: an SQLite or PostgreSQL URL.")
    ] = "sqlite:///keyart-corrections.sqlite",
    tokens: Annotated[
        Path | None, typer.Option(help="File of accepted tokens; see keyart token.")
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A host name that the service answers to, besides localhost and IP addresses. "
            "Repeat it for more. Default: with tokens, any name."
        ),
    ] = None,
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


@commands.command("token")
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the token's owner.")],
) -> None:
    """Make a token for the service, and its line for the tokens file."""
    from keyart.service.tokens import new_token

    secret, line = new_token(name)
    typer.echo(f"token (keep it secret): {secret}")
    typer.echo(f"line for the --tokens file: {line}")
