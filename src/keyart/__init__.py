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

__version__ = "0.1.0"

# Each public name, and the module that has it. Written as text, so that `import keyart` imports
# none of them, and lower rooms can import keyart for its version.
_HOMES = {
    # predicting
    "load": "keyart.predictor",
    "Predictor": "keyart.predictor",
    "Prediction": "keyart.prediction",
    "Failure": "keyart.prediction",
    "Explanation": "keyart.explain",
    "draw_explanations": "keyart.explain",
    "to_table": "keyart.writers",
    "write_predictions": "keyart.writers",
    "find_posters": "keyart.catalog.poster_paths",
    "Bundle": "keyart.bundle",
    # catalogs
    "Catalog": "keyart.catalog.catalog",
    "Film": "keyart.film",
    "Vocabulary": "keyart.genres",
    # training and scoring
    "train": "keyart.training.train",
    "tune": "keyart.search.search",
    "make_ensemble": "keyart.ensemble.make",
    "export": "keyart.training.export",
    "evaluate": "keyart.training.evaluate",
    "compare": "keyart.evaluation.compare",
    "write_report": "keyart.report.page",
    "Recipe": "keyart.training.recipe",
    "Run": "keyart.run",
    "MetricTable": "keyart.metric_table",
    # similar posters
    "Index": "keyart.similar",
    # serving and corrections
    "serve": "keyart.service.server",
    "create_app": "keyart.service.app",
    "new_token": "keyart.service.tokens",
    "export_corrections": "keyart.review.corrections",
    # the study and the demo
    "run_milestone": "keyart.milestone.experiment",
    "draw_pictures": "keyart.milestone.pictures",
    "run_demo": "keyart.demo.run",
    # errors
    "KeyartError": "keyart.errors",
    "PosterError": "keyart.errors",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from keyart.bundle import Bundle as Bundle


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
