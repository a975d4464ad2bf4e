"""The rows of the comparison: what each is, and how it is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from keyart.errors import KeyartError, nearest


@dataclass(frozen=True)
class Row:
    """A row of the table. recipe: the shipped recipe that makes it, if there is one.

    weights: which file has the pretrained weights that it needs; None if it needs none.
    """

    name: str
    what: str
    kind: Literal["guess", "classical", "network", "ensemble"]
    recipe: str | None = None
    settings: tuple[str, ...] = ()
    weights: str | None = None


ROWS = (
    Row("null", "predicts nothing", "guess"),
    Row("rates", "gives every film the rate of each genre", "guess"),
    Row(
        "random-forest", "a random forest for each genre, on colours and edges of posters",
        "classical", "random-forest",
    ),
    Row(
        "qda", "quadratic discriminant analysis for each genre, on the same features",
        "classical", "qda",
    ),
    Row(
        "scratch-leak",
        "from scratch; films copied first, then split by image, as in the study",
        "network", "milestone-scratch", ('split="leaky"',),
    ),
    Row(
        "scratch", "from scratch; films split first, then copied in the training split only",
        "network", "milestone-scratch", ('split="catalog"',),
    ),
    Row(
        "vgg16", "frozen convolutions of VGG16 with two dense layers",
        "network", "milestone-vgg16",
        weights="a safetensors file of timm's vgg16.tv_in1k",
    ),
    Row(
        "mobilenetv2", "MobileNetV2, pretrained and fine-tuned",
        "network", "mobilenetv2",
        weights="a safetensors file of timm's mobilenetv2_100",
    ),
    Row("posternet", "keyart's own small network, from random weights", "network", "posternet"),
    Row("ensemble", "average of calibrated scores, weights learned on validation", "ensemble"),
)  # fmt: skip

LEAKY, HONEST = "scratch-leak", "scratch"
STUDIED = (LEAKY, HONEST, "vgg16")  # the study's own networks, which it did not calibrate

_BY_NAME = {row.name: row for row in ROWS}
_WITH_WEIGHTS = tuple(row.name for row in ROWS if row.weights)
# The from-scratch rows differ in their split alone, so `scratch` sets the keys of both.
_WITH_SETTINGS = tuple(row.name for row in ROWS if row.recipe and row.name != LEAKY)


def choose_rows(names: Iterable[str] | None) -> list[Row]:
    """The rows of these names, in the order of the table; without names, all.

    Raises KeyartError for an unknown name, or if there are no names.
    """
    if names is None:
        return list(ROWS)
    wanted = list(names)
    if not wanted:
        raise KeyartError(f"no rows to run; the rows are: {', '.join(_BY_NAME)}")
    for name in wanted:
        if name not in _BY_NAME:
            raise KeyartError(
                f"{name}: no such row{nearest(name, _BY_NAME)} The rows are: {', '.join(_BY_NAME)}"
            )
    return [row for row in ROWS if row.name in wanted]


def check_weights(weights: Mapping[str, str]) -> None:
    """Raise KeyartError if a row does not take weights."""
    for name in weights:
        if name not in _WITH_WEIGHTS:
            raise KeyartError(
                f"weights of {name}: no such row takes weights{nearest(name, _WITH_WEIGHTS)} "
                f"Rows that do: {', '.join(_WITH_WEIGHTS)}"
            )


def check_settings(settings: Mapping[str, Sequence[str]]) -> None:
    """Raise KeyartError if a row does not take settings."""
    for name, given in settings.items():
        if name == LEAKY:
            raise KeyartError(
                f"{name}.{given[0]}: set {HONEST}.{given[0]} instead, which both rows take"
            )
        if name not in _WITH_SETTINGS:
            raise KeyartError(
                f"settings of {name}: no such row has a recipe{nearest(name, _WITH_SETTINGS)} "
                f"Rows with a recipe: {', '.join(_WITH_SETTINGS)}"
            )


def parse_weights(given: Iterable[str]) -> dict[str, str]:
    """`ROW=FILE` and `ROW=hub` as a mapping. Raises KeyartError for anything else."""
    found = {}
    for text in given:
        name, _, where = text.partition("=")
        if not where:
            raise KeyartError(
                f"--weights {text}: write ROW=FILE or ROW=hub; ROW is {' or '.join(_WITH_WEIGHTS)}"
            )
        found[name] = where
    return found


def parse_settings(given: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """`ROW.KEY=VALUE` as settings by row. Raises KeyartError for anything else."""
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, _, setting = text.partition(".")
        if "=" not in setting:
            raise KeyartError(
                f"--set {text}: write ROW.KEY=VALUE; ROW is one of {', '.join(_WITH_SETTINGS)}"
            )
        found[name] = (*found.get(name, ()), setting)
    return found
