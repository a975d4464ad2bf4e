"""The rows of the comparison: what each is, and what it is made by."""

from dataclasses import dataclass
from typing import Literal

from keyart.errors import KeyartError, nearest


@dataclass(frozen=True)
class Row:
    """A row. recipe: the shipped recipe that it trains by, where it trains.

    weights: the name under which --weights gives its backbone's; None where it needs none. told:
    what such a file is.
    """

    name: str
    what: str
    kind: Literal["guess", "classical", "network", "ensemble"]
    recipe: str | None = None
    settings: tuple[str, ...] = ()
    weights: str | None = None
    told: str = ""


ROWS = (
    Row("null", "predicts nothing", "guess"),
    Row("rates", "gives every film each genre's rate", "guess"),
    Row("random-forest", "a random forest a genre, on colours and edges of posters", "classical"),
    Row("qda", "a quadratic discriminant analysis a genre, on the same", "classical"),
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
        "network", "milestone-vgg16", weights="vgg16",
        told="a safetensors file of timm's vgg16.tv_in1k",
    ),
    Row(
        "mobilenetv2", "MobileNetV2, pretrained and trained on whole",
        "network", "mobilenetv2", weights="mobilenetv2",
        told="a safetensors file of timm's mobilenetv2_100",
    ),
    Row("posternet", "keyart's own small network, from random weights", "network", "posternet"),
    Row("ensemble", "calibrated scores averaged, with weights learned on validation", "ensemble"),
)  # fmt: skip

LEAKY, HONEST = "scratch-leak", "scratch"

_BY_NAME = {row.name: row for row in ROWS}
WEIGHTS = tuple(row.weights for row in ROWS if row.weights)


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
    """`NAME=FILE` and `NAME=hub`, as a mapping. Raises KeyartError."""
    found = {}
    for text in given:
        name, equals, where = text.partition("=")
        if not equals or not where:
            raise KeyartError(
                f"--weights {text}: write NAME=FILE or NAME=hub; NAME is {' or '.join(WEIGHTS)}"
            )
        if name not in WEIGHTS:
            raise KeyartError(
                f"--weights {name}: no row takes such weights{nearest(name, WEIGHTS)} "
                f"Known: {', '.join(WEIGHTS)}"
            )
        found[name] = where
    return found
