"""The command line: parse, call one function, print. Heavy imports happen inside commands."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import keyart

app = typer.Typer(
    name="keyart",
    help="Predict a film's genres from its poster, and say how far to trust the answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
catalog_app = typer.Typer(
    help="Make, look at and check catalogs: films with their posters, in Parquet.",
    no_args_is_help=True,
)
app.add_typer(catalog_app, name="catalog")

corrections_app = typer.Typer(
    help="What people said a poster's genres are, kept by the service.", no_args_is_help=True
)
app.add_typer(corrections_app, name="corrections")


def _boxed_model() -> Path:
    from keyart.bundle import boxed_bundle

    return boxed_bundle()


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Model = Annotated[
    Path,
    typer.Option(
        help="A run or a bundle.",
        default_factory=_boxed_model,
        show_default="the model that comes with keyart",
    ),
]
CatalogFolder = Annotated[Path, typer.Argument(metavar="CATALOG", help="A catalog's folder.")]
Vocabulary_ = Annotated[
    Path | None,
    typer.Option("--vocabulary", help="A genre a line, aliases after '='. Default: 19 genres."),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keyart {keyart.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which keyart.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Predict a film's genres from its poster, and say how far to trust the answer."""


@catalog_app.command("build")
def catalog_build(
    films: Annotated[Path, typer.Option(help="Table of films: CSV, TSV, Parquet or JSON lines.")],
    posters: Annotated[Path, typer.Option(help="Folder with posters named by film id.")],
    out: Annotated[Path, typer.Option(help="Folder of the catalog.")],
    grow: Annotated[
        bool, typer.Option("--grow", help="Add to the catalog at --out; nothing there moves.")
    ] = False,
    replace_genres: Annotated[
        bool,
        typer.Option(
            "--replace-genres",
            help="With --grow: films that are there take the table's genres, and keep their part.",
        ),
    ] = False,
    vocabulary: Vocabulary_ = None,
    split: Annotated[
        str, typer.Option(help="Parts of train, validation and test, in per cent.")
    ] = "60/20/20",
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a catalog from a table of films and a folder of posters."""
    if replace_genres and not grow:
        raise typer.BadParameter("needs --grow: a new catalog has no genres to replace")
    from keyart.catalog.build import build_catalog, grow_catalog, parse_fractions
    from keyart.catalog.table import Catalog
    from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
    from keyart.progress import progress
    from keyart.screens import show_catalog

    with progress("posters", quiet=quiet) as advance:
        if grow:
            catalog = grow_catalog(
                Catalog.open(out),
                films,
                posters,
                replace_genres=replace_genres,
                progress=advance,
                say=(lambda line: None) if quiet else (lambda line: typer.echo(line, err=True)),
            )
        else:
            catalog = build_catalog(
                films,
                posters,
                out,
                vocabulary=Vocabulary.read(vocabulary) if vocabulary else DEFAULT_VOCABULARY,
                fractions=parse_fractions(split),
                seed=seed,
                progress=advance,
            )
    if not quiet or as_json:
        show_catalog(catalog, as_json=as_json)


@catalog_app.command("show")
def catalog_show(
    catalog: CatalogFolder,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Also draw a contact sheet of posters by genre, as PNG."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count a catalog's films by genre, part, year and duplicate group."""
    from keyart.catalog.show import draw_sheet
    from keyart.catalog.table import Catalog
    from keyart.screens import show_catalog

    opened = Catalog.open(catalog)
    show_catalog(opened, as_json=as_json)
    if sheet:
        draw_sheet(opened, sheet)


@catalog_app.command("check")
def catalog_check(catalog: CatalogFolder, quiet: Quiet = False) -> None:
    """Verify a catalog: hashes, no group on two sides, every poster decodes."""
    from keyart.catalog.audit import check_catalog
    from keyart.progress import progress

    with progress("posters", quiet=quiet) as advance:
        problems = check_catalog(catalog, progress=advance)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    if not quiet:
        typer.echo(f"{catalog}: sound")


@app.command("train")
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
        bool, typer.Option("--resume", help="Go on with the run at --out where it stopped.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a catalog: weights, bundle, figures and report in one folder."""
    from keyart.catalog.table import Catalog
    from keyart.evaluation.evaluate import read_metrics
    from keyart.scoreboard import show_scores
    from keyart.screens import watch_training
    from keyart.training.recipe import any_recipe
    from keyart.training.run import train

    with watch_training(quiet=quiet) as watcher:
        train(
            Catalog.open(catalog), any_recipe(recipe, settings or []), out, watcher, resume=resume
        )
    if not quiet:
        show_scores(read_metrics(out), "test")
        typer.echo(f"report: {out / 'report.html'}")


@app.command("ensemble")
def ensemble(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Finished runs of one catalog.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run that is made of them.")],
    learn_weights: Annotated[
        bool,
        typer.Option(
            "--learn-weights", help="Learn a weight a run on the validation part. Default: equal."
        ),
    ] = False,
    catalog: Annotated[
        Path | None, typer.Option(help="Their catalog. Default: where they were trained.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Average the calibrated scores of several runs, and leave a run like any other."""
    from keyart.evaluation.evaluate import read_metrics
    from keyart.scoreboard import show_scores
    from keyart.screens import show_ensemble
    from keyart.training.ensemble import make_ensemble

    made = make_ensemble(
        runs,
        out,
        learn_weights=learn_weights,
        catalog=catalog,
        say=(lambda line: None) if quiet else (lambda line: typer.echo(line, err=True)),
    )
    if not quiet:
        show_ensemble(made)
        show_scores(read_metrics(out), "test")
        typer.echo(f"report: {out / 'report.html'}")


@app.command("tune")
def tune(
    catalog: CatalogFolder,
    out: Annotated[Path, typer.Option(help="Folder of the search; one that is there goes on.")],
    recipe: Annotated[
        str, typer.Option(help="Name of a shipped recipe, or a TOML file.")
    ] = "posternet",
    trials: Annotated[int, typer.Option(min=1, help="Stop at so many trials in all.")] = 30,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many hours. Default: no limit.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key; may be repeated."),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW..HIGH",
            help="Search this key alone, and others so named; or KEY=A|B, or a TOML file.",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Search for a better recipe: train variants, drop the hopeless early, write down the best."""
    from keyart.catalog.table import Catalog
    from keyart.screens import show_search, watch_search
    from keyart.training.search import tune

    with watch_search(quiet=quiet) as watcher:
        opened = tune(
            Catalog.open(catalog),
            recipe,
            out,
            watcher,
            trials=trials,
            hours=hours,
            settings=settings or [],
            search=search or [],
        )
    if not quiet:
        show_search(opened)


@app.command("evaluate")
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="What to score.")],
    catalog: Annotated[
        Path | None,
        typer.Option(help="Catalog to score on. Default: the one that the run was trained on."),
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Part to print.")
    ] = "test",
    thresholds: Annotated[
        Literal["f1", "micro_f1", "hamming"] | None,
        typer.Option(help="Choose thresholds anew, on the validation part, to be best at this."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Choose thresholds anew, so that a genre said is right so often: 0.8."),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Have the run and its bundle keep those thresholds.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Another run or bundle: say where the first differs, and if really."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a run or a bundle on a catalog, beside what constant guesses get."""
    if against:
        if thresholds or precision is not None or save:
            raise typer.BadParameter("--against compares models as they are, thresholds and all")
        from keyart.evaluation.compare import compare_models
        from keyart.scoreboard import show_comparison

        show_comparison(compare_models(model, against, split, catalog), as_json=as_json)
        return
    if thresholds and precision is not None:
        raise typer.BadParameter("give --thresholds or --precision, not both")
    if precision is not None and not 0 < precision <= 1:
        raise typer.BadParameter("--precision is a share above 0 and up to 1, as 0.8")
    criterion = thresholds or precision
    if save and criterion is None:
        raise typer.BadParameter("--save needs --thresholds or --precision")
    from keyart.evaluation.rescore import evaluate_again
    from keyart.scoreboard import show_scores

    scored = evaluate_again(model, catalog, split, criterion=criterion, save=save)
    show_scores(scored, split, as_json=as_json)


@app.command("report")
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or several runs.")],
    out: Annotated[Path, typer.Option(help="The page to write.")],
    catalog: Annotated[
        Path | None,
        typer.Option(help="Catalog of the posters shown. Default: the run's own."),
    ] = None,
) -> None:
    """Write one page that shows how good runs are, and where they fail."""
    from keyart.evaluation.report import write_report
    from keyart.evaluation.rescore import catalog_of

    write_report(runs, out, catalog=catalog or catalog_of(runs[0]))


@app.command("predict")
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
    from keyart.answers import predict_posters

    answered = predict_posters(
        posters, model, format, out, errors, precision=precision, quiet=quiet
    )
    if not answered:
        raise typer.Exit(1)


@app.command("export")
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


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder to make everything in.")] = Path("demo"),
    films: Annotated[int, typer.Option(help="Posters to paint.")] = 1200,
    quiet: Quiet = False,
) -> None:
    """Paint a small catalog, and train, score, report and predict on it."""
    from keyart.demo import run_demo

    run_demo(out, films, quiet=quiet)


@app.command("explain")
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
    from keyart.screens import show_explanations

    show_explanations(explain_poster(poster, model, genre, method, out))


@app.command("index")
def index(
    catalog: CatalogFolder,
    model: Model,
    out: Annotated[Path, typer.Option(help="Folder of the index.")],
    quiet: Quiet = False,
) -> None:
    """Index a catalog's posters, to find similar ones."""
    from keyart.catalog.table import Catalog
    from keyart.progress import progress
    from keyart.similar import build_index

    with progress("posters", quiet=quiet) as advance:
        built = build_index(Catalog.open(catalog), model, out, progress=advance)
    if not quiet:
        typer.echo(f"{out}: {len(built):,} posters")


@app.command("similar")
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
    from keyart.screens import show_similar, show_twins
    from keyart.similar import find_similar
    from keyart.twins import find_twins

    if poster:
        show_similar(find_similar(poster, model, index, count))
    else:
        show_twins(find_twins(model, index))


@app.command("serve")
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


@app.command("token")
def token(name: Annotated[str, typer.Argument(metavar="NAME", help="Who will hold it.")]) -> None:
    """Make a token for the service: the token, and the line that lets it in."""
    from keyart.service.access import new_token

    secret, line = new_token(name)
    typer.echo(f"token, to be kept secret: {secret}")
    typer.echo(f"line for the --tokens file: {line}")


@corrections_app.command("export")
def corrections_export(
    out: Annotated[Path, typer.Option(help="New folder: films.csv and posters/.")],
    corrections: Annotated[
        str, typer.Option("--from", help="Where they are kept: an SQLite or PostgreSQL URL.")
    ] = "sqlite:///keyart-corrections.sqlite",
    catalog: Annotated[
        Path | None, typer.Option(help="Catalog whose films keep their ids.")
    ] = None,
) -> None:
    """Write corrections as a films table and posters, for keyart catalog build --grow."""
    from keyart.corrections import export_corrections

    known = None
    if catalog:
        from keyart.catalog.table import Catalog  # needs more than the base install has

        known = Catalog.open(catalog)
    exported = export_corrections(corrections, out, catalog=known)
    typer.echo(f"{out}: {exported.films:,} films, {exported.known:,} of them in the catalog")


@app.command("pictures")
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


@app.command("milestone")
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
