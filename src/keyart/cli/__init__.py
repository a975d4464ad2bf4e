"""The command line: parse, call one function, print. Heavy imports happen inside commands."""

import os
from typing import Annotated

import typer

from keyart.cli import (
    browse,
    catalogs,
    corrections,
    evaluation,
    fetch,
    jobs,
    library,
    prediction,
    service,
    similar,
    study,
    tables,
    training,
)
from keyart.cli.usage import Commands
from keyart.version import __version__

app = typer.Typer(
    name="keyart",
    cls=Commands,
    help="Predict a film's genres from its poster, and say how far to trust the answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
# Help lists commands in this order.
for group in (prediction, tables, browse, training, evaluation, similar, service, study):
    app.add_typer(group.commands)
app.add_typer(catalogs.commands, name="catalog")
app.add_typer(fetch.commands, name="fetch")
app.add_typer(jobs.commands, name="job")
app.add_typer(library.commands, name="library")
app.add_typer(corrections.commands, name="corrections")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keyart {__version__}")
        raise typer.Exit


def _endpoint(url: str | None) -> None:
    if url is None:
        return
    if not url.startswith(("http://", "https://")) or "@" in url:
        raise typer.BadParameter("write http://HOST:PORT or https://HOST, without a password")
    os.environ["AWS_ENDPOINT_URL"] = url


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            callback=_endpoint,
            help="Server of s3:// addresses, for MinIO, R2 or Ceph. Default: AWS_ENDPOINT_URL.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Predict a film's genres from its poster, and say how far to trust the answer."""
