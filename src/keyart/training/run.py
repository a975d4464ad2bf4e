"""Training: from a catalog and a recipe to a run, a network's or a classical model's."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from keyart.bundle import (
    Bundle,
    Content,
    Member,
    NetworkFiles,
    content_of,
    read_bundle,
    write_bundle,
)
from keyart.catalog.catalog import Catalog
from keyart.catalog.prepared import prepared_films
from keyart.errors import RunError
from keyart.images.decode import Pixels
from keyart.images.pixels import pixel_store
from keyart.images.spec import ImageSpec
from keyart.models.backbones import origin
from keyart.models.classifier import (
    GenreClassifier,
    build_classifier,
    has_depthwise,
    multiply_adds,
)
from keyart.models.heads import GenreHead
from keyart.network import Network
from keyart.training.checkpoint import load_tensors
from keyart.training.classical import fit_classical, load_classical
from keyart.training.classical_recipe import ClassicalRecipe
from keyart.training.export import check_parity, export_onnx
from keyart.training.features import Changes, cached_features
from keyart.training.folder import RECIPE, fill_run, open_run
from keyart.training.freezing import freeze_stages
from keyart.training.halve import halved
from keyart.training.images import Images, choose_images
from keyart.training.loop import BEST, Examples, Progress, fit
from keyart.training.machine import Machine, choose_machine
from keyart.training.recipe import Recipe, any_recipe, load_recipe
from keyart.training.sources import FeatureSource, HeadOnly, PixelSource, Whole
from keyart.training.teacher import Teacher

_PARITY_POSTERS = 64
_HEAD_RATE = 1e-3  # of a head that is trained before its backbone; its inputs are scaled


@dataclass(frozen=True)
class Watcher:
    """How a training tells what it does: pixels (done, total), steps, and plain sentences."""

    pixels: Callable[[int, int], None]
    steps: Callable[[Progress], None]
    say: Callable[[str], None]


def train(
    catalog: Catalog,
    recipe: Recipe | ClassicalRecipe,
    run: Path,
    watcher: Watcher,
    *,
    resume: bool,
) -> None:
    """Train by `recipe` on `catalog` and leave a whole run.

    With `resume` a run that was stopped at any moment goes on and ends with the same weights.
    Raises RunError where `run` is there already (or, to resume, is not this training's),
    TrainingError where the catalog cannot be learned from, and WeightsError for weights that are
    not there or not the backbone's.
    """
    if not isinstance(recipe, Recipe):
        _train_classical(catalog, recipe, run, watcher, resume=resume)
        return
    learned = learn(catalog, recipe, run, watcher, resume=resume)
    if learned is None:
        watcher.say(f"{run}: finished already")
        return
    watcher.say("scoring the validation and test parts")
    _finish(run, recipe, catalog, *learned)


def learn(
    catalog: Catalog, recipe: Recipe, run: Path, watcher: Watcher, *, resume: bool
) -> tuple[Pixels, Mapping[str, Images]] | None:
    """The part of `train` that looks at no test film: it leaves checkpoints and history.csv.

    Returns the catalog's pixels and the parts' images, None where the run is finished already.
    """
    parts = choose_images(
        catalog,
        recipe.data.split,
        recipe.data.upsample,
        recipe.data.upsample_genres,
        recipe.optimisation.seed,
    )
    torch.manual_seed(recipe.optimisation.seed)
    # While it learns it looks once: several looks would be most of what a validation costs.
    once = recipe.with_settings(tta=1)
    model = _build(once, len(catalog.vocabulary), weights=recipe.network.weights)
    if isinstance(model.head, GenreHead):
        known = catalog.truth[parts["train"].rows]
        rates = (known.sum(0) + 1) / (len(known) + 2)  # never 0, never 1
        model.head.start_at(torch.from_numpy(rates).float())
    open_run(run, catalog, recipe, recipe.data.split, resume=resume)
    if (run / "bundle").is_dir():
        return None
    pixels = catalog_pixels(catalog, recipe, watcher.pixels)
    if recipe.network.frozen:
        _fit_head(model, recipe, catalog, pixels, parts, run, watcher)
    else:
        if recipe.optimisation.head_epochs:
            first = recipe.with_settings(
                epochs=recipe.optimisation.head_epochs, learning_rate=_HEAD_RATE, schedule="cosine",
                warmup_epochs=0, early_stopping_patience=None, ema_decay=None, mixup=0, cutmix=0,
            )  # fmt: skip
            watcher.say("training the head alone")
            _fit_head(model, first, catalog, pixels, parts, run / "checkpoints" / "head", watcher)
            watcher.say("training the whole network")
        _fit_whole(model, recipe, catalog, pixels, parts, run, watcher)
    return pixels, parts


def _build(recipe: Recipe, genres: int, *, weights: str | None = None) -> GenreClassifier:
    return build_classifier(
        recipe.network.backbone,
        recipe.spec,
        genres,
        recipe.network.dropout,
        weights=weights,
        pad_type=recipe.network.pad_type,
        bgr=recipe.network.channels == "BGR",
        looks=recipe.network.tta,
    )


def _fit_head(
    model: GenreClassifier,
    recipe: Recipe,
    catalog: Catalog,
    pixels: Pixels,
    parts: Mapping[str, Images],
    folder: Path,
    watcher: Watcher,
) -> None:
    """Train a classifier's head on its backbone's kept features; the best weights end in it."""
    machine = choose_machine(recipe.optimisation.dtype, "off", 0)
    views = max(
        recipe.network.feature_views, 1 + any(images.flipped.any() for images in parts.values())
    )
    changes = Changes(
        recipe.data.zoom,
        recipe.data.shift,
        recipe.data.crop,
        recipe.data.colour,
        recipe.data.erase,
        recipe.data.randaugment,
    )
    features = cached_features(
        catalog, pixels, model, recipe.spec, views, changes, machine,
        seed=recipe.optimisation.seed, progress=watcher.pixels,
    )  # fmt: skip
    head = model.head
    scaled = parts["train"].rows if isinstance(head, GenreHead) else None
    source = FeatureSource(features, recipe, machine, scaled)

    def whole() -> dict[str, Tensor]:
        folded = source.fold(head) if isinstance(head, GenreHead) else {}
        known = {name: tensor for name, tensor in model.state_dict().items()}
        return known | {f"head.{name}": tensor for name, tensor in folded.items()}

    examples = Examples(source, catalog.truth, parts["train"], parts["validation"])
    weights = sum(parameter.numel() for parameter in head.parameters())
    gflop = 3 * 2e-9 * weights * recipe.optimisation.epochs * len(parts["train"])
    machine = choose_machine(recipe.optimisation.dtype, recipe.optimisation.compile, gflop)
    fit(HeadOnly(head), examples, recipe, machine, folder, watcher.steps, watcher.say, whole)
    tensors, _ = load_tensors(folder / "checkpoints" / BEST)
    model.load_state_dict(tensors)


def _fit_whole(
    model: GenreClassifier,
    recipe: Recipe,
    catalog: Catalog,
    pixels: Pixels,
    parts: Mapping[str, Images],
    run: Path,
    watcher: Watcher,
) -> None:
    freeze_stages(model, recipe.network.frozen_stages)
    passes = (
        3 * recipe.optimisation.epochs * len(parts["train"])
    )  # a backward pass costs two forward ones
    gflop = passes * 2e-9 * multiply_adds(model, recipe.spec)
    if has_depthwise(model) and not torch.cuda.is_available():
        gflop = 0.0  # compiled for a CPU, these trained at 0.7x the rate: MobileNetV2, two cores
    machine = choose_machine(recipe.optimisation.dtype, recipe.optimisation.compile, gflop)
    teacher = None
    if recipe.regularisation.teacher is not None:
        teacher = _teacher(Path(recipe.regularisation.teacher), recipe.spec, catalog, machine)
    head = model.head
    width = head.linear.in_features if isinstance(head, GenreHead) else 0
    likeness = teacher.width if teacher and recipe.regularisation.feature_weight else None
    trainee = Whole(model, likeness, width)
    examples = Examples(
        PixelSource(pixels, recipe, machine),
        catalog.truth,
        parts["train"],
        parts["validation"],
        teacher,
    )
    fit(trainee, examples, recipe, machine, run, watcher.steps, watcher.say, model.state_dict)


def _teacher(run: Path, spec: ImageSpec, catalog: Catalog, machine: Machine) -> Teacher:
    """A finished run as a teacher for posters prepared by `spec`.

    Raises RunError for a run that is not finished, has other genres or shapes posters otherwise.
    """
    if not (run / "bundle").is_dir():
        raise RunError(f"teacher {run}: not a finished run")
    bundle = read_bundle(run / "bundle")
    if bundle.vocabulary.names != catalog.vocabulary.names:
        raise RunError(f"teacher {run}: has other genres than the catalog {catalog.path}")
    network, recipe = load_best(run)
    if recipe.data.fit != spec.fit:
        raise RunError(
            f"teacher {run}: its posters are prepared with fit={recipe.data.fit}, those here with "
            f"fit={spec.fit}; use the same"
        )
    if spec.fit == "pad" and recipe.data.height * spec.width != recipe.data.width * spec.height:
        raise RunError(
            f"teacher {run}: pads posters to {recipe.data.height}x{recipe.data.width}, which is not the "
            f"shape of {spec.height}x{spec.width}; use fit=squash, or sizes of one shape"
        )
    return Teacher(network, recipe.spec, bundle.calibration, machine)


def catalog_pixels(
    catalog: Catalog, recipe: Recipe, progress: Callable[[int, int], None] | None = None
) -> Pixels:
    """The prepared posters (films, height, width, 3) of a catalog, decoded at most once."""
    return pixel_store(
        catalog.path, catalog.fingerprint, recipe.spec, len(catalog), catalog.posters, progress
    )


def load_best(run: Path) -> tuple[GenreClassifier, Recipe]:
    """A run's network with its best weights, in evaluation mode, and its recipe.

    Raises RunError where the weights are missing, damaged, or another network's.
    """
    recipe = load_recipe(str(run / RECIPE))
    tensors, _ = load_tensors(run / "checkpoints" / BEST)
    biases = [name for name in tensors if name.startswith("head.") and name.endswith(".bias")]
    # The last layer's: heads number their layers, or have one.
    genres = len(tensors[max(biases, key=lambda name: (len(name), name))]) if biases else 1
    model = _build(recipe, genres)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(f"{run}: its weights are not those of its recipe") from error
    return model.eval(), recipe


def _saved_model(run: Path) -> GenreClassifier:
    """The model that a run holds in its checkpoints, a network or a classical one."""
    recipe = any_recipe(str(run / RECIPE))
    if isinstance(recipe, Recipe):
        return load_best(run)[0]
    return load_classical(recipe, run / "checkpoints" / BEST).model


class _ImagePixels:
    """The pixels of images as a predictor asks for them: by place, mirrored where they are."""

    def __init__(self, pixels: Pixels, images: Images) -> None:
        self._pixels, self._images = pixels, images

    def __getitem__(self, places: npt.NDArray[np.int64]) -> Pixels:
        images = self._images.take(places)
        taken = self._pixels[images.rows]
        taken[images.flipped] = taken[images.flipped][:, :, ::-1]
        return taken


def _finish(
    run: Path, recipe: Recipe, catalog: Catalog, pixels: Pixels, parts: Mapping[str, Images]
) -> None:
    """From a trained run's best weights to its figures, predictions, report and bundle."""
    model, _ = load_best(run)
    onnx = export_onnx(model, pixels[parts["validation"].rows[:_PARITY_POSTERS]])
    network = Network(onnx)
    logits = {
        part: network.logits_of_rows(
            _ImagePixels(pixels, parts[part]), np.arange(len(parts[part]), dtype=np.int64)
        )
        for part in ("validation", "test")
    }
    rows = {part: images.rows for part, images in parts.items()}
    fill_run(
        run, recipe, catalog, onnx, recipe.spec, logits, rows,
        provenance=_backbone_facts(recipe.network.backbone, recipe.network.weights),
    )  # fmt: skip


def _backbone_facts(backbone: str | None, weights: str | None) -> dict[str, Any]:
    """What a bundle tells of a backbone that came with weights."""
    known = origin(backbone, weights) if backbone is not None else None
    return {"backbone": {"name": backbone, **asdict(known)}} if known else {}


def _train_classical(
    catalog: Catalog, recipe: ClassicalRecipe, run: Path, watcher: Watcher, *, resume: bool
) -> None:
    parts = choose_images(catalog, "catalog", 0, (), recipe.classifier.seed)
    open_run(run, catalog, recipe, resume=resume)
    if (run / "bundle").is_dir():
        watcher.say(f"{run}: finished already")
        return
    watcher.say(f"fitting {recipe.classifier.kind} to {len(catalog.rows('train')):,} films")
    fit_classical(recipe, catalog, run, watcher.pixels)
    watcher.say("scoring the validation and test parts")
    fitted = load_classical(recipe, run / "checkpoints" / BEST)
    films = prepared_films(catalog, fitted.spec)
    rows = {part: images.rows for part, images in parts.items()}
    onnx = export_onnx(fitted.model, films[rows["validation"][:_PARITY_POSTERS]])
    network = Network(onnx)
    logits = {part: network.logits_of_rows(films, rows[part]) for part in ("validation", "test")}
    fill_run(
        run, recipe, catalog, onnx, fitted.spec, logits, rows,
        notes=fitted.notes, provenance=_backbone_facts(recipe.network.backbone, recipe.network.weights),
    )  # fmt: skip


def export_run(run: Path, out: Path, *, small: bool = False) -> Bundle:
    """Write a finished run's bundle to the folder `out`, after checking it against PyTorch anew.

    small: weights in half precision (see halve.py), and none to train on from.

    (An ensemble has no PyTorch network; it was checked against its members when it was made.)
    Raises RunError for a run that is not finished, BundleError where scores differ by over 1e-4.
    """
    if not (run / "bundle").is_dir():
        raise RunError(f"{run}: has no bundle yet; finish it with keyart train --resume")
    bundle = read_bundle(run / "bundle")
    if bundle.spec is not None:
        shape = (_PARITY_POSTERS, *bundle.spec.shape)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        check_parity(bundle.onnx.read_bytes(), _saved_model(run), noise)
    if not small:
        return write_bundle(out, content_of(bundle))
    with tempfile.TemporaryDirectory(prefix="keyart-") as folder:
        return write_bundle(out, _small(bundle, Path(folder)))


def _small(bundle: Bundle, folder: Path) -> Content:
    """A bundle's content with weights in float16; small members are made in `folder`."""
    content = content_of(bundle)
    if isinstance(content.model, NetworkFiles):
        return replace(
            content, model=replace(content.model, onnx=halved(content.model.onnx), weights=None)
        )
    members = []
    for place, member in enumerate(content.model):
        made = write_bundle(folder / str(place), _small(member.bundle, folder / f"{place}-members"))
        members.append(Member(member.name, member.weight, made))
    return replace(content, model=members)
