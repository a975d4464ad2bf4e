"""Pictures that are no posters get a warning, and no genres unless a title stands by them."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.random import Generator
from PIL import Image, ImageDraw

from keyart.bundle import content_of, write_bundle
from keyart.errors import BundleError
from keyart.images.decode import Pixels
from keyart.manifest import digest_of
from keyart.prediction import Prediction, Query
from keyart.predictor import Predictor
from keyart.service.app import create_app
from keyart.terminal.predictions import show_explanations
from keyart.typical import NUMBERS, NUMBERS_BEFORE, Typical, fit_typical, summary
from keyart.writers import to_table
from tests.tiny_titles import titled_bundle

RANDOM = np.random.default_rng(0)
WARNING = "does not look like a poster"


def painted(random: np.random.Generator, height: int = 192, width: int = 128) -> Pixels:
    """Something like a poster: a scene that darkens downwards, figures, and a title."""
    sky = random.integers(40, 230, 3)[None, None] * np.linspace(1, 0.3, height)[:, None, None]
    grain = random.normal(0, random.uniform(4, 25), (height // 4, width // 4, 3))
    rough = np.clip(np.repeat(np.repeat(grain, 4, 0), 4, 1) + sky, 0, 255).astype(np.uint8)
    image = Image.fromarray(rough)
    pen = ImageDraw.Draw(image)
    for _ in range(random.integers(2, 7)):
        left, top = int(random.integers(0, width - 20)), int(random.integers(0, height - 40))
        size = random.integers(15, 70, 2).tolist()
        colour = tuple(random.integers(0, 256, 3).tolist())
        pen.ellipse((left, top, left + size[0], top + size[1]), fill=colour)
    pen.text((10, height - 40), "THE FILM", fill=tuple(random.integers(180, 256, 3).tolist()))
    return np.asarray(image)


def page_of_text() -> Pixels:
    image = Image.new("RGB", (128, 192), "white")
    pen = ImageDraw.Draw(image)
    for top in range(8, 184, 6):
        for left in range(8, 116, 4):
            if RANDOM.random() < 0.7:
                pen.line((left, top, left + 2, top + 2), fill="black")
    return np.asarray(image)


def mosaic(
    spot: int, colours: int = 3, size: tuple[int, int] = (192, 128), random: Generator = RANDOM
) -> Pixels:
    """Noise of spots that are so many pixels wide. size: height and width."""
    height, width = size
    spots = random.integers(0, 256, (height // spot + 1, width // spot + 1, colours), np.uint8)
    noise = spots.repeat(spot, 0).repeat(spot, 1)[:height, :width]
    return np.broadcast_to(noise, (height, width, 3))


NO_POSTERS: dict[str, Callable[[], Pixels]] = {
    "white": lambda: np.full((192, 128, 3), 255, np.uint8),
    "black": lambda: np.zeros((192, 128, 3), np.uint8),
    "gradient": lambda: np.repeat(
        np.repeat(np.linspace(0, 255, 192).astype(np.uint8)[:, None, None], 128, 1), 3, 2
    ),
    "noise": lambda: mosaic(1),
    "noise of small spots": lambda: mosaic(4),
    "noise of large spots": lambda: mosaic(8),
    "grey noise": lambda: mosaic(4, colours=1),
    "text": page_of_text,
    "landscape": lambda: painted(RANDOM, 128, 228),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The tiny model, which has learned what painted posters look like."""
    folder = tmp_path_factory.mktemp("typical")
    plain = Predictor(titled_bundle(folder / "plain"))
    random = np.random.default_rng(1)
    films = [painted(random) for _ in range(500)]
    prepared = [plain.prepare(film) for film in films]
    numbers = summary(plain.poster_logits(prepared), np.stack([one[0] for one in prepared]))
    aspects = random.uniform(0.64, 0.72, 500)
    typical = fit_typical(numbers[:350], numbers[350:], aspects)
    content = replace(content_of(plain.bundle), typical=typical)
    return Predictor(write_bundle(folder / "bundle", content))


@pytest.mark.parametrize("name", NO_POSTERS)
def test_what_is_no_poster_gets_a_warning_and_scores_but_no_genres(
    model: Predictor, name: str
) -> None:
    found = model.predict(NO_POSTERS[name]())
    assert found.warning == WARNING
    assert (found.genres, found.maybe, found.unsure) == ((), (), True)
    assert max(found.scores.values()) > 0
    assert found.to_dict()["warning"] == WARNING
    assert WARNING in repr(found)
    assert WARNING in found._repr_html_()
    assert to_table([found])["reason"].to_pylist() == [WARNING]


def test_at_most_one_poster_in_fifty_is_doubted_and_none_changes_its_scores(
    model: Predictor,
) -> None:
    random = np.random.default_rng(2)
    posters = [painted(random) for _ in range(300)]
    found = list(model.predict_many(posters))
    doubted = [one for one in found if isinstance(one, Prediction) and one.warning]
    assert len(doubted) <= 6
    silent = model.deciding()
    silent.bundle = replace(model.bundle, typical=None)
    for one, other in zip(found, silent.predict_many(posters), strict=True):
        assert isinstance(one, Prediction)
        assert isinstance(other, Prediction)
        assert one.scores == other.scores
        assert one.warning or one.genres == other.genres


def test_a_title_stands_by_a_picture_that_is_no_poster(model: Predictor) -> None:
    by_title, by_year = model.predict_many(
        [
            Query(NO_POSTERS["white"](), title="Saw"),
            Query(NO_POSTERS["white"](), year=1950),
        ]
    )
    assert isinstance(by_title, Prediction)
    assert isinstance(by_year, Prediction)
    assert by_title.warning == by_year.warning == WARNING
    assert "title" in by_title.evidence
    assert by_title.genres
    assert by_year.genres == ()


def test_an_explanation_says_that_a_genre_is_withheld(
    model: Predictor, capsys: pytest.CaptureFixture[str]
) -> None:
    white = NO_POSTERS["white"]()
    found = model.explain(white, model.genres)
    assert max(one.score / one.threshold for one in found) >= 1  # and yet no genre is predicted
    assert not any(one.predicted for one in found)
    assert all(one.to_dict()["warning"] == WARNING for one in found)
    show_explanations(found)
    shown = capsys.readouterr().out
    assert WARNING in shown
    assert "(predicted" not in shown
    by_title = model.explain(white, model.genres, title="Saw")
    predicted = tuple(one.genre for one in by_title if one.predicted)
    assert sorted(predicted) == sorted(model.predict(white, title="Saw").genres)
    show_explanations(by_title)
    shown = capsys.readouterr().out
    assert WARNING in shown
    assert shown.count("(predicted") == len(predicted) > 0
    assert not model.explain(painted(np.random.default_rng(3)))[0].warning


def test_the_service_warns_too(model: Predictor) -> None:
    file = io.BytesIO()
    Image.fromarray(NO_POSTERS["text"]()).save(file, "PNG")
    with TestClient(create_app(model), base_url="http://127.0.0.1") as client:
        answer = client.post("/v1/predictions", files={"poster": ("page.png", file.getvalue())})
    (found,) = answer.json()["predictions"]
    assert (found["warning"], found["genres"], found["unsure"]) == (WARNING, [], True)


def test_what_was_learned_is_the_same_after_writing_and_reading(model: Predictor) -> None:
    typical = model.bundle.typical
    assert typical is not None
    again = Typical.from_json(json.loads(json.dumps(typical.to_json())))
    numbers = RANDOM.normal(size=(5, NUMBERS + 3))
    np.testing.assert_array_equal(again.distances(numbers), typical.distances(numbers))
    assert (again.limit, again.narrowest, again.widest) == (
        typical.limit,
        typical.narrowest,
        typical.widest,
    )


def test_a_model_that_knows_the_first_numbers_alone_uses_these(model: Predictor) -> None:
    now = model.bundle.typical
    assert now is not None
    known = NUMBERS_BEFORE + 3
    typical = replace(now, mean=now.mean[:known], whitening=now.whitening[:known, :known])
    path = model.bundle.path.parent / "before"
    content = replace(content_of(model.bundle), typical=typical)
    before = Predictor(write_bundle(path, content))
    numbers = RANDOM.normal(size=(5, NUMBERS + 3))
    assert before.bundle.typical is not None
    np.testing.assert_array_equal(
        before.bundle.typical.distances(numbers), typical.distances(numbers[:, :known])
    )
    assert before.predict(NO_POSTERS["white"]()).warning == WARNING


@pytest.mark.parametrize("part", ["mean", "whitening"])
def test_a_damaged_summary_is_refused(model: Predictor, part: str) -> None:
    file = model.bundle.path / "keyart.json"
    before = file.read_text()
    plain = json.loads(before)
    plain["typical"][part].pop()
    plain["digest"] = digest_of(plain)
    file.write_text(json.dumps(plain))
    try:
        with pytest.raises(BundleError, match=f"typical {part}: expected a list of 21, got 20"):
            Predictor.load(model.bundle.path)
    finally:
        file.write_text(before)


def test_distances_are_those_of_mahalanobis() -> None:
    random = np.random.default_rng(3)
    numbers = random.normal(size=(400, 4)) @ (random.normal(size=(4, 4)) + 4 * np.eye(4))
    found = fit_typical(numbers, numbers, np.full(800, 0.7)).distances(numbers)
    centred = numbers - numbers.mean(0)
    inverse = np.linalg.inv(np.cov(numbers.T, bias=True))
    expected = np.sqrt(np.einsum("ij,jk,ik->i", centred, inverse, centred))
    np.testing.assert_allclose(found, expected, rtol=0.02)


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("spot", [1, 2, 4, 8, 12, 16, 20])
def test_the_model_in_the_box_takes_no_noise_for_a_poster(spot: int, colours: int) -> None:
    random = np.random.default_rng(spot)
    noise = [mosaic(spot, colours, (444, 300), random) for _ in range(5)]
    for found in Predictor.load().predict_many(noise):
        assert isinstance(found, Prediction)
        assert found.warning == WARNING
