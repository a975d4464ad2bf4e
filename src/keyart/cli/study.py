"""Commands of the 2017 study."""

from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import AsJson, CatalogFolder, Quiet

commands = typer.Typer()


@commands.command("pictures")
def pictures(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    out: Annotated[Path, typer.Option(help="Folder of pictures.html and of the tiles as PNG.")],
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Convolution to show, by name or number; may be repeated. Default: the study's."
        ),
    ] = None,
    poster: Annotated[
        Path | None, typer.Option(help="Poster whose feature maps are drawn too.")
    ] = None,
) -> None:
    """Draw what a run learned: curves by epoch, ROC, thresholds, filters and feature maps."""
    from keyart.milestone.pictures import PAGE, write_pictures

    write_pictures(run, out, layers=layer or (), poster=poster)
    typer.echo(f"pictures: {out / PAGE}")


@commands.command("milestone")
def milestone(
    catalog: CatalogFolder,
    out: Annotated[Path, typer.Option(help="Folder of the comparison; it goes on where it was.")],
    films: Annotated[
        int | None,
        typer.Option(min=1, help="Sample about so many of the catalog's films. Default: all."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Of every network, at most. Default: some 20 minutes in all."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="ROW,...", help="Rows to run. Default: all.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROW=FILE",
            help="Pretrained weights of vgg16 or mobilenetv2, a file or 'hub'; may be repeated.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The study's own picture size, batches and epochs.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="ROW.KEY=VALUE",
            help="Override a row's recipe key; may be repeated. scratch sets both such rows.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run the 2017 study's rows and keyart's on a catalog, beside the study's own figures."""
    from keyart.milestone.experiment import REPORT, run_milestone
    from keyart.milestone.plan import Request
    from keyart.milestone.rows import choose_rows, parse_settings, parse_weights
    from keyart.milestone.screen import show_json, show_results

    request = Request(
        films, epochs, full, parse_settings(settings or []), parse_weights(weights or [])
    )
    results, told = run_milestone(catalog, out, choose_rows(only), request, quiet=quiet)
    if as_json:
        show_json(told)
    elif not quiet:
        show_results(results)
        typer.echo(f"report: {out / REPORT}")
