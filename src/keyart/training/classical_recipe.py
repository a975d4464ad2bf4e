"""Recipes of the classical models, a random forest or QDA for each genre."""

from dataclasses import dataclass
from typing import Literal

from keyart.errors import RecipeError
from keyart.images.spec import ImageSpec
from keyart.models.classical import CELL
from keyart.training.recipe_tables import (
    Colour,
    Fraction,
    Positive,
    Prompt,
    Seed,
    Side,
    Spread,
    Table,
    Tables,
    key,
)


@dataclass(frozen=True, kw_only=True)
class PosterData(Table):
    """The input of the classifier, and where titles are learned."""

    features: Literal["poster", "backbone"] = key(
        "poster",
        "Statistics of the poster, or the features of a pretrained backbone.",
        "`backbone` is better, and slower.",
    )
    height: Side = key(96, "Height in pixels to which posters are resized.", "Rarely.")
    width: Side = key(64, "Width in pixels to which posters are resized.", "With `height`.")
    fit: Literal["squash", "pad"] = key(
        "squash",
        "How a poster of another shape is fitted: `squash` it, or `pad` it with black.",
        "Rarely.",
    )
    titles: str | None = key(
        None,
        "A table of films (title, year, genres) to learn titles from, in addition to the catalog. "
        "They need no posters.",
        "A large table, such as MovieLens's, helps as much as a better network.",
    )
    encoder: str | None = key(
        None,
        "A sentence encoder that helps with titles: a folder with model.onnx and tokenizer.json, "
        "or a name on the Hugging Face hub.",
        "For titles in many languages, and with rare words. It needs keyart[text].",
    )
    encoder_reads: Literal["titles", "words"] = key(
        "titles",
        "Whole `titles`: the bundle contains the encoder, and predicting needs keyart[text]. Or "
        "`words`: the embeddings of the words in training titles are folded into the n-grams.",
        "`words` for a small bundle that predicts as fast as without an encoder.",
    )
    encoder_prompt: Prompt = key(
        "", "A prompt that the encoder reads before each title.", '`"query: "` for E5.'
    )


@dataclass(frozen=True, kw_only=True)
class FeatureNetwork(Table):
    """The backbone, with `features = "backbone"`."""

    backbone: str | None = key(None, "Its name in keyart or timm.", "Required.")
    weights: str | None = key(
        None, 'Its pretrained weights: a safetensors file, or `"hub"`.', "Required in practice."
    )
    pad_type: Literal["same"] | None = key(
        None,
        "How timm pads convolutions.",
        '`"same"` for weights that were converted from TensorFlow.',
    )
    mean: Colour | None = key(
        None,
        "Mean of each channel in [0, 1], for normalisation. Default: the backbone's.",
        "If the weights were trained with another mean.",
    )
    std: Spread | None = key(None, "Standard deviation, as `mean`.", "As `mean`.")


@dataclass(frozen=True, kw_only=True)
class Forest(Table):
    """A random forest for each genre."""

    kind: Literal["random-forest"] = key("random-forest", "A random forest.", "Never.")
    trees: Positive = key(
        100, "Trees in each forest.", "More trees are more stable, larger and slower."
    )
    min_samples_leaf: Positive = key(
        30, "Least number of training films in a leaf.", "Less if there are few films."
    )
    balance: bool = key(
        True, "Weight films so that those with and without a genre count equally.", "Rarely."
    )
    seed: Seed = key(0, "Random seed.", "To see how much a result depends on chance.")


@dataclass(frozen=True, kw_only=True)
class Qda(Table):
    """Quadratic discriminant analysis for each genre."""

    kind: Literal["qda"] = key("qda", "Quadratic discriminant analysis.", "Never.")
    components: Positive = key(64, "Principal components of the features.", "More for more films.")
    reg_param: Fraction = key(
        0.99, "Shrinkage of each covariance towards that of all films.", "Less for more films."
    )
    seed: Seed = key(0, "Random seed.", "To see how much a result depends on chance.")


@dataclass(frozen=True, kw_only=True)
class Decision(Table):
    """How scores become genres."""

    thresholds: Literal["f1", "micro_f1", "hamming"] = key(
        "f1", "What the thresholds optimise on the validation split.", "As you need it."
    )


@dataclass(frozen=True, kw_only=True)
class _Common(Tables):
    """The tables of both classifiers."""

    data: PosterData = PosterData()
    network: FeatureNetwork = FeatureNetwork()
    ending: Decision = Decision()

    @property
    def spec(self) -> ImageSpec:
        """How posters are prepared. Raises WeightsError for an unknown backbone."""
        data, network = self.data, self.network
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # statistics are of bytes
        if network.backbone is not None:
            from keyart.models.backbones import statistics

            mean, std = statistics(network.backbone)
        return ImageSpec(
            data.height, data.width, data.fit, network.mean or mean, network.std or std
        )

    def check(self, where: str) -> None:
        """Raise RecipeError if keys contradict each other."""
        data, network = self.data, self.network
        backbone = data.features == "backbone"
        if backbone and network.backbone is None:
            raise RecipeError(f'{where}: features = "backbone" needs a backbone')
        if not backbone and network != FeatureNetwork():
            raise RecipeError(
                f"{where}: backbone, weights, pad_type, mean and std need features = "
                f'"backbone", not "{data.features}"'
            )
        if not backbone and (data.height % CELL or data.width % CELL):
            raise RecipeError(
                f"{where}: height and width must be multiples of {CELL}, not "
                f"{data.height}x{data.width}"
            )


@dataclass(frozen=True, kw_only=True)
class ForestRecipe(_Common):
    """A random forest for each genre."""

    classifier: Forest = Forest()


@dataclass(frozen=True, kw_only=True)
class QdaRecipe(_Common):
    """QDA for each genre."""

    classifier: Qda = Qda()


ClassicalRecipe = ForestRecipe | QdaRecipe

CLASSIFIERS: dict[str, type[ForestRecipe] | type[QdaRecipe]] = {
    "random-forest": ForestRecipe,
    "qda": QdaRecipe,
}
