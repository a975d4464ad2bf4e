"""The demo: paint a small catalog and go the whole way through, in under three minutes."""

import shutil
from pathlib import Path

from rich.console import Console

from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_films, paint_new_posters
from keyart.errors import KeyartError
from keyart.evaluation.evaluate import read_metrics
from keyart.predictor import Predictor
from keyart.terminal.predictions import show_predictions
from keyart.terminal.scores import show_scores
from keyart.terminal.screens import watch_training
from keyart.training.recipe import load_recipe
from keyart.training.run import train

_MARK = ".keyart-demo"


def run_demo(folder: Path, films: int, *, quiet: bool) -> None:
    """Paint `films` posters in `folder`, build, train, evaluate, report, and predict new ones.

    A folder that an earlier demo made is made anew. Raises KeyartError where anything else
    stands there.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise KeyartError(f"{folder}: is there and was not made by a demo; use --out")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    console = Console(stderr=True, highlight=False, quiet=quiet)

    console.print(f"[bold]Painting[/] {films:,} posters of films that never were")
    table = paint_films(films, folder)
    new_posters = paint_new_posters(3, folder / "new")

    console.print("[bold]Building[/] a catalog: near-duplicates grouped, then split 60/20/20")
    catalog = Catalog.build(table, folder / "posters", folder / "catalog")
    catalog.contact_sheet(folder / "sheet.png")

    console.print(f"[bold]Training[/] PosterNet on {len(catalog.rows('train')):,} posters")
    run = folder / "run"
    with watch_training(quiet=quiet) as watcher:
        train(catalog, load_recipe("demo"), run, watcher, resume=False)

    console.print("[bold]Scores[/] on posters it has never seen, beside constant guesses")
    if not quiet:
        show_scores(read_metrics(run), "test")

    console.print("\n[bold]Predicting[/] three new posters")
    if not quiet:
        show_predictions(Predictor.load(run).predict_many(new_posters), len(new_posters))
    console.print(
        f"""[bold]Made[/] in {folder}:
  films.csv, posters/   the painted films       sheet.png         a contact sheet
  catalog/              the catalog             run/report.html   the report: open it
  run/bundle/           the model               new/              the three new posters

[bold]Next[/], with posters of your own:
  keyart predict YOUR_POSTER.jpg --model {run}
  keyart catalog build --films films.csv --posters POSTERS --out CATALOG
  keyart train CATALOG --out RUN
The demo's model knows painted posters alone; train on real ones before you believe it.""",
        soft_wrap=True,
    )
