"""Commands that predict the genres of posters, and explain predictions."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.cli.options import Model, Quiet

commands = typer.Typer()


@commands.command("predict")
def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Posters, folders, or tables with a poster column."),
    ],
    model: Model = None,
    format: Annotated[
        Literal["table", "csv", "json", "parquet"] | None,
        typer.Option(help="Output format. Default: by the suffix of --out, otherwise a table."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write. Default, and -: standard output.")
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option(help="CSV of the posters that could not be read, with the reasons."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Predict a genre only if it is right this often: 0.5 to 0.95."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Predict the genres of posters."""
    from keyart.catalog.poster_paths import find_posters
    from keyart.files import write_csv, writing_text
    from keyart.predictor import Predictor
    from keyart.terminal.predictions import failure_lines, precision_line, show_predictions
    from keyart.terminal.progress import advancing, progress
    from keyart.writers import write_predictions

    predictor = Predictor.load(model, precision=precision)
    if precision is not None and not quiet:
        typer.echo(precision_line(predictor.bundle), err=True)
    posters = list(find_posters(paths))
    table = format == "table" or (format is None and (out is None or out.suffix in ("", ".txt")))
    # A bar would run through predictions on the screen.
    with progress("posters", quiet=quiet or out in (None, Path("-"))) as advance:
        films = advancing(predictor.predict_many(posters), len(posters), advance)
        if table:
            with writing_text(out) as file:
                written = show_predictions(films, len(posters), file)
            if errors:
                rows = [(failure.poster, failure.reason) for failure in written.failures]
                write_csv(errors, ("poster", "reason"), rows)
        else:
            kind = None if format == "table" else format
            written = write_predictions(
                films, out, genres=predictor.genres, format=kind, errors=errors
            )
    for line in failure_lines(written, errors):
        typer.echo(line, err=True)
    if not written.predictions:
        raise typer.Exit(1)


@commands.command("explain")
def explain(
    poster: Annotated[Path, typer.Argument(metavar="POSTER", help="A poster.")],
    model: Model = None,
    genre: Annotated[
        list[str] | None,
        typer.Option(help="Genre to explain; may be repeated. Default: the predicted ones."),
    ] = None,
    method: Annotated[
        Literal["activation", "occlusion"] | None,
        typer.Option(
            help="Class activation map, or hiding one region after another, which is slower. "
            "Default: activation if the model supports it."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Picture of the poster with its heat maps: PNG, JPEG or WebP."),
    ] = None,
) -> None:
    """Show where on a poster its genres come from."""
    from keyart.explain import draw_explanations
    from keyart.images.write import picture_format, write_picture
    from keyart.predictor import Predictor
    from keyart.terminal.predictions import show_explanations

    if out:
        picture_format(out)  # before the work
    explanations = Predictor.load(model).explain(poster, genre, method)
    if out:
        write_picture(out, draw_explanations(poster, explanations))
    show_explanations(explanations)
