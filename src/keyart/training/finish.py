"""A run's folder: started with a recipe, and finished once a model is trained."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.bundle import Content, NetworkFiles, write_bundle
from keyart.catalog.catalog import Catalog
from keyart.catalog.films_table import FilmsTable
from keyart.catalog.terms import (
    joined_terms,
    terms_from_json,
    terms_lines,
    terms_of,
    terms_to_json,
)
from keyart.decisions import Films
from keyart.errors import RunError
from keyart.evaluation.box import is_box, trained_on
from keyart.evaluation.decide import decide
from keyart.evaluation.evaluate import (
    START_CATALOG,
    evaluate_logits,
    fuse_titles,
    learn_typical,
)
from keyart.evidence import KINDS, POSTER
from keyart.files import write_text
from keyart.images.spec import ImageSpec
from keyart.network import Logits, Network
from keyart.report.card import model_card
from keyart.report.page import write_report
from keyart.run import Run
from keyart.text_encoder import TextEncoder, find_encoder
from keyart.training.recipe import AnyRecipe, Recipe, any_recipe, portable
from keyart.training.start import Start, open_start
from keyart.training.titles import learn_titles


@dataclass(frozen=True)
class Trained:
    """A trained and exported model, with its logits of the films to be scored.

    logits: of the validation and test splits, (films, genres) each. rows: the films of all three
    splits. notes: about the model, for metrics and card. provenance: more facts for the bundle.
    """

    onnx: bytes
    spec: ImageSpec
    logits: Mapping[str, Logits]
    rows: Mapping[str, npt.NDArray[np.int64]]
    notes: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def start_run(
    run: Run, catalog: Catalog, recipe: AnyRecipe, split: str = "catalog", *, resume: bool
) -> None:
    """Start a run's folder, or check that it belongs to this training.

    split: 'catalog' if the run uses the catalog's own splits. Raises RunError if the folder exists
    already or, to resume, belongs to another training, WeightsError for a sentence encoder that
    cannot be used, and TableError for a table of titles that cannot be read.
    """
    path = run.path
    _encoder(recipe)  # what it lacks is said before the training, not after it
    if recipe.data.titles is not None:
        FilmsTable(Path(recipe.data.titles), catalog.vocabulary)
    if resume and run.has_origin:
        if any_recipe(run.recipe_path) != recipe:
            raise RunError(
                f"{path}: was started with another recipe ({run.recipe_path}); resume with that one"
            )
        if run.origin.fingerprint != catalog.fingerprint:
            raise RunError(f"{path}: the catalog has changed since; train into a new folder")
        return
    if path.exists() and not _only_begun(run):
        if resume:
            raise RunError(f"{path}: has no training to resume; choose another folder")
        raise RunError(
            f"{path}: already exists; add --resume to continue, or choose another folder"
        )
    write_text(run.recipe_path, recipe.to_toml())
    run.write_origin(catalog, split)


@contextmanager
def saying_what_is_saved(run: Run) -> Iterator[None]:
    """Errors of the disk also say how far a training is saved, and how to continue it."""
    try:
        yield
    except OSError as error:
        if run.has_origin:
            saved = "saved up to the last checkpoint" if run.last_checkpoint.exists() else "begun"
            error.add_note(f"the training in {run.path} is {saved}: continue it with --resume")
        raise


def _only_begun(run: Run) -> bool:
    """Whether a run's folder holds nothing, or what is left if it was killed while it started."""
    begun = {run.recipe_path, run.checkpoints}
    inside = run.checkpoints.iterdir() if run.checkpoints.is_dir() else ()
    return all(
        file in begun or file.name.startswith(".") for file in [*run.path.iterdir(), *inside]
    )


_FROM_BOX = "from_box"  # in a bundle's provenance


def _start_of(recipe: AnyRecipe) -> Start | None:
    name = recipe.network.start if isinstance(recipe, Recipe) else None
    return None if name is None else open_start(name)


def _knows_box(start: Start) -> bool:
    """Whether it is the box, or came from it by way of other models."""
    return is_box(start.bundle) or bool(start.bundle.provenance.get(_FROM_BOX))


def _origin_of(start: Start | None, catalog: Catalog) -> dict[str, Any]:
    """Where the model started, for its provenance."""
    if start is None:
        return {}
    facts: dict[str, Any] = {_FROM_BOX: True} if _knows_box(start) else {}
    if start.promises and any(start.columns(catalog.vocabulary)):
        # Of the same catalog, it counts what it took over itself.
        own = start.catalog != catalog.fingerprint
        facts[START_CATALOG] = start.catalog if own else start.bundle.provenance[START_CATALOG]
    return facts


def _notes_of(start: Start, catalog: Catalog, rows: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """What the start means for the metrics. rows: of the test films."""
    name = Path(start.name).name
    seen = int(trained_on(catalog, rows).sum()) if _knows_box(start) else 0
    knows = f"{seen:,} of the {len(rows):,} test films" if seen else "none of the test films"
    knows = f"was trained on {knows}" + ("; the metrics flatter it" if seen else "")
    if is_box(start.bundle):
        return (f"It started from the box, which {knows}.",)
    where = "of the same catalog and splits"
    if start.catalog != catalog.fingerprint:
        where = "of another catalog; if that has some of the test films, the metrics flatter it"
    note = f"It started from {name}, {where}."
    return (note, f"The box, from which {name} started, {knows}.") if _knows_box(start) else (note,)


def unused_evidence(start: Start, films: Films | None) -> tuple[str, ...]:
    """A note if the start uses titles or years and the model does not. films: of the model."""
    before, now = (one.fusions if one else {} for one in (start.bundle.films, films))
    kinds = set().union(*before) - set().union(POSTER, *now)
    if not kinds:
        return ()
    name = "the box" if is_box(start.bundle) else Path(start.name).name
    lacking = " or ".join(f"a usable {kind}" for kind in KINDS if kind in kinds)
    return (f"No validation film has {lacking}: unlike {name}, this model uses none.",)


def _encoder(recipe: AnyRecipe) -> TextEncoder | None:
    """The sentence encoder that a recipe names. Raises WeightsError."""
    data = recipe.data
    return find_encoder(data.encoder, data.encoder_prompt) if data.encoder else None


def finish_run(run: Run, recipe: AnyRecipe, catalog: Catalog, trained: Trained) -> None:
    """Calibrate, choose thresholds, score, and write metrics, predictions, report and bundle."""
    validation, known = trained.rows["validation"], _start_of(recipe)
    if known is not None and known.catalog == catalog.fingerprint:
        # Its thresholds were chosen on these validation films, unless another model's count too.
        known = replace(known, promises=START_CATALOG in known.bundle.provenance)
    decision = decide(
        trained.logits["validation"],
        catalog.truth[validation],
        catalog.groups[validation],
        catalog.vocabulary,
        recipe.ending.thresholds,
        known=known.decision(catalog.vocabulary) if known else None,
    )
    data, rows = recipe.data, trained.rows
    vocabulary = catalog.vocabulary
    titles, notes = learn_titles(
        catalog,
        rows,
        data.titles,
        _encoder(recipe),
        data.encoder_reads,
        start=known.titles(vocabulary) if known else None,
    )
    films = fuse_titles(
        titles,
        catalog,
        trained.logits["validation"],
        rows,
        recipe.ending.thresholds,
        known.fusions(vocabulary) if known else {},
    )
    terms = terms_of(catalog)
    if known is not None:
        notes += _notes_of(known, catalog, trained.rows["test"])
        notes += unused_evidence(known, films)
        inherited = terms_from_json(known.bundle.provenance.get("terms", []))
        notes += tuple(terms_lines(inherited))
        terms = joined_terms(inherited, terms)
    network = Network(trained.onnx)

    def score(rows: npt.NDArray[np.int64]) -> Logits:
        return network.logits_of_rows(catalog.pixels(trained.spec), rows)

    typical = learn_typical(catalog, trained.spec, score, trained.rows)
    decision = replace(decision, notes=(*trained.notes, *decision.notes, *notes))
    table, scored = evaluate_logits(
        decision, catalog, trained.logits, name=run.name, rows=trained.rows, films=films
    )
    run.write_evaluation(table, scored)
    toml = portable(recipe).to_toml()
    content = Content(
        NetworkFiles(trained.onnx, trained.spec, run.best_checkpoint.read_bytes()),
        catalog.vocabulary,
        decision.decisions,
        card=model_card(table, toml),
        provenance={
            **table.provenance(),
            "recipe": toml,
            "terms": terms_to_json(terms),
            **_origin_of(known, catalog),
            **trained.provenance,
        },
        films=films,
        typical=typical,
    )
    bundle = content.unwritten(run.bundle_path)
    write_report([run.path], run.report_path, catalog=catalog.path, bundle=bundle)
    write_bundle(run.bundle_path, content)
