"""Commands that train models."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.cli.options import Agreement, CatalogFolder, Quiet
from keyart.stores.paths import place

commands = typer.Typer()


@commands.command("train")
def train(
    catalog: CatalogFolder,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a shipped recipe, or a TOML file. Default: posternet; with --from, "
            "own-films."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Start from a trained model: box, a run, a bundle, or hf:OWNER/NAME on a hub. "
            "Best if it was trained on more films than you have.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the training at --out where it stopped.")
    ] = False,
    workers: Annotated[
        int,
        typer.Option(min=1, help="Processes that share each batch, for several machines or GPUs."),
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run the workers on a Ray cluster: its address, auto for this machine's cluster, "
            "or local to start one.",
        ),
    ] = None,
    log: Annotated[
        Literal["tensorboard"] | None,
        typer.Option(help="Also log each epoch for TensorBoard, in the run's folder."),
    ] = None,
    agreement: Agreement = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a catalog: weights, bundle, metrics and report in one folder."""
    from keyart.terminal.scores import show_scores
    from keyart.terminal.training import watch_training
    from keyart.training.join import follows
    from keyart.training.machine import keep_freed_memory
    from keyart.training.recipe import parse_settings
    from keyart.training.train import train

    keep_freed_memory()
    overrides = parse_settings(settings or [])
    quiet = quiet or follows()  # the worker that leads prints
    with watch_training(quiet=quiet) as callbacks:
        run = train(
            catalog,
            recipe,
            out=out,
            start=start,
            resume=resume,
            callbacks=callbacks,
            logs=[log] if log else [],
            agreement=agreement,
            workers=workers,
            ray=ray,
            **overrides,
        )
    if not quiet:
        show_scores(run.metrics, "test")
        typer.echo(f"report: {run.place / 'report.html'}")


@commands.command("ensemble")
def ensemble(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Two or more finished runs on the same catalog."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new run.")],
    learn_weights: Annotated[
        bool,
        typer.Option(
            "--learn-weights", help="Learn the weights on the validation split. Default: equal."
        ),
    ] = False,
    catalog: Annotated[
        Path | None,
        typer.Option(help="Their catalog. Default: the one that they were trained on."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Average the calibrated scores of several runs into a new run."""
    from keyart.ensemble.make import make_ensemble
    from keyart.run import Run
    from keyart.terminal.scores import show_scores
    from keyart.terminal.training import show_ensemble

    made = make_ensemble(runs, out=out, learn_weights=learn_weights, catalog=catalog)
    if not quiet:
        show_ensemble(made)
        show_scores(Run(out).metrics, "test")
        typer.echo(f"report: {place(out) / 'report.html'}")


@commands.command("tune")
def tune(
    catalog: CatalogFolder,
    out: Annotated[Path, typer.Option(help="Folder of the search. An existing search continues.")],
    recipe: Annotated[
        str, typer.Option(help="Name of a shipped recipe, or a TOML file.")
    ] = "posternet",
    trials: Annotated[int, typer.Option(min=1, help="Stop after this many trials in all.")] = 30,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Stop after this many hours. Default: no limit.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key; may be repeated."),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW..HIGH",
            help="Search this key instead of the default ones; may be repeated. Or KEY=A|B, or a "
            "TOML file.",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Database of the trials, for a search on several machines. Default: a SQLite "
            "file in the folder.",
        ),
    ] = None,
    agreement: Agreement = False,
    quiet: Quiet = False,
) -> None:
    """Search for a better recipe with Optuna, and write the best one as TOML."""
    from keyart.search.search import tune
    from keyart.terminal.search import show_search, watch_search
    from keyart.training.machine import keep_freed_memory
    from keyart.training.recipe import parse_settings

    keep_freed_memory()
    with watch_search(quiet=quiet) as callbacks:
        found = tune(
            catalog,
            recipe,
            out=out,
            trials=trials,
            hours=hours,
            search=search or [],
            storage=storage,
            callbacks=callbacks,
            agreement=agreement,
            **parse_settings(settings or []),
        )
    if not quiet:
        show_search(found)


@commands.command("export")
def export_run(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    small: Annotated[
        bool, typer.Option("--small", help="Store only float16 weights: a quarter of the bytes.")
    ] = False,
) -> None:
    """Write a run's bundle: all that inference needs. Check that ONNX equals PyTorch."""
    from keyart.training.export import export

    export(run, out, small=small)
    typer.echo(f"{place(out)}: written and checked")


@commands.command("publish")
def publish_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run or a bundle.")],
    to: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="OWNER/NAME on a hub, or a .zip file to put at an address of your own.",
        ),
    ],
    licence: Annotated[
        str,
        typer.Option(
            "--licence", "--license", help="Licence of the model, such as apache-2.0 or mit."
        ),
    ] = "unknown",
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public", help="Who may see a new repository. Default: the hub's setting."
        ),
    ] = None,
) -> None:
    """Publish a model with its card, and print the name to load it by."""
    from keyart.publishing import publish

    done = publish(model, to, licence=licence, private=private)
    typer.echo(f"{done.url}: published")
    typer.echo(f"load it as: {done.name}")
