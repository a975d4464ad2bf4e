"""The rows of the comparison: what each is, and what it is made by."""

from dataclasses import dataclass
from typing import Literal

from keyart.errors import KeyartError, nearest


@dataclass(frozen=True)
class Row:
    """A row. recipe: the shipped recipe that it is made by, where it is made by one.

    weights: what file holds the pretrained weights that it needs; None where it needs none.
    """

    name: str
    what: str
    kind: Literal["guess", "classical", "network", "ensemble"]
    recipe: str | None = None
    settings: tuple[str, ...] = ()
    weights: str | None = None


ROWS = (
    Row("null", "predicts nothing", "guess"),
    Row("rates", "gives every film each genre's rate", "guess"),
    Row(
        "random-forest", "a random forest a genre, on colours and edges of posters",
        "classical", "random-forest",
    ),
    Row("qda", "a quadratic discriminant analysis a genre, on the same", "classical", "qda"),
    Row(
        "scratch-leak", "from scratch; films copied first, then split by image, as the study did",
        "network", "milestone-scratch", ('split="leaky"',),
    ),
    Row(
        "scratch", "from scratch; films split first, copies in the training part alone",
        "network", "milestone-scratch", ('split="catalog"',),
    ),
    Row(
        "vgg16", "VGG16's convolutions, frozen, and two dense layers on them",
        "network", "milestone-vgg16",
        weights="a safetensors file of timm's vgg16.tv_in1k",
    ),
    Row(
        "mobilenetv2", "MobileNetV2, pretrained and fine-tuned",
        "network", "mobilenetv2",
        weights="a safetensors file of timm's mobilenetv2_100",
    ),
    Row("posternet", "keyart's own small network, from random weights", "network", "posternet"),
    Row("ensemble", "calibrated scores averaged, with weights learned on validation", "ensemble"),
)  # fmt: skip

LEAKY, HONEST = "scratch-leak", "scratch"
STUDIED = (LEAKY, HONEST, "vgg16")  # the study's own networks, which it scored uncalibrated

_BY_NAME = {row.name: row for row in ROWS}
WEIGHTS = tuple(row.name for row in ROWS if row.weights)


def choose_rows(only: str | None) -> list[Row]:
    """The rows of a comma-separated list, in the table's order; all without one.

    Raises KeyartError for a name that no row has.
    """
    if only is None:
        return list(ROWS)
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names or [only]:
        if name not in _BY_NAME:
            raise KeyartError(
                f"--only {name}: no such row{nearest(name, _BY_NAME)} The rows are: "
                f"{', '.join(_BY_NAME)}"
            )
    return [row for row in ROWS if row.name in names]


def parse_weights(given: list[str]) -> dict[str, str]:
    """`ROW=FILE` and `ROW=hub`, as a mapping. Raises KeyartError."""
    found = {}
    for text in given:
        name, equals, where = text.partition("=")
        if not equals or not where:
            raise KeyartError(
                f"--weights {text}: write ROW=FILE or ROW=hub; ROW is {' or '.join(WEIGHTS)}"
            )
        if name not in WEIGHTS:
            raise KeyartError(
                f"--weights {name}: no row takes such weights{nearest(name, WEIGHTS)} "
                f"Known: {', '.join(WEIGHTS)}"
            )
        found[name] = where
    return found


def parse_settings(given: list[str]) -> dict[str, tuple[str, ...]]:
    """`ROW.KEY=VALUE`, as recipe settings by row. Raises KeyartError.

    The from-scratch rows differ in their split alone, so `scratch` sets the keys of both.
    """
    rows = [row.name for row in ROWS if row.recipe and row.name != LEAKY]
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, _, setting = text.partition(".")
        if "=" not in setting:
            raise KeyartError(f"--set {text}: write ROW.KEY=VALUE; ROW is one of {', '.join(rows)}")
        if name == LEAKY:
            raise KeyartError(f"--set {text}: write {HONEST}.{setting}, which both rows take")
        if name not in rows:
            raise KeyartError(
                f"--set {text}: no such row{nearest(name, rows)} Rows with a recipe: "
                f"{', '.join(rows)}"
            )
        found[name] = (*found.get(name, ()), setting)
    return found
