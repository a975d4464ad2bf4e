"""Commands that ask a finished model, and the demo."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.cli.options import CatalogFolder, Model, Quiet

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
        typer.Option(help="How to write them. Default: by the suffix of --out, else a table."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; - or none for standard output.")
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


@commands.command("export")
def export_run(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    small: Annotated[
        bool, typer.Option("--small", help="Half the precision, a quarter of the bytes.")
    ] = False,
) -> None:
    """Write a run's bundle, all that inference needs, after checking ONNX against PyTorch."""
    from keyart.training.export import export

    export(run, out, small=small)
    typer.echo(f"{out}: written and checked")


@commands.command("demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder to make everything in.")] = Path("demo"),
    films: Annotated[int, typer.Option(help="Posters to paint.")] = 1200,
    paint_only: Annotated[
        bool, typer.Option("--paint-only", help="Only paint the posters and their table.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Paint a small catalog, and train, score, report and predict on it."""
    from keyart.demo.run import run_demo
    from keyart.training.machine import keep_freed_memory

    keep_freed_memory()
    run_demo(out, films, paint_only=paint_only, quiet=quiet)


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
            help="Class activation map, or hiding one part after another, which is slower. "
            "Default: the first if the model has it."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="PNG of the poster with its heat maps.")] = None,
) -> None:
    """Show where on a poster its genres come from."""
    from keyart.explain import draw_explanations
    from keyart.files import replacing
    from keyart.predictor import Predictor
    from keyart.terminal.predictions import show_explanations

    explanations = Predictor.load(model).explain(poster, genre, method)
    if out:
        picture = draw_explanations(poster, explanations)
        with replacing(out) as partial:
            picture.save(partial, "PNG")
    show_explanations(explanations)


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
    """Find the known posters most like a poster, or the near-duplicates among them."""
    from keyart.similar import Index
    from keyart.terminal.similar import show_near_duplicates, show_similar

    known = Index.open(index, model)
    if poster:
        show_similar(known.nearest(poster, count))
    else:
        show_near_duplicates(known.near_duplicates())


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
        Path | None, typer.Option(help="File of tokens that are let in; see keyart token.")
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
        say=partial(typer.echo, err=True),
    )


@commands.command("token")
def token(name: Annotated[str, typer.Argument(metavar="NAME", help="Who gets the token.")]) -> None:
    """Make a token for the service, and the line of the tokens file that lets it in."""
    from keyart.service.tokens import new_token

    secret, line = new_token(name)
    typer.echo(f"token (keep it secret): {secret}")
    typer.echo(f"line for the --tokens file: {line}")
