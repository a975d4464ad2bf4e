"""The keys of a network's recipe, table by table, each with its documentation."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field as Limits

from keyart.training.recipe_tables import (
    Colour,
    Copies,
    Count,
    Fraction,
    NotNegative,
    Positive,
    Prompt,
    Rate,
    Seed,
    Side,
    Spread,
    Table,
    Views,
    key,
)

Strength = Annotated[int, Limits(ge=0, le=30, description="integer from 0 to 30")]
Precision = Annotated[float, Limits(gt=0, lt=1, description="a precision above 0 and below 1")]


@dataclass(frozen=True, kw_only=True)
class Data(Table):
    """What the network learns from: splits, the size of posters, and augmentation."""

    height: Side = key(
        176,
        "Height in pixels to which posters are resized.",
        "Larger posters show more detail and take more time. Most posters are 3:2.",
    )
    width: Side = key(120, "Width in pixels to which posters are resized.", "With `height`.")
    fit: Literal["squash", "pad"] = key(
        "squash",
        "How a poster of another shape is fitted: `squash` it, or `pad` it with black.",
        "`pad` if the posters have many different shapes.",
    )
    split: Literal["catalog", "random", "leaky"] = key(
        "catalog",
        "The splits: the catalog's own; `random` by film; or `leaky`, by image after upsampling, "
        "as in the 2017 study.",
        "Only to reproduce the study. The other two let near-duplicates leak into the test split.",
    )
    upsample: Copies = key(
        0,
        "Flipped copies to add for each training film of `upsample_genres`.",
        "To see rare genres more often. `balance` does the same without copies.",
    )
    upsample_genres: tuple[str, ...] = key(
        (), "The genres that `upsample` copies.", "See `upsample`."
    )
    flip: bool = key(
        True, "Flip half of the posters left to right.", "Off to reproduce the 2017 study."
    )
    zoom: Fraction = key(
        0.15, "Zoom in or out by up to this fraction.", "More against overfitting; 0 for none."
    )
    shift: Fraction = key(
        0.08,
        "Shift by up to this fraction of the height and the width.",
        "More against overfitting; 0 for none.",
    )
    crop: Fraction = key(
        0.0,
        "Crop up to this fraction of each side. The poster keeps its shape.",
        "0.25 helps to fine-tune pretrained weights.",
    )
    colour: Fraction = key(
        0.2,
        "Change brightness, contrast and tint by up to this fraction.",
        "Less if genres differ mostly in colour.",
    )
    erase: Fraction = key(
        0.25, "Fraction of the posters that get a blank rectangle.", "More against overfitting."
    )
    randaugment: Strength = key(
        0,
        "Strength of two random operations for each poster (RandAugment); 0 for none.",
        "For long trainings that overfit. It is slow on a CPU.",
    )
    mixup: NotNegative = key(
        0.0,
        "Blend pairs of posters and their genres (MixUp): alpha of the beta distribution; 0 for "
        "none.",
        "Against overfitting of pretrained networks. With `cutmix` too, each batch uses one of "
        "them.",
    )
    cutmix: NotNegative = key(
        0.0,
        "Paste a rectangle of one poster into another (CutMix): alpha, as for `mixup`.",
        "As `mixup`.",
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
class Network(Table):
    """The network, its pretrained weights, and which of its weights are trained."""

    backbone: str = key(
        "posternet",
        "The backbone: one of keyart's own, or any timm network by its name.",
        "A pretrained one predicts better and takes longer.",
    )
    weights: str | None = key(
        None,
        'Pretrained weights: a safetensors file, or `"hub"` to download them. Without a value, '
        "random weights.",
        "With every timm network.",
    )
    start: str | None = key(
        None,
        "A trained model to start from: `box`, or the folder of a run or a bundle. Its weights and "
        "its title model are fine-tuned on your films.",
        "If you have fewer films than it was trained on. `--from` sets it.",
    )
    pad_type: Literal["same"] | None = key(
        None,
        "How timm pads convolutions.",
        '`"same"` for weights that were converted from TensorFlow.',
    )
    channels: Literal["RGB", "BGR"] = key(
        "RGB",
        "The order of the backbone's colour channels.",
        "BGR for weights that were trained on BGR.",
    )
    mean: Colour | None = key(
        None,
        "Mean of each channel in [0, 1], for normalisation. Default: the backbone's.",
        "If the weights were trained with another mean.",
    )
    std: Spread | None = key(None, "Standard deviation, as `mean`.", "As `mean`.")
    dropout: Fraction = key(
        0.1, "Dropout rate before the head's linear layer.", "More against overfitting."
    )
    frozen: bool = key(
        False,
        "Train only the head. The backbone's features are computed once and cached.",
        "For a pretrained backbone and little time: minutes instead of hours.",
    )
    feature_views: Views = key(
        2,
        "Views of each poster in the feature cache: as it is, flipped, then augmented ones.",
        "More is slower and helps a frozen backbone a little.",
    )
    frozen_stages: Count = key(
        0,
        "Number of stages, counted from the input, that are not trained.",
        "To fine-tune faster, or on few films.",
    )
    freeze_batch_norm: bool = key(
        False,
        "Keep the pretrained statistics of batch normalisations.",
        "To fine-tune with small batches.",
    )
    tta: Literal[1, 2, 5, 10] = key(
        1,
        "Test-time augmentation: average the scores of 1 view (the whole poster), 2 (also "
        "flipped), 5 (the poster and four corners) or 10 (these five, also flipped).",
        "5 adds about 0.01 mAP to a fine-tuned network, and a prediction takes 5 times as long.",
    )


@dataclass(frozen=True, kw_only=True)
class Optimisation(Table):
    """How long and how fast the network learns, from which loss, and on what hardware."""

    epochs: Positive = key(
        30,
        "Passes over the training films, at most.",
        "More if the validation loss still falls at the end.",
    )
    head_epochs: Count = key(
        0,
        "Epochs at the start that train only the head, on cached features.",
        "About 10 before fine-tuning a pretrained backbone.",
    )
    batch_size: Positive = key(
        64, "Films in a step.", "Larger on a GPU; change `learning_rate` with it."
    )
    optimizer: Literal["adamw", "sgd"] = key(
        "adamw", "AdamW, or SGD with Nesterov momentum.", "SGD to reproduce the 2017 study."
    )
    learning_rate: Rate = key(
        2e-3,
        "The highest learning rate.",
        "The first key to tune. About 4e-4 to fine-tune; lower if the loss becomes NaN.",
    )
    momentum: Fraction = key(0.9, "Momentum of SGD.", "Rarely.")
    final_momentum: Fraction | None = key(
        None,
        "Momentum rises linearly to this value in the last epoch. Without a value, it is constant.",
        "To reproduce the 2017 study's report.",
    )
    schedule: Literal["cosine", "plateau", "constant"] = key(
        "cosine",
        "The learning rate after warm-up: a cosine down to `final_learning_rate`; reduced on a "
        "`plateau`; or constant.",
        "`plateau` if you don't know how many epochs you need.",
    )
    warmup_epochs: NotNegative = key(
        2.0, "Epochs in which the learning rate rises from 0.", "Longer if the start is unstable."
    )
    final_learning_rate: NotNegative = key(
        1e-6, "The end of the cosine, and the minimum with `plateau`.", "Rarely."
    )
    plateau_factor: Fraction = key(
        0.1, "Factor of a reduction on a plateau.", 'With `schedule = "plateau"`.'
    )
    plateau_patience: Positive = key(
        10,
        "Epochs without improvement before a reduction.",
        'With `schedule = "plateau"`; see `monitor`.',
    )
    loss: Literal["bce", "focal", "asymmetric"] = key(
        "bce",
        "Binary cross-entropy, focal loss, or asymmetric loss.",
        "The other two rank the genres of a film a little better, and calibrate worse.",
    )
    balance: Literal["none", "inverse", "effective", "study"] = key(
        "none",
        "Weight genres in the loss: by inverse count, by effective number of samples, or as in the "
        "2017 study.",
        "If rare genres matter as much as frequent ones. It did not improve mAP in our tests.",
    )
    balance_by: Literal["genre", "first_genre"] = key(
        "genre",
        "Weight each genre in the loss, or each film by its first genre, as Keras did.",
        "Only to reproduce the study.",
    )
    dtype: Literal["auto", "bf16", "fp32"] = key(
        "auto",
        "dtype of matrix products. `auto`: bf16 if the hardware supports it.",
        "`fp32` if training is unstable.",
    )
    compile: Literal["auto", "on", "off"] = key(
        "auto",
        "Use torch.compile. `auto`: if the training is long enough to be faster with it.",
        "`off` if it fails or is slower on your machine.",
    )
    seed: Seed = key(0, "Random seed.", "To see how much a result depends on chance.")


@dataclass(frozen=True, kw_only=True)
class Regularisation(Table):
    """What keeps the network from overfitting, apart from augmentation and dropout."""

    weight_decay: NotNegative = key(
        0.05,
        "Decoupled weight decay of AdamW, or L2 penalty of SGD. It leaves out biases and "
        "normalisations.",
        "More against overfitting; for SGD about 1e-4.",
    )
    layer_decay: Fraction = key(
        1.0,
        "The learning rate of each layer, as a fraction of that of the layer above it.",
        "0.6 to 0.9 to fine-tune pretrained weights.",
    )
    ema_decay: Fraction | None = key(
        None,
        "Decay of an exponential moving average of the weights, which is then evaluated. Without a "
        "value, no average.",
        "0.998 for thousands of steps, 0.99 for hundreds.",
    )
    teacher: str | tuple[str, ...] | None = key(
        None,
        "Distillation: a finished run, blended into the targets with its scores. Or a list of "
        "runs, with the mean of their scores.",
        "To get a small network closer to a large one.",
    )
    teacher_weight: Fraction = key(
        0.5, "Weight of the teacher's scores, next to the true genres.", "With `teacher`."
    )
    feature_weight: NotNegative = key(
        0.0,
        "Weight in the loss of the cosine distance to the teacher's features; 0 for none.",
        "With `teacher`. It needs a network with a linear head.",
    )

    @property
    def teachers(self) -> tuple[str, ...]:
        """The runs that `teacher` names."""
        if isinstance(self.teacher, str):
            return (self.teacher,)
        return self.teacher or ()


@dataclass(frozen=True, kw_only=True)
class Ending(Table):
    """When training ends, which epoch is kept, and how scores become genres."""

    early_stopping_patience: Positive | None = key(
        None,
        "Stop after this many epochs without improvement. Without a value, never.",
        "To save time; 4 or more.",
    )
    monitor: Literal["loss", "map"] = key(
        "loss",
        "The validation metric that measures improvement: loss, or mean average precision.",
        "`map` if the ranking of films matters more than calibrated scores.",
    )
    min_delta: NotNegative = key(
        1e-4, "The smallest change of `monitor` that counts as an improvement.", "Rarely."
    )
    keep: Literal["best", "last"] = key(
        "best",
        "Keep the weights of the best epoch by `monitor`, or of the last epoch.",
        "`last` to compare trainings at the same epoch.",
    )
    thresholds: Literal["f1", "micro_f1", "hamming"] | Precision = key(
        "f1",
        "What balanced thresholds optimise on the validation split. Or the precision that "
        "predicted genres keep, instead of 0.6.",
        "`micro_f1` for the overall F1; a precision such as 0.8 if wrong genres are worse than "
        "missing ones.",
    )
