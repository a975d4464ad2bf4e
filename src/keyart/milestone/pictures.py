"""The pictures of one run: learning curves, both ROCs, filters, and what they make of a poster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

import keyart
from keyart.errors import PosterError, RunError
from keyart.files import write_bytes, write_text
from keyart.milestone import charts
from keyart.milestone.finished import Finished, read_finished
from keyart.milestone.layers import Layer, Maps, choose_layers, convolutions, feature_maps
from keyart.milestone.tiles import colour_tiles, data_uri, grey_tiles, map_tiles, png
from keyart.report.charts import Chart
from keyart.report.page import read_history
from keyart.training.loop import BEST
from keyart.training.recipe import Recipe, any_recipe
from keyart.training.run import load_best

PAGE = "pictures.html"


@dataclass(frozen=True)
class Picture:
    """A PNG with its file name, title and what to see in it."""

    name: str
    title: str
    content: bytes
    caption: str

    @property
    def uri(self) -> str:
        """For a page to carry."""
        return data_uri(self.content)


@dataclass(frozen=True)
class RunPictures:
    """All pictures of a run. Without a convolution it has no filters; `why` says so."""

    name: str
    learning: Sequence[Chart]
    rocs: Sequence[Chart]
    sweep: Sequence[Chart]
    predicted: Chart
    filters: Sequence[Picture]
    maps: Sequence[Picture]
    poster: Picture | None
    why: str = ""


def write_pictures(
    run: Path, out: Path, *, layers: Sequence[str] = (), poster: Path | None = None
) -> None:
    """Draw a run's pictures into the folder `out`: a page that carries all, and the tiles as PNG.

    layers: names of convolutions, or their numbers as the network goes; default, those that the
    study shows. poster: a poster whose feature maps are drawn. Raises RunError for a run that is
    not finished, or has no such layer; PosterError for what is none.
    """
    content = None
    if poster is not None:
        try:
            content = poster.read_bytes()
        except OSError as error:
            raise PosterError(f"{poster}: {error.strerror or error}") from error
    drawn = run_pictures(run, read_finished(run), layers=layers, poster=content)
    if drawn.why and (layers or poster):
        raise RunError(drawn.why)
    for picture in (*drawn.filters, *drawn.maps):
        write_bytes(out / picture.name, picture.content)
    page = environment().get_template("pictures.html.j2")
    write_text(out / PAGE, page.render(run=drawn, version=keyart.__version__))


def run_pictures(
    run: Path, finished: Finished, *, layers: Sequence[str] = (), poster: bytes | None = None
) -> RunPictures:
    """A run's pictures, drawn. poster: the bytes of one. Raises RunError, PosterError."""
    history = read_history(run)
    learned = history is not None and "train_loss" in history  # else it was fitted in one go
    filters, maps, shown, why = _of_layers(run, layers, poster)
    return RunPictures(
        name=run.name,
        learning=charts.learning(history, finished.scores) if history and learned else [],
        rocs=charts.rocs(finished.swept),
        sweep=charts.sweep_charts(finished.swept, finished.scores),
        predicted=charts.predicted_chart(finished.genres, finished.scores, finished.counts),
        filters=filters,
        maps=maps,
        poster=shown,
        why=why,
    )


def environment() -> Environment:
    """The templates of this room, and those of the report that they build on."""
    return Environment(
        loader=ChoiceLoader(
            [PackageLoader("keyart.milestone", ""), PackageLoader("keyart.report", "")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _of_layers(
    run: Path, names: Sequence[str], poster: bytes | None
) -> tuple[list[Picture], list[Picture], Picture | None, str]:
    none = f"{run}: has no convolutions to show (it is no network of one)"
    if not (run / "checkpoints" / BEST).is_file():
        return [], [], None, none
    if not isinstance(any_recipe(str(run / "recipe.toml")), Recipe):
        return [], [], None, none
    model, recipe = load_best(run)
    known = convolutions(model, bgr=recipe.network.channels == "BGR")
    if not known:
        return [], [], None, none
    chosen = choose_layers(known, recipe.network.backbone, names)
    filters = [picture for layer in chosen for picture in _filters(layer)]
    if poster is None:
        return filters, [], None, ""
    pixels = recipe.spec.prepare(poster)
    maps = feature_maps(model, chosen, pixels)
    shown = Picture("poster.png", "The poster", png(pixels), "As the network sees it.")
    return filters, [_maps(layer, maps[layer.name]) for layer in chosen], shown, ""


def _filters(layer: Layer) -> list[Picture]:
    stem = f"filters-{layer.number:02}"
    shown = min(len(layer.weights), 64)
    first = f"{shown} of its filters, " if shown < len(layer.weights) else "Its filters, "
    grey = Picture(
        f"{stem}.png",
        layer.title,
        png(grey_tiles(layer.weights)),
        f"{first}the first input channel of each, from its least weight to its greatest.",
    )
    if not layer.sees_colours:
        return [grey]
    colour = Picture(
        f"{stem}-colour.png",
        f"{layer.title}, in colour",
        png(colour_tiles(layer.weights, bgr=layer.bgr)),
        f"{first}all three channels as red, green and blue.",
    )
    return [grey, colour]


def _maps(layer: Layer, found: Maps) -> Picture:
    filters, height, width = found.shape
    return Picture(
        f"maps-{layer.number:02}.png",
        f"Convolution {layer.number}, {layer.name}: {filters} maps of {height}x{width}",
        png(map_tiles(found)),
        "The maps of the filters above, in their order: light where a filter answers, and grey all "
        "over where it answers nowhere.",
    )
