"""Models, runs, indexes, posters and tables in an object store, and what is written to one."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import keyart
from keyart.bundle import content_of, read_bundle, write_bundle
from keyart.cli import app
from keyart.errors import BundleError, KeyartError, RunError, StoreError
from keyart.places import find_model
from keyart.predictor import Predictor
from keyart.run import Run
from keyart.sources.fetch import Fetch
from keyart.stores.paths import place
from tests.object_store import Store, object_store, put, put_folder, remote
from tests.poster_server import picture
from tests.wire import GREEN, RED

MODEL = "s3://films/models/tiny"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with object_store() as store:
        store.use(monkeypatch, tmp_path / "cache")
        yield store


def test_a_bundle_is_written_with_its_manifest_last_and_predicts_the_same(
    store: Store, tiny_predictor: Predictor
) -> None:
    written = write_bundle(place(MODEL), content_of(tiny_predictor.bundle))
    assert store.puts[-1] == "/films/models/tiny/keyart.json"
    assert written.vocabulary == tiny_predictor.bundle.vocabulary
    model = keyart.load(MODEL)
    assert model.predict(RED).scores == tiny_predictor.predict(RED).scores
    assert (model.bundle.source, MODEL in repr(model)) == (MODEL, True)
    store.asked.clear()
    keyart.load(MODEL)
    assert store.asked == [("GET", "/films/models/tiny/keyart.json")]
    with pytest.raises(BundleError, match=f"{MODEL}: already exists"):
        write_bundle(place(MODEL), content_of(tiny_predictor.bundle))


def test_of_two_writers_of_a_bundle_the_later_one_changes_nothing(
    store: Store, tiny_model: Path, tmp_path: Path
) -> None:
    put(f"{MODEL}/MODEL_CARD.md", b"of another writer")  # which has begun
    before = store.names()
    with pytest.raises(StoreError, match=f"{MODEL}: has another MODEL_CARD.md already"):
        write_bundle_over(MODEL, tiny_model)
    assert store.names() == before
    assert remote(f"{MODEL}/MODEL_CARD.md").read_bytes() == b"of another writer"


def write_bundle_over(url: str, model: Path) -> None:
    """As a writer that saw nothing when it began."""
    from keyart.files import new_folder

    with new_folder(place(url)) as folder:
        for file in model.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())


def test_a_writer_that_was_stopped_can_write_its_bundle_again(
    store: Store, tiny_model: Path
) -> None:
    store.fault = lambda method, path: (
        "denied" if (method, path[-11:]) == ("PUT", "keyart.json") else None
    )
    with pytest.raises(StoreError, match="permission denied"):
        write_bundle_over(MODEL, tiny_model)
    with pytest.raises(KeyartError):
        keyart.load(MODEL)
    store.fault = lambda method, path: None
    write_bundle_over(MODEL, tiny_model)
    assert len(keyart.load(MODEL).genres) > 0


@pytest.mark.parametrize("name", ["model.onnx", "MODEL_CARD.md"])
def test_a_bundle_with_a_changed_or_missing_file_is_refused_by_its_address(
    store: Store, tiny_model: Path, name: str
) -> None:
    put_folder(MODEL, tiny_model)
    put(f"{MODEL}/{name}", b"changed")
    with pytest.raises(BundleError, match=MODEL):
        keyart.load(MODEL)
    path = remote(f"{MODEL}/{name}")
    path.bucket.delete([path.key])
    with pytest.raises(BundleError, match=f"{MODEL}/{name}: missing"):
        keyart.load(MODEL)


def test_a_bundle_is_read_from_a_web_server_but_not_written(
    store: Store, tiny_model: Path, tiny_predictor: Predictor
) -> None:
    put_folder("s3://films/public", tiny_model)
    url = f"{store.endpoint}/films/public"
    store.anonymous = True
    assert keyart.load(url).predict(RED).scores == tiny_predictor.predict(RED).scores
    with pytest.raises(StoreError, match="web addresses can only be read"):
        write_bundle(place(f"{url}/more"), content_of(tiny_predictor.bundle))


def test_a_run_is_read_reported_on_and_keeps_its_address(
    store: Store, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "run", films=20)
    put_folder("s3://films/runs/first", folder)
    run = Run.open("s3://films/runs/first")
    assert run.metrics.to_json() == Run(folder).metrics.to_json()
    assert (run.name, "s3://films/runs/first" in repr(run)) == ("first", True)
    keyart.write_report("s3://films/runs/first", "s3://films/reports/first.html")
    assert remote("s3://films/reports/first.html").read_bytes().startswith(b"<!doctype html>")
    with pytest.raises(RunError, match="s3://films/runs/none: nothing there"):
        Run.open("s3://films/runs/none")


def test_the_model_of_a_run_is_found_without_its_checkpoints(
    store: Store, tiny_model: Path
) -> None:
    put_folder("s3://films/runs/tiny/bundle", tiny_model)
    put("s3://films/runs/tiny/checkpoints/best.safetensors", b"large")
    store.asked.clear()
    found = find_model("s3://films/runs/tiny")
    assert read_bundle(found.bundle).fingerprint == read_bundle(tiny_model).fingerprint
    assert not any(path.endswith("best.safetensors") for _, path in store.asked)


def test_posters_in_a_store_are_predicted_to_a_file_in_a_store(
    store: Store, tiny_model: Path
) -> None:
    put_folder(MODEL, tiny_model)
    put("s3://films/posters/red.png", RED)
    put("s3://films/posters/deeper/green.png", GREEN)
    put("s3://films/posters/broken.png", b"no picture")
    words = ["predict", "s3://films/posters", "--model", MODEL, "--out", "s3://films/answers.csv"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    text = remote("s3://films/answers.csv").read_bytes().decode()
    rows = {row["poster"]: row for row in csv.DictReader(text.splitlines())}
    assert sorted(rows) == [
        f"s3://films/posters/{name}" for name in ("broken.png", "deeper/green.png", "red.png")
    ]
    expected = keyart.load(tiny_model).predict(RED)
    assert rows["s3://films/posters/red.png"]["genres"] == "|".join(expected.genres)
    assert rows["s3://films/posters/broken.png"]["reason"]


def test_an_empty_bucket_and_a_wrong_name_are_one_line(store: Store, tiny_model: Path) -> None:
    for words, line in [
        (["predict", "s3://films/posters", "--model", str(tiny_model)],
         "s3://films/posters: no such file or folder"),
        (["catalog", "show", "s3://films"],
         "s3://films: no catalog here (no catalog.json); make one with keyart catalog build"),
        (["predict", "x.jpg", "--model", "s3://films/model"],
         "s3://films/model: no model there (no keyart.json); give a run or a bundle"),
    ]:  # fmt: skip
        done = CliRunner().invoke(app, words)
        assert isinstance(done.exception, KeyartError)
        assert str(done.exception) == line


def test_an_index_goes_to_a_store_and_comes_from_one(
    store: Store, film_index: keyart.Index, tiny_predictor: Predictor
) -> None:
    put_folder("s3://films/index", film_index.path)
    index = keyart.Index.open("s3://films/index", tiny_predictor)
    assert index.nearest(RED, 1) == film_index.nearest(RED, 1)


def test_fetch_takes_posters_from_a_bucket(store: Store, tmp_path: Path) -> None:
    table = tmp_path / "films.csv"
    rows = [f"tt{number:07},Film {number},1990,Drama" for number in range(3)]
    table.write_text("\n".join(["film_id,title,year,genres", *rows, ""]))
    for number in range(2):
        put(f"s3://films/posters/tt{number:07}.jpg", picture(number))
    fetch = Fetch.plan([table], tmp_path / "fetch", mirror="s3://films/posters")
    fetch.run()
    status = fetch.status()
    assert (status.here, status.posters["fetched"]) == (2, 2)
    files = [file for file in (tmp_path / "fetch" / "posters").rglob("*.jpg")]
    assert sorted(file.read_bytes() for file in files) == sorted(map(picture, range(2)))


def test_the_file_of_a_program_is_json_in_the_store(store: Store) -> None:
    from keyart.files import write_json

    write_json(place("s3://films/a.json"), {"a": 1})
    assert json.loads(remote("s3://films/a.json").read_bytes()) == {"a": 1}
