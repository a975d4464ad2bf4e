"""milestone/: tiles, layers and the page of a run's pictures."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from keyart.errors import RunError
from keyart.images.spec import ImageSpec
from keyart.milestone.layers import choose_layers, convolutions, feature_maps
from keyart.milestone.tiles import COUNT, colour_tiles, grey_tiles, map_tiles, png
from keyart.models.classifier import GenreClassifier, build_classifier


def test_each_grey_tile_goes_from_its_least_weight_to_its_greatest() -> None:
    weights = np.zeros((9, 3, 2, 2), np.float32)
    weights[0, 0] = np.array([[-1, 0], [0.5, 1]])
    weights[0, 1] = 9  # another channel has no effect
    tiles = grey_tiles(weights)
    assert tiles.shape == (2 * 72 + 4, 8 * 72 + 7 * 4, 4)
    assert [tiles[y, x, 0] for y in (0, 71) for x in (0, 71)] == [0, 128, 191, 255]
    assert (tiles[0:72, 76 : 76 + 72, :3] == 128).all()  # the same all over: grey
    assert tiles[10, 73, 3] == 0  # the line between tiles
    assert tiles[-1, -1, 3] == 0  # no ninth to sixteenth tile


def test_colours_are_red_green_and_blue_whatever_order_the_network_sees() -> None:
    weights = np.zeros((1, 3, 1, 2), np.float32)
    weights[0, :, 0, 0] = np.array([1, 0, 0.5])
    assert colour_tiles(weights, bgr=False)[0, 0].tolist() == [255, 0, 128, 255]
    assert colour_tiles(weights, bgr=True)[0, 0].tolist() == [128, 0, 255, 255]


def test_large_maps_are_averaged_down_and_no_more_than_64_are_shown() -> None:
    maps = np.random.default_rng(0).random((70, 144, 72)).astype(np.float32)
    tiles = map_tiles(maps)
    assert tiles.shape == (8 * (72 + 4) - 4, 8 * (36 + 4) - 4, 4)
    assert COUNT == 64
    opened = Image.open(io.BytesIO(png(tiles)))
    assert np.array_equal(np.asarray(opened), tiles)


@pytest.fixture(scope="module")
def scratch() -> GenreClassifier:
    torch.manual_seed(0)
    return build_classifier("milestone-scratch", ImageSpec(128, 128), 3, 0.2)


@pytest.fixture(scope="module")
def posternet() -> GenreClassifier:
    torch.manual_seed(0)
    return build_classifier("posternet-small", ImageSpec(32, 24), 3, 0.1)


def test_convolutions_are_counted_as_the_network_goes(scratch: GenreClassifier) -> None:
    layers = convolutions(scratch, bgr=True)
    assert [layer.number for layer in layers] == [1, 2, 3, 4, 5, 6]
    assert [layer.weights.shape for layer in layers[:4]] == [
        (64, 3, 5, 5), (64, 64, 5, 5), (64, 64, 5, 5), (128, 64, 3, 3),
    ]  # fmt: skip
    assert [layer.sees_colours for layer in layers] == [True] + [False] * 5
    assert all(layer.bgr for layer in layers)


def test_the_study_shows_its_first_fourth_and_sixth(scratch: GenreClassifier) -> None:
    layers = convolutions(scratch, bgr=False)
    shown = choose_layers(layers, "milestone-scratch", [])
    assert [layer.number for layer in shown] == [1, 4, 6]


def test_a_layer_is_known_by_name_and_by_number(posternet: GenreClassifier) -> None:
    layers = convolutions(posternet, bgr=False)
    name = layers[2].name
    assert choose_layers(layers, "posternet-small", [name, "3", "1"]) == [layers[2], layers[0]]


def test_any_network_shows_its_first_middle_and_last_filters_but_none_of_1x1(
    posternet: GenreClassifier,
) -> None:
    layers = convolutions(posternet, bgr=False)
    shown = choose_layers(layers, "posternet-small", [])
    assert shown[0].number == 1
    assert len(shown) == 3
    assert all(layer.weights.shape[2:] == (3, 3) for layer in shown)


def test_an_unknown_layer_is_an_error_with_the_nearest_name_and_all_names(
    posternet: GenreClassifier,
) -> None:
    layers = convolutions(posternet, bgr=False)
    wrong = layers[0].name.replace("stem", "stern")
    with pytest.raises(RunError) as error:
        choose_layers(layers, "posternet-small", [wrong])
    assert f"did you mean {layers[0].name!r}?" in str(error.value)
    assert all(layer.name in str(error.value) for layer in layers)
    with pytest.raises(RunError, match="layer 99"):
        choose_layers(layers, "posternet-small", ["99"])


def test_feature_maps_are_what_the_layers_make_after_their_relu(scratch: GenreClassifier) -> None:
    layers = convolutions(scratch, bgr=False)[:2]
    poster = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    maps = feature_maps(scratch, layers, poster)
    first = scratch.get_submodule(layers[0].name)
    scaled = (torch.from_numpy(poster)[None].float() - scratch.mean) / scratch.std
    with torch.no_grad():
        expected = torch.relu(first(scaled.permute(0, 3, 1, 2)))[0].numpy()
    assert np.allclose(maps[layers[0].name], expected, atol=1e-5)
    assert maps[layers[1].name].shape == (64, 120, 120)
    assert maps[layers[1].name].min() == 0


def test_feature_maps_leave_no_hook_behind(scratch: GenreClassifier) -> None:
    poster = np.zeros((128, 128, 3), np.uint8)
    feature_maps(scratch, convolutions(scratch, bgr=False)[:1], poster)
    assert all(not module._forward_hooks for module in scratch.modules())
