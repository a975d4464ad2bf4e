"""twins.py: near-duplicates are the same picture, not only the same mood."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keyart.catalog.catalog import Catalog
from keyart.genres import Vocabulary
from keyart.similar import PosterIndex, build_index
from keyart.twins import Twins, find_twins, near_pairs
from tests.tiny import VOCABULARY, tiny_bundle
from tests.tiny_catalog import encoded, poster


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle").path


def reds(seed: int, size: tuple[int, int] = (60, 90)) -> Image.Image:
    """A picture of its own, all in reds: the tiny network sees little but the colour."""
    grey = poster(seed, size).convert("L")
    black = Image.new("L", size, 20)
    return Image.merge("RGB", (grey.point(lambda value: 120 + value // 4), black, black))


def index(folder: Path, model: Path, posters: dict[str, Image.Image]) -> Path:
    (folder / "posters").mkdir()
    with (folder / "films.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "genres"])
        for name, image in posters.items():
            (folder / "posters" / f"{name}.png").write_bytes(encoded(image, "PNG"))
            writer.writerow([name, "Red"])
    vocabulary = Vocabulary(VOCABULARY.names)
    catalog = Catalog.build(
        folder / "films.csv", folder / "posters", folder / "catalog", vocabulary=vocabulary
    )
    return build_index(catalog, model, folder / "index").path


@pytest.mark.parametrize("block", [2, 1024])
def test_the_same_artwork_is_found_in_another_size_and_light_and_other_artwork_is_not(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("keyart.twins._BLOCK", block)
    larger = reds(1, (120, 180))
    darker = reds(1).point(lambda value: value * 4 // 5)
    others = {f"blue{n}": Image.new("RGB", (60, 90), (10 * n, 20, 250 - n)) for n in range(5)}
    posters = {"one": reds(1), "larger": larger, "darker": darker, "two": reds(2), **others}
    place = index(tmp_path, model, posters)

    known = PosterIndex.open(place)
    names = [film_id for (film_id,) in known.films(["film_id"])]
    pairs, similarities = near_pairs(known)
    candidates = {frozenset((names[a], names[b])) for a, b in pairs.tolist()}
    assert frozenset(("one", "two")) in candidates  # the network alone would take them for twins
    embeddings = np.array(known.embeddings)
    assert (embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]]).sum(1) == pytest.approx(similarities)
    assert len(near_pairs(known, -1.01)[0]) == 9 * 8 // 2

    found = find_twins(model, place)
    same = {frozenset(("one", "larger")), frozenset(("one", "darker"))}
    assert {frozenset((pair.first, pair.second)) for pair in found} == same | {
        frozenset(("larger", "darker"))
    }
    assert [pair.similarity for pair in found] == sorted(
        (p.similarity for p in found), reverse=True
    )


def test_twins_tell_what_the_catalog_knew(model: Path, tmp_path: Path) -> None:
    picture = reds(3, (90, 135))
    posters = {"a": picture, "b": picture, **{f"z{n}": poster(n) for n in range(10, 14)}}
    place = index(tmp_path, model, posters)
    (found,) = find_twins(model, place)
    assert found == Twins("a", "b", found.similarity, grouped=True)
    assert found.similarity == pytest.approx(1)


def test_posters_of_one_colour_are_twins_of_their_exact_copies_alone(
    model: Path, tmp_path: Path
) -> None:
    flat = {name: Image.new("RGB", (60, 90), (200, 10, 10)) for name in ("a", "copy")}
    flat["larger"] = Image.new("RGB", (80, 120), (200, 10, 10))
    place = index(tmp_path, model, {**flat, "other": poster(1)})
    assert [(pair.first, pair.second) for pair in find_twins(model, place)] == [("a", "copy")]


def test_an_index_without_near_pairs_has_no_twins(model: Path, tmp_path: Path) -> None:
    red, green = (Image.new("RGB", (60, 90), colour) for colour in ((250, 0, 0), (0, 250, 0)))
    assert find_twins(model, index(tmp_path, model, {"red": red, "green": green})) == []
