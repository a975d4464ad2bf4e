"""From posters to predictions, through Python and through the command."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

import keyart
from keyart.bundle import content_of, write_bundle
from keyart.cli import app
from keyart.errors import BundleError, KeyartError, OutputError, PosterError
from keyart.evidence import POSTER
from keyart.images.decode import decode
from keyart.images.poster import Poster
from keyart.network import Network
from keyart.prediction import Failure, Prediction
from keyart.predictor import Predictor
from keyart.queries import find_films
from keyart.writers import to_table, write_predictions
from tests.tiny import VOCABULARY, tiny_bundle

NAMES = VOCABULARY.names


def paint(path: Path, colour: tuple[int, int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 60), colour).save(path)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.fixture
def model(tmp_path: Path) -> Predictor:
    return Predictor(tiny_bundle(tmp_path / "bundle"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty posters, red at odd places and green at even ones; two of them are broken."""
    for number in range(40):
        colour = (250, 0, 0) if number % 2 else (0, 250, 0)
        paint(tmp_path / "posters" / f"p{number:02}.png", colour)
    (tmp_path / "posters" / "p07.png").write_bytes(b"")
    (tmp_path / "posters" / "p20.png").write_bytes(b"not a picture at all")
    return tmp_path / "posters"


HEAD = ("film_id", "title", "poster", "genres", "maybe", "unsure", "evidence", "reason")


def command(*arguments: object) -> "tuple[int, str, str]":
    done = CliRunner().invoke(app, ["predict", *map(str, arguments)], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_predictions_come_in_order_with_failures_in_their_place(
    model: Predictor, folder: Path
) -> None:
    films = list(model.predict_many(find_films([folder])))
    assert [Path(film.poster).name for film in films] == [f"p{n:02}.png" for n in range(40)]
    for number, film in enumerate(films):
        if number in (7, 20):
            assert isinstance(film, Failure)
        else:
            assert isinstance(film, Prediction)
            assert film.genres == (("Red",) if number % 2 else ("Green",))


def test_scores_are_the_calibrated_sigmoid_of_the_logits(model: Predictor, tmp_path: Path) -> None:
    film = model.predict(paint(tmp_path / "x.png", (160, 128, 96)))
    expected = 1 / (1 + np.exp([-2.0, 0.0, 2.0]))
    assert list(film.scores) == list(NAMES)
    assert list(film.scores.values()) == pytest.approx(expected, abs=1e-6)
    assert film.genres == ("Red", "Green")
    assert film.thresholds == {"Red": 0.5, "Green": 0.5, "Blue": 0.9}


def test_a_poster_may_be_a_path_bytes_a_picture_or_an_array(model: Predictor, folder: Path) -> None:
    file = folder / "p01.png"
    by_path = model.predict(file)
    posters: list[Poster] = [
        str(file), file.read_bytes(), Image.open(file), decode(file.read_bytes())
    ]  # fmt: skip
    assert by_path.poster == str(file)
    for poster in posters:
        assert model.predict(poster).scores == by_path.scores
    many = list(model.predict_many([file, *posters]))
    assert [film.poster for film in many[2:]] == ["poster 2", "poster 3", "poster 4"]
    assert all(isinstance(film, Prediction) and film.scores == by_path.scores for film in many)


def test_a_picture_is_converted_as_its_file_would_be(model: Predictor, tmp_path: Path) -> None:
    clear = Image.new("RGBA", (40, 60), (250, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert model.predict(clear).scores == model.predict(tmp_path / "clear.png").scores


@pytest.mark.parametrize(
    ("poster", "reason"),
    [
        (b"", "the file is empty"),
        (b"not a picture", "not a picture"),
        ("nowhere.jpg", "nowhere.jpg: no such file or folder"),
        (".", "is a folder"),
        ("nul\0.jpg", "null"),
        (np.zeros((40, 60), np.uint8), r"uint8 \(40, 60\); give uint8"),
        (np.zeros((40, 60, 3), np.float32), "float32"),
        (np.zeros((4, 60, 3), np.uint8), "60x4 pixels"),
        (Image.new("F", (40, 60)), "floating-point"),
        (None, "it has no poster and no title"),
    ],
    ids=["empty", "text", "missing", "folder", "nul", "grey", "float", "flat", "F", "none"],
)
def test_what_cannot_be_read_raises_alone_and_is_a_failure_among_many(
    model: Predictor, poster: object, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PosterError, match=reason):
        model.predict(poster)  # type: ignore[arg-type]
    good = np.full((60, 40, 3), 200, np.uint8)
    first, failure, last = model.predict_many([good, poster, good])  # type: ignore[list-item]
    assert isinstance(failure, Failure)
    assert isinstance(first, Prediction)
    assert isinstance(last, Prediction)
    assert first.scores == last.scores


def test_posters_are_read_lazily_and_memory_is_bounded(model: Predictor) -> None:
    read = 0

    def endless() -> Iterator[np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]]:
        nonlocal read
        while True:
            read += 1
            yield np.full((60, 40, 3), 9, np.uint8)

    films = model.predict_many(endless(), workers=2)
    for _ in range(50):
        assert isinstance(next(films), Prediction)
    assert read <= 50 + 16 * 6
    films.close()  # type: ignore[attr-defined]


def test_one_poster_is_an_error_if_several_are_expected(model: Predictor) -> None:
    with pytest.raises(TypeError, match="pass a list"):
        list(model.predict_many("alien.jpg"))
    with pytest.raises(TypeError, match="pass a list"):
        model.embed(b"alien")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="pass a list"):
        model.predict_many(np.zeros((40, 30, 3), np.uint8))
    with pytest.raises(TypeError, match="pass its column of paths"):
        model.predict_many({"poster": "alien.jpg"})


def test_embeddings_are_unit_vectors_in_order(model: Predictor, folder: Path) -> None:
    files = [folder / f"p{number:02}.png" for number in (1, 2, 3)]
    vectors = model.embed(files)
    assert vectors.shape == (3, 3)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors[0] == pytest.approx(vectors[2])
    assert vectors[0] != pytest.approx(vectors[1])
    with pytest.raises(PosterError, match=r"p07.png: the file is empty"):
        model.embed([*files, folder / "p07.png"])
    assert len(model.embed([])) == 0


def test_predictions_are_plain_values_that_compare_and_have_a_repr(
    model: Predictor, folder: Path
) -> None:
    red, green = model.predict(folder / "p01.png"), model.predict(folder / "p02.png")
    assert red == model.predict(folder / "p01.png")
    assert red != green
    assert json.loads(json.dumps(red.to_dict())) == {
        "film_id": None,
        "title": None,
        "poster": str(folder / "p01.png"),
        "genres": ["Red"],
        "maybe": [],
        "unsure": False,
        "evidence": ["poster"],
        "scores": dict(red.scores),
    }
    assert repr(red).startswith(f"<Prediction '{folder / 'p01.png'}': Red (Red 1.00, ")
    assert "\n" not in repr(red)
    page = red._repr_html_()
    assert page.count("<tr>") == 3
    assert "data:image/jpeg;base64," in page
    (by_many,) = model.predict_many([folder / "p01.png"])
    assert by_many == red
    assert "data:image/jpeg" in by_many._repr_html_()
    failure = Failure("<b>.jpg", "the file is empty")
    assert failure.to_dict() == {
        "film_id": None,
        "title": None,
        "poster": "<b>.jpg",
        "reason": "the file is empty",
    }
    assert "<b>" not in failure._repr_html_()
    assert repr(failure) == "<Failure '<b>.jpg': the file is empty>"
    assert "<script" not in model.answer("<script>", POSTER, np.zeros(3))._repr_html_()
    assert model.answer("x", POSTER, np.zeros(3)).unsure


def test_a_run_stands_for_its_bundle(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "run" / "bundle")
    for path in (tmp_path / "run", str(tmp_path / "run"), tmp_path / "run" / "bundle"):
        assert keyart.load(path).bundle.provenance["name"] == "tiny"


def test_a_network_that_the_runtime_refuses_is_a_bundle_error() -> None:
    with pytest.raises(BundleError, match="the runtime refuses"):
        Network(b"no onnx")


def test_a_table_has_a_row_for_every_poster(model: Predictor, folder: Path) -> None:
    films = list(model.predict_many(find_films([folder])))
    table = to_table(films)
    assert table.schema.names == [*HEAD, *NAMES]
    assert len(table) == 40
    rows = table.to_pylist()
    assert rows[7] == dict.fromkeys(table.schema.names) | {
        "poster": str(folder / "p07.png"),
        "reason": "the file is empty",
    }
    assert rows[1]["genres"] == "Red"
    assert rows[1]["Red"] == films[1].scores["Red"]  # type: ignore[union-attr]
    assert to_table([]).num_rows == 0


def test_answers_and_errors_are_never_one_file(model: Predictor, tmp_path: Path) -> None:
    asked: list[str] = []

    def posters() -> Iterator[str]:
        asked.append("gone.png")
        yield "gone.png"

    films = model.predict_many(posters())
    (tmp_path / "folder").mkdir()
    same = tmp_path / "folder" / ".." / "answers.csv"
    (tmp_path / "answers.csv").write_text("as it was\n")
    with pytest.raises(OutputError, match="is also what --out names"):
        write_predictions(films, tmp_path / "answers.csv", genres=model.genres, errors=same)
    assert asked == []
    assert (tmp_path / "answers.csv").read_text() == "as it was\n"


def test_csv_and_parquet_have_the_columns_of_the_contract(
    model: Predictor, folder: Path, tmp_path: Path
) -> None:
    for suffix in ("csv", "parquet"):
        out, errors = tmp_path / f"answers.{suffix}", tmp_path / "errors.csv"
        films = model.predict_many(find_films([folder]))
        written = write_predictions(films, out, genres=model.genres, errors=errors)
        assert (written.predictions, len(written.failures), written.films) == (38, 2, 40)
        rows = rows_of(errors)
        assert [Path(row["poster"]).name for row in rows] == ["p07.png", "p20.png"]
        assert rows[0]["reason"] == "the file is empty"
    table = pq.read_table(tmp_path / "answers.parquet").to_pylist()
    assert list(table[0]) == [*HEAD, *NAMES]
    rows = rows_of(tmp_path / "answers.csv")
    assert list(rows[0]) == [*HEAD, *NAMES]
    assert len(rows) == len(table) == 40
    for row, record in zip(rows, table, strict=True):
        assert row["genres"] == (record["genres"] or "")
        assert row["unsure"] == {True: "true", False: "false", None: ""}[record["unsure"]]
        assert row["reason"] == (record["reason"] or "")
        if record["reason"]:
            assert {row[name] for name in NAMES} == {""}
            assert {record[name] for name in NAMES} == {None}
        else:
            assert float(row["Red"]) == pytest.approx(record["Red"], abs=1e-6)
    assert [number for number, row in enumerate(rows) if row["reason"]] == [7, 20]


def test_json_is_one_document(model: Predictor, folder: Path, tmp_path: Path) -> None:
    command(folder, "--model", model.bundle.path, "--out", tmp_path / "a.json", "--quiet")
    records = json.loads((tmp_path / "a.json").read_text())
    assert len(records) == 40
    assert records[1]["genres"] == ["Red"]
    assert records[1]["unsure"] is False
    assert list(records[1]["scores"]) == list(NAMES)
    assert (records[7]["reason"], "scores" in records[7]) == ("the file is empty", False)
    command(folder, "--model", model.bundle.path, "--out", tmp_path / "a.ndjson", "--quiet")
    lines = (tmp_path / "a.ndjson").read_text().splitlines()
    assert [json.loads(line) for line in lines] == records


def test_the_suffix_decides_and_the_format_overrides(
    model: Predictor, folder: Path, tmp_path: Path
) -> None:
    poster, named = folder / "p01.png", ("--model", model.bundle.path)
    command(poster, *named, "--out", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().startswith(",".join([*HEAD, "Red"]))
    command(poster, *named, "--out", tmp_path / "b.txt")
    assert "p01.png  Red" in (tmp_path / "b.txt").read_text()
    command(poster, *named, "--out", tmp_path / "c.csv", "--format", "json")
    assert json.loads((tmp_path / "c.csv").read_text())
    with pytest.raises(KeyartError, match=r"d.xyz: .*end the name in .csv, .json"):
        command(poster, *named, "--out", tmp_path / "d.xyz")


def test_the_table_names_genres_and_says_unsure(model: Predictor, tmp_path: Path) -> None:
    red, dark = paint(tmp_path / "red.png", (250, 0, 0)), paint(tmp_path / "dark.png", (9, 9, 9))
    _, shown, _ = command(red, dark, "--model", model.bundle.path)
    assert "red.png  Red" in shown
    assert "dark.png  unsure" in shown


@pytest.fixture
def promising(tmp_path: Path) -> Path:
    """A model that keeps a precision of 0.6 and can keep 0.8; its balanced thresholds are low."""
    plain = content_of(tiny_bundle(tmp_path / "plain"))
    promises = {0.6: np.full(3, 0.8), 0.8: np.array([0.99, 1.0, 1.0])}
    decisions = replace(plain.decisions, precision_thresholds=promises, precision=0.6)
    return write_bundle(tmp_path / "promising", replace(plain, decisions=decisions)).path


def test_balanced_predicts_what_is_otherwise_maybe(promising: Path, tmp_path: Path) -> None:
    # By the tiny network the score is 0.65 for Red and 0.94 for Green.
    poster = paint(tmp_path / "both.png", (138, 172, 0))
    usual = keyart.load(promising).predict(poster)
    assert (usual.genres, usual.maybe) == (("Green",), ("Red",))
    balanced = keyart.load(promising, balanced=True).predict(poster)
    assert (balanced.genres, balanced.maybe) == (("Red", "Green"), ())
    assert balanced.scores == usual.scores
    strict = keyart.load(promising, precision=0.7).predict(poster)  # 0.8 is the next higher one
    assert (strict.genres, strict.maybe, strict.unsure) == ((), ("Red", "Green"), True)
    with pytest.raises(ValueError, match="give precision or balanced, not both"):
        keyart.load(promising, precision=0.6, balanced=True)


@pytest.mark.parametrize(
    ("options", "genres", "maybe"),
    [
        ([], "Green", "Red"),
        (["--balanced"], "Red|Green", ""),
        (["--precision", "0.8"], "", "Red|Green"),
    ],
)
def test_the_command_decides_as_it_was_told(
    promising: Path, tmp_path: Path, options: list[str], genres: str, maybe: str
) -> None:
    poster, out = paint(tmp_path / "both.png", (138, 172, 0)), tmp_path / "found.csv"
    status, _, _ = command(poster, "--model", promising, "--out", out, *options)
    (row,) = rows_of(out)
    assert (status, row["genres"], row["maybe"]) == (0, genres, maybe)


def test_the_command_refuses_a_precision_that_is_to_be_balanced(
    promising: Path, tmp_path: Path
) -> None:
    poster = paint(tmp_path / "both.png", (138, 172, 0))
    status, _, error = command(poster, "--model", promising, "--balanced", "--precision", "0.8")
    assert status == 2
    assert "give --precision or --balanced, not both" in error


def test_unreadable_posters_are_counted_on_standard_error(model: Predictor, folder: Path) -> None:
    status, out, err = command(folder, "--model", model.bundle.path, "--format", "csv")
    assert status == 0
    assert "2 of 40 posters could not be read" in err
    assert "p20.png: not a picture" in err
    assert len(out.splitlines()) == 41


def test_parquet_needs_a_file(model: Predictor, folder: Path) -> None:
    with pytest.raises(KeyartError, match="--out"):
        command(folder, "--model", model.bundle.path, "--format", "parquet")


def test_inference_needs_no_torch(model: Predictor, folder: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None; sys.argv[0] = 'keyart';"
        "from keyart.__main__ import main; main()"
    )
    words = ["predict", str(folder / "p01.png"), "--model", str(model.bundle.path), "--format=csv"]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert next(csv.DictReader(io.StringIO(done.stdout)))["genres"] == "Red"
