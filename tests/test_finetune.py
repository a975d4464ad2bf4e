"""Frozen backbones, fine-tuning, teachers and the study's split, through whole trainings."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.transforms.v2.functional import resize

from keyart.bundle import read_bundle
from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_films
from keyart.errors import RecipeError, RunError
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec
from keyart.models.classifier import GenreClassifier, build_classifier
from keyart.models.heads import GenreHead
from keyart.predictor import Predictor
from keyart.run import Run
from keyart.training.callbacks import Callbacks, Step
from keyart.training.checkpoint import load_tensors
from keyart.training.evaluate import evaluate
from keyart.training.features import Changes, cached_features
from keyart.training.freezing import freeze_stages, training_mode
from keyart.training.images import as_found
from keyart.training.machine import Machine
from keyart.training.networks import load_best
from keyart.training.optimizer import build_optimizer
from keyart.training.recipe import Recipe, load_recipe
from keyart.training.sources import FeatureSource, HeadOnly, Whole
from keyart.training.teacher import Teacher, open_teacher
from keyart.training.train import learn, train
from tests.event_files import curves

MACHINE = Machine(torch.device("cpu"), bf16=False, compile=False)
SPEC = ImageSpec(height=32, width=32)
BACKBONE = "test_efficientnet"  # of few layers, so that it is exported in seconds
NOTHING = Changes(0, 0, 0, 0, 0, 0)
SILENT = Callbacks(lambda done, total: None, lambda step: None, lambda line: None)
TINY: dict[str, Any] = {
    "height": 32, "width": 32, "batch_size": 16, "epochs": 2, "dtype": "fp32",
    "compile": "off", "warmup_epochs": 0.0,
}  # fmt: skip


def logits_of(predictor: Predictor, pixels: Pixels) -> npt.NDArray[np.float32]:
    """Logits of prepared posters by the exported network."""
    assert predictor.scorer.network is not None
    return predictor.scorer.network.logits(pixels)


def nodes(run: Path, operator: str) -> int:
    """How often an operator is in a run's exported network."""
    graph = onnx.load(run / "bundle" / "model.onnx").graph
    return sum(node.op_type == operator for node in graph.node)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("films")
    paint_films(90, folder)
    return folder


@pytest.fixture(scope="module")
def catalog(painted: Path) -> Catalog:
    return Catalog.build(painted / "films.csv", painted / "posters", painted / "catalog")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("weights") / f"{BACKBONE}.safetensors"
    tensors = timm.create_model(BACKBONE, pretrained=False).state_dict()
    tensors["bn2.weight"] *= 100  # so that features are of the size of 1
    save_file(tensors, file)
    return str(file)


@pytest.fixture(scope="module")
def frozen(catalog: Catalog, weights: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "frozen"
    recipe = Recipe().with_settings(backbone=BACKBONE, weights=weights, frozen=True, **TINY)
    train(catalog, recipe, out=run, callbacks=SILENT, resume=False, logs=["tensorboard"])
    return run


@pytest.fixture(scope="module")
def five_views(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe().with_settings(backbone="posternet-small", tta=5, **TINY)
    run = tmp_path_factory.mktemp("runs") / "five-views"
    train(catalog, recipe, out=run, callbacks=SILENT)
    return run


def test_a_training_reports_each_epoch_and_its_test_metrics(frozen: Path) -> None:
    found = curves(frozen / "tensorboard")
    history = Run(frozen).history
    assert history is not None
    loss = {step: value for name, step, value in found if name == "loss/validation"}
    assert list(loss) == history["epoch"].tolist()
    assert list(loss.values()) == pytest.approx(history["validation_loss"].tolist(), rel=1e-6)
    (top,) = [value for name, _, value in found if name == "test/top_class"]
    expected = Run(frozen).metrics.split("test").model["top_class"]
    assert expected is not None
    assert top == pytest.approx(expected.value)
    assert not Run(frozen).progress_path.exists()


def small(genres: int = 3) -> GenreClassifier:
    torch.manual_seed(0)
    return build_classifier("posternet-small", SPEC, genres, 0.0)


def features_of(
    catalog: Catalog,
    model: GenreClassifier,
    views: int = 2,
    machine: Machine = MACHINE,
    **options: Any,
) -> Any:
    pixels = catalog.pixels(
        Recipe().with_settings(backbone="posternet-small", height=32, width=32).spec
    )
    return cached_features(catalog, pixels, model, SPEC, views, NOTHING, machine, **options)


def test_a_training_starts_from_the_training_films_rates(
    catalog: Catalog, weights: str, tmp_path: Path
) -> None:
    still = TINY | {"epochs": 1, "learning_rate": 1e-9, "dropout": 0.0}
    recipe = Recipe().with_settings(backbone=BACKBONE, weights=weights, frozen=True, **still)
    learn(catalog, recipe, Run(tmp_path / "run"), SILENT, resume=False)
    model, _ = load_best(Run(tmp_path / "run"))
    learned = catalog.truth[catalog.rows("train")]
    rates = (learned.sum(0) + 1) / (len(learned) + 2)
    pixels = catalog.pixels(recipe.spec)[catalog.rows("train")]
    with torch.no_grad():
        logits = model(torch.from_numpy(pixels)).numpy().astype(np.float64)
    # The features are scaled to mean 0, so that the mean logit is the bias.
    assert np.allclose(logits.mean(0), np.log(rates / (1 - rates)), atol=0.02)


def test_kept_features_are_what_the_backbone_makes_of_a_poster_and_its_mirror_image(
    catalog: Catalog,
) -> None:
    model = small()
    plain, mirrored = features_of(catalog, model)
    pixels = catalog.pixels(
        Recipe().with_settings(backbone="posternet-small", height=32, width=32).spec
    )
    with torch.no_grad():
        some = torch.from_numpy(pixels[[3, 50]])
        assert np.allclose(plain[[3, 50]], model.pooled(some), atol=2e-3)
        assert np.allclose(mirrored[[3, 50]], model.pooled(some.flip(2)), atol=2e-3)


def test_features_are_computed_once_and_after_growth_for_new_posters_alone(tmp_path: Path) -> None:
    films = paint_films(40, tmp_path)
    lines = films.read_text().splitlines()
    films.write_text("\n".join(lines[:31]) + "\n")
    catalog = Catalog.build(films, tmp_path / "posters", tmp_path / "catalog")
    computed: list[int] = []
    features_of(catalog, small(), progress=lambda done, total: computed.append(total))
    assert computed[-1] == 2 * len(catalog)
    computed.clear()
    first, _ = features_of(catalog, small(), progress=lambda done, total: computed.append(total))
    assert computed == []
    films.write_text("\n".join(lines) + "\n")
    grown = catalog.grow(films, tmp_path / "posters")
    second, _ = features_of(grown, small(), progress=lambda done, total: computed.append(total))
    assert computed[-1] == 2 * (len(grown) - len(catalog)) > 0
    known = {
        digest: row for row, digest in enumerate(grown.to_table()["poster_sha256"].to_pylist())
    }
    again = [known[digest] for digest in catalog.to_table()["poster_sha256"].to_pylist()]
    assert np.array_equal(np.asarray(second)[again], first)


def test_other_weights_or_another_spec_have_features_of_their_own(catalog: Catalog) -> None:
    model = small()
    first = features_of(catalog, model, views=1)[0].copy()
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.mul_(1.5)
    assert not np.array_equal(features_of(catalog, model, views=1)[0], first)


@pytest.mark.parametrize("change", [{"bgr": True}, {"pad_type": "same"}])
def test_equal_weights_in_a_network_that_computes_otherwise_have_features_of_their_own(
    change: dict[str, Any], catalog: Catalog, weights: str
) -> None:
    plain = build_classifier(BACKBONE, SPEC, 3, 0.0, weights=weights)
    other = build_classifier(BACKBONE, SPEC, 3, 0.0, weights=weights, **change)
    first = features_of(catalog, plain, views=1)[0].copy()
    kept = features_of(catalog, other, views=1)[0]
    pixels = torch.from_numpy(catalog.pixels(Recipe().with_settings(height=32, width=32).spec)[[3]])
    with torch.no_grad():
        expected = other.eval().pooled(pixels).numpy()
    assert np.allclose(kept[[3]], expected, atol=2e-3)
    assert not np.allclose(first[[3]], expected, atol=2e-2)


def test_features_in_another_number_format_are_kept_apart(catalog: Catalog) -> None:
    model = small()
    first = features_of(catalog, model, views=1)[0].copy()
    machine = Machine(torch.device("cpu"), bf16=True, compile=False)
    assert not np.array_equal(features_of(catalog, model, views=1, machine=machine)[0], first)


def test_a_head_on_scaled_features_folds_into_one_on_features_as_they_are() -> None:
    draws = np.random.default_rng(0)
    views = [(draws.normal(5, 3, (20, 128))).astype(np.float16) for _ in range(2)]
    views[0][:, 7] = 2.0  # never changes
    model = small()
    source = FeatureSource(views, Recipe(), MACHINE, np.arange(12))
    scaled = source.plain(as_found(np.arange(20)))
    assert torch.allclose(scaled[:12].mean(0), torch.zeros(128), atol=1e-3)
    assert isinstance(model.head, GenreHead)
    with torch.no_grad():
        expected, _ = HeadOnly(model.head).eval()(scaled)
        folded = source.fold(model.head)
        model.head.load_state_dict(folded)
        raw = torch.from_numpy(views[0].astype(np.float32))
        assert torch.allclose(model.head.decide(raw), expected, atol=1e-3)


def test_without_flips_a_head_learns_from_unmirrored_views_alone() -> None:
    views = [np.full((8, 2), view, np.float16) for view in range(4)]
    images = as_found(np.arange(8))
    draws = torch.Generator().manual_seed(0)
    for flip, expected in ((False, {0.0, 2.0}), (True, {0.0, 1.0, 2.0, 3.0})):
        source = FeatureSource(views, Recipe().with_settings(flip=flip), MACHINE, None)
        batches = [source.changed(images, draws, np.arange(8)) for _ in range(20)]
        seen = {float(v) for batch in batches for v in batch[:, 0]}
        assert seen == expected


def test_a_frozen_run_trains_its_head_alone_and_is_a_whole_run(
    frozen: Path, weights: str, catalog: Catalog
) -> None:
    tensors, _ = load_tensors(frozen / "checkpoints" / "best.safetensors")
    theirs, _ = load_tensors(Path(weights))
    stem = "conv_stem.weight"
    assert torch.equal(tensors[f"backbone.network.{stem}"], theirs[stem])
    last, _ = load_tensors(frozen / "checkpoints" / "last.safetensors")
    assert not any("backbone" in name for name in last)
    metrics = json.loads((frozen / "metrics.json").read_text())
    assert metrics["splits"]["test"]["films"] == len(catalog.rows("test"))
    backbone = read_bundle(frozen / "bundle").provenance["backbone"]
    assert backbone["licence"] == "not known of a file; of timm's own weights: apache-2.0"
    assert backbone["source"] == f"file {BACKBONE}.safetensors"
    text = (frozen / "bundle" / "keyart.json").read_text() + read_bundle(frozen / "bundle").card
    assert f'weights = "{BACKBONE}.safetensors"' in text
    assert str(Path(weights).parent) not in text


@pytest.mark.parametrize(("least", "compiled"), [(1e-4, True), (1e4, False)])
def test_a_head_is_compiled_if_its_own_arithmetic_is_worth_it(
    least: float,
    compiled: bool,
    frozen: Path,
    catalog: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machines: list[Machine] = []

    class EnoughError(Exception):
        pass

    def note(*arguments: Any) -> None:
        machines.append(arguments[3])
        raise EnoughError

    monkeypatch.setattr("keyart.training.train.fit", note)
    monkeypatch.setattr("keyart.training.machine._COMPILE_PAYS_GFLOP", least)
    recipe = load_recipe(str(frozen / "recipe.toml")).with_settings(compile="auto")
    with pytest.raises(EnoughError):
        train(catalog, recipe, out=tmp_path / "run", callbacks=SILENT, resume=False)
    assert [machine.compile for machine in machines] == [compiled]


def test_training_continues_from_a_frozen_run(
    frozen: Path, weights: str, catalog: Catalog, tmp_path: Path
) -> None:
    recipe = load_recipe(str(frozen / "recipe.toml"))

    class StopHereError(Exception):
        pass

    def stop(step: Any) -> None:
        if step.epoch == 2:
            raise StopHereError

    with pytest.raises(StopHereError):
        learn(catalog, recipe, Run(tmp_path / "cut"), Callbacks(steps=stop), resume=False)
    learn(catalog, recipe, Run(tmp_path / "cut"), SILENT, resume=True)
    whole, _ = load_tensors(frozen / "checkpoints" / "best.safetensors")
    cut, _ = load_tensors(tmp_path / "cut" / "checkpoints" / "best.safetensors")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_fine_tuning_starts_from_a_trained_head_and_leaves_frozen_stages(
    catalog: Catalog, weights: str, tmp_path: Path
) -> None:
    recipe = Recipe().with_settings(
        backbone=BACKBONE, weights=weights, head_epochs=2, frozen_stages=3,
        freeze_batch_norm=True, layer_decay=0.5, monitor="map", **TINY,
    )  # fmt: skip
    learn(catalog, recipe, Run(tmp_path / "run"), SILENT, resume=False)
    head, _ = load_tensors(tmp_path / "run/checkpoints/head/checkpoints/best.safetensors")
    tuned, _ = load_tensors(tmp_path / "run/checkpoints/best.safetensors")
    stem, deep = "backbone.network.conv_stem.weight", "backbone.network.conv_head.weight"
    assert torch.equal(tuned[stem], head[stem])
    assert not torch.equal(tuned[deep], head[deep])
    norm = "backbone.network.bn2.running_mean"
    assert torch.equal(tuned[norm], head[norm])


@pytest.mark.parametrize("backbone", ["test_vit", "test_convnext"])
def test_transformers_and_newer_convolutions_become_whole_runs_too(
    catalog: Catalog, backbone: str, tmp_path: Path
) -> None:
    recipe = Recipe().with_settings(backbone=backbone, **{**TINY, "epochs": 1})
    train(catalog, recipe, out=tmp_path / "run", callbacks=SILENT, resume=False)
    model, _ = load_best(Run(tmp_path / "run"))
    pixels = catalog.pixels(recipe.spec)[:4]
    with torch.no_grad():
        expected = model(torch.from_numpy(np.array(pixels))).numpy()
    predictor = Predictor.load(tmp_path / "run")
    assert predictor.image_specs == (recipe.spec,)
    assert np.allclose(logits_of(predictor, pixels), expected, atol=1e-4)
    norms = sum(isinstance(module, torch.nn.LayerNorm) for module in model.modules())
    found = nodes(tmp_path / "run", "LayerNormalization")
    assert 0 < found <= norms, "the network is there once; the norm of timm's head may be unused"


def test_a_training_starts_from_the_backbone_of_another_run(
    catalog: Catalog, frozen: Path, tmp_path: Path
) -> None:
    weights = str(frozen / "bundle" / "model.safetensors")
    model = build_classifier(BACKBONE, ImageSpec(32, 32), 19, 0.0, weights=weights)
    first, _ = load_best(Run(frozen))
    ours, theirs = model.backbone.state_dict(), first.backbone.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not torch.equal(
        model.head.state_dict()["linear.weight"], first.head.state_dict()["linear.weight"]
    )


def test_a_teacher_changes_what_is_learned(catalog: Catalog, frozen: Path, tmp_path: Path) -> None:
    student = {"backbone": "posternet-small", **TINY}
    lessons: dict[str, dict[str, Any]] = {
        "alone": {},
        "scores": {"teacher": str(frozen)},
        "features": {"teacher": str(frozen), "feature_weight": 1.0},
    }
    losses = {}
    for name, lesson in lessons.items():
        recipe = Recipe().with_settings(**student, **lesson)
        seen: list[float] = []

        def note(step: Step, seen: list[float] = seen) -> None:
            seen.append(step.loss)

        learn(catalog, recipe, Run(tmp_path / name), Callbacks(steps=note), resume=False)
        losses[name] = seen[0]
        model, _ = load_best(Run(tmp_path / name))
        assert not any("likeness" in key for key in model.state_dict())
    assert losses["scores"] != losses["alone"]
    # The unlikeness of random features is near 1, and is added.
    assert losses["features"] > losses["scores"] + 0.5


def test_a_teacher_scores_as_its_bundle_does_for_posters_of_any_size(
    catalog: Catalog, frozen: Path
) -> None:
    bundle = read_bundle(frozen / "bundle")
    _, recipe = load_best(Run(frozen))
    teacher = open_teacher([Run(frozen)], recipe.spec, catalog, MACHINE, print)
    pixels = catalog.pixels(recipe.spec)[catalog.rows("test")]
    answered = Predictor(bundle).scores([(one,) for one in pixels])
    scores, features = teacher(torch.from_numpy(pixels))
    assert features.shape == (len(pixels), teacher.width)
    np.testing.assert_allclose(scores.numpy(), answered, atol=1e-4)
    # Posters of its student's size, larger or smaller, are brought to its own first.
    for height, width in ((48, 80), (16, 24)):
        other = resize(torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), [height, width])
        back = resize(other, [recipe.data.height, recipe.data.width])
        wanted, _ = teacher(back.permute(0, 2, 3, 1))
        given, _ = teacher(other.permute(0, 2, 3, 1))
        torch.testing.assert_close(given, wanted, atol=1e-5, rtol=0)
        assert not torch.allclose(given, scores, atol=1e-3)


def test_a_teacher_with_tta_uses_it_for_its_student(catalog: Catalog, five_views: Path) -> None:
    _, recipe = load_best(Run(five_views))
    predictor = Predictor.load(five_views)
    pixels = catalog.pixels(recipe.spec)[:4]
    teacher = open_teacher([Run(five_views)], recipe.spec, catalog, MACHINE, print)
    scores, _ = teacher(torch.from_numpy(np.array(pixels)))
    expected = predictor.bundle.calibration.apply(logits_of(predictor, pixels))
    assert np.allclose(scores.numpy(), expected, atol=1e-4)


def test_a_committee_teaches_the_mean_of_its_members_scores_and_the_features_of_all(
    catalog: Catalog, frozen: Path, five_views: Path
) -> None:
    runs = [Run(frozen), Run(five_views)]
    recipe = load_recipe(frozen / "recipe.toml")
    pixels = torch.from_numpy(np.array(catalog.pixels(recipe.spec)[:4]))
    members = [open_teacher([run], recipe.spec, catalog, MACHINE, print)(pixels) for run in runs]
    scores, features = open_teacher(runs, recipe.spec, catalog, MACHINE, print)(pixels)
    (first, one), (second, other) = members
    assert not torch.allclose(first, second, atol=1e-3)
    torch.testing.assert_close(scores, (first + second) / 2)
    torch.testing.assert_close(features, torch.cat([one, other], 1))
    # A member with long features must not drown the others.
    assert torch.allclose(one.norm(dim=1), torch.ones(4))


def test_a_teacher_is_asked_for_the_very_pixels_that_its_student_sees(
    catalog: Catalog, frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.Tensor] = []
    seen: list[torch.Tensor] = []
    answer, look = Teacher.__call__, Whole.forward

    def ask(self: Teacher, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(pixels.clone())
        return answer(self, pixels)

    def see(self: Whole, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.training:
            seen.append(pixels.clone())
        return look(self, pixels)

    monkeypatch.setattr(Teacher, "__call__", ask)
    monkeypatch.setattr(Whole, "forward", see)
    changes = {"cutmix": 1.0, "crop": 0.3, "erase": 0.5, "teacher": str(frozen)}
    recipe = Recipe().with_settings(backbone="posternet-small", **TINY, **changes)
    learn(catalog, recipe, Run(tmp_path / "run"), SILENT, resume=False)
    assert len(asked) == len(seen) > 0
    assert all(torch.equal(left, right) for left, right in zip(asked, seen, strict=True))


def test_a_teacher_whose_posters_have_another_shape_is_refused(
    catalog: Catalog, frozen: Path, tmp_path: Path
) -> None:
    recipe = Recipe().with_settings(
        backbone="posternet-small", teacher=str(frozen), fit="pad", **TINY
    )
    with pytest.raises(RunError, match="fit=squash, the student with fit=pad"):
        train(catalog, recipe, out=tmp_path / "run", callbacks=SILENT, resume=False)
    padded = Run(shutil.copytree(frozen, tmp_path / "padded"))
    padded.write_recipe(load_recipe(padded.recipe_path).with_settings(fit="pad").to_toml())
    tall = recipe.with_settings(height=48, teacher=str(padded.path))
    with pytest.raises(
        RunError, match="pads posters to 32x32, which does not have the shape of 48x32"
    ):
        train(catalog, tall, out=tmp_path / "tall", callbacks=SILENT, resume=False)


def test_a_teacher_that_is_not_a_run_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    recipe = Recipe().with_settings(backbone="posternet-small", teacher=str(tmp_path), **TINY)
    with pytest.raises(RunError, match="not a finished run"):
        train(catalog, recipe, out=tmp_path / "run", callbacks=SILENT, resume=False)


def test_a_leaky_run_is_scored_on_its_own_splits_and_never_again(
    catalog: Catalog, tmp_path: Path
) -> None:
    recipe = Recipe().with_settings(
        backbone="posternet-small", split="leaky", upsample=2, upsample_genres=("Drama",), **TINY
    )
    train(catalog, recipe, out=tmp_path / "run", callbacks=SILENT, resume=False)
    films = json.loads((tmp_path / "run" / "metrics.json").read_text())["films"]
    assert sum(films.values()) > len(catalog)
    with pytest.raises(RunError, match="a split of its own"):
        evaluate(tmp_path / "run")


def test_tta_is_off_in_training(catalog: Catalog, tmp_path: Path) -> None:
    histories = []
    for views in (1, 5):
        recipe = Recipe().with_settings(backbone="posternet-small", tta=views, **TINY)
        learn(catalog, recipe, Run(tmp_path / str(views)), SILENT, resume=False)
        header, *lines = (tmp_path / str(views) / "history.csv").read_text().splitlines()
        assert header.startswith("epoch,seconds,")
        histories.append([[line.split(",")[0], *line.split(",")[2:]] for line in lines])
    assert histories[0] == histories[1]


def test_the_exported_network_uses_tta_as_the_recipe_says(
    catalog: Catalog, five_views: Path
) -> None:
    model, recipe = load_best(Run(five_views))
    assert model.tta == 5
    pixels = torch.from_numpy(np.array(catalog.pixels(recipe.spec)[:4]))
    with torch.no_grad():
        expected = model(pixels).numpy()
        model.tta = 1
        once = model(pixels).numpy()
    found = logits_of(Predictor.load(five_views), pixels.numpy())
    assert np.allclose(found, expected, atol=1e-4)
    assert not np.allclose(once, expected, atol=1e-4)
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in model.modules())
    assert nodes(five_views, "Conv") == 5 * convolutions + 1, "one more makes maps"


def test_deeper_layers_learn_at_lower_rates() -> None:
    model = small()
    optimizer = build_optimizer(
        model, "adamw", learning_rate=1.0, momentum=0, weight_decay=0.1, layer_decay=0.5
    )
    shares = {
        id(parameter): group["share"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    named = dict(model.named_parameters())
    assert shares[id(named["head.linear.weight"])] == 1
    # stem, then three blocks
    assert shares[id(named["backbone.stages.2.first.0.weight"])] == 0.5
    assert shares[id(named["backbone.stages.0.first.0.weight"])] == 0.125
    assert shares[id(named["backbone.stem.1.0.weight"])] == 0.0625
    assert len(shares) == len(named)


def test_frozen_stages_keep_their_statistics_in_training_mode() -> None:
    model = small()
    freeze_stages(model, 2)
    training_mode(model, freeze_batch_norm=False)
    norms = {n: m.training for n, m in model.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert norms["backbone.stem.1.1"] is False
    assert norms["backbone.stages.0.first.1"] is False
    assert norms["backbone.stages.1.first.1"] is True
    training_mode(model, freeze_batch_norm=True)
    assert not any(m.training for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    with pytest.raises(RecipeError, match="the backbone has 4 stages"):
        freeze_stages(model, 9)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"upsample": 2}, "upsample = 2 needs upsample_genres"),
        ({"frozen": True, "mixup": 0.2}, "works without head_epochs, mixup"),
        ({"feature_weight": 1.0}, "feature_weight needs a teacher"),
        ({"balance_by": "first_genre"}, "needs a balance"),
        ({"balance_by": "first_genre", "balance": "study", "teacher": "run"}, "without a teacher"),
        ({"randaugment": 31}, "randaugment = 31"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("posternet", keys)


def test_a_loss_that_is_not_a_number_keeps_the_last_good_checkpoint(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyart.training.loop._SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    epochs: list[int] = []

    def poison(step: Any) -> None:
        epochs.append(step.epoch)
        if step.epoch == 2 and step.row is None:
            monkeypatch.setattr("keyart.training.loop.loss_of", _broken(step))

    recipe = Recipe().with_settings(backbone="posternet-small", **{**TINY, "epochs": 3})
    with pytest.raises(Exception, match="the loss became nan in epoch 2, step 2"):
        train(
            catalog,
            recipe,
            out=tmp_path / "run",
            callbacks=Callbacks(SILENT.posters, poison, SILENT.message),
            resume=False,
        )
    kept, facts = load_tensors(tmp_path / "run/checkpoints/best.safetensors")
    assert facts["epoch"] == "1"
    assert all(torch.isfinite(tensor).all() for tensor in kept.values())


def _broken(_: Any) -> Callable[..., torch.Tensor]:
    return lambda name, logits, truth: logits * torch.nan
