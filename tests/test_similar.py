"""similar.py: exact neighbours, near-duplicates, and an index that belongs to one model."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keyart.bundle import write_bundle
from keyart.calibration import Calibration
from keyart.catalog.catalog import Catalog
from keyart.errors import PosterError, PosterIndexError
from keyart.genres import Vocabulary
from keyart.predictor import Predictor
from keyart.similar import PosterIndex, build_index, find_similar
from tests.tiny import SPEC, VOCABULARY, tiny_bundle
from tests.wire import encoded

COLOURS = {
    "red": (240, 20, 20), "dark-red": (120, 12, 12), "green": (20, 240, 20),
    "blue": (20, 20, 240), "yellow": (240, 240, 20), "pink": (240, 120, 160),
}  # fmt: skip


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Six films of one colour each; two of them are red."""
    folder = tmp_path / "posters"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (tmp_path / "films.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "title", "year", "genres"])
        for name, colour in COLOURS.items():
            noise = rng.integers(0, 15, (60, 40, 3))  # else their perceptual hashes are one
            rgb = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            (folder / f"{name}.png").write_bytes(encoded(rgb))
            writer.writerow([name, f"<b>{name}</b>", 1999, "Red" if "red" in name else "Blue"])
    vocabulary = Vocabulary(VOCABULARY.names)
    return Catalog.build(
        tmp_path / "films.csv", folder, tmp_path / "catalog", vocabulary=vocabulary
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle").path


def plain(tmp_path: Path, colour: tuple[int, int, int]) -> Path:
    file = tmp_path / "query.png"
    file.write_bytes(encoded(np.full((60, 40, 3), colour, np.uint8)))
    return file


def test_the_nearest_are_those_that_brute_force_finds(
    catalog: Catalog, model: Path, tmp_path: Path
) -> None:
    calls: list[tuple[int, int]] = []
    index = build_index(catalog, model, tmp_path / "index", progress=lambda *at: calls.append(at))
    assert calls[-1] == (6, 6)
    predictor = Predictor.load(model)
    known = np.concatenate(
        [predictor.embeddings(SPEC.prepare(poster)[None]) for poster in catalog.posters()]
    ).astype(np.float64)
    query = predictor.embeddings(SPEC.prepare(plain(tmp_path, (200, 60, 10)).read_bytes())[None])[0]
    centred, wanted = known - known.mean(0), query - known.mean(0)
    cosines = centred @ wanted / np.linalg.norm(centred, axis=1) / np.linalg.norm(wanted)
    found = index.nearest(query, 6)
    assert [one.place for one in found] == np.argsort(-cosines).tolist()
    assert [one.similarity for one in found] == pytest.approx(sorted(cosines)[::-1], abs=1e-4)


def test_a_file_finds_its_like_with_their_genres(
    catalog: Catalog, model: Path, tmp_path: Path
) -> None:
    build_index(catalog, model, tmp_path / "index")
    first, second = find_similar(plain(tmp_path, (250, 25, 25)), model, tmp_path / "index", 2)
    assert {first.film_id, second.film_id} == {"red", "dark-red"}
    assert first.genres == ("Red",)
    assert first.title == f"<b>{first.film_id}</b>"
    assert first.year == 1999
    assert first.similarity >= second.similarity
    everything = find_similar(plain(tmp_path, (250, 25, 25)), model, tmp_path / "index", 99)
    assert len(everything) == 6


def test_thumbnails_are_the_posters(catalog: Catalog, model: Path, tmp_path: Path) -> None:
    index = build_index(catalog, model, tmp_path / "index")
    file = tmp_path / "thumbnail.jpg"
    for place in range(len(index)):
        file.write_bytes(index.thumbnail(place))
        with Image.open(file) as image:
            mean = np.asarray(image).mean((0, 1))
        colour = COLOURS[catalog.to_table()["film_id"][place].as_py()]
        assert np.abs(mean - colour).max() < 25
    with pytest.raises(IndexError):
        index.thumbnail(6)
    with pytest.raises(IndexError):
        index.thumbnail(-1)


def test_an_index_belongs_to_one_model(catalog: Catalog, model: Path, tmp_path: Path) -> None:
    build_index(catalog, model, tmp_path / "index")
    other = write_bundle(
        tmp_path / "other",
        onnx=(model / "model.onnx").read_bytes(),
        weights=b"other",
        card="",
        vocabulary=VOCABULARY,
        spec=SPEC,
        calibration=Calibration.identity(3),
        thresholds=np.full(3, 0.5),
        provenance={},
    )
    with pytest.raises(PosterIndexError, match="another model"):
        find_similar(plain(tmp_path, (9, 9, 9)), other.path, tmp_path / "index")


def test_damage_is_said(catalog: Catalog, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "index"
    build_index(catalog, model, path)
    with pytest.raises(PosterIndexError, match="already there"):
        build_index(catalog, model, path)
    for name in ("embeddings.npy", "films.sqlite", "mean.npy", "index.json"):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(PosterIndexError, match="damaged"):
            PosterIndex.open(path)
        (path / name).unlink()
        with pytest.raises(PosterIndexError, match=f"{name} is missing|no index here"):
            PosterIndex.open(path)
        (path / name).write_bytes(whole)
    facts = json.loads((path / "index.json").read_text())
    (path / "index.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(PosterIndexError, match="upgrade keyart"):
        PosterIndex.open(path)
    (path / "index.json").write_text(json.dumps(facts))
    with pytest.raises(PosterError, match="No such file"):
        find_similar(tmp_path / "none.png", model, path)


def test_over_a_million_films_ask_for_a_library(
    catalog: Catalog, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyart.similar.LARGEST", 5)
    with pytest.raises(PosterIndexError, match="library of approximate search"):
        build_index(catalog, model, tmp_path / "index")
    assert not (tmp_path / "index").exists()
