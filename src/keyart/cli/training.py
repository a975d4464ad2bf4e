"""Commands that make models and score them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.cli.options import AsJson, CatalogFolder, Quiet

commands = typer.Typer()


@commands.command("train")
def train(
    catalog: CatalogFolder,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    recipe: Annotated[
        str, typer.Option(help="Name of a shipped recipe, or a TOML file.")
    ] = "posternet",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the training at --out where it stopped.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a catalog: weights, bundle, metrics and report in one folder."""
    from keyart.terminal.scores import show_scores
    from keyart.terminal.training import watch_training
    from keyart.training.machine import keep_freed_memory
    from keyart.training.recipe import parse_settings
    from keyart.training.train import train

    keep_freed_memory()
    overrides = parse_settings(settings or [])
    with watch_training(quiet=quiet) as callbacks:
        run = train(catalog, recipe, out=out, resume=resume, callbacks=callbacks, **overrides)
    if not quiet:
        show_scores(run.metrics, "test")
        typer.echo(f"report: {run.path / 'report.html'}")


@commands.command("ensemble")
def ensemble(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Finished runs of one catalog.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new run.")],
    learn_weights: Annotated[
        bool,
        typer.Option(
            "--learn-weights", help="Learn the weights on the validation split. Default: equal."
        ),
    ] = False,
    catalog: Annotated[
        Path | None, typer.Option(help="Their catalog. Default: where they were trained.")
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
        typer.echo(f"report: {out / 'report.html'}")


@commands.command("tune")
def tune(
    catalog: CatalogFolder,
    out: Annotated[
        Path, typer.Option(help="Folder of the search. A search that is there already goes on.")
    ],
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
    quiet: Quiet = False,
) -> None:
    """Search for a better recipe: train variants, stop bad ones early, write the best as TOML."""
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
            **parse_settings(settings or []),
        )
    if not quiet:
        show_search(found)


@commands.command("evaluate")
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="What to score.")],
    catalog: Annotated[
        Path | None,
        typer.Option(help="Catalog to score on. Default: the one that the run was trained on."),
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Split to print.")
    ] = "test",
    thresholds: Annotated[
        Literal["f1", "micro_f1", "hamming"] | None,
        typer.Option(help="Choose new thresholds for this, on the validation split."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            help="Choose new thresholds, so that predicted genres are right so often: 0.8."
        ),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Keep the new thresholds in the run and its bundle.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Compare with this run or bundle, metric by metric."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a run or a bundle on a catalog, next to constant guesses."""
    if against:
        if thresholds or precision is not None or save:
            raise typer.BadParameter("--against compares models with the thresholds they have")
        from keyart.evaluation.compare import compare
        from keyart.terminal.scores import show_comparison

        show_comparison(compare(model, against, catalog=catalog, split=split), as_json=as_json)
        return
    if thresholds and precision is not None:
        raise typer.BadParameter("give --thresholds or --precision, not both")
    if precision is not None and not 0 < precision <= 1:
        raise typer.BadParameter("--precision is a share above 0 and up to 1, such as 0.8")
    if save and thresholds is None and precision is None:
        raise typer.BadParameter("--save needs --thresholds or --precision")
    from keyart.terminal.scores import show_scores
    from keyart.training.evaluate import evaluate

    scored = evaluate(model, catalog, split, thresholds=thresholds, precision=precision, save=save)
    show_scores(scored, split, as_json=as_json)


@commands.command("report")
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="One run, or several to compare with the first."),
    ],
    out: Annotated[Path, typer.Option(help="The HTML page to write.")],
    catalog: Annotated[
        Path | None,
        typer.Option(help="Catalog with the posters to show. Default: that of the first run."),
    ] = None,
) -> None:
    """Write one page that shows how good runs are, and where they fail."""
    from keyart.report.page import write_report

    write_report(runs, out, catalog=catalog)
