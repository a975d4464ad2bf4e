"""Commands that predict the genres of posters, and explain predictions."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from keyart.cli.options import (
    AsJson,
    Balanced,
    Errors,
    Evidence,
    IdColumn,
    Model,
    PosterColumn,
    Posters,
    Precision,
    Quiet,
    TitleColumn,
    YearColumn,
    columns,
)
from keyart.film import EARLIEST, LATEST

commands = typer.Typer()


@commands.command("predict")
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Posters, folders, archives (.zip, .tar), quoted patterns, tables of films, or - "
            "for standard input.",
        ),
    ],
    posters: Posters = None,
    model: Model = None,
    format: Annotated[
        Literal["table", "csv", "json", "ndjson", "parquet"] | None,
        typer.Option(help="Output format. Default: by the suffix of --out, otherwise a table."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="File to write. Default, or with -: standard output. A folder, or a name that "
            "ends in /, makes a job: it writes shards of Parquet, and the same command resumes it.",
        ),
    ] = None,
    errors: Errors = None,
    evidence: Evidence = "all",
    precision: Precision = None,
    balanced: Balanced = False,
    top: Annotated[
        int | None,
        typer.Option(min=1, help="Also list the N genres with the highest scores, in a column."),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Also list the genres with at least this score."),
    ] = None,
    id: IdColumn = None,
    title: TitleColumn = None,
    year: YearColumn = None,
    poster_column: PosterColumn = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads, or processes of a job. Default: all cores.")
    ] = None,
    device: Annotated[
        Literal["cpu", "cuda"],
        typer.Option(help="Where to compute. cuda needs onnxruntime-gpu."),
    ] = "cpu",
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Compute a job on this Ray cluster. local starts one here."
        ),
    ] = None,
    shard_size: Annotated[
        int | None,
        typer.Option(help="Films in a shard of a job, a multiple of 16.", show_default="1024"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Predict the genres of posters, or of each film in a table."""
    from keyart.cli.jobs import is_job, predict_job
    from keyart.evidence import KINDS, POSTER
    from keyart.files import writing_text
    from keyart.predictor import Predictor
    from keyart.queries import STANDARD_INPUT, NamedFilms, find_films
    from keyart.terminal.predictions import (
        failure_lines,
        precision_line,
        show_predictions,
        titles_line,
    )
    from keyart.terminal.progress import advancing, progress
    from keyart.writers import errors_file, ranked, write_predictions

    if balanced and precision is not None:
        raise typer.BadParameter("give --precision or --balanced, not both")
    if errors:
        errors_file(errors)  # before the work
    named = columns(id=id, title=title, year=year, poster=poster_column)
    used = KINDS if evidence == "all" else POSTER
    if target is not None and is_job(target):
        if format not in (None, "parquet"):
            raise typer.BadParameter(f"a job writes Parquet: remove --format {format}")
        return predict_job(
            paths, target, model=model, posters=posters, columns=named, evidence=used,
            precision=precision, balanced=balanced, top=top, min_score=min_score, errors=errors,
            shard_size=shard_size, workers=workers, ray=ray, device=device, quiet=quiet,
        )  # fmt: skip
    if ray is not None or shard_size is not None:
        raise typer.BadParameter("--ray and --shard-size are for jobs: give --out FOLDER/")
    out = None if target is None else Path(target)
    predictor = Predictor.load(model, precision=precision, balanced=balanced, device=device)
    if precision is not None and not quiet:
        typer.echo(precision_line(predictor.bundle), err=True)
    to_screen = out in (None, Path("-"))
    # Standard input is answered as it comes, because its length is unknown.
    streamed = format == "ndjson" and to_screen and STANDARD_INPUT in paths
    known = None if streamed else NamedFilms(paths, posters=posters, columns=named)
    if known and not quiet and used == KINDS and (line := titles_line(known)):
        typer.echo(line, err=True)
    total = len(known) if known else 0
    queries = find_films(paths, posters=posters, columns=named) if streamed else iter(known or ())
    table = format == "table" or (format is None and (out is None or out.suffix in ("", ".txt")))
    # A bar would run through predictions on the screen.
    with progress("posters", quiet=quiet or to_screen) as advance:
        films = predictor.predict_many(queries, evidence=used, workers=workers)
        films = advancing(films, total, advance)
        if table:
            with writing_text(out) as file:
                written = show_predictions(films, total, file, ranked(top, min_score), errors)
        else:
            kind = None if format == "table" else format
            written = write_predictions(
                films,
                out,
                genres=predictor.genres,
                format=kind,
                errors=errors,
                top=top,
                min_score=min_score,
            )
    for line in failure_lines(written, errors):
        typer.echo(line, err=True)
    if not written.predictions:
        raise typer.Exit(1)


@commands.command("explain")
def explain(
    poster: Annotated[
        Path | None, typer.Argument(metavar="POSTER", help="A poster. Optional with --title.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the film.")] = None,
    year: Annotated[
        int | None, typer.Option(help="Year of the film.", min=EARLIEST, max=LATEST)
    ] = None,
    model: Model = None,
    genre: Annotated[
        list[str] | None,
        typer.Option(help="Genre to explain; may be repeated. Default: the predicted ones."),
    ] = None,
    method: Annotated[
        Literal["activation", "occlusion"] | None,
        typer.Option(
            help="Class activation maps, or occlusion, which hides one region after another and is "
            "slower. Default: activation if the model supports it."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture of the poster with heat maps, steps and words: PNG, JPEG or WebP."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where a film's genres come from: places on the poster, words of the title, the year."""
    from keyart.images.write import picture_format, write_picture
    from keyart.lit_poster import draw_explanations
    from keyart.predictor import Predictor
    from keyart.terminal.predictions import show_explanations

    if poster is None and not title:
        raise typer.BadParameter("give a poster, or a title with --title")
    if out:
        picture_format(out)  # before the work
    explanations = Predictor.load(model).explain(poster, genre, method, title=title, year=year)
    if out:
        write_picture(out, draw_explanations(poster, explanations))
    show_explanations(explanations, as_json=as_json)
    if title and title.strip() and all("title" not in one.steps for one in explanations):
        typer.echo("the title is not used: nothing in it is known to this model", err=True)
