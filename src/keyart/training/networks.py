"""The model of a recipe, new or with the best weights of a run."""

from keyart.errors import RunError
from keyart.models.classifier import GenreClassifier, build_classifier
from keyart.run import Run
from keyart.training.checkpoint import load_tensors
from keyart.training.classical import load_classical
from keyart.training.recipe import Recipe, any_recipe, load_recipe


def build_network(recipe: Recipe, genres: int, *, weights: str | None = None) -> GenreClassifier:
    """A recipe's network, with pretrained `weights` or random ones. Raises WeightsError."""
    network = recipe.network
    return build_classifier(
        network.backbone,
        recipe.spec,
        genres,
        network.dropout,
        weights=weights,
        pad_type=network.pad_type,
        bgr=network.channels == "BGR",
        tta=network.tta,
    )


def load_best(run: Run) -> tuple[GenreClassifier, Recipe]:
    """A run's network with its best weights, in evaluation mode, and its recipe.

    Raises RunError if the weights are missing, damaged, or of another network.
    """
    recipe = load_recipe(run.recipe_path)
    tensors, _ = load_tensors(run.best_checkpoint)
    biases = [name for name in tensors if name.startswith("head.") and name.endswith(".bias")]
    # The bias of the last layer has one value per genre. A head has one layer, or numbers them.
    genres = tensors[max(biases, key=lambda name: (len(name), name))].numel() if biases else 1
    model = build_network(recipe, genres)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(f"{run.path}: its weights are not those of its recipe") from error
    return model.eval(), recipe


def load_model(run: Run) -> GenreClassifier:
    """The model of a run's checkpoints, a network or a classical one. Raises RunError."""
    recipe = any_recipe(run.recipe_path)
    if isinstance(recipe, Recipe):
        return load_best(run)[0]
    return load_classical(recipe, run.best_checkpoint).model
