"""Commands that score models, and report on them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.cli.options import AsJson

commands = typer.Typer()


@commands.command("evaluate")
def evaluate(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A run, a bundle, or hf:OWNER/NAME on a hub."),
    ],
    catalog: Annotated[
        Path | None,
        typer.Option(help="Catalog to score on. Default: the one that the run was trained on."),
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Split to show.")
    ] = "test",
    thresholds: Annotated[
        Literal["f1", "micro_f1", "hamming"] | None,
        typer.Option(help="Choose new thresholds that optimise this on the validation split."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Choose new thresholds that keep this precision, such as 0.8."),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Save the new thresholds in the run and its bundle.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Compare with this model, metric by metric."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a run or a bundle on a catalog, next to constant guesses."""
    if against:
        if thresholds or precision is not None or save:
            raise typer.BadParameter("--against compares models with their own thresholds")
        from keyart.evaluation.compare import compare
        from keyart.terminal.scores import show_comparison

        show_comparison(compare(model, against, catalog=catalog, split=split), as_json=as_json)
        return
    if thresholds and precision is not None:
        raise typer.BadParameter("give --thresholds or --precision, not both")
    if precision is not None and not 0 < precision < 1:
        raise typer.BadParameter("--precision is a share above 0 and below 1, such as 0.8")
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
        typer.Argument(metavar="RUN", help="One run, or several to compare with the first."),
    ],
    out: Annotated[Path, typer.Option(help="The HTML page to write.")],
    catalog: Annotated[
        Path | None,
        typer.Option(help="Catalog with the posters to show. Default: that of the first run."),
    ] = None,
) -> None:
    """Write an HTML report on one run, or compare several."""
    from keyart.report.page import write_report

    write_report(runs, out, catalog=catalog)


@commands.command("watch")
def watch(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the training.")],
    port: Annotated[
        int, typer.Option(help="Port to listen on. 0: a free one.", min=0, max=65535)
    ] = 0,
) -> None:
    """Follow a training in the browser: progress, loss and metrics by epoch.

    Only this machine can open the page. Ctrl-C stops the page, not the training.
    """
    from contextlib import suppress

    from keyart.report.watch import watching

    with suppress(KeyboardInterrupt), watching(run, port=port) as server:
        typer.echo(f"http://127.0.0.1:{server.server_port}/ follows {run}; Ctrl-C stops this page")
        server.serve_forever()
