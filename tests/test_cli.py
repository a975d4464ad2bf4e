"""The command line from end to end: painted posters to a trained run, and back to posters."""

import csv
import errno
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from keyart.__main__ import main
from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_films
from keyart.predictor import Predictor
from keyart.run import Run
from keyart.training.networks import load_best
from tests.tiny import tiny_bundle

SMALL = ("--set", "epochs=2", "--set", "height=48", "--set", "width=32", "--set", "batch_size=16")


class Outcome:
    """What a command printed, and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


def keyart(*arguments: object) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "keyart", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def here(*arguments: object) -> Outcome:
    """As `keyart`, but in this process, which has imported everything already."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["keyart", *map(str, arguments)])
        patch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int)
    return Outcome(ended.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with films.csv, posters/, catalog/ and run/, all made through the command line."""
    folder = tmp_path_factory.mktemp("whole")
    paint_films(150, folder)
    built = keyart(
        "catalog", "build", "--films", folder / "films.csv", "--posters", folder / "posters",
        "--out", folder / "catalog",
    )  # fmt: skip
    assert built.status == 0, built.err
    trained = keyart(
        "train", folder / "catalog", "--recipe", "demo", "--out", folder / "run", *SMALL
    )
    assert trained.status == 0, trained.err
    assert "epoch   2 of 2" in trained.err
    assert "mAP" in trained.out
    return folder


def test_a_run_holds_what_it_promises(painted: Path) -> None:
    names = {path.name for path in (painted / "run").iterdir()}
    assert names == {
        "recipe.toml", "history.csv", "metrics.json", "predictions-validation.parquet",
        "predictions-test.parquet", "report.html", "checkpoints", "bundle",
    }  # fmt: skip


def test_every_metric_has_an_interval_and_the_constant_guesses(painted: Path) -> None:
    metrics = json.loads((painted / "run" / "metrics.json").read_text())
    catalog = Catalog.open(painted / "catalog")
    for split in ("validation", "test"):
        scored = metrics["splits"][split]
        assert scored["films"] == len(catalog.rows(split))
        assert set(scored["baselines"]) == {"nothing", "genre_rates", "most_frequent"}
        for who in (scored["model"], *scored["baselines"].values()):
            interval = who["metrics"]["mean_average_precision"]
            assert 0 <= interval["low"] <= interval["high"] <= 1


def test_the_table_the_run_and_pytorch_have_equal_scores(painted: Path) -> None:
    catalog = Catalog.open(painted / "catalog")
    names = catalog.vocabulary.names
    table = pq.read_table(painted / "run" / "predictions-test.parquet")
    films = table["film_id"].to_pylist()[:12]
    stored = np.stack([table[name].to_numpy()[:12] for name in names], axis=1)

    files = [painted / "posters" / f"{film}.jpg" for film in films]
    answers = keyart("predict", *files, "--model", painted / "run", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(answers.out)))
    printed = np.array([[float(row[name]) for name in names] for row in rows])
    assert printed == pytest.approx(stored, abs=1e-4)

    model, recipe = load_best(Run(painted / "run"))
    predictor = Predictor.load(painted / "run")
    pixels = np.stack([recipe.spec.prepare(file.read_bytes()) for file in files])
    with torch.no_grad():
        logits = model(torch.from_numpy(pixels)).numpy()
    by_torch = predictor.bundle.calibration.apply(logits)
    assert by_torch == pytest.approx(stored, abs=1e-4)
    one = predictor.predict(files[0].read_bytes())
    assert list(one.scores.values()) == pytest.approx(stored[0], abs=1e-4)


def test_thresholds_and_calibration_never_see_the_test_split(
    painted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyart.evaluation import decide as module
    from keyart.training import finish

    seen: list[int] = []
    decide = module.decide

    def watched(logits, truth, groups, *rest, **options):  # type: ignore[no-untyped-def]
        seen.extend(groups.tolist())
        return decide(logits, truth, groups, *rest, **options)

    monkeypatch.setattr(finish, "decide", watched)
    # Its scores do not matter here, so the network need not be exported again.
    exported = (painted / "run" / "bundle" / "model.onnx").read_bytes()
    monkeypatch.setattr("keyart.training.train.export_onnx", lambda *_: exported)
    catalog = Catalog.open(painted / "catalog")
    from keyart.training.recipe import load_recipe, parse_settings
    from keyart.training.train import train

    settings = [setting for setting in SMALL if setting != "--set"]
    recipe = load_recipe("demo", parse_settings([*settings, "epochs=1"]))
    train(catalog, recipe, out=painted / "watched")
    assert set(seen) == set(catalog.groups[catalog.rows("validation")])
    assert not set(seen) & set(catalog.groups[catalog.rows("test")])


def test_evaluate_gives_the_metrics_of_the_run(painted: Path) -> None:
    before = json.loads((painted / "run" / "metrics.json").read_text())
    again = keyart("evaluate", painted / "run", "--json")
    assert again.status == 0, again.err
    titles = {part: before[part] for part in ("evidence", "never_seen")}
    assert json.loads(again.out) == before["splits"]["test"] | titles
    shown = keyart("evaluate", painted / "run", "--split", "validation")
    assert "films of the validation split" in shown.out
    assert json.loads((painted / "run" / "metrics.json").read_text()) == before


def test_a_bundle_is_exported_evaluated_and_never_written_over(painted: Path) -> None:
    exported = keyart("export", painted / "run", "--out", painted / "bundle")
    assert exported.status == 0, exported.err
    scored = keyart("evaluate", painted / "bundle", "--catalog", painted / "catalog", "--json")
    metrics = json.loads((painted / "run" / "metrics.json").read_text())
    titles = {part: metrics[part] for part in ("evidence", "never_seen")}
    assert json.loads(scored.out) == metrics["splits"]["test"] | titles
    assert "--catalog" in here("evaluate", painted / "bundle").err
    assert "already exists" in here("export", painted / "run", "--out", painted / "bundle").err


def test_a_report_is_written_of_several_runs(painted: Path) -> None:
    out = painted / "both.html"
    assert keyart("report", painted / "run", painted / "run", "--out", out).status == 0
    assert out.read_text().startswith("<!doctype html>")


def test_resume_of_a_finished_run_changes_nothing(painted: Path) -> None:
    arguments = ("train", painted / "catalog", "--recipe", "demo", "--out", painted / "run")
    before = (painted / "run" / "bundle" / "keyart.json").read_bytes()
    again = here(*arguments, *SMALL, "--resume")
    assert again.status == 0
    assert "finished already" in again.err
    assert (painted / "run" / "bundle" / "keyart.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "{c}", "--out", "{r}"), "run: already exists; add --resume"),
        (("train", "{c}", "--out", "{r}", "--resume"), "was started with another recipe"),
        (("train", "{c}", "--out", "{n}", "--set", "epoch=2"), "did you mean 'epochs'"),
        (("train", "{c}", "--out", "{n}", "--recipe", "none"), "no recipe 'none'"),
        (("train", "{n}", "--out", "{n}"), "no such folder; make a catalog with"),
        (("evaluate", "{n}"), "no such folder; give a run or a bundle"),
        (("report", "{n}", "--out", "{n}.html"), "no such folder; give a run"),
        (("report", "{r}", "--out", "{n}.pdf"), "nowhere.pdf: cannot be written in this format"),
        (("catalog", "show", "{c}", "--sheet", "{n}.txt"), "end the name in .png, .jpg"),
        (("explain", "{p}", "--out", "{n}.gif"), "nowhere.gif: cannot be written in this format"),
        (("predict", "{p}", "--model", "{n}"), "no such folder; give a run or a bundle"),
        (("predict", "{n}", "--model", "{r}"), "no such file or folder"),
        (("predict", "{p}", "--model", "{r}", "--out", "{n}.xlsx"), ".xlsx: cannot be written in"),
        (("predict", "{p}", "--model", "{n}", "--errors", "{n}.json"), "end the name in .csv"),
        (("export", "{n}", "--out", "{n}2"), "no such folder; give a run"),
        (("catalog", "show", "{n}"), "no such folder; make a catalog with"),
        (
            ("catalog", "build", "--films", "{f}", "--posters", "{p}", "--out", "{c}"),
            "add --grow to add films",
        ),
        (
            ("catalog", "build", "--films", "{n}", "--posters", "{p}", "--out", "{n}"),
            "no such file",
        ),
    ],
)
def test_an_error_is_one_line_on_standard_error(
    painted: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {
        "c": painted / "catalog", "r": painted / "run", "n": painted / "nowhere",
        "p": painted / "posters", "f": painted / "films.csv",
    }  # fmt: skip
    words = [argument.format(**places) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["keyart", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert not (painted / "nowhere").exists()


def test_wrong_usage_ends_with_2_and_debug_shows_a_traceback(painted: Path) -> None:
    assert keyart("train").status == 2
    assert keyart("predict", "x.jpg", "--model", painted, "--format", "xml").status == 2
    broken = keyart("--debug", "catalog", "show", painted / "nowhere")
    assert broken.status == 1
    assert "Traceback" in broken.err


def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_bundle(tmp_path / "bundle").path
    paint_films(3, tmp_path)
    answers = tmp_path / "answers.csv"
    answers.write_text("what was there\n")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    words = ["predict", tmp_path / "posters", "--model", model, "--format", "csv"]
    monkeypatch.setattr(sys, "argv", ["keyart", *map(str, words), "--out", str(answers)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        f"error: {answers}: the disk is full; free some space and run the command again; "
        "what was there before is unchanged, and nothing is half-written\n"
    )
    assert answers.read_text() == "what was there\n"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_catalog_show_and_check_print_about_the_catalog(painted: Path) -> None:
    sheet = painted / "sheet.png"
    shown = keyart("catalog", "show", painted / "catalog", "--sheet", sheet)
    assert "Drama" in shown.out
    assert "near-duplicate" in shown.out
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert json.loads(here("catalog", "show", painted / "catalog", "--json").out)["films"] > 140
    assert "no problems" in here("catalog", "check", painted / "catalog").out


def test_predict_with_no_readable_poster_ends_with_1(painted: Path, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"nothing")
    done = keyart("predict", tmp_path / "x.jpg", "--model", painted / "run", "--format", "csv")
    assert done.status == 1
    assert "1 of 1 poster could not be read" in done.err
