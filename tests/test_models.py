"""models/: PosterNet's size and shapes, and what the classifier takes in."""

import pytest
import torch

from keyart.errors import WeightsError
from keyart.images.spec import ImageSpec
from keyart.models.classifier import build_classifier, multiply_adds
from keyart.models.heads import GenreHead

SPEC = ImageSpec(height=64, width=48)


def test_posternet_is_as_large_as_it_says() -> None:
    model = build_classifier("posternet", ImageSpec(), 19, 0.0)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert 1_000_000 < parameters < 3_000_000
    assert 100e6 < multiply_adds(model, ImageSpec()) < 400e6


def test_multiply_adds_count_convolutions_and_linear_layers() -> None:
    model = build_classifier("posternet-small", SPEC, 5, 0.0)
    # stem: 48 channels in, 32 out, 3x3, on a 16x12 map
    stem = 48 * 32 * 9 * 16 * 12
    rest = multiply_adds(model, SPEC) - stem
    first_block = 2 * 32 * 32 * 9 * 16 * 12
    second_block = (32 * 64 * 9 + 64 * 64 * 9 + 32 * 64) * 8 * 6
    third_block = (64 * 128 * 9 + 128 * 128 * 9 + 64 * 128) * 4 * 3
    assert rest == first_block + second_block + third_block + 128 * 5


def test_bytes_and_floats_of_the_same_pixels_give_the_same_logits() -> None:
    model = build_classifier("posternet-small", SPEC, 4, 0.0).eval()
    pixels = torch.randint(0, 256, (3, 64, 48, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(model(pixels), model(pixels.float()))
        assert model(pixels).shape == (3, 4)


def test_the_spec_normalises_pixels() -> None:
    dark = ImageSpec(64, 48, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    model = build_classifier("posternet-small", dark, 4, 0.0).eval()
    seen: list[torch.Tensor] = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.full((1, 64, 48, 3), 51, dtype=torch.uint8))
    assert torch.allclose(seen[0], torch.full((1, 3, 64, 48), 0.2))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("height", "width"), [(64, 50), (66, 48)])
def test_a_size_that_does_not_fit_the_patches_is_refused(height: int, width: int) -> None:
    with pytest.raises(WeightsError, match="multiples of 4"):
        build_classifier("posternet", ImageSpec(height, width), 4, 0.0)


def test_an_unknown_network_is_named_with_the_nearest() -> None:
    with pytest.raises(WeightsError, match="did you mean 'posternet'"):
        build_classifier("posternett", SPEC, 4, 0.0)


def test_a_head_starts_with_the_genres_rates_as_scores() -> None:
    rates = torch.tensor([0.5, 0.1, 0.001])
    head = GenreHead(8, 3, 0.0)
    head.start_at(rates)
    scores = torch.sigmoid(head.decide(torch.zeros(2, 8)))
    torch.testing.assert_close(scores, rates.expand(2, 3))
