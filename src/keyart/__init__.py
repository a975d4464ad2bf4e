"""keyart predicts a film's genres from its poster, and says how far to trust the answer.

    import keyart

    model = keyart.load()
    film = model.predict("alien.jpg")
    film.genres, film.scores["Sci-Fi"], film.unsure

Public names are imported when they are first used: `import keyart` alone loads neither PyTorch,
pyarrow nor the runtime.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keyart.version import __version__

# Each public name, and the module that has it. Written as text, so that `import keyart` imports
# none of them.
_HOMES = {
    # predicting
    "load": "keyart.predictor",
    "Predictor": "keyart.predictor",
    "Prediction": "keyart.prediction",
    "Query": "keyart.prediction",
    "Failure": "keyart.prediction",
    "Explanation": "keyart.explain",
    "draw_explanations": "keyart.lit_poster",
    "to_table": "keyart.writers",
    "write_predictions": "keyart.writers",
    "find_films": "keyart.queries",
    "browse": "keyart.browsing.page",
    "fill": "keyart.tables.fill",
    "Bundle": "keyart.bundle",
    "run_job": "keyart.jobs.run",
    "job_status": "keyart.jobs.status",
    "JobStatus": "keyart.jobs.status",
    # catalogs
    "Catalog": "keyart.catalog.catalog",
    "Fetch": "keyart.sources.fetch",
    "Library": "keyart.library.library",
    "MediaServer": "keyart.library.servers",
    "Plan": "keyart.library.plan",
    "read_plan": "keyart.library.plan",
    "apply_plan": "keyart.library.apply",
    "undo_changes": "keyart.library.apply",
    "Film": "keyart.film",
    "Vocabulary": "keyart.genres",
    # training and scoring
    "train": "keyart.training.train",
    "tune": "keyart.search.search",
    "make_ensemble": "keyart.ensemble.make",
    "export": "keyart.training.export",
    "publish": "keyart.publishing",
    "evaluate": "keyart.training.evaluate",
    "compare": "keyart.evaluation.compare",
    "write_report": "keyart.report.page",
    "Recipe": "keyart.training.recipe",
    "TrainingLog": "keyart.training.logs",
    "Run": "keyart.run",
    "MetricTable": "keyart.metric_table",
    # doubtful genres
    "find_doubts": "keyart.doubts.find",
    "Doubts": "keyart.review.doubts",
    "serve_review": "keyart.service.review",
    "apply_corrections": "keyart.review.apply",
    # similar posters
    "Index": "keyart.similar",
    # serving and corrections
    "serve": "keyart.service.server",
    "create_app": "keyart.service.app",
    "new_token": "keyart.service.tokens",
    "export_corrections": "keyart.review.export",
    # the study and the demo
    "run_milestone": "keyart.milestone.experiment",
    "draw_pictures": "keyart.milestone.pictures",
    "run_demo": "keyart.demo.run",
    # errors
    "KeyartError": "keyart.errors",
    "PosterError": "keyart.errors",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:  # so that type checkers and editors know the names
    from keyart.browsing.page import browse as browse
    from keyart.bundle import Bundle as Bundle
    from keyart.catalog.catalog import Catalog as Catalog
    from keyart.demo.run import run_demo as run_demo
    from keyart.doubts.find import find_doubts as find_doubts
    from keyart.ensemble.make import make_ensemble as make_ensemble
    from keyart.errors import KeyartError as KeyartError
    from keyart.errors import PosterError as PosterError
    from keyart.evaluation.compare import compare as compare
    from keyart.explain import Explanation as Explanation
    from keyart.film import Film as Film
    from keyart.genres import Vocabulary as Vocabulary
    from keyart.jobs.run import run_job as run_job
    from keyart.jobs.status import JobStatus as JobStatus
    from keyart.jobs.status import job_status as job_status
    from keyart.library.apply import apply_plan as apply_plan
    from keyart.library.apply import undo_changes as undo_changes
    from keyart.library.library import Library as Library
    from keyart.library.plan import Plan as Plan
    from keyart.library.plan import read_plan as read_plan
    from keyart.library.servers import MediaServer as MediaServer
    from keyart.lit_poster import draw_explanations as draw_explanations
    from keyart.metric_table import MetricTable as MetricTable
    from keyart.milestone.experiment import run_milestone as run_milestone
    from keyart.milestone.pictures import draw_pictures as draw_pictures
    from keyart.prediction import Failure as Failure
    from keyart.prediction import Prediction as Prediction
    from keyart.prediction import Query as Query
    from keyart.predictor import Predictor as Predictor
    from keyart.predictor import load as load
    from keyart.publishing import publish as publish
    from keyart.queries import find_films as find_films
    from keyart.report.page import write_report as write_report
    from keyart.review.apply import apply_corrections as apply_corrections
    from keyart.review.doubts import Doubts as Doubts
    from keyart.review.export import export_corrections as export_corrections
    from keyart.run import Run as Run
    from keyart.search.search import tune as tune
    from keyart.service.app import create_app as create_app
    from keyart.service.review import serve_review as serve_review
    from keyart.service.server import serve as serve
    from keyart.service.tokens import new_token as new_token
    from keyart.similar import Index as Index
    from keyart.sources.fetch import Fetch as Fetch
    from keyart.tables.fill import fill as fill
    from keyart.training.evaluate import evaluate as evaluate
    from keyart.training.export import export as export
    from keyart.training.logs import TrainingLog as TrainingLog
    from keyart.training.recipe import Recipe as Recipe
    from keyart.training.train import train as train
    from keyart.writers import to_table as to_table
    from keyart.writers import write_predictions as write_predictions


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'keyart' has no attribute {name!r}")
    from keyart.extras import extras

    with extras():
        value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
