"""Put a finished run into the package, as the model that predicts if no other is named.

python -m benchmarks.box RUN [--catalog CATALOG]

Its network is stored in float16 (see training/halve.py), and scored in that form on the test split
of the run's catalog. Those are the metrics on its card.
"""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from keyart.bundle import BOX, content_of, read_bundle, write_bundle
from keyart.catalog.catalog import Catalog
from keyart.evaluation.evaluate import evaluate_model
from keyart.predictor import Predictor
from keyart.report.card import model_card
from keyart.run import Run
from keyart.training.export import export

_NAME = "PosterNet, the model in the box"
_MOST = 10_000_000  # bytes that the box may take
ORIGIN = (
    "It was trained from random weights, by distillation: in each step a teacher's scores for the "
    "same pixels were mixed into the labels, and its features were pulled towards the teacher's. "
    "The teacher is MobileNetV2, pretrained on ImageNet (Apache-2.0) and fine-tuned on the same "
    "films; none of its weights are in here. Posters belong to their studios and were used for "
    "research; none of them is in here either.\n\n"
    "Its weights are stored as float16 and used as float32; the metrics were measured in this form."
)


def main() -> None:
    """Write the box."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--catalog", type=Path)
    given = parser.parse_args()
    catalog = Catalog.open(given.catalog) if given.catalog else Run(given.run).catalog
    with tempfile.TemporaryDirectory() as folder:
        export(given.run, Path(folder) / "small", small=True)
        small = read_bundle(Path(folder) / "small")
        _, scored, _ = evaluate_model(Predictor(small), catalog, ("validation", "test"))
        table = replace(scored, name=_NAME)
        card = model_card(table, small.provenance["recipe"])
        head, data, rest = card.partition("## Data\n")
        facts = {key: table.provenance()[key] for key in ("name", "metrics", "films")}
        if BOX.exists():
            shutil.rmtree(BOX)
        content = content_of(small)
        box = write_bundle(
            BOX,
            replace(
                content,
                card=f"{head}{data}\n{ORIGIN}\n{rest}",
                provenance={**small.provenance, **facts},
            ),
        )
    size = sum(file.stat().st_size for file in box.path.iterdir())
    if size > _MOST:
        raise SystemExit(f"{box.path}: {size:,} bytes, more than {_MOST:,}")
    print(f"{box.path}: {size:,} bytes")


if __name__ == "__main__":
    main()
