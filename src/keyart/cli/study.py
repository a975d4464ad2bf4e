"""Commands of the demo and of the 2017 study."""

from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import Agreement, AsJson, CatalogFolder, Quiet

commands = typer.Typer()


@commands.command("demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for all output.")] = Path("demo"),
    films: Annotated[int, typer.Option(help="Posters to paint.")] = 1200,
    paint_only: Annotated[
        bool, typer.Option("--paint-only", help="Only paint the posters and their table.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Paint a small catalog, then train, score, report and predict on it."""
    from keyart.demo.run import run_demo
    from keyart.training.machine import keep_freed_memory

    keep_freed_memory()
    run_demo(out, films, paint_only=paint_only, quiet=quiet)


@commands.command("pictures")
def pictures(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    out: Annotated[
        Path, typer.Option(help="Folder for pictures.html and PNGs of filters and maps.")
    ],
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Convolution to show, by name or number; may be repeated. Default: those of the "
            "study."
        ),
    ] = None,
    poster: Annotated[
        Path | None, typer.Option(help="Poster to draw feature maps for. Default: none.")
    ] = None,
) -> None:
    """Draw a run's learning curves, ROC curves, thresholds, filters and feature maps."""
    from keyart.milestone.pictures import draw_pictures

    page = draw_pictures(run, out=out, layers=layer or (), poster=poster)
    typer.echo(f"pictures: {page}")


@commands.command("milestone")
def milestone(
    catalog: CatalogFolder,
    out: Annotated[
        Path, typer.Option(help="Folder of the comparison. An interrupted one continues.")
    ],
    films: Annotated[
        int | None,
        typer.Option(min=1, help="Use a sample of about this many films. Default: all."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs of every network, at most. Default: as many as fit in about 20 minutes.",
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="ROW,...", help="Rows to run. Default: all.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROW=FILE",
            help="Pretrained weights of vgg16 or mobilenetv2: a file, or 'hub' to download them; "
            "may be repeated.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Use the study's own picture size, batches and epochs.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="ROW.KEY=VALUE",
            help="Override a recipe key of a row; may be repeated. 'scratch' sets both "
            "from-scratch rows.",
        ),
    ] = None,
    agreement: Agreement = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run the models of the 2017 study and of keyart on a catalog, and compare the results."""
    from keyart.milestone.experiment import run_milestone
    from keyart.milestone.rows import parse_settings, parse_weights
    from keyart.milestone.tables import printing, show_results
    from keyart.printable import json_text
    from keyart.training.machine import keep_freed_memory

    keep_freed_memory()
    done = run_milestone(
        catalog,
        out=out,
        rows=None if only is None else [name.strip() for name in only.split(",") if name.strip()],
        films=films,
        epochs=epochs,
        full=full,
        settings=parse_settings(settings or []),
        weights=parse_weights(weights or []),
        callbacks=printing(quiet=quiet),
        agreement=agreement,
    )
    if as_json:
        typer.echo(json_text(done.to_json()))
    elif not quiet:
        show_results(done.results)
        typer.echo(f"report: {done.report_path}")
