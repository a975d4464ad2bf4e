"""The demo: paint a small catalog, train on it and predict, in under three minutes."""

import os
import shutil

from rich.console import Console

from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_films, paint_new_posters
from keyart.errors import KeyartError
from keyart.predictor import Predictor
from keyart.stores.paths import on_this_machine
from keyart.terminal.predictions import show_predictions
from keyart.terminal.scores import show_scores
from keyart.terminal.training import watch_training
from keyart.training.train import train

_MARK = ".keyart-demo"


def run_demo(
    out: str | os.PathLike[str], films: int = 1200, *, paint_only: bool = False, quiet: bool = False
) -> None:
    """Paint `films` posters in `out`, build a catalog, train, evaluate, and predict new posters.

    paint_only: stop after painting. Replaces the folder of an earlier demo. Raises KeyartError if
    `out` holds anything else.
    """
    folder = on_this_machine(out)
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise KeyartError(f"{folder}: already exists and is not a demo's; choose another --out")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    console = Console(stderr=True, highlight=False, quiet=quiet)

    console.print(f"[bold]Painting[/] {films:,} posters of invented films")
    table = paint_films(films, folder)
    new_posters = paint_new_posters(3, folder / "new")
    if paint_only:
        console.print(f"[bold]Written[/] to {folder}: films.csv, posters/, new/")
        return

    console.print("[bold]Building[/] a catalog: group near-duplicates, then split 60/20/20")
    catalog = Catalog.build(table, folder / "posters", folder / "catalog")
    catalog.contact_sheet(folder / "sheet.png")

    console.print(f"[bold]Training[/] PosterNet on {len(catalog.rows('train')):,} posters")
    with watch_training(quiet=quiet) as callbacks:
        run = train(catalog, "demo", out=folder / "run", callbacks=callbacks)

    console.print("[bold]Evaluating[/] on the test split, compared with constant guesses")
    if not quiet:
        show_scores(run.metrics, "test")

    console.print("\n[bold]Predicting[/] three new posters")
    if not quiet:
        show_predictions(Predictor.load(run).predict_many(new_posters), len(new_posters))
    console.print(
        f"""[bold]Written[/] to {folder}:
  films.csv, posters/   the painted films       sheet.png         a contact sheet
  catalog/              the catalog             run/report.html   the report: open it
  run/bundle/           the model               new/              the three new posters

[bold]Next[/], with your own posters:
  keyart predict YOUR_POSTER.jpg --model {run.path}
  keyart catalog build --films films.csv --posters POSTERS --out CATALOG
  keyart train CATALOG --out RUN
The demo's model knows only painted posters. Train on real posters before you rely on it.""",
        soft_wrap=True,
    )
