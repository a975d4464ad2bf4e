"""Small run folders for tests: made-up scores, and metrics that follow from them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.scoring import score_split
from keyart.genres import Vocabulary
from keyart.metric_table import MetricTable
from keyart.run import Run, ScoredFilms

# No film is a Western, and a genre may be spelled like markup.
GENRES = ("Action", "Comedy", "Drama", "Rock & <b>Roll", "Western")
RATES = (0.2, 0.3, 0.6, 0.2, 0.0)


def make_run(
    path: Path,
    *,
    films: int = 60,
    skill: float = 0.4,
    seed: int = 0,
    truth_seed: int = 0,
    titles: Sequence[str] = (),
    genres: Sequence[str] = GENRES,
    resamples: int = 30,
    epochs: int = 8,
    recipe: str = 'model = "tiny"\nepochs = 8\n',
) -> Path:
    """Write a run folder: film i is `film-i` in the test split; the first have `titles`.

    The films depend on `truth_seed`, its scores on `skill` and `seed`.
    """
    vocabulary = Vocabulary(tuple(genres))
    rng = np.random.default_rng(seed)
    thresholds = np.full(len(genres), 0.45)
    splits, scored = {}, {}
    for split in ("validation", "test"):
        truth = np.random.default_rng(truth_seed).random((films, len(genres))) < RATES
        noise = rng.random(truth.shape)
        # As they are read back: predictions are stored in single precision.
        scores = (skill * truth + (1 - skill) * noise).astype(np.float32).astype(np.float64)
        groups = [f"group-{film // 2}" for film in range(films)]
        splits[split] = score_split(
            scores,
            truth,
            thresholds,
            groups,
            vocabulary,
            fit_baselines(truth),
            resamples=resamples,
        )
        names = [*titles, *(f"Film {film}" for film in range(len(titles), films))]
        ids = [f"film-{film}" if split == "test" else f"other-{film}" for film in range(films)]
        scored[split] = ScoredFilms(
            vocabulary, ids, names, groups, truth, scores >= thresholds, scores
        )
    run = Run(path)
    path.mkdir(parents=True)
    run.write_evaluation(
        MetricTable(
            path.name,
            "c0ffee",
            vocabulary.names,
            {"train": 3 * films, "validation": films, "test": films},
            "f1",
            ("Western: threshold: none of 60 films has it",),
            splits,
        ),
        scored,
    )
    run.write_recipe(recipe)
    header = ["epoch", "seconds", "learning_rate", "train_loss", "train_label_accuracy"]
    header += ["validation_loss", "validation_label_accuracy", "validation_mean_average_precision"]
    rows: list[dict[str, object]] = [
        dict(
            zip(
                header,
                (
                    *(epoch, 1.5, 0.01, 0.8 / epoch, 0.9 - 0.4 / epoch),
                    *(0.5 + (epoch - 5) ** 2 / 100, 0.88 - 0.1 / epoch, 0.3 - 0.2 / epoch),
                ),
                strict=True,
            )
        )
        for epoch in range(1, epochs + 1)
    ]
    run.write_history(rows)
    return path
