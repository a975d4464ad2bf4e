"""Classical models: statistics that no runtime rounds, heads that are scikit-learn's to 1e-4."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier

from keyart.errors import TrainingError
from keyart.genres import Vocabulary
from keyart.models.classical import PosterStatistics
from keyart.models.classifier import GenreClassifier
from keyart.network import Network
from keyart.training.classical_fit import FEWEST_FILMS, fit_head
from keyart.training.classical_recipe import ClassicalRecipe, ForestRecipe, QdaRecipe
from keyart.training.onnx_export import export_onnx

TOLERANCE = 1e-4
VOCABULARY = Vocabulary(("Bright", "Busy", "Rare"))
FOREST = ForestRecipe().with_settings(height=32, width=32, trees=7, min_samples_leaf=3)
QDA = QdaRecipe().with_settings(height=32, width=32, components=12, reg_param=0.2)
RECIPES = pytest.mark.parametrize("recipe", [FOREST, QDA], ids=["random-forest", "qda"])

Truth = npt.NDArray[np.bool_]


def posters(films: int) -> npt.NDArray[np.uint8]:
    """Patches of colour under noise, (films, 32, 32, 3)."""
    random = np.random.default_rng(0)
    patches = random.integers(0, 200, (films, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    noise = random.integers(0, 56, (films, 32, 32, 3))
    return (patches + noise).astype(np.uint8)


def statistics(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    found: npt.NDArray[np.float32] = PosterStatistics(32, 32)(x)[..., 0, 0].numpy()
    return found


def genres(pixels: npt.NDArray[np.uint8]) -> Truth:
    """Bright: above the median. Busy: likewise, of noise. Rare: of three films in all."""
    light = pixels.mean((1, 2, 3))
    noisy = np.abs(np.diff(pixels.astype(int), axis=1)).mean((1, 2, 3))
    rare = np.arange(len(pixels)) < 3
    return np.stack([light > np.median(light), noisy > np.median(noisy), rare], axis=1)


def scores(head: torch.nn.Module, numbers: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    logits = head(torch.from_numpy(numbers)[:, :, None, None])
    found: npt.NDArray[np.float32] = torch.sigmoid(logits).numpy()
    return found


def test_statistics_are_exact_whatever_the_order_of_adding() -> None:
    pixels = posters(20)
    exact = statistics(pixels)
    doubled = PosterStatistics(32, 32)(
        (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255).double()
    )
    assert np.array_equal(exact, doubled[..., 0, 0].numpy())
    assert np.array_equal(exact * 256, np.round(exact * 256))


def test_each_pixel_counts_once_under_its_colour() -> None:
    colours = slice(4 * 3, 4 * 3 + 2 * 30)
    pixels = np.zeros((4, 32, 32, 3), np.uint8)
    pixels[1] = 255
    pixels[2, ..., 0] = 250
    pixels[3, :16] = (10, 30, 240)
    counts = statistics(pixels)[:, colours].reshape(4, 30, 2) * 16
    assert (counts.sum(1) == 16 * 32).all()
    black, white, bright_red, bright_blue = 0, 5, 6 + 1, 6 + 2 * 7 + 1
    assert (counts[0, black] == 512).all()
    assert (counts[1, white] == 512).all()
    assert (counts[2, bright_red] == 512).all()
    assert counts[3, bright_blue].tolist() == [512, 0]
    assert counts[3, black].tolist() == [0, 512]


def test_edges_are_told_apart_by_their_direction() -> None:
    edges = slice(4 * 3 + 2 * 30, None)
    rows, columns = np.mgrid[:32, :32]
    pixels = np.zeros((4, 32, 32, 3), np.uint8)
    for film, wave in enumerate((rows, columns, rows + columns, rows - columns)):
        pixels[film] = np.where(wave // 4 % 2, 255, 0)[..., None]
    strength = statistics(pixels)[:, edges].reshape(4, 4, 4).sum(2)
    assert strength.argmax(1).tolist() == [0, 1, 2, 3]
    assert (strength.max(1) > 0.7 * strength.sum(1)).all()


def test_a_forest_scores_as_scikit_learn_does() -> None:
    pixels = posters(120)
    numbers, truth = statistics(pixels), genres(pixels)
    for recipe in (FOREST.with_settings(balance=False), FOREST):
        found = scores(fit_head(recipe, numbers[:80], truth[:80], VOCABULARY).head, numbers)
        for genre in (0, 1):
            forest = RandomForestClassifier(
                recipe.classifier.trees,
                min_samples_leaf=recipe.classifier.min_samples_leaf,
                class_weight="balanced" if recipe.classifier.balance else None,
                random_state=recipe.classifier.seed,
            ).fit(numbers[:80], truth[:80, genre])
            expected = forest.predict_proba(numbers)[:, 1].clip(1e-4, 1 - 1e-4)
            if recipe.classifier.balance:  # its rate is given back to it
                having = truth[:80, genre].sum() + 1
                odds = expected / (1 - expected) * having / (82 - having)
                expected = odds / (1 + odds)
            assert np.abs(found[:, genre] - expected).max() < TOLERANCE


def test_qda_scores_as_scikit_learn_does() -> None:
    pixels = posters(120)
    numbers, truth = statistics(pixels), genres(pixels)
    found = scores(fit_head(QDA, numbers[:80], truth[:80], VOCABULARY).head, numbers)
    roots = np.sqrt(numbers.astype(float))
    spread = np.where(roots[:80].std(0) > 0, roots[:80].std(0), 1)
    scaled = (roots - roots[:80].mean(0)) / spread
    z = PCA(12, whiten=True, svd_solver="full").fit(scaled[:80]).transform(scaled)
    for genre in (0, 1):
        analyst = QuadraticDiscriminantAnalysis(reg_param=0.2).fit(z[:80], truth[:80, genre])
        assert np.abs(found[:, genre] - analyst.predict_proba(z)[:, 1]).max() < TOLERANCE


@RECIPES
def test_the_exported_model_scores_as_scikit_learns_numbers_do(
    recipe: ClassicalRecipe,
) -> None:
    pixels = posters(60)
    numbers, truth = statistics(pixels), genres(pixels)
    head = fit_head(recipe, numbers, truth, VOCABULARY).head
    model = GenreClassifier(PosterStatistics(32, 32), head, recipe.spec)
    network = Network(export_onnx(model, pixels[:8]))
    logits, features = network.run(["logits", "features"], pixels)
    assert np.array_equal(features[..., 0, 0], numbers)
    assert np.abs(1 / (1 + np.exp(-logits)) - scores(head, numbers)).max() < TOLERANCE


@RECIPES
def test_a_genre_of_three_films_scores_its_rate_and_the_run_says_so(
    recipe: ClassicalRecipe,
) -> None:
    pixels = posters(80)
    numbers, truth = statistics(pixels), genres(pixels)
    fitted = fit_head(recipe, numbers, truth, VOCABULARY)
    assert fitted.notes[0].startswith("Rare: not fitted: 3 of 80 training films have it")
    assert np.allclose(scores(fitted.head, numbers)[:, 2], 4 / 82)
    found = fit_head(
        recipe, numbers, np.stack([truth[:, 0]] * 3, 1) | [False, True, False], VOCABULARY
    )
    assert found.notes[0].startswith("Busy: not fitted: 80 of 80")


def test_no_covariance_is_fitted_to_fewer_films_than_it_needs() -> None:
    pixels = posters(80)
    numbers, truth = statistics(pixels), genres(pixels)
    truth[:, 2] = np.arange(80) < FEWEST_FILMS
    fitted = fit_head(QDA, numbers, truth, VOCABULARY)
    (note,) = fitted.notes
    assert note.startswith("Rare: QDA takes 8 of 12 components, as many as their training films")
    assert np.isfinite(scores(fitted.head, numbers)).all()


@RECIPES
def test_too_few_films_for_any_genre_are_refused(recipe: ClassicalRecipe) -> None:
    pixels = posters(15)
    with pytest.raises(TrainingError, match=r"needs 10 training films.*no genre has more than 7"):
        fit_head(recipe, statistics(pixels), genres(pixels), VOCABULARY)
