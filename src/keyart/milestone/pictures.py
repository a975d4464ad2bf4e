"""The pictures of one run: learning curves, ROC curves, thresholds, filters and feature maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keyart.errors import PosterError, RunError, why
from keyart.files import StrPath, write_bytes, write_text
from keyart.milestone import charts
from keyart.milestone.finished import Finished, read_finished
from keyart.milestone.layers import Layer, Maps, choose_layers, convolutions, feature_maps
from keyart.milestone.tiles import COUNT, colour_tiles, data_uri, grey_tiles, map_tiles, png
from keyart.report.charts import Chart, counts_chart
from keyart.report.templates import template
from keyart.run import Run
from keyart.stores.paths import on_this_machine
from keyart.training.networks import load_best
from keyart.training.recipe import Recipe, any_recipe

PAGE = "pictures.html"


@dataclass(frozen=True)
class Picture:
    """A PNG with its file name, title and caption."""

    name: str
    title: str
    content: bytes
    caption: str

    @property
    def uri(self) -> str:
        """The address of the image in a page that contains it."""
        return data_uri(self.content)


@dataclass(frozen=True)
class LayerPictures:
    """Filters, and feature maps if there is a poster. A model without convolutions has neither."""

    filters: Sequence[Picture] = ()
    maps: Sequence[Picture] = ()
    poster: Picture | None = None


@dataclass(frozen=True)
class RunPictures:
    """All pictures of a run. learning: empty if it was trained without epochs."""

    name: str
    learning: Sequence[Chart]
    rocs: Sequence[Chart]
    sweep: Sequence[Chart]
    counts: Chart
    layers: LayerPictures


def draw_pictures(
    run: Run | StrPath,
    *,
    out: StrPath,
    layers: Sequence[str] = (),
    poster: StrPath | None = None,
) -> Path:
    """Draw what a run has learned, as the 2017 study did, into the folder `out`.

    It gets pictures.html, which contains everything, and the filters and feature maps as PNG.
    layers: convolutions by name, or by number in the order of the network; by default, those that
    the study shows. poster: a poster to draw feature maps of. Returns the page. Raises RunError for
    a run that is not finished or has no such layer, and PosterError for a poster that cannot be
    read.
    """
    opened, folder, content = Run.open(run), on_this_machine(out), None
    if poster is not None:
        try:
            content = Path(poster).read_bytes()
        except OSError as error:
            raise PosterError(f"{poster}: {why(error)}") from error
    drawn = run_pictures(opened, read_finished(opened), layers=layers, poster=content)
    if not drawn.layers.filters and (layers or poster):
        raise RunError(f"{opened.path}: has no convolutions to show (its model is not a network)")
    for picture in (*drawn.layers.filters, *drawn.layers.maps):
        write_bytes(folder / picture.name, picture.content)
    write_text(folder / PAGE, template("pictures.html.j2", room="milestone").render(pictures=drawn))
    return folder / PAGE


def run_pictures(
    run: Run, finished: Finished, *, layers: Sequence[str] = (), poster: bytes | None = None
) -> RunPictures:
    """Draw the pictures of a run. poster: an image file. Raises RunError, PosterError."""
    history = run.history
    has_epochs = history is not None and "train_loss" in history
    return RunPictures(
        name=run.name,
        learning=charts.learning(history, finished.study) if history and has_epochs else [],
        rocs=charts.rocs(finished.swept),
        sweep=charts.sweep_charts(finished.swept, finished.study),
        counts=counts_chart(
            finished.genres, finished.study.predicted, finished.true, " at a threshold of 0.5"
        ),
        layers=_layer_pictures(run, layers, poster),
    )


def _layer_pictures(run: Run, names: Sequence[str], poster: bytes | None) -> LayerPictures:
    if not run.best_checkpoint.is_file():
        return LayerPictures()
    if not isinstance(any_recipe(str(run.recipe_path)), Recipe):
        return LayerPictures()
    model, recipe = load_best(run)
    known = convolutions(model, bgr=recipe.network.channels == "BGR")
    if not known:
        return LayerPictures()
    chosen = choose_layers(known, recipe.network.backbone, names)
    filters = [picture for layer in chosen for picture in _filters(layer)]
    if poster is None:
        return LayerPictures(filters)
    pixels = recipe.spec.prepare(poster)
    maps = feature_maps(model, chosen, pixels)
    shown = Picture("poster.png", "The poster", png(pixels), "As the network gets it.")
    return LayerPictures(filters, [_maps(layer, maps[layer.name]) for layer in chosen], shown)


def _filters(layer: Layer) -> list[Picture]:
    stem = f"filters-{layer.number:02}"
    first = f"The first {COUNT} filters" if len(layer.weights) > COUNT else "All filters"
    grey = Picture(
        f"{stem}.png",
        layer.title,
        png(grey_tiles(layer.weights)),
        f"{first}: the first input channel of each, from its lowest weight (black) to its highest "
        "(white).",
    )
    if not layer.sees_colours:
        return [grey]
    colour = Picture(
        f"{stem}-colour.png",
        f"{layer.title}, in colour",
        png(colour_tiles(layer.weights, bgr=layer.bgr)),
        f"{first}: all three input channels as red, green and blue.",
    )
    return [grey, colour]


def _maps(layer: Layer, maps: Maps) -> Picture:
    filters, height, width = maps.shape
    return Picture(
        f"maps-{layer.number:02}.png",
        f"Convolution {layer.number}, {layer.name}: {filters} maps of {height}x{width}",
        png(map_tiles(maps)),
        "The outputs of the filters above, in the same order. White is a strong response; an even "
        "grey is the same response everywhere.",
    )
