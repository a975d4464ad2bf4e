"""Put a finished run into the package, as the model that predicts if no other is named.

python -m benchmarks.box RUN [--catalog CATALOG] [--titles TABLE] [--encoder FOLDER_OR_NAME]

Its network is stored in float16 (see training/halve.py), and scored in that form on the test split
of the run's catalog. Those are the metrics on its card. A bundle that is small already, such as the
box itself, may stand for the run: then its thresholds and what it knows of posters are learned
again. Titles are learned again if --titles or --encoder is given. Otherwise they are those of the
bundle; a run gets those of the box that was there, which must be of the same catalog. A sentence
encoder gives what it knows of words; it is no part of the box.
"""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from keyart.bundle import BOX, boxed_bundle, content_of, read_bundle, write_bundle
from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.decisions import DEFAULT_PRECISION
from keyart.evaluation.evaluate import (
    catalog_logits,
    evaluate_model,
    fuse_titles,
    learn_typical,
)
from keyart.manifest import MANIFEST
from keyart.predictor import Predictor
from keyart.report.card import model_card
from keyart.run import Run
from keyart.text_encoder import find_encoder
from keyart.training.export import export
from keyart.training.titles import learn_titles

_NAME = "PosterNet, the model in the box"
_TITLES = "titles: "  # how a note on the title model begins
_MOST = 12_000_000  # bytes that the box may take
ORIGIN = (
    "It was trained from random weights, by distillation: in each step a teacher's scores for the "
    "same pixels were mixed into the labels, and its features were pulled towards the teacher's. "
    "The training below is the last of five, and started from the weights of the one before it. "
    "The teachers are MobileNetV2 and, in the last training, ResNet-50 too, pretrained on ImageNet "
    "(Apache-2.0) and fine-tuned on the same films; none of their weights are in here. Posters "
    "belong to their studios and were used for research; none of them is in here either.\n\n"
    "Its weights are stored as float16 and used as float32; the metrics were measured in this form."
)


def main() -> None:
    """Write the box."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--catalog", type=Path)
    parser.add_argument("--titles", type=Path, help="films without posters, to learn titles from")
    parser.add_argument("--encoder", help="a sentence encoder that knows words")
    given = parser.parse_args()
    encoder = find_encoder(given.encoder) if given.encoder else None
    catalog = Catalog.open(given.catalog) if given.catalog else Run(given.run).catalog
    with tempfile.TemporaryDirectory() as folder:
        if (given.run / MANIFEST).is_file():
            small = read_bundle(Path(shutil.copytree(given.run, Path(folder) / "small")))
            before = small
        else:
            small = export(given.run, Path(folder) / "small", small=True)
            before = read_bundle(boxed_bundle())
        by_split = {split: catalog.rows(split) for split in SPLITS}
        rows, predictor = by_split["validation"], Predictor(small)
        notes = tuple(note for note in before.provenance["notes"] if note.startswith(_TITLES))
        titles = before.films.titles if before.films is not None else None
        if given.titles is not None or encoder is not None:
            titles, notes = learn_titles(catalog, by_split, given.titles, encoder, "words")
        elif before.provenance["catalog"] != catalog.fingerprint:
            raise SystemExit(f"{before.path}: is not of {catalog.path}; give --titles")
        logits = catalog_logits(predictor, catalog, rows)
        films = fuse_titles(titles, catalog, logits, by_split, small.provenance["thresholds"])
        spec = predictor.image_specs[0]
        typical = learn_typical(
            catalog, spec, lambda some: catalog_logits(predictor, catalog, some), by_split
        )
        fused = write_bundle(
            Path(folder) / "fused", replace(content_of(small), films=films, typical=typical)
        )
        decision, films, scored, _ = evaluate_model(
            Predictor(fused), catalog, ("validation", "test"), DEFAULT_PRECISION
        )
        others = [note for note in scored.notes if not note.startswith(_TITLES)]
        # The candidate was compared with the box that it replaces.
        splits = {split: replace(found, box=None) for split, found in scored.splits.items()}
        table = replace(scored, name=_NAME, notes=(*others, *notes), splits=splits)
        card = model_card(table, small.provenance["recipe"])
        head, data, rest = card.partition("## Data\n")
        facts = {
            key: table.provenance()[key] for key in ("name", "metrics", "rates", "films", "notes")
        }
        if BOX.exists():
            shutil.rmtree(BOX)
        content = replace(content_of(fused), decisions=decision.decisions, films=films)
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
