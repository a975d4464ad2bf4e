"""Where on a poster a genre comes from: class activation maps and occlusion maps.

The activation map costs one run: the network's head is linear, so each place of its last feature
map adds a known amount to each logit (Zhou et al., "Learning Deep Features for Discriminative
Localization", CVPR 2016; Grad-CAM gives the same map for such a head). The occlusion map needs
nothing inside the network: it hides one patch at a time and measures how far the logit falls
(Zeiler and Fergus, ECCV 2014). It costs about 80 runs.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from keyart.images.decode import MAX_PIXELS, Pixels, decode
from keyart.images.poster import Poster, content_of
from keyart.images.spec import ImageSpec
from keyart.network import Logits, Network

Method = Literal["activation", "occlusion"]
Map = npt.NDArray[np.float64]

# Cells of the occlusion map; a patch hides 2x2 of them.
_ROWS, _COLUMNS = 12, 8
_BLOCK = 16  # hidden posters in one run of the network
_EVEN = 0.05  # logits; a map that rises no higher anywhere points to no place

# The picture: the poster is dark where nothing speaks for the genre, and glows where most does.
_DIM = np.array([10, 12, 22], np.float32)
_GLOW = np.array([255, 176, 32], np.float32)
_LARGEST = 1_000  # pixels on the longer side of a single lit poster
_PANEL = 480  # height of a poster in the picture, in pixels


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where one genre of one poster comes from.

    map: (rows, columns) over the whole poster. For 'activation' what each place adds to the
    genre's logit, for 'occlusion' how far the logit falls if the place is hidden; negative if a
    place speaks against the genre. words: what each word of the title, or two in a row, adds to the
    logit of the film, most telling first; empty if the title was not used.
    """

    genre: str
    score: float
    threshold: float
    method: Method
    map: Map
    words: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Explanation {self.genre} {self.score:.2f}: {self.where}, by {self.method}>"

    @property
    def heat(self) -> Map:
        """The map from 0 (does not speak for the genre) to 1 (the place that most does).

        An activation map is measured from its own mean: every place lowers the logit of a rare
        genre, and the place that lowers it least matters most.
        """
        level = float(self.map.mean()) if self.method == "activation" else 0.0
        above = np.maximum(self.map - level, 0)
        return above / max(float(above.max()), _EVEN)

    @property
    def where(self) -> str:
        """Where most of the evidence is, in words: 'top left', 'middle', or nowhere."""
        if self.heat.max() < 1:
            return "nowhere in particular"
        row, column = np.unravel_index(int(self.map.argmax()), self.map.shape)
        rows, columns = self.map.shape
        down = ("top", "middle", "bottom")[int(3 * (row + 0.5) / rows)]
        across = ("left", "", "right")[int(3 * (column + 0.5) / columns)]
        return f"{down} {across}".strip()


def activation_maps(
    network: Network, spec: ImageSpec, pixels: Pixels, height: int, width: int
) -> Map:
    """What each place of a poster adds to each logit: (genres, rows, columns), over the poster.

    pixels: (1, height, width, 3), prepared by `spec`. height, width: of the poster itself.
    """
    (maps,) = network.run(["maps"], pixels)
    return _over_poster(maps[0].astype(np.float64), spec, height, width)


def glow(rgb: Pixels, heat: Map) -> Pixels:
    """The poster, bright where the evidence is. heat: (rows, columns) in [0, 1]. Returns RGB."""
    height, width = rgb.shape[:2]
    light = np.clip(_resized(heat, width, height), 0, 1).astype(np.float32)[..., None]
    light = light**0.8
    dimmed = rgb * (0.32 + 0.68 * light) + _DIM * (1 - light)
    lit = dimmed + (_GLOW - dimmed) * (0.3 * light**2)
    picture: Pixels = np.clip(lit, 0, 255).astype(np.uint8)
    return picture


def glow_png(data: bytes, explanation: Explanation, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """A poster's file, bright where a genre comes from, as PNG of at most 1,000 pixels a side.

    Raises PosterError.
    """
    at_least = (_LARGEST, _LARGEST)
    image = Image.fromarray(decode(data, at_least=at_least, max_pixels=max_pixels))
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    Image.fromarray(glow(np.asarray(image), explanation.heat)).save(file, "PNG")
    return file.getvalue()


def draw_explanations(poster: Poster, explanations: Sequence[Explanation]) -> Image.Image:
    """The poster, then a copy for each genre that is bright where the genre comes from.

    poster: as for Predictor.explain. Returns a PIL image. Raises PosterError.
    """
    content = content_of(poster)
    rgb = decode(content) if isinstance(content, bytes) else content
    scale = _PANEL / rgb.shape[0]
    width = max(1, round(rgb.shape[1] * scale))
    poster = np.asarray(
        Image.fromarray(rgb).resize((width, _PANEL), Image.Resampling.LANCZOS), np.uint8
    )
    font = ImageFont.load_default(18)
    gap, foot = 16, 40
    panels = [(poster, "")] + [
        (glow(poster, one.heat), f"{one.genre} {one.score:.0%}") for one in explanations
    ]
    column = max(width, *(int(font.getlength(text)) for _, text in panels)) + gap
    size = (column * len(panels) + gap, _PANEL + gap + foot)
    sheet = Image.new("RGB", size, (16, 16, 20))
    pen = ImageDraw.Draw(sheet)
    for number, (picture, text) in enumerate(panels):
        left = gap + number * column
        sheet.paste(Image.fromarray(picture), (left, gap))
        pen.text((left, gap + _PANEL + 8), text, (255, 226, 170), font)
    return sheet


def occlusion_maps(
    logits: Callable[[Sequence[Pixels]], Logits],
    specs: Sequence[ImageSpec],
    pictures: Sequence[Pixels],
    height: int,
    width: int,
) -> Map:
    """How far each logit falls if a patch is hidden behind the poster's mean colour.

    logits: of pictures (films, height, width, 3), one array for each of `specs`. pictures: the
    poster as each spec prepares it, (1, height, width, 3); the same patch is hidden in all of them.
    height, width: of the poster itself. Returns (genres, rows, columns), over the poster: the mean
    over the patches that hide a cell.
    """
    places = [spec.place(height, width) for spec in specs]
    rows = max(2, round(_ROWS * places[0][2] / specs[0].height))
    columns = max(2, round(_COLUMNS * places[0][3] / specs[0].width))
    corners = [(row, column) for row in range(rows - 1) for column in range(columns - 1)]
    grids = [_grid(place, rows, columns) for place in places]
    whole = logits(pictures)[0]
    falls = np.zeros((len(whole), rows, columns))
    hidings = np.zeros((rows, columns))
    for start in range(0, len(corners), _BLOCK):
        block = corners[start : start + _BLOCK]
        hidden = [
            _hidden(picture[0], *grid, block) for picture, grid in zip(pictures, grids, strict=True)
        ]
        for fall, (row, column) in zip(
            whole.astype(np.float64) - logits(hidden), block, strict=True
        ):
            falls[:, row : row + 2, column : column + 2] += fall[:, None, None]
            hidings[row : row + 2, column : column + 2] += 1
    return falls / hidings


def _grid(
    place: tuple[int, int, int, int], rows: int, columns: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The edges of the cells of a poster that lies at `place`: (rows + 1,), (columns + 1,)."""
    top, left, height, width = place
    down = top + np.linspace(0, height, rows + 1).round().astype(np.int64)
    return down, left + np.linspace(0, width, columns + 1).round().astype(np.int64)


def _hidden(
    picture: Pixels,
    down: npt.NDArray[np.int64],
    across: npt.NDArray[np.int64],
    corners: Sequence[tuple[int, int]],
) -> Pixels:
    """Copies (corners, height, width, 3) of a picture, in each the patch at one corner hidden."""
    poster = picture[down[0] : down[-1], across[0] : across[-1]]
    copies = np.repeat(picture[None], len(corners), axis=0)
    for copy, (row, column) in zip(copies, corners, strict=True):
        patch = copy[down[row] : down[row + 2], across[column] : across[column + 2]]
        patch[:] = poster.mean((0, 1)).round().astype(np.uint8)
    return copies


def _over_poster(maps: Map, spec: ImageSpec, height: int, width: int) -> Map:
    """Maps over the network's input, cropped to the poster in it."""
    top, left, inner_height, inner_width = spec.place(height, width)
    if (inner_height, inner_width) == (spec.height, spec.width):
        return maps
    rows, columns = maps.shape[1:]
    down, across = rows / spec.height, columns / spec.width
    box = (left * across, top * down, (left + inner_width) * across, (top + inner_height) * down)
    size = (max(1, round(inner_width * across)), max(1, round(inner_height * down)))
    return np.stack([_resized(one, *size, box=box) for one in maps])


def _resized(
    values: Map, width: int, height: int, box: tuple[float, float, float, float] | None = None
) -> Map:
    image = Image.fromarray(values.astype(np.float32))
    resized = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized, np.float64)
