"""Small run folders for tests: made-up scores, and figures that are truly theirs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.evaluate import Evaluation, write_evaluation
from keyart.evaluation.scoring import score_split
from keyart.files import write_csv, write_text
from keyart.genres import Vocabulary

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
    """Write a run folder: film i is `film-i` in the test part; the first have `titles`.

    The films depend on `truth_seed`, what the run says of them on `skill` and `seed`.
    """
    vocabulary = Vocabulary(tuple(genres))
    rng = np.random.default_rng(seed)
    thresholds = np.full(len(genres), 0.45)
    splits, predictions = {}, {}
    for part in ("validation", "test"):
        truth = np.random.default_rng(truth_seed).random((films, len(genres))) < RATES
        noise = rng.random(truth.shape)
        scores = (skill * truth + (1 - skill) * noise).astype(np.float32)
        groups = [f"group-{film // 2}" for film in range(films)]
        splits[part] = score_split(
            scores,
            truth,
            thresholds,
            groups,
            vocabulary,
            fit_baselines(truth),
            resamples=resamples,
        )
        names = [*titles, *(f"Film {film}" for film in range(len(titles), films))]
        ids = [f"film-{film}" if part == "test" else f"other-{film}" for film in range(films)]
        columns: dict[str, object] = {
            "film_id": ids,
            "title": names,
            "group": groups,
            "truth": [list(vocabulary.decode(row)) for row in truth],
            "genres": [list(vocabulary.decode(row)) for row in scores >= thresholds],
        }
        columns |= {name: scores[:, column] for column, name in enumerate(genres)}
        predictions[part] = pa.table(columns)
    metrics = {
        "format": 1,
        "name": path.name,
        "catalog": "c0ffee",
        "vocabulary": list(genres),
        "films": {"train": 3 * films, "validation": films, "test": films},
        "notes": ["Western: threshold: none of 60 films has it"],
        "splits": splits,
    }
    path.mkdir(parents=True)
    write_evaluation(path, Evaluation(metrics, predictions))
    write_text(path / "recipe.toml", recipe)
    header = ["epoch", "seconds", "learning_rate", "train_loss", "train_label_accuracy"]
    header += ["validation_loss", "validation_label_accuracy", "validation_mean_average_precision"]
    rows = [
        (
            *(epoch, 1.5, 0.01, 0.8 / epoch, 0.9 - 0.4 / epoch),
            *(0.5 + (epoch - 5) ** 2 / 100, 0.88 - 0.1 / epoch, 0.3 - 0.2 / epoch),
        )
        for epoch in range(1, epochs + 1)
    ]
    write_csv(path / "history.csv", header, rows)
    return path
