"""Tiles: many small maps in one picture, each scaled from its lowest to its highest value.

The study drew its filters in this way: the first input channel of each, in grey. Tiles are in rows
of eight, with a transparent line between them. A constant map is grey.
"""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

Values = npt.NDArray[np.floating]
Tiles = npt.NDArray[np.uint8]

COUNT = 64
COLUMNS = 8
SIDE = 72  # pixels of a tile; small filters are enlarged by whole numbers only
_GAP = 4


def grey_tiles(weights: Values) -> Tiles:
    """The first input channel of up to 64 filters (filters, inputs, height, width), in grey.

    Returns RGBA (picture height, picture width, 4).
    """
    return _tiles([np.repeat(filter_[0][..., None], 3, axis=2) for filter_ in weights[:COUNT]])


def colour_tiles(weights: Values, *, bgr: bool) -> Tiles:
    """Up to 64 filters on the channels of a poster (filters, 3, height, width), in colour.

    The three channels of a filter share one scale, so that grey means that the filter treats them
    alike. bgr: the channels are in BGR order.
    """
    rgb = weights[:COUNT, ::-1] if bgr else weights[:COUNT]
    return _tiles([filter_.transpose(1, 2, 0) for filter_ in rgb])


def map_tiles(maps: Values) -> Tiles:
    """Up to 64 feature maps (channels, height, width), in grey."""
    return _tiles([np.repeat(one[..., None], 3, axis=2) for one in maps[:COUNT]])


def png(tiles: Tiles) -> bytes:
    """A picture as a PNG file."""
    content = io.BytesIO()
    Image.fromarray(tiles).save(content, "PNG", optimize=True)
    return content.getvalue()


def data_uri(picture: bytes) -> str:
    """A PNG file as the address of an image in a page."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _tiles(maps: list[Values]) -> Tiles:
    drawn = [_scaled(_bytes(one)) for one in maps]
    height, width, _ = drawn[0].shape
    rows = -(-len(drawn) // COLUMNS)
    columns = min(COLUMNS, len(drawn))
    canvas = np.zeros((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 4), np.uint8)
    for place, tile in enumerate(drawn):
        top, left = (height + _GAP) * (place // COLUMNS), (width + _GAP) * (place % COLUMNS)
        canvas[top : top + height, left : left + width, :3] = tile
        canvas[top : top + height, left : left + width, 3] = 255
    return canvas


def _bytes(values: Values) -> Tiles:
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.full(values.shape, 128, np.uint8)
    return np.round(255 * (values - low) / (high - low)).astype(np.uint8)


def _scaled(tile: Tiles) -> Tiles:
    """Weights are enlarged to sharp squares; maps larger than a tile are averaged down."""
    height, width, _ = tile.shape
    largest = max(height, width)
    if largest <= SIDE:
        times = SIDE // largest
        return np.repeat(np.repeat(tile, times, axis=0), times, axis=1)
    size = (max(1, round(width * SIDE / largest)), max(1, round(height * SIDE / largest)))
    return np.asarray(Image.fromarray(tile).resize(size, Image.Resampling.BOX))
