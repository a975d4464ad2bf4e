"""Commands that ask a finished model, and the demo."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.cli.options import CatalogFolder, Model, Quiet

commands = typer.Typer()


@commands.command("predict")
def predict(
    posters: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Posters, folders, or a CSV with a poster column."),
    ],
    model: Model,
    format: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option(help="How to answer.")
    ] = "table",
    out: Annotated[
        Path | None,
        typer.Option(help="File to write. Default: standard output."),
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option(help="CSV of the posters that could not be read, and why."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Say a genre only where it is right so often: 0.5 to 0.95."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Predict the genres of posters."""
    from keyart.writers import predict_posters

    answered = predict_posters(
        posters, model, format, out, errors, precision=precision, quiet=quiet
    )
    if not answered:
        raise typer.Exit(1)


@commands.command("export")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    small: Annotated[
        bool, typer.Option("--small", help="Half the precision, a quarter of the bytes.")
    ] = False,
) -> None:
    """Write a run's bundle, all that inference needs, after checking ONNX against PyTorch."""
    from keyart.training.run import export_run

    export_run(run, out, small=small)
    typer.echo(f"{out}: written and checked")


@commands.command("demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder to make everything in.")] = Path("demo"),
    films: Annotated[int, typer.Option(help="Posters to paint.")] = 1200,
    quiet: Quiet = False,
) -> None:
    """Paint a small catalog, and train, score, report and predict on it."""
    from keyart.demo.run import run_demo

    run_demo(out, films, quiet=quiet)


@commands.command("explain")
def explain(
    poster: Annotated[Path, typer.Argument(metavar="POSTER", help="A poster.")],
    model: Model,
    genre: Annotated[
        list[str] | None,
        typer.Option(help="Genre to explain; may be repeated. Default: those it answers."),
    ] = None,
    method: Annotated[
        Literal["activation", "occlusion"] | None,
        typer.Option(
            help="Class activation map, or hiding part after part, which is slower. Default: the "
            "first, where the model has one."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="PNG of the poster with its heat maps.")] = None,
) -> None:
    """Show where on a poster its genres come from."""
    from keyart.explain import explain_poster
    from keyart.terminal.screens import show_explanations

    show_explanations(explain_poster(poster, model, genre, method, out))


@commands.command("index")
def index(
    catalog: CatalogFolder,
    model: Model,
    out: Annotated[Path, typer.Option(help="Folder of the index.")],
    quiet: Quiet = False,
) -> None:
    """Index a catalog's posters, to find similar ones."""
    from keyart.catalog.table import Catalog
    from keyart.similar import build_index
    from keyart.terminal.progress import progress

    with progress("posters", quiet=quiet) as advance:
        built = build_index(Catalog.open(catalog), model, out, progress=advance)
    if not quiet:
        typer.echo(f"{out}: {len(built):,} posters")


@commands.command("similar")
def similar(
    poster: Annotated[
        Path | None,
        typer.Argument(metavar="POSTER", help="A poster. Without one: the index's own twins."),
    ] = None,
    *,
    model: Model,
    index: Annotated[Path, typer.Option(help="An index, made by keyart index.")],
    count: Annotated[int, typer.Option(min=1, help="How many to show.")] = 5,
) -> None:
    """Find the known posters most like a poster, or the near-duplicates among the known ones."""
    from keyart.similar import find_similar
    from keyart.terminal.screens import show_similar, show_twins
    from keyart.twins import find_twins

    if poster:
        show_similar(find_similar(poster, model, index, count))
    else:
        show_twins(find_twins(model, index))


@commands.command("serve")
def serve(
    model: Model,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes, each with the model.")] = 1,
    index: Annotated[
        Path | None, typer.Option(help="Index of known posters, to show similar ones.")
    ] = None,
    corrections: Annotated[
        str, typer.Option(help="Where corrections are kept: an SQLite or PostgreSQL URL.")
    ] = "sqlite:///keyart-corrections.sqlite",
    tokens: Annotated[
        Path | None, typer.Option(help="Tokens that let in, a line each; see keyart token.")
    ] = None,
) -> None:
    """Serve a web page and an HTTP API."""
    from keyart.service.server import Settings, serve

    serve(Settings(model, index, corrections, tokens), host, port, workers)


@commands.command("token")
def token(name: Annotated[str, typer.Argument(metavar="NAME", help="Who will hold it.")]) -> None:
    """Make a token for the service: the token, and the line that lets it in."""
    from keyart.service.tokens import new_token

    secret, line = new_token(name)
    typer.echo(f"token, to be kept secret: {secret}")
    typer.echo(f"line for the --tokens file: {line}")
