"""similar.py: exact neighbours, near-duplicates, and an index that belongs to one model."""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner, Result

from keyart import owners
from keyart.catalog.catalog import Catalog
from keyart.cli import app
from keyart.errors import PosterError, PosterIndexError
from keyart.film import Film
from keyart.folder_search import nearest_among
from keyart.genres import Vocabulary
from keyart.indexing import Embedded, best_of, write_search
from keyart.predictor import Embeddings, Predictor
from keyart.similar import Index
from keyart.stores import paths
from tests.tiny import VOCABULARY, tiny_bundle
from tests.tiny_catalog import poster
from tests.wire import encoded

COLOURS = {
    "red": (240, 20, 20), "dark-red": (120, 12, 12), "green": (20, 240, 20),
    "blue": (20, 20, 240), "yellow": (240, 240, 20), "pink": (240, 120, 160),
}  # fmt: skip


def catalog_of(folder: Path, posters: dict[str, Image.Image]) -> Catalog:
    """A catalog of films with these posters, Red if their name says so and else Blue."""
    (folder / "posters").mkdir()
    with (folder / "films.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "title", "year", "genres"])
        for name, image in posters.items():
            image.save(folder / "posters" / f"{name}.png")
            writer.writerow([name, f"<b>{name}</b>", 1999, "Red" if "red" in name else "Blue"])
    return Catalog.build(
        films=folder / "films.csv",
        posters=folder / "posters",
        out=folder / "catalog",
        vocabulary=Vocabulary(VOCABULARY.names),
    )


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Six films of one colour each; two of them are red."""
    rng = np.random.default_rng(0)
    posters = {}
    for name, colour in COLOURS.items():
        noise = rng.integers(0, 15, (60, 40, 3))  # else their perceptual hashes are one
        rgb = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
        posters[name] = Image.fromarray(rgb)
    return catalog_of(tmp_path, posters)


@pytest.fixture
def index(catalog: Catalog, tiny_model: Path, tmp_path: Path) -> Index:
    return Index.build(catalog, out=tmp_path / "index", model=tiny_model)


def plain(colour: tuple[int, int, int]) -> bytes:
    return encoded(np.full((60, 40, 3), colour, np.uint8))


def test_the_nearest_are_those_that_brute_force_finds(
    catalog: Catalog, tiny_model: Path, tmp_path: Path
) -> None:
    calls: list[tuple[int, int]] = []
    index = Index.build(
        catalog,
        out=tmp_path / "index",
        model=tiny_model,
        progress=lambda *at: calls.append(at),
    )
    assert calls[-1] == (6, 6)
    predictor = Predictor.load(tiny_model)
    known = predictor.embed(catalog.posters()).astype(np.float64)
    (query,) = predictor.embed([plain((200, 60, 10))])
    centred, wanted = known - known.mean(0), query - known.mean(0)
    cosines = centred @ wanted / np.linalg.norm(centred, axis=1) / np.linalg.norm(wanted)
    found = index.nearest(query, 6)
    assert [one.place for one in found] == np.argsort(-cosines).tolist()
    assert [one.similarity for one in found] == pytest.approx(sorted(cosines)[::-1], abs=1e-4)


def vectors(folder: Path, rows: int, channels: int, falls: float) -> Embedded:
    """Random embeddings whose channels grow weaker by a factor each, as those of networks do."""
    random = np.random.default_rng(rows)
    strengths = falls ** np.arange(channels)
    turned = np.linalg.qr(random.normal(size=(channels, channels)))[0]
    raw = (random.normal(size=(rows, channels)) * strengths) @ turned + 0.3
    np.save(folder / "embeddings.npy", raw.astype(np.float32))
    write_search(folder, raw.astype(np.float32).mean(0))
    return Embedded.open(folder)


@pytest.mark.parametrize(
    ("rows", "channels", "falls"), [(3_000, 96, 0.95), (3_000, 96, 1.0), (500, 8, 0.9), (3, 80, 1)]
)
def test_a_search_that_rules_films_out_finds_what_comparing_all_finds(
    tmp_path: Path, rows: int, channels: int, falls: float
) -> None:
    known = vectors(tmp_path, rows, channels, falls)
    before = np.concatenate(list(known.before())).astype(np.float64)
    apart = before - before.mean(0)
    random = np.random.default_rng(1)
    for count in (1, 7, 40):
        query = before[random.integers(rows)] + 0.2 * before[random.integers(rows)]
        wanted = query - before.mean(0)
        cosines = apart @ wanted / np.linalg.norm(apart, axis=1) / np.linalg.norm(wanted)
        places, similarities = known.most_similar(query.astype(np.float32), count)
        best = np.argsort(-cosines)[:count]
        assert list(places) == best.tolist()
        assert similarities == pytest.approx(cosines[best], abs=1e-5)


def test_of_equally_similar_posters_the_earlier_ones_are_found() -> None:
    likeness = np.random.default_rng(0).integers(0, 4, 300).astype(np.float32)
    for count in (1, 20, 90, 300, 400):
        assert best_of(likeness, count) == np.argsort(-likeness, kind="stable")[:count].tolist()


def test_most_films_are_ruled_out_by_their_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = vectors(tmp_path, 5_000, 128, 0.95)
    compared: list[int] = []

    def watched(likeness: Embeddings, count: int) -> Sequence[int]:
        compared.append(len(likeness))
        return best_of(likeness, count)

    monkeypatch.setattr("keyart.indexing.best_of", watched)
    known.most_similar(next(known.before())[7], 6)
    fronts, whole = compared
    assert fronts == 5_000
    assert whole < 500


def test_an_index_grows_to_what_building_it_at_once_gives(
    catalog: Catalog, tiny_model: Path, tmp_path: Path
) -> None:
    posters = tmp_path / "grown"
    posters.mkdir()
    for number, colour in enumerate(list(COLOURS.values())[:4]):
        (posters / f"{number}.png").write_bytes(plain(colour))
    index = Index.build(posters, out=tmp_path / "grows", model=tiny_model)
    (posters / "4.png").write_bytes(plain((7, 90, 200)))
    (posters / "torn.png").write_bytes(plain((7, 90, 200))[:80])
    (posters / "0.png").unlink()
    calls: list[tuple[int, int]] = []
    grown, gone = index.grow(posters, progress=lambda *at: calls.append(at))
    assert (len(index), len(grown), gone) == (4, 5, 1)
    assert calls[-1] == (2, 2)  # no other poster was embedded again
    assert [one.poster.rpartition("/")[2] for one in grown.unread] == ["torn.png"]
    (posters / "0.png").write_bytes(plain(COLOURS["red"]))
    (posters / "torn.png").unlink()
    at_once = Index.build(posters, out=tmp_path / "at-once", model=tiny_model)
    for colour in ((250, 25, 25), (9, 200, 9), (10, 80, 210)):
        found, expected = (one.nearest(plain(colour), 5) for one in (grown, at_once))
        assert [one.film_id for one in found] == [one.film_id for one in expected]
        assert [one.similarity for one in found] == pytest.approx(
            [one.similarity for one in expected], abs=1e-5
        )
    again, gone = grown.grow(posters)
    assert (len(again), gone) == (5, 0)


def test_an_index_does_not_grow_by_the_same_files_under_another_path(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of_pictures(tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    index = Index.build("pictures", out=tmp_path / "index", model=tiny_model)
    for known in ("./pictures", "pictures/../pictures", str(tmp_path / "pictures")):
        index, gone = index.grow(known)
        assert (len(index), gone) == (6, 0)
    (tmp_path / "pictures" / "green.png").rename(tmp_path / "pictures" / "renamed.png")
    index, gone = index.grow("pictures")
    assert (len(index), gone) == (7, 1)


def test_a_growth_that_is_interrupted_leaves_the_index_as_it_was(
    index: Index, tiny_model: Path, tmp_path: Path
) -> None:
    before = {file.name: file.read_bytes() for file in index.path.iterdir()}

    def interrupt(*done: int) -> None:
        raise KeyboardInterrupt

    folder_of_pictures(tmp_path / "pictures")
    with pytest.raises(KeyboardInterrupt):
        index.grow(tmp_path / "pictures", progress=interrupt)
    assert {file.name: file.read_bytes() for file in index.path.iterdir()} == before
    # Where a disk cannot exchange folders, a kill leaves the old one under another name.
    dead = f".index.{owners._machine()}-99999999-1.0123abcd.partial"
    index.path.rename(tmp_path / f"{dead}.old")
    assert len(Index.open(index.path, tiny_model).grow(tmp_path / "pictures")[0]) == 12


def test_an_index_in_a_store_is_not_grown_in_the_copy_of_it(index: Index, tmp_path: Path) -> None:
    index._place = paths.place("s3://films/index")
    with pytest.raises(PosterIndexError, match="s3://films/index: cannot grow in a store"):
        index.grow(tmp_path / "posters")


def test_many_neighbours_are_asked_for_in_parts(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = index.nearest(plain((250, 25, 25)), 6)
    monkeypatch.setattr("keyart.similar._AT_ONCE", 4)
    assert index.nearest(plain((250, 25, 25)), 6) == expected
    with pytest.raises(PosterIndexError, match="an embedding with NaN"):
        index.nearest(np.full(index.facts["channels"], np.nan, np.float32))


def any_rows(kind: str, rows: int, channels: int, seed: int) -> Embeddings:
    """Embeddings with many equal ones, or of length 0, or all but equal, or large or small."""
    random = np.random.default_rng(seed)
    found = random.normal(size=(rows, channels)).astype(np.float32)
    if kind == "equal":
        return found[random.integers(0, max(1, rows // 10), rows)]
    if kind == "zero":
        return found * (random.random((rows, 1)) < 0.5).astype(np.float32)
    if kind == "same":
        return np.repeat(found[:1], rows, axis=0)
    return found * np.float32(kind)


@given(
    st.sampled_from(["equal", "zero", "same", "1e-12", "1", "1e15"]),
    st.integers(1, 300), st.sampled_from([1, 2, 64, 65, 80]), st.integers(1, 400),
    st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_a_search_is_exact_whatever_the_embeddings(
    kind: str, rows: int, channels: int, count: int, seed: int
) -> None:
    known = any_rows(kind, rows, channels, seed)
    mean = known.mean(0, dtype=np.float64).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "embeddings.npy", known)
        write_search(Path(folder), mean)
        index = Embedded.open(Path(folder))
        for query in (known[0], mean, known[-1] + known[0]):
            places, found = index.most_similar(query, count)
            apart, wanted = (known - mean).astype(float), (query - mean).astype(float)
            lengths = np.linalg.norm(apart, axis=1) * np.linalg.norm(wanted)
            cosines = np.divide(apart @ wanted, lengths, out=np.zeros(rows), where=lengths > 0)
            assert len(set(places)) == min(rows, count)
            np.testing.assert_allclose(found, cosines[list(places)], atol=3e-5)
            np.testing.assert_allclose(found, np.sort(cosines)[::-1][:count], atol=3e-5)


def test_an_index_of_a_catalog_grows_with_it(
    catalog: Catalog, index: Index, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "posters" / "cyan.png").write_bytes(plain((10, 240, 240)))
    with (tmp_path / "films.csv").open("a", newline="") as file:
        csv.writer(file).writerow(["cyan", "<b>cyan</b>", 1999, "Blue"])
    more = catalog.grow(films=tmp_path / "films.csv", posters=tmp_path / "posters")
    opened = Index.open(index.path, tiny_model)
    grown, gone = opened.grow(more)
    assert (len(grown), gone) == (7, 0)
    assert grown.facts["catalog"] == more.fingerprint
    (best,) = grown.nearest(plain((20, 230, 230)), 1)
    assert (best.film_id, best.genres) == ("cyan", ("Blue",))
    assert grown.thumbnail(best.place)


def test_a_poster_finds_similar_ones_with_their_genres(index: Index) -> None:
    query = plain((250, 25, 25))
    first, second = index.nearest(query, 2)
    assert {first.film_id, second.film_id} == {"red", "dark-red"}
    assert first.genres == ("Red",)
    assert first.title == f"<b>{first.film_id}</b>"
    assert first.year == 1999
    assert first.similarity >= second.similarity
    assert len(index.nearest(query, 99)) == len(index) == 6
    assert len(index.nearest(query)) == 5
    assert index.nearest(query, 0) == []


def test_a_poster_in_any_form_finds_the_same(index: Index, tmp_path: Path) -> None:
    data = plain((200, 60, 10))
    file = tmp_path / "query.png"
    file.write_bytes(data)
    pixels = np.full((60, 40, 3), (200, 60, 10), np.uint8)
    (embedding,) = index.predictor.embed([file])
    forms = (data, file, str(file), pixels, Image.fromarray(pixels), embedding)
    answers = [index.nearest(form, 3) for form in forms]
    assert all(answer == answers[0] for answer in answers)


def test_an_embedding_of_another_size_is_refused(index: Index) -> None:
    with pytest.raises(PosterIndexError, match="an embedding of 4 channels, expected 3"):
        index.nearest(np.ones(4, np.float32))


def test_thumbnails_are_the_posters(catalog: Catalog, index: Index, tmp_path: Path) -> None:
    file = tmp_path / "thumbnail.jpg"
    for place, film in enumerate(catalog):
        file.write_bytes(index.thumbnail(place))
        with Image.open(file) as image:
            mean = np.asarray(image).mean((0, 1))
        assert np.abs(mean - COLOURS[film.film_id]).max() < 25
    for place in (6, -1):
        with pytest.raises(IndexError):
            index.thumbnail(place)


def test_an_index_belongs_to_one_model(index: Index, tiny_model: Path, tmp_path: Path) -> None:
    other = tiny_bundle(tmp_path / "other", note="another")
    for model in (other.path, Predictor(other)):
        with pytest.raises(PosterIndexError, match="another model"):
            Index.open(index.path, model)
    # Without a model it is opened for what needs none; the model in the box did not make it.
    opened = Index.open(index.path)
    assert opened.near_duplicates() == []
    with pytest.raises(PosterIndexError, match="another model"):
        opened.nearest(plain((9, 9, 9)))
    assert Index.open(index.path, tiny_model).nearest(plain((9, 9, 9)), 1)


def test_damage_is_reported(
    catalog: Catalog, index: Index, tiny_model: Path, tmp_path: Path
) -> None:
    path = index.path
    with pytest.raises(PosterIndexError, match="already exists"):
        Index.build(catalog, out=path, model=tiny_model)
    names = sorted(file.name for file in path.iterdir())
    assert names == [
        "axes.npy", "embeddings.npy", "films.sqlite", "front.npy", "hashes.npy", "index.json",
        "mean.npy", "norms.npy", "rest.npy", "small.npy",
    ]  # fmt: skip
    for name in names:
        whole = (path / name).read_bytes()
        (path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(PosterIndexError, match="damaged"):
            Index.open(path)
        (path / name).unlink()
        with pytest.raises(PosterIndexError, match=f"{name} is missing|no index here"):
            Index.open(path)
        (path / name).write_bytes(whole)
    np.save(path / "hashes.npy", np.zeros(5, np.uint64))
    with pytest.raises(PosterIndexError, match="its files disagree"):
        Index.open(path)


@pytest.mark.parametrize(("version", "message"), [(1, "make it again"), (99, "upgrade keyart")])
def test_another_format_is_refused(index: Index, version: int, message: str) -> None:
    facts = json.loads((index.path / "index.json").read_text())
    (index.path / "index.json").write_text(json.dumps({**facts, "format": version}))
    with pytest.raises(PosterIndexError, match=f"format {version}, .*{message}"):
        Index.open(index.path)


def test_a_poster_that_cannot_be_read_is_an_error(index: Index, tmp_path: Path) -> None:
    with pytest.raises(PosterError, match=r"none.png: no such file"):
        index.nearest(tmp_path / "none.png")


def test_over_a_million_films_ask_for_a_library(
    catalog: Catalog, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyart.similar.LARGEST", 5)
    with pytest.raises(PosterIndexError, match="library of approximate search"):
        Index.build(catalog, out=tmp_path / "index", model=tiny_model)
    assert not (tmp_path / "index").exists()


def reds(seed: int, size: tuple[int, int] = (60, 90)) -> Image.Image:
    """A picture of its own, all in reds: the tiny network sees little but the colour."""
    grey = poster(seed, size).convert("L")
    black = Image.new("L", size, 20)
    return Image.merge("RGB", (grey.point(lambda value: 120 + value // 4), black, black))


def near_duplicates(
    folder: Path, model: Path, posters: dict[str, Image.Image]
) -> tuple[set[frozenset[str]], list[float]]:
    """The pairs that an index of these posters finds, and their similarities."""
    index = Index.build(catalog_of(folder, posters), out=folder / "index", model=model)
    found = index.near_duplicates()
    pairs = {frozenset((pair.first.film_id, pair.second.film_id)) for pair in found}
    assert len(pairs) == len(found)
    return pairs, [pair.similarity for pair in found]


@pytest.mark.parametrize("block", [2, 1024])
def test_the_same_artwork_is_found_in_another_size_and_light_and_other_artwork_is_not(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("keyart.similar.BLOCK", block)
    monkeypatch.setattr("keyart.indexing.BLOCK", block)
    posters = {
        "one": reds(1),
        "larger": reds(1, (120, 180)),
        "darker": reds(1).point(lambda value: value * 4 // 5),
        "two": reds(2),  # of the same colours: the network alone would take it for a copy
        **{f"blue{n}": Image.new("RGB", (60, 90), (10 * n, 20, 250 - n)) for n in range(5)},
    }
    pairs, similarities = near_duplicates(tmp_path, tiny_model, posters)
    copies = ("one", "larger", "darker")
    assert pairs == {frozenset((a, b)) for a in copies for b in copies if a < b}
    assert similarities == sorted(similarities, reverse=True)
    index = Index.open(tmp_path / "index", tiny_model)
    others = index.nearest(tmp_path / "posters" / "one.png", 4)
    assert {film.film_id for film in others} == {"two", *copies}


def test_near_duplicates_are_films_with_the_similarity_of_their_embeddings(
    tiny_model: Path, tmp_path: Path
) -> None:
    picture = reds(3, (90, 135))
    posters = {"red-a": picture, "b": picture, **{f"z{n}": poster(n) for n in range(10, 14)}}
    index = Index.build(catalog_of(tmp_path, posters), out=tmp_path / "index", model=tiny_model)
    (found,) = index.near_duplicates()
    assert found.first == Film("b", "<b>b</b>", 1999, ("Blue",))
    assert found.second == Film("red-a", "<b>red-a</b>", 1999, ("Red",))
    assert found.similarity == pytest.approx(1)


def test_posters_of_one_colour_are_near_duplicates_of_their_exact_copies_alone(
    tiny_model: Path, tmp_path: Path
) -> None:
    flat = {name: Image.new("RGB", (60, 90), (200, 10, 10)) for name in ("a", "copy")}
    flat["darker"] = Image.new("RGB", (60, 90), (190, 10, 10))  # of the same hash
    pairs, _ = near_duplicates(tmp_path, tiny_model, {**flat, "other": poster(1)})
    assert pairs == {frozenset(("a", "copy"))}


def test_the_pairs_of_an_index_connect_the_groups_of_its_catalog(
    tiny_model: Path, tmp_path: Path
) -> None:
    posters = {
        f"f{seed}{copy}": poster(seed, size)
        for seed in range(6)
        for copy, size in (("a", (90, 135)), ("b", (60, 90)), ("c", (44, 66)))
    }
    catalog = catalog_of(tmp_path, posters)
    index = Index.build(catalog, out=tmp_path / "index", model=tiny_model)
    group = dict(zip((film.film_id for film in catalog), catalog.groups, strict=True))
    found = index.near_duplicates()
    assert all(group[pair.first.film_id] == group[pair.second.film_id] for pair in found)
    paired = {film.film_id for pair in found for film in (pair.first, pair.second)}
    assert paired == set(posters)


def test_an_index_needs_no_pyarrow_and_no_imagehash_to_find_near_duplicates(
    index: Index, tiny_model: Path
) -> None:
    script = (
        "import sys; sys.modules['pyarrow'] = sys.modules['imagehash'] = None\n"
        "from keyart.similar import Index\n"
        "index = Index.open(sys.argv[1], sys.argv[2])\n"
        "print(len(index.near_duplicates()), len(index.nearest(sys.argv[3], 2)))\n"
    )
    query = index.path.parent / "posters" / "red.png"
    command = [sys.executable, "-c", script, *map(str, (index.path, tiny_model, query))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0 2\n", "")


def folder_of_pictures(folder: Path) -> Path:
    """Posters of one colour each, two that cannot be read, and a file that is no picture."""
    (folder / "below").mkdir(parents=True)
    for name, colour in COLOURS.items():
        place = folder / "below" / "Alien (1979).png" if name == "red" else folder / f"{name}.png"
        place.write_bytes(plain(colour))
    (folder / "broken.png").write_bytes(b"broken")
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("none")
    return folder


def test_a_folder_is_indexed_without_a_catalog_and_lists_what_it_cannot_read(
    catalog: Catalog, index: Index, tiny_model: Path, tmp_path: Path
) -> None:
    folder = folder_of_pictures(tmp_path / "pictures")
    calls: list[tuple[int, int]] = []
    made = Index.build(
        folder, out=tmp_path / "made", model=tiny_model, progress=lambda *at: calls.append(at)
    )
    assert calls[-1] == (8, 8)
    assert len(made) == 6
    red = folder / "below" / "Alien (1979).png"
    (first,) = made.nearest(red, 1)
    assert (first.film_id, first.title, first.year, first.genres) == (str(red), "Alien", 1979, ())
    assert first.similarity == pytest.approx(1, abs=1e-5)
    reasons = {one.poster: one.reason for one in made.unread}
    assert list(reasons) == [str(folder / "broken.png"), str(folder / "empty.jpg")]
    assert reasons[str(folder / "empty.jpg")] == "the file is empty"
    assert Index.open(tmp_path / "made", tiny_model).unread == made.unread
    assert index.unread == []
    # The same posters in a catalog have the same neighbours.
    again = Index.build(tmp_path / "posters", out=tmp_path / "again", model=tiny_model)
    order = [Path(one.film_id).stem for one in again.nearest(red, 6)]
    assert order == [one.film_id for one in index.nearest(red, 6)]
    assert len(again.near_duplicates()) == len(index.near_duplicates())


def test_a_search_among_a_folder_finds_what_its_index_finds_but_not_the_poster_itself(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = folder_of_pictures(tmp_path / "pictures")
    made = Index.build(folder, out=tmp_path / "made", model=tiny_model)
    found, unread, compared = nearest_among(plain((200, 60, 10)), folder, 3, model=tiny_model)
    expected = made.nearest(plain((200, 60, 10)), 3)
    assert [one.film_id for one in found] == [one.film_id for one in expected]
    assert [one.similarity for one in found] == pytest.approx(
        [one.similarity for one in expected], abs=1e-5
    )
    assert ([one.poster for one in unread], compared) == ([one.poster for one in made.unread], 6)
    found, _, compared = nearest_among(folder / "green.png", str(folder), 9, model=tiny_model)
    assert compared == len(found) == 5
    assert str(folder / "green.png") not in {one.film_id for one in found}
    for name in COLOURS:
        (folder / f"{name}.png").write_bytes(b"broken")
    (folder / "below" / "Alien (1979).png").unlink()
    with pytest.raises(PosterError, match=r"none of 8 .* can be read \(.*blue.png: not a pict"):
        nearest_among(plain((9, 9, 9)), folder, model=tiny_model)
    with pytest.raises(PosterError, match="none of 8 posters can be read"):
        Index.build(folder, out=tmp_path / "none", model=tiny_model)
    assert not (tmp_path / "none").exists()


def test_the_commands_take_folders_catalogs_and_indexes(
    catalog: Catalog, tiny_model: Path, tmp_path: Path
) -> None:
    def run(*arguments: object) -> Result:
        options = ["--model", tiny_model]
        return CliRunner().invoke(app, [str(one) for one in (*arguments, *options)])

    folder = folder_of_pictures(tmp_path / "pictures")
    query = folder / "green.png"
    made = run("index", folder, "--out", tmp_path / "made")
    assert made.stdout == f"{tmp_path / 'made'}: 6 posters\n"
    assert f"2 of 8 posters could not be read; {tmp_path / 'made' / 'unread.csv'} lists them" in (
        made.stderr
    )
    assert run("index", catalog.path, "--out", tmp_path / "of-catalog").exit_code == 0
    searched = run("similar", query, folder)
    assert f"compared with 5 posters in {folder}; to search it often" in searched.stderr
    assert "2 of 7 posters could not be read" in searched.stderr
    assert searched.stdout.splitlines()[0].startswith("similarity")
    assert len(searched.stdout.splitlines()) == 6
    by_index = run("similar", query, "--index", tmp_path / "made")
    assert run("similar", query, tmp_path / "made").stdout == by_index.stdout
    for wrong in ([query], [query, folder, "--index", tmp_path / "made"]):
        assert run("similar", *wrong).exit_code == 2
