"""Training: from a catalog and a recipe to a run, of a network or of a classical model."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from keyart.catalog.catalog import Catalog
from keyart.catalog.terms import check_agreement
from keyart.copies import working_folder
from keyart.errors import RecipeError, TrainingError
from keyart.images.decode import Pixels
from keyart.models.backbones import origin
from keyart.models.classifier import GenreClassifier, has_depthwise, multiply_adds
from keyart.models.heads import GenreHead
from keyart.network import Network
from keyart.run import Run
from keyart.stores.paths import RemotePath, place
from keyart.training.callbacks import Callbacks, Row
from keyart.training.checkpoint import load_tensors, save_tensors
from keyart.training.classical import fit_classical, load_classical
from keyart.training.classical_recipe import ClassicalRecipe
from keyart.training.features import Changes, cached_features
from keyart.training.finish import Trained, finish_run, saying_what_is_saved, start_run
from keyart.training.freezing import freeze_stages
from keyart.training.images import Images, choose_images
from keyart.training.join import follows, joined_by_torchrun, restarted, under_torchrun
from keyart.training.launch import train_here
from keyart.training.logs import TrainingLog, reporting
from keyart.training.loop import Examples, fit, validation_metrics
from keyart.training.machine import choose_machine, isolated
from keyart.training.networks import build_network, load_best
from keyart.training.onnx_export import PARITY_POSTERS, export_onnx
from keyart.training.recipe import AnyRecipe, Recipe, any_recipe
from keyart.training.reports import Job
from keyart.training.sources import FeatureSource, HeadOnly, PixelSource, Whole
from keyart.training.start import fit_head, open_start, starting_recipe
from keyart.training.teacher import open_teacher
from keyart.training.workers import ALONE, Workers
from keyart.version import __version__

_HEAD_RATE = 1e-3  # learning rate of a head that is trained before its backbone


@dataclass(frozen=True)
class Lesson:
    """The data of a training: a catalog's prepared posters, and the images of each split."""

    catalog: Catalog
    pixels: Pixels
    splits: Mapping[str, Images]
    callbacks: Callbacks
    workers: Workers = ALONE


def train(
    catalog: Catalog | str | os.PathLike[str],
    recipe: AnyRecipe | str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str],
    start: str | os.PathLike[str] | None = None,
    resume: bool = False,
    callbacks: Callbacks | None = None,
    logs: Sequence[TrainingLog | str] = (),
    agreement: bool = False,
    workers: int = 1,
    ray: str | None = None,
    **settings: Any,
) -> Run:
    """Train a model on a catalog, and leave a run: weights, bundle, metrics and report.

    recipe: the name of a shipped recipe, a TOML file, or a Recipe; None is `posternet`, or what the
    number of films allows with a `start`. out: the run's folder. start: a trained model to start
    from, `box` or the folder of a run or a bundle; its genres may be others. resume: continue a
    training that was stopped at any moment; it ends with the same weights. callbacks: what to call
    meanwhile. logs: what to report each epoch to, "tensorboard" or objects of your own, see
    `TrainingLog`. agreement: whether you have the written agreement that a source of the posters
    asks for (TMDb does). workers: processes that share every batch, on this machine or, with `ray`,
    on a cluster: its address, "auto" for the one of this machine, or "local" to start one here.
    They train the network that one process would. settings: recipe keys to override, `epochs=5`.

    Raises RecipeError, RunError if `out` exists (or, to resume, belongs to another training),
    TrainingError if the catalog cannot be trained on, WeightsError for weights that are missing or
    do not fit the backbone, BundleError for a start that cannot be read, TermsError if an agreement
    is missing, JobError without a cluster, and MissingExtraError for `ray` without keyart[cluster].
    """
    if workers < 1:
        raise ValueError(f"workers: expected at least 1, got {workers}")
    if isinstance(stored := place(out), RemotePath) and follows():
        out = stored.name  # the worker that leads writes; this one only names it in messages
    elif isinstance(stored, RemotePath):
        with working_folder(stored) as folder:
            train(
                catalog, recipe, out=folder, start=start, resume=resume, callbacks=callbacks,
                logs=logs, agreement=agreement, workers=workers, ray=ray, **settings,
            )  # fmt: skip
        return Run(stored)
    opened = catalog if isinstance(catalog, Catalog) else Catalog.open(catalog)
    check_agreement(opened, agreement)
    run, call = Run(out), callbacks or Callbacks()
    chosen = (
        starting_recipe(start, recipe, settings, len(opened.rows("train")))
        if start is not None
        else any_recipe("posternet" if recipe is None else recipe, settings)
    )
    # Of the workers that torchrun starts, the one that leads reports.
    reported = nullcontext(call) if follows() else reporting(run, chosen, logs, call)
    with isolated(), saying_what_is_saved(run), reported as call:
        if not isinstance(chosen, Recipe):
            if workers > 1 or ray is not None or under_torchrun():
                raise RecipeError(f"{chosen.classifier.kind} trains in one process: use no workers")
            _train_classical(opened, chosen, run, call, resume=resume)
            _say_if_the_box_is_as_good(run, call)
            return run
        if under_torchrun():
            if workers > 1 or ray is not None:
                raise TrainingError("torchrun starts the workers: leave --workers and --ray out")
            begun = restarted() and run.has_origin
            with joined_by_torchrun() as group:
                lesson = learn(opened, chosen, run, call, resume=resume or begun, workers=group)
            if not group.leads:
                return run
        elif workers > 1 or ray is not None:
            lesson = _learn_elsewhere(opened, chosen, run, call, workers, ray, resume=resume)
        else:
            lesson = learn(opened, chosen, run, call, resume=resume)
        if lesson is None:
            call.message(f"{run.path}: finished already")
            return run
        call.message("scoring the validation and test splits")
        _finish(run, chosen, lesson)
        _say_if_the_box_is_as_good(run, call)
    return run


def _say_if_the_box_is_as_good(run: Run, callbacks: Callbacks) -> None:
    """A model that does not beat the one that comes with keyart was hardly worth its training."""
    found = run.metrics.split("test").box
    if found is not None and not found.is_beaten:
        callbacks.message(f"{run.path}: {found.verdict}")


@isolated()
def learn(
    catalog: Catalog,
    recipe: Recipe,
    run: Run,
    callbacks: Callbacks,
    *,
    resume: bool,
    workers: Workers = ALONE,
) -> Lesson | None:
    """The training itself, which sees no test film: it writes checkpoints and history.csv.

    workers: this process as one of several that all call this. Returns the data that it learned
    from; None if the run is finished already.
    """
    optimisation = recipe.optimisation
    model, splits = _begin(catalog, recipe, run, workers, resume=resume)
    if model is None:
        return None
    with workers.in_turn():
        pixels = catalog.pixels(recipe.spec, callbacks.posters)
    lesson = Lesson(catalog, pixels, splits, callbacks, workers)
    if recipe.network.start is not None:
        _fit_head_near(model, recipe, lesson, run)
        if recipe.network.frozen:
            if workers.leads:
                save_tensors(run.best_checkpoint, model.state_dict(), {"epoch": "0"})
            return lesson
        callbacks.message("training the network")
    elif recipe.network.frozen:
        _fit_head(model, recipe, lesson, run)
        return lesson
    if optimisation.head_epochs:
        callbacks.message("training the head alone")
        first = recipe.with_settings(
            epochs=optimisation.head_epochs, learning_rate=_HEAD_RATE, schedule="cosine",
            warmup_epochs=0, early_stopping_patience=None, ema_decay=None, mixup=0, cutmix=0,
        )  # fmt: skip
        _fit_head(model, first, lesson, run.head)
        callbacks.message("training the whole network")
    _fit_whole(model, recipe, lesson, run)
    return lesson


def _begin(
    catalog: Catalog, recipe: Recipe, run: Run, workers: Workers, *, resume: bool
) -> tuple[GenreClassifier | None, Mapping[str, Images]]:
    """The network before training, or None if the run is finished; and the images of each split."""
    data, seed = recipe.data, recipe.optimisation.seed
    splits = choose_images(catalog, data.split, data.upsample, data.upsample_genres, seed)
    torch.manual_seed(seed)
    model = _first_model(catalog, recipe, splits["train"].rows)
    if workers.leads:
        start_run(run, catalog, recipe, data.split, resume=resume)
    workers.check("keyart", __version__)
    workers.check("the catalog", catalog.fingerprint)
    workers.check("the recipe", recipe.to_toml())
    finished = bool(workers.agreed({"finished": workers.leads and run.is_finished})["finished"])
    return None if finished else model, splits


def _learn_elsewhere(
    catalog: Catalog,
    recipe: Recipe,
    run: Run,
    callbacks: Callbacks,
    workers: int,
    ray: str | None,
    *,
    resume: bool,
) -> Lesson | None:
    """As `learn`, in other processes."""
    model, splits = _begin(catalog, recipe, run, ALONE, resume=resume)
    if model is None:
        return None
    job = Job(str(catalog.path.absolute()), recipe.to_toml(), str(run.path.absolute()))
    if ray is None:
        train_here(job, workers, callbacks)
    else:
        from keyart.training.on_ray import train_on_ray

        train_on_ray(job, workers, ray, callbacks)
    return Lesson(catalog, catalog.pixels(recipe.spec, callbacks.posters), splits, callbacks)


def _first_model(catalog: Catalog, recipe: Recipe, rows: npt.NDArray[np.int64]) -> GenreClassifier:
    """The network before training. rows: the films to train on."""
    known = catalog.truth[rows]
    rates = torch.from_numpy((known.sum(0) + 1) / (len(known) + 2)).float()  # never 0, never 1
    network = recipe.network
    if network.start is not None:
        start = open_start(network.start)
        return start.classifier(catalog.vocabulary, rates, network.dropout)
    # Test-time augmentation is for the end: in each epoch it would take most of the validation.
    plain = recipe.with_settings(tta=1)
    model = build_network(plain, len(catalog.vocabulary), weights=network.weights)
    if isinstance(model.head, GenreHead):
        model.head.start_at(rates)
    return model


def _fit_head_near(model: GenreClassifier, recipe: Recipe, lesson: Lesson, run: Run) -> None:
    """Fit the head to the training films, near the weights that it has.

    If nothing else is trained, the history has one row.
    """
    if lesson.workers.leads:
        row = _fit_leading_head(model, recipe, lesson)
        if recipe.network.frozen:
            run.write_history([row])
    lesson.workers.share(model)


def _fit_leading_head(model: GenreClassifier, recipe: Recipe, lesson: Lesson) -> Row:
    """Returns the row of the history."""
    started = time.monotonic()
    machine = choose_machine(recipe.optimisation.dtype, "off", 0)
    unchanged = Changes(0, 0, 0, 0, 0, 0)
    (features,) = cached_features(
        lesson.catalog, lesson.pixels, model, recipe.spec, 1, unchanged, machine,
        progress=lesson.callbacks.posters,
    )  # fmt: skip
    rows, catalog = lesson.splits["train"].rows, lesson.catalog
    validation = lesson.splits["validation"].rows
    assert isinstance(model.head, GenreHead)
    assert recipe.network.start is not None
    curves = open_start(recipe.network.start).decision(catalog.vocabulary).calibration
    fit_head(model.head, features[rows], catalog.truth[rows], catalog.groups[rows], curves)
    with torch.no_grad():
        held = torch.from_numpy(np.asarray(features[validation], np.float32))
        logits = curves.logits(model.head.decide(held).numpy()).astype(np.float32)
    return {
        "epoch": 1,
        "seconds": round(time.monotonic() - started, 2),
        **validation_metrics(logits, catalog.truth[validation]),
    }


def _fit_head(model: GenreClassifier, recipe: Recipe, lesson: Lesson, run: Run) -> None:
    """Train the head on cached features of its backbone, and load its best weights."""
    data, optimisation, splits = recipe.data, recipe.optimisation, lesson.splits
    machine = choose_machine(optimisation.dtype, "off", 0)
    flipped = any(images.flipped.any() for images in splits.values())
    changes = Changes(data.zoom, data.shift, data.crop, data.colour, data.erase, data.randaugment)
    with lesson.workers.in_turn():
        features = cached_features(
            lesson.catalog, lesson.pixels, model, recipe.spec,
            max(recipe.network.feature_views, 1 + flipped), changes, machine,
            seed=optimisation.seed, progress=lesson.callbacks.posters,
        )  # fmt: skip
    head = model.head
    scaled = splits["train"].rows if isinstance(head, GenreHead) else None
    source = FeatureSource(features, recipe, machine, scaled)

    def whole() -> dict[str, Tensor]:
        folded = source.fold(head) if isinstance(head, GenreHead) else {}
        known = {name: tensor for name, tensor in model.state_dict().items()}
        return known | {f"head.{name}": tensor for name, tensor in folded.items()}

    examples = Examples(source, lesson.catalog.truth, splits["train"], splits["validation"])
    weights = sum(parameter.numel() for parameter in head.parameters())
    gflop = 3 * 2e-9 * weights * optimisation.epochs * len(splits["train"])
    machine = choose_machine(optimisation.dtype, optimisation.compile, gflop)
    workers = lesson.workers
    fit(HeadOnly(head), examples, recipe, machine, run, lesson.callbacks, whole, workers)
    if workers.leads:
        model.load_state_dict(load_tensors(run.best_checkpoint)[0])
    workers.share(model)


def _fit_whole(model: GenreClassifier, recipe: Recipe, lesson: Lesson, run: Run) -> None:
    optimisation, regularisation = recipe.optimisation, recipe.regularisation
    splits = lesson.splits
    freeze_stages(model, recipe.network.frozen_stages)
    # A backward pass costs two forward ones.
    passes = 3 * optimisation.epochs * len(splits["train"])
    gflop = passes * 2e-9 * multiply_adds(model, recipe.spec)
    if has_depthwise(model) and not torch.cuda.is_available():
        gflop = 0.0  # MobileNetV2 trained at 0.7x the rate when compiled for two cores
    machine = choose_machine(optimisation.dtype, optimisation.compile, gflop)
    teacher = None
    if regularisation.teachers:
        runs = [Run(path) for path in regularisation.teachers]
        teacher = open_teacher(runs, recipe.spec, lesson.catalog, machine, lesson.callbacks.message)
    head = model.head
    width = head.linear.in_features if isinstance(head, GenreHead) else 0
    teacher_width = teacher.width if teacher and regularisation.feature_weight else None
    trainee = Whole(model, teacher_width, width)
    examples = Examples(
        PixelSource(lesson.pixels, recipe, machine),
        lesson.catalog.truth,
        splits["train"],
        splits["validation"],
        teacher,
        _lines(recipe, lesson.catalog),
    )
    fit(trainee, examples, recipe, machine, run, lesson.callbacks, model.state_dict, lesson.workers)


def _lines(recipe: Recipe, catalog: Catalog) -> torch.Tensor | None:
    """The lines (2, genres) nearest to the curves of the start, which its head needs."""
    if recipe.network.start is None:
        return None
    curves = open_start(recipe.network.start).decision(catalog.vocabulary).calibration.genres
    return torch.tensor([curve.line for curve in curves]).T


class _ImagePixels:
    """The pixels of images by place, flipped if the image is."""

    def __init__(self, pixels: Pixels, images: Images) -> None:
        self._pixels, self._images = pixels, images

    def __getitem__(self, places: npt.NDArray[np.int64]) -> Pixels:
        images = self._images.take(places)
        taken = self._pixels[images.rows]
        taken[images.flipped] = taken[images.flipped][:, :, ::-1]
        return taken


def _finish(run: Run, recipe: Recipe, lesson: Lesson) -> None:
    """From the best weights to metrics, predictions, report and bundle."""
    model, _ = load_best(run)
    splits = lesson.splits
    onnx = export_onnx(model, lesson.pixels[splits["validation"].rows[:PARITY_POSTERS]])
    network = Network(onnx)
    logits = {
        split: network.logits_of_rows(
            _ImagePixels(lesson.pixels, splits[split]), np.arange(len(splits[split]))
        )
        for split in ("validation", "test")
    }
    trained = Trained(
        onnx,
        recipe.spec,
        logits,
        {split: images.rows for split, images in splits.items()},
        provenance=_backbone_facts(recipe),
    )
    finish_run(run, recipe, lesson.catalog, trained)


def _train_classical(
    catalog: Catalog, recipe: ClassicalRecipe, run: Run, callbacks: Callbacks, *, resume: bool
) -> None:
    splits = choose_images(catalog, "catalog", 0, (), recipe.classifier.seed)
    start_run(run, catalog, recipe, resume=resume)
    if run.is_finished:
        callbacks.message(f"{run.path}: finished already")
        return
    kind, films = recipe.classifier.kind, len(catalog.rows("train"))
    callbacks.message(f"fitting {kind} to {films:,} films")
    fit_classical(recipe, catalog, run, callbacks.posters)
    callbacks.message("scoring the validation and test splits")
    fitted = load_classical(recipe, run.best_checkpoint)
    prepared = catalog.pixels(fitted.spec)
    rows = {split: images.rows for split, images in splits.items()}
    onnx = export_onnx(fitted.model, prepared[rows["validation"][:PARITY_POSTERS]])
    network = Network(onnx)
    logits = {
        split: network.logits_of_rows(prepared, rows[split]) for split in ("validation", "test")
    }
    trained = Trained(
        onnx, fitted.spec, logits, rows, notes=fitted.notes, provenance=_backbone_facts(recipe)
    )
    finish_run(run, recipe, catalog, trained)


def _backbone_facts(recipe: AnyRecipe) -> dict[str, Any]:
    """The provenance of pretrained weights, for the bundle."""
    backbone, weights = recipe.network.backbone, recipe.network.weights
    known = origin(backbone, weights) if backbone is not None else None
    return {"backbone": {"name": backbone, **asdict(known)}} if known else {}
