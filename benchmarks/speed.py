"""The benchmarks of `make bench`. Each takes a work folder, a films table and a poster folder."""

import subprocess
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.measure import Clock, Row, cold_seconds, keyart, peak_memory
from keyart.catalog.catalog import Catalog
from keyart.images.pixels import pixel_store, prepare_all
from keyart.images.spec import ImageSpec
from keyart.models.classifier import build_classifier, multiply_adds
from keyart.prediction import Prediction
from keyart.predictor import Predictor
from keyart.queries import find_films
from keyart.run import Run
from keyart.training.callbacks import Callbacks, Step
from keyart.training.images import as_found
from keyart.training.loop import Examples, fit
from keyart.training.machine import choose_machine, keep_freed_memory
from keyart.training.recipe import load_recipe
from keyart.training.sources import PixelSource, Whole


def _catalog(work: Path, films: Path, posters: Path) -> Catalog:
    if (work / "catalog").exists():
        return Catalog.open(work / "catalog")
    return Catalog.build(films, posters, work / "catalog")


def bench_catalog(work: Path, films: Path, posters: Path) -> list[Row]:
    """Build a catalog: decode, hash, group, split, write."""
    with Clock() as clock:
        catalog = Catalog.build(films, posters, work / "catalog")
    rate = len(catalog) / clock.seconds
    what = f"catalog build, {len(catalog):,} films"
    return [Row(what, f"{rate:,.0f} posters/s", ">= 400 posters/s", rate)]


def bench_pixels(work: Path, films: Path, posters: Path) -> list[Row]:
    """Decode and resize a catalog's posters into the store."""
    catalog = _catalog(work, films, posters)
    spec = ImageSpec()
    with Clock() as clock:
        pixel_store(work / "store", catalog.fingerprint, spec, len(catalog), catalog.posters)
    rate = len(catalog) / clock.seconds
    what = f"pixel store, {spec.width}x{spec.height}"
    return [Row(what, f"{rate:,.0f} posters/s", ">= 700 posters/s", rate)]


def dense_rate(dtype: torch.dtype, seconds: float = 2.0) -> float:
    """Floating-point operations a second of a large matrix product on all cores."""
    size = 4096
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    a @ b
    products = 0
    with Clock() as clock:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            a @ b
            products += 1
    return products * 2 * size**3 / clock.seconds


def bench_training(work: Path, films: Path, posters: Path) -> list[Row]:
    """PosterNet's training, by its own multiply-adds, against the machine's matrix rate."""
    keep_freed_memory()
    recipe = load_recipe("posternet", {"epochs": 3, "compile": "on"})
    torch.manual_seed(0)
    count, genres = 3_200, 19
    random = np.random.default_rng(0)
    shape = (count, recipe.data.height, recipe.data.width, 3)
    pixels = random.integers(0, 256, shape, dtype=np.uint8)
    truth = random.random((count, genres)) < 0.1
    rows = np.arange(count)
    model = build_classifier(recipe.network.backbone, recipe.spec, genres, recipe.network.dropout)
    operations = 2 * 3 * multiply_adds(model, recipe.spec)
    machine = choose_machine(recipe.optimisation.dtype, recipe.optimisation.compile, 0)
    dtype = torch.bfloat16 if machine.bf16 else torch.float32
    before = dense_rate(dtype)
    train_seconds: list[float] = []
    started = Clock()

    def watch(step: Step) -> None:
        # The first epoch compiles; the last step of an epoch comes before its validation.
        if step.row is None and step.step == 1:
            started.__enter__()
        if step.row is None and step.step == step.steps:
            started.__exit__()
            train_seconds.append(started.seconds)

    source = PixelSource(pixels, recipe, machine)
    examples = Examples(source, truth, as_found(rows), as_found(rows[:64]))
    trainee, folder = Whole(model, None, 0), work / "training"
    callbacks = Callbacks(steps=watch)
    fit(trainee, examples, recipe, machine, Run(folder), callbacks, model.state_dict)
    dense = (before + dense_rate(dtype)) / 2
    # The clock starts after the first step.
    batch = recipe.optimisation.batch_size
    rate = (count // batch - 1) * batch / min(train_seconds[1:])
    share = rate * operations / dense
    name = "bf16" if machine.bf16 else "fp32"
    return [
        Row("PosterNet training", f"{rate:,.0f} posters/s", "", rate),
        Row(f"dense {name} matrix product", f"{dense / 1e9:,.0f} GFLOP/s", "", dense / 1e9),
        Row("training, as a share of that rate", f"{share:.0%}", ">= 50%", share),
    ]


def _bundle(work: Path) -> Path:
    """A whole run of the default network's size, hardly trained: speed asks no more."""
    from keyart.demo.painted import paint_films

    run = work / "run"
    if not run.exists():
        films = paint_films(200, work / "small")
        Catalog.build(films, work / "small" / "posters", work / "small-catalog")
        arguments = ("train", work / "small-catalog", "--out", run, "--set", "epochs=1")
        subprocess.run(keyart(*arguments, "--quiet"), check=True)
    return run


def bench_predict(work: Path, films: Path, posters: Path) -> list[Row]:
    """`predict` on 2,000 posters, compared with decoding and then the bare runtime."""
    predictor = Predictor.load(_bundle(work))
    files = [Path(str(film.poster)) for film in find_films([posters])][:2_000]
    (spec,) = predictor.image_specs
    blocks = list(prepare_all((file.read_bytes() for file in files[:100]), spec))
    options = onnxruntime.SessionOptions()
    session = onnxruntime.InferenceSession(
        predictor.bundle.onnx, options, providers=["CPUExecutionProvider"]
    )
    ratios, rates = [], []
    for _ in range(3):
        with Clock() as decoding:
            blocks = list(prepare_all((file.read_bytes() for file in files), spec))
        ready = np.concatenate(blocks)
        session.run(["logits"], {"pixels": ready[:16]})
        with Clock() as running:
            for start in range(0, len(ready), 16):
                session.run(["logits"], {"pixels": ready[start : start + 16]})
        with Clock() as predicting:
            answered = sum(1 for _ in predictor.predict_many(files))
        assert answered == len(files)
        rates.append(len(files) / predicting.seconds)
        ratios.append((decoding.seconds + running.seconds) / predicting.seconds)
    ratio, rate = sorted(ratios)[1], sorted(rates)[1]
    return [
        Row("predict, 2,000 posters", f"{rate:,.0f} posters/s", "", rate),
        Row(
            "its rate compared with decoding, then the bare runtime",
            f"{ratio:.0%}",
            ">= 85%",
            ratio,
        ),
    ]


def bench_titles(work: Path, films: Path, posters: Path) -> list[Row]:
    """The box on 1,000 posters, by themselves and with their titles and years, in turn."""
    predictor = Predictor.load()
    known = list(find_films([films], posters=posters))[:1_000]
    alone = [Path(str(film.poster)) for film in known]
    for some in (known[:100], alone[:100]):
        list(predictor.predict_many(some))
    cpu, wall = [], []
    for _ in range(5):
        taken: list[tuple[float, float]] = []
        for queries in (alone, known):
            before = time.process_time()
            with Clock() as clock:
                answers = list(predictor.predict_many(queries))
            taken.append((time.process_time() - before, clock.seconds))
        titled = sum("title" in one.evidence for one in answers if isinstance(one, Prediction))
        assert titled > 0.9 * len(known), "most films have a title"
        cpu.append(taken[1][0] / taken[0][0])
        wall.append(taken[1][1] / taken[0][1])
    processor, clock_time = sorted(cpu)[2], sorted(wall)[2]
    what = f"predict {len(known):,} films with titles, compared with posters alone"
    return [
        Row(f"{what}: processor time", f"{processor:.0%}", "<= 110%", processor),
        Row(f"{what}: wall time", f"{clock_time:.0%}", "<= 110%", clock_time),
    ]


def bench_start(work: Path, films: Path, posters: Path) -> list[Row]:
    """Cold starts, whole processes."""
    poster = next(find_films([posters])).poster
    help_seconds = cold_seconds(keyart("--help"))
    predict_seconds = cold_seconds(keyart("predict", poster, "--model", _bundle(work)))
    return [
        Row("keyart --help", f"{help_seconds:.2f} s", "< 0.5 s", help_seconds),
        Row(
            "keyart predict, one poster, cold",
            f"{predict_seconds:.2f} s",
            "< 1.5 s",
            predict_seconds,
        ),
    ]


def bench_memory(work: Path, films: Path, posters: Path) -> list[Row]:
    """Largest private memory of a build and of a training on all films."""
    build = keyart("catalog", "build", "--films", films, "--posters", posters)
    built = peak_memory([*build, "--out", str(work / "memory-catalog"), "--quiet"])
    options = ("--out", work / "memory-run", "--set", "epochs=1", "--set", "compile=on")
    trained = peak_memory(keyart("train", work / "memory-catalog", *options, "--quiet"))
    return [
        Row("memory of a catalog build", f"{built:.2f} GB", "< 1.5 GB", built),
        Row("memory of a training", f"{trained:.2f} GB", "< 1.5 GB", trained),
    ]
