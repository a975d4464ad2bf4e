"""predictor.py, posters.py and answers.py: from paths to answers, one door for all."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from keyart.catalog.poster_paths import find_posters
from keyart.errors import BundleError, KeyartError
from keyart.prediction import Failure, Prediction
from keyart.predictor import Predictor
from keyart.writers import Format, predict_posters
from tests.tiny import tiny_bundle


def paint(path: Path, colour: tuple[int, int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 60), colour).save(path)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle").path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty posters, red at odd places and green at even ones, and two that are broken."""
    for number in range(40):
        colour = (250, 0, 0) if number % 2 else (0, 250, 0)
        paint(tmp_path / "posters" / f"p{number:02}.png", colour)
    (tmp_path / "posters" / "p07.png").write_bytes(b"")
    (tmp_path / "posters" / "p20.png").write_bytes(b"not a picture at all")
    return tmp_path / "posters"


def test_answers_come_in_order_with_failures_in_their_place(model: Path, folder: Path) -> None:
    answers = list(Predictor.load(model).predict(find_posters([folder])))
    assert [Path(answer.poster).name for answer in answers] == [f"p{n:02}.png" for n in range(40)]
    for number, answer in enumerate(answers):
        if number in (7, 20):
            assert isinstance(answer, Failure)
        else:
            assert isinstance(answer, Prediction)
            assert answer.genres == (("Red",) if number % 2 else ("Green",))


def test_scores_are_the_calibrated_sigmoid_of_the_logits(model: Path, tmp_path: Path) -> None:
    poster = paint(tmp_path / "x.png", (160, 128, 96))
    (answer,) = Predictor.load(model).predict([poster])
    assert isinstance(answer, Prediction)
    expected = 1 / (1 + np.exp([-2.0, 0.0, 2.0]))
    assert answer.scores == pytest.approx(expected, abs=1e-6)
    assert answer.genres == ("Red", "Green")


def test_one_poster_from_bytes_gets_the_scores_it_gets_from_a_file(
    model: Path, folder: Path
) -> None:
    predictor = Predictor.load(model)
    file = folder / "p01.png"
    (from_file,) = predictor.predict([file])
    from_bytes = predictor.predict_bytes(str(file), file.read_bytes())
    assert isinstance(from_file, Prediction)
    assert isinstance(from_bytes, Prediction)
    assert (from_file.scores == from_bytes.scores).all()
    assert isinstance(predictor.predict_bytes("x", b""), Failure)


def test_a_run_stands_for_its_bundle(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "run" / "bundle")
    assert Predictor.load(tmp_path / "run").bundle.provenance["name"] == "tiny"


def test_a_network_that_the_runtime_refuses_is_a_bundle_error(tmp_path: Path) -> None:
    from keyart.predictor import Network

    with pytest.raises(BundleError, match="the runtime refuses"):
        Network(b"no onnx")


def test_csv_and_parquet_have_the_columns_of_the_contract(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    formats: tuple[Format, ...] = ("csv", "parquet")
    for format in formats:
        out, errors = tmp_path / f"answers.{format}", tmp_path / "errors.csv"
        count = predict_posters([folder], model, format, out, errors, quiet=True)
        assert count == 38
        rows = rows_of(errors)
        assert [Path(row["poster"]).name for row in rows] == ["p07.png", "p20.png"]
        assert rows[0]["reason"] == "the file is empty"
    table = pq.read_table(tmp_path / "answers.parquet").to_pylist()
    assert list(table[0]) == ["poster", "genres", "Red", "Green", "Blue"]
    rows = rows_of(tmp_path / "answers.csv")
    assert list(rows[0]) == ["poster", "genres", "Red", "Green", "Blue"]
    assert len(rows) == len(table) == 38
    for row, record in zip(rows, table, strict=True):
        assert row["genres"] == record["genres"]
        assert float(row["Red"]) == pytest.approx(record["Red"], abs=1e-6)


def test_json_is_one_document(model: Path, folder: Path, tmp_path: Path) -> None:
    predict_posters([folder], model, "json", tmp_path / "a.json", None, quiet=True)
    records = json.loads((tmp_path / "a.json").read_text())
    assert len(records) == 38
    assert records[1]["genres"] == ["Red"]
    assert list(records[1]["scores"]) == ["Red", "Green", "Blue"]


def test_the_table_names_genres_and_says_unsure(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    red, dark = paint(tmp_path / "red.png", (250, 0, 0)), paint(tmp_path / "dark.png", (9, 9, 9))
    predict_posters([red, dark], model, "table", None, None, quiet=True)
    shown = capsys.readouterr().out
    assert "red.png  Red" in shown
    assert "dark.png  unsure" in shown


def test_unreadable_posters_are_counted_on_standard_error(
    model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict_posters([folder], model, "csv", None, None, quiet=True)
    captured = capsys.readouterr()
    assert "2 of 40 posters could not be read" in captured.err
    assert "p20.png: not a picture" in captured.err
    assert len(captured.out.splitlines()) == 39


def test_parquet_needs_a_file(model: Path, folder: Path) -> None:
    with pytest.raises(KeyartError, match="--out"):
        predict_posters([folder], model, "parquet", None, None, quiet=True)


def test_inference_needs_no_torch(model: Path, folder: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None; sys.argv[0] = 'keyart';"
        "from keyart.__main__ import main; main()"
    )
    arguments = ["predict", str(folder / "p01.png"), "--model", str(model), "--format", "csv"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert next(csv.DictReader(io.StringIO(done.stdout)))["genres"] == "Red"
