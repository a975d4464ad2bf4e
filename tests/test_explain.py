"""explain.py: the maps find what decides, agree with Grad-CAM, and say where in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont
from typer.testing import CliRunner

from keyart.bundle import Bundle, Content, NetworkFiles, write_bundle
from keyart.calibration import Calibration
from keyart.cli import app
from keyart.decisions import Decisions
from keyart.errors import BundleError, PosterError, UnknownGenreError
from keyart.explain import Explanation, Method
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec
from keyart.images.write import write_picture
from keyart.lit_poster import colours, draw_explanations, glow
from keyart.models.classifier import GenreClassifier, build_classifier
from keyart.predictor import Predictor
from keyart.training.onnx_export import export_onnx
from tests.tiny import VOCABULARY, tiny_bundle
from tests.tiny_titles import titled_bundle
from tests.wire import encoded

METHODS: tuple[Method, ...] = ("activation", "occlusion")


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor.load(tiny_bundle(tmp_path / "bundle").path)


def poster(top: int, left: int, colour: tuple[int, int, int], *, side: int = 16) -> Pixels:
    """A grey poster of 96x72 with one square of a decisive colour."""
    rgb = np.full((96, 72, 3), 40, np.uint8)
    rgb[top : top + side, left : left + side] = colour
    return rgb


def peak(explanation: Explanation) -> tuple[float, float]:
    """Middle of the strongest place, as fractions of the height and the width."""
    row, column = np.unravel_index(int(explanation.map.argmax()), explanation.map.shape)
    rows, columns = explanation.map.shape
    return (float(row) + 0.5) / rows, (float(column) + 0.5) / columns


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("top", "left", "where"),
    [(4, 4, "top left"), (40, 28, "middle"), (76, 52, "bottom right"), (40, 54, "middle right")],
)
def test_the_map_finds_the_one_decisive_region(
    predictor: Predictor, method: Method, top: int, left: int, where: str
) -> None:
    data = encoded(poster(top, left, (255, 40, 40)))
    (red,) = predictor.explain(data, ["Red"], method)
    down, across = peak(red)
    assert top / 96 <= down <= (top + 16) / 96
    assert left / 72 <= across <= (left + 16) / 72
    assert red.where == where
    outside = red.heat[red.heat < 0.5]
    assert outside.size > 0.7 * red.heat.size


@pytest.mark.parametrize("method", METHODS)
def test_each_genre_has_its_own_region(predictor: Predictor, method: Method) -> None:
    rgb = poster(4, 4, (255, 40, 40))
    rgb[72:88, 48:64] = (40, 40, 255)
    red, green, blue = predictor.explain(encoded(rgb), VOCABULARY.names, method)
    assert (red.genre, green.genre, blue.genre) == VOCABULARY.names
    assert red.where == "top left"
    assert blue.where == "bottom right"


def test_occlusion_is_negative_at_a_place_that_speaks_against_the_genre(
    predictor: Predictor,
) -> None:
    rgb = np.full((96, 72, 3), 200, np.uint8)
    rgb[4:20, 4:22] = (0, 200, 200)
    (red,) = predictor.explain(encoded(rgb), ["Red"], "occlusion")
    assert red.map.min() < -0.01
    row, column = np.unravel_index(int(red.map.argmin()), red.map.shape)
    assert max(int(row), int(column)) <= 1


def test_a_map_that_is_even_points_nowhere() -> None:
    even = Explanation("Red", 0.1, 0.5, "activation", np.full((4, 3), -1.0))
    against = Explanation("Red", 0.1, 0.5, "occlusion", np.full((4, 3), -1.0))
    for one in (even, against):
        assert one.where == "nowhere in particular"
        assert one.heat.max() == 0


def test_places_that_lower_a_rare_genre_least_are_its_heat() -> None:
    rows = [[-3.0, -3.0, -3.0], [-3.0, -0.5, -3.0], [-3.0, -3.0, -2.5]]
    rare = Explanation("Red", 0.1, 0.5, "activation", np.array(rows))
    assert rare.where == "middle"
    assert rare.heat[1, 1] == 1
    assert rare.heat[0].max() == 0


def test_scores_and_thresholds_are_the_predictions(predictor: Predictor) -> None:
    data = encoded(poster(4, 4, (255, 40, 40)))
    film = predictor.predict(data)
    explained = predictor.explain(data, VOCABULARY.names)
    assert [one.score for one in explained] == pytest.approx(list(film.scores.values()))
    assert [one.threshold for one in explained] == [0.5, 0.5, 0.9]


@pytest.mark.parametrize("balanced", [False, True])
def test_a_threshold_is_the_one_that_predicts(balanced: bool) -> None:
    box = Predictor.load(balanced=balanced)
    film = box.predict(title="Saw II", year=2005)
    explained = box.explain(genres=box.genres, title="Saw II", year=2005)
    assert {one.genre: one.threshold for one in explained} == film.thresholds
    reached = [one.genre for one in explained if one.score >= one.threshold]
    assert set(reached) == set(film.genres) != set()


def padded_bundle(folder: Path) -> Predictor:
    """The tiny model, but with posters padded to its input, not squashed."""
    onnx = tiny_bundle(folder / "squash").onnx.read_bytes()
    spec = ImageSpec(height=32, width=24, fit="pad")
    return Predictor(plain_bundle(folder / "pad", onnx, spec))


def plain_bundle(path: Path, onnx: bytes, spec: ImageSpec) -> Bundle:
    """A bundle of a network, without calibration."""
    decisions = Decisions(Calibration.identity(3), np.array([0.5, 0.5, 0.9]))
    content = Content(NetworkFiles(onnx, spec), VOCABULARY, decisions, card="", provenance={})
    return write_bundle(path, content)


@pytest.mark.parametrize("method", METHODS)
def test_padding_does_not_shift_the_map(tmp_path: Path, method: Method) -> None:
    wide = np.full((60, 180, 3), 40, np.uint8)  # fills an eighth of the height of the input
    wide[:, 120:] = (255, 40, 40)
    (red,) = padded_bundle(tmp_path).explain(encoded(wide), ["Red"], method)
    _, across = peak(red)
    assert across > 2 / 3
    assert red.map.shape[0] < red.map.shape[1]
    # The black around the poster is not in its map.
    lit = red.map[:, -1]
    assert lit.min() > 0.5 * lit.max()


def test_a_network_without_maps_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor.load(tiny_bundle(tmp_path / "bundle").path)
    network = predictor.scorer.network
    monkeypatch.setattr(network, "has", lambda output: output == "logits")
    data = encoded(poster(4, 4, (255, 0, 0)))
    with pytest.raises(BundleError, match="has no output maps"):
        predictor.explain(data, method="activation")
    assert [one.method for one in predictor.explain(data, VOCABULARY.names)] == ["occlusion"] * 3


def test_what_cannot_be_explained_is_an_error(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(UnknownGenreError, match="Crimson"):
        predictor.explain(encoded(poster(4, 4, (255, 0, 0))), ["Crimson"])
    with pytest.raises(PosterError):
        predictor.explain(b"no poster")
    with pytest.raises(PosterError, match="no such file"):
        predictor.explain(tmp_path / "none.jpg")


def test_a_wrong_argument_of_explain_is_named(predictor: Predictor) -> None:
    film = poster(0, 0, (255, 0, 0))
    with pytest.raises(TypeError, match="genres: expected several names, got 'Red'; pass a list"):
        predictor.explain(film, "Red")
    method: Any = "gradient"
    with pytest.raises(ValueError, match="expected 'activation' or 'occlusion', got 'gradient'"):
        predictor.explain(film, method=method)


def test_a_title_that_says_nothing_is_not_left_out_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "poster.png"
    file.write_bytes(encoded(poster(0, 0, (255, 0, 0))))
    model = titled_bundle(tmp_path / "titled").path
    told = []
    for title in ("Unheard of", "Saw", " "):
        words = ["explain", str(file), "--title", title, "--model", str(model)]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0
        told.append(done.stderr)
    assert told == ["the title is not used: nothing in it is known to this model\n", "", ""]


def test_a_file_is_explained_by_its_own_genres_and_drawn(
    predictor: Predictor, tmp_path: Path
) -> None:
    file = tmp_path / "poster.png"
    file.write_bytes(encoded(np.full((96, 72, 3), (250, 200, 30), np.uint8)))
    out = tmp_path / "heat.png"
    explained = predictor.explain(file)
    write_picture(out, draw_explanations(file, explained))
    # The predicted ones, and the next highest scores up to three.
    assert [one.genre for one in explained] == ["Red", "Green", "Blue"]
    assert [one.score >= one.threshold for one in explained] == [True, True, False]
    with Image.open(out) as picture:
        assert picture.width > 4 * 360
        described = picture.getexif()[0x010E]
    assert described == "Where genres come from: " + "; ".join(
        f"{one.genre} {one.score:.0%}{one.whence}" for one in explained
    ) + "."  # fmt: skip


def spot(strength: float, row: int = 1) -> Explanation:
    """A genre that one of six by four places speaks for."""
    places = np.zeros((6, 4))
    places[row, 2] = strength
    return Explanation("Red", 0.9, 0.5, "occlusion", places)


@pytest.mark.parametrize("ground", [20, 128, 240])
def test_the_colours_are_brightest_at_the_evidence_on_dark_and_light_posters(ground: int) -> None:
    rgb = np.full((180, 120, 3), ground, np.uint8)
    rgb[::2] += 10
    lit = glow(rgb, spot(2.0)).astype(int)
    assert lit.shape == rgb.shape
    assert lit[43:47, 73:77].mean() > lit[120:, :30].mean() + 60
    # A line around the strongest region, and around nothing else.
    line = (lit == (255, 226, 170)).all(2)
    assert line.any()
    assert not line[95:].any()


def test_genres_are_drawn_on_one_scale() -> None:
    rgb = np.full((180, 120, 3), 128, np.uint8)
    strong, weak = (glow(rgb, spot(strength), 2.0)[45, 75].mean() for strength in (2.0, 0.5))
    assert strong > weak + 60
    assert glow(rgb, spot(0.5), 2.0)[45, 75].tolist() == glow(rgb, spot(0.25), 1.0)[45, 75].tolist()


def test_a_map_that_points_to_no_place_has_no_outline() -> None:
    even = glow(np.full((180, 120, 3), 128, np.uint8), spot(0.01))
    assert not (even == (255, 226, 170)).all(2).any()


def test_equal_steps_are_equal_steps_of_lightness() -> None:
    linear = (colours(np.linspace(0, 1, 11)) / 255).astype(float)
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    # CIE lightness, which is not what the colours are made with.
    lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
    steps = np.diff(lightness)
    assert (steps > 5).all()
    assert steps.max() < 1.8 * steps.min()


def test_a_sheet_has_a_legend_with_the_most_that_a_colour_stands_for() -> None:
    rgb = np.full((90, 60, 3), 128, np.uint8)
    sheets = [
        np.asarray(draw_explanations(rgb, [spot(strength), spot(0.2)])) for strength in (1.0, 3.0)
    ]
    foot = [sheet[504:, :344] for sheet in sheets]  # under the poster itself
    assert (foot[0].std(axis=2) > 20).any()
    assert (foot[0] != foot[1]).any()


def trained_like(model: GenreClassifier) -> GenreClassifier:
    """A network without zero-initialised blocks, so that its features depend on the poster."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return model.eval()


def test_activation_maps_are_grad_cams_of_the_last_feature_map(tmp_path: Path) -> None:
    gradcam = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    import cv2
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    torch.manual_seed(0)
    spec = ImageSpec(height=96, width=64)
    model = trained_like(build_classifier("posternet-small", spec, 3, 0.0))
    samples = np.random.default_rng(0).integers(0, 256, (2, 96, 64, 3), dtype=np.uint8)
    bundle = plain_bundle(tmp_path / "bundle", export_onnx(model, samples), spec)
    ours = Predictor(bundle).explain(encoded(samples[0]), VOCABULARY.names)

    # A float copy, as gradients do not flow into bytes; the library wants planes first.
    planes = torch.from_numpy(samples[:1]).float().permute(0, 3, 1, 2)

    class Planes(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return model(x.permute(0, 2, 3, 1))  # type: ignore[no-any-return]

    for genre, one in enumerate(ours):
        with gradcam.GradCAM(Planes(), [model.backbone]) as cam:
            theirs = cam(planes, [ClassifierOutputTarget(genre)])[0]
        # The library enlarges its map to the input and stretches it from 0 to 1: so do we here.
        raw = np.maximum(one.map, 0).astype(np.float32)
        large = cv2.resize(raw - raw.min(), (64, 96))
        assert np.abs(large / large.max() - theirs).max() < 1e-3


def test_a_word_in_any_script_is_drawn() -> None:
    """A font without its letters draws the same box for all of them."""
    try:
        ImageFont.truetype("DejaVuSans.ttf")
    except OSError:
        pytest.skip("no font with Cyrillic letters is installed (apt-get install fonts-dejavu)")
    even = np.zeros((4, 3))

    def drawn(word: str) -> bytes:
        one = Explanation("Red", 0.9, 0.5, "activation", even, {word: 1.0}, {"title": 0.9})
        return draw_explanations(None, [one]).tobytes()

    assert drawn("alien") != drawn("aliem")
    assert drawn("\u0436\u0443\u043a") != drawn("\u0441\u043e\u043c")
    assert drawn("x" * 500)
