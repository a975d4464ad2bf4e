"""models/backbones.py: networks by name, their weights from a file, and what does not fit."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from keyart.errors import WeightsError
from keyart.images.spec import ImageSpec
from keyart.models.backbones import build_backbone, origin, statistics, weights_digest
from keyart.models.classifier import build_classifier

SPEC = ImageSpec(height=96, width=64)
SMALL = "mobilenetv2_035"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    torch.manual_seed(0)
    tensors: dict[str, Tensor] = timm.create_model(SMALL, pretrained=False).state_dict()
    return tensors


def saved(path: Path, tensors: dict[str, Tensor]) -> str:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return str(path)


def test_a_local_file_gives_timms_features(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    ours = build_backbone(SMALL, SPEC, weights=saved(tmp_path / "w.safetensors", weights)).eval()
    theirs: Any = timm.create_model(SMALL, pretrained=False)
    theirs.load_state_dict(weights)
    x = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs.eval().forward_features(x), atol=1e-5)


def test_padding_changes_what_the_weights_compute(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    file = saved(tmp_path / "w.safetensors", weights)
    x = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        plain, same = (
            build_backbone(SMALL, SPEC, weights=file, pad_type=pad_type).eval()(x)
            for pad_type in (None, "same")
        )
    assert not torch.allclose(plain, same, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "size", "token"),
    [
        ("convnext_atto.d2_in1k", (96, 64), False),
        ("vit_tiny_patch16_224.augreg_in21k", (96, 64), True),
        ("vit_tiny_patch16_224", (48, 32), True),
        ("vit_base_patch16_clip_224.openai", (48, 32), True),
        ("vit_base_patch16_siglip_224.webli", (48, 32), False),
        ("vit_small_patch14_dinov2.lvd142m", (42, 28), True),
        ("swin_tiny_patch4_window7_224", (224, 224), False),
        ("mixer_s16_224", (96, 64), False),
        ("levit_128s", (192, 128), False),
        ("tnt_s_legacy_patch16_224", (96, 64), True),
        ("volo_d1_224", (96, 64), True),
        ("pvt_v2_b0", (192, 128), False),
        ("xcit_nano_12_p16_224", (96, 64), True),
    ],
)
def test_convolutions_and_transformers_alike_give_a_map(
    name: str, size: tuple[int, int], token: bool
) -> None:
    spec = ImageSpec(*size)
    backbone = build_backbone(name, spec).eval()
    with torch.no_grad():
        features = backbone(torch.randn(1, 3, *size))
    assert features.ndim == 4
    assert features.shape[2] * size[1] == features.shape[3] * size[0]
    if token:
        half = features.shape[1] // 2
        whole = features[:, half:]
        assert torch.equal(whole, whole[:, :, :1, :1].expand_as(whole))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_tiny_patch16_224", "patches of 16x16, and 176x120 leaves a rest; --set height=176 "
         "--set width=128"),
        ("vit_small_patch14_dinov2.lvd142m", "--set height=182 --set width=126"),
        ("nest_tiny", r"cannot take posters of 176x120 \(.+\); its own size is 224x224"),
        ("pit_ti_224", "its 1 tokens are not a map of the poster's shape; choose another backbone"),
    ],
)  # fmt: skip
def test_a_size_that_a_network_would_not_see_whole_is_refused_with_one_that_it_would(
    name: str, message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        build_backbone(name, ImageSpec(176, 120))


def test_position_embeddings_of_another_size_are_interpolated(tmp_path: Path) -> None:
    name = "vit_tiny_patch16_224"
    square = timm.create_model(name, pretrained=False)
    file = saved(tmp_path / "vit.safetensors", square.state_dict())
    tall = build_backbone(name, ImageSpec(96, 64), weights=file)
    assert tall.state_dict()["network.pos_embed"].shape == (1, 1 + 6 * 4, 192)
    blocks = "blocks.3.mlp.fc1.weight"
    assert torch.equal(tall.state_dict()[f"network.{blocks}"], square.state_dict()[blocks])


def test_statistics_are_the_backbones_own() -> None:
    assert statistics("vit_base_patch16_clip_224.openai")[0] == pytest.approx(
        (0.48145466, 0.4578275, 0.40821073)
    )
    assert statistics("milestone-scratch") == ((0, 0, 0), (1, 1, 1))
    assert statistics("posternet")[0] == (0.485, 0.456, 0.406)


def test_the_origin_names_source_licence_and_digest(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"weights")
    found = origin("mobilenetv2_100", str(file))
    assert found is not None
    assert found.source == "file w.safetensors"
    assert found.licence == "not known of a file; of timm's own weights: apache-2.0"
    assert found.sha256 is not None
    assert len(found.sha256) == 64
    hub = origin("convnext_tiny.fb_in22k", "hub")
    assert hub is not None
    assert "convnext_tiny" in hub.source
    assert hub.licence == "apache-2.0"
    assert origin("posternet", None) is None


def test_the_digest_changes_with_any_weight() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("posternet-small", SPEC)
    before = weights_digest(backbone)
    assert weights_digest(backbone) == before
    with torch.no_grad():
        next(backbone.parameters()).view(-1)[0] += 1e-3
    assert weights_digest(backbone) != before


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("convnext_tinny", "did you mean 'convnext_tiny'"),
        ("convnext_tiny.fb_in22kk", "did you mean 'convnext_tiny.fb_in22k'"),
        ("posternett", "did you mean 'posternet'"),
        ("nothing-like-it-at-all", "no network"),
    ],
)
def test_an_unknown_backbone_is_named_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(WeightsError, match=nearest) as caught:
        build_backbone(name, SPEC)
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    def refused(path: str, message: str, name: str = SMALL) -> None:
        with pytest.raises(WeightsError, match=message) as caught:
            build_backbone(name, SPEC, weights=path)
        assert "\n" not in str(caught.value)
        assert Path(path).name in str(caught.value)

    refused(str(tmp_path / "none.safetensors"), "no such weights file")
    text = tmp_path / "text.safetensors"
    text.write_text("not tensors")
    refused(str(text), "not a safetensors file")
    fewer = {k: v for k, v in weights.items() if not k.startswith("blocks.3")}
    refused(saved(tmp_path / "fewer.safetensors", fewer), "(?i)missing")
    more = weights | {"blocks.99.weight": torch.zeros(3)}
    refused(saved(tmp_path / "more.safetensors", more), "(?i)unexpected")
    whole = saved(tmp_path / "whole.safetensors", weights)
    refused(whole, "not the weights of", "mobilenetv2_100")
    refused(whole, "not the weights of milestone-vgg16", "milestone-vgg16")


def test_without_a_network_the_hub_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("timm.create_model", unreachable)
    for name in (SMALL, "milestone-vgg16"):
        with pytest.raises(WeightsError, match=r"weights=FILE\.safetensors"):
            build_backbone(name, SPEC, weights="hub")


def test_a_vgg16_file_of_timm_loads_into_the_studys(tmp_path: Path) -> None:
    theirs = timm.create_model("vgg16", pretrained=False, num_classes=0, mlp_ratio=0.01)
    tensors = {
        name: tensor for name, tensor in theirs.state_dict().items() if name.startswith("features.")
    } | {"pre_logits.fc1.weight": torch.zeros(2, 2), "head.fc.bias": torch.zeros(1000)}
    file = saved(tmp_path / "vgg16.safetensors", tensors)
    ours = build_backbone("milestone-vgg16", ImageSpec(128, 128), weights=file)
    assert torch.equal(ours.state_dict()["0.weight"], theirs.state_dict()["features.0.weight"])


def test_tta_averages_views_in_evaluation_and_not_in_training() -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (2, 96, 64, 3), dtype=torch.uint8)
    once = build_classifier("posternet-small", SPEC, 3, 0.0).eval()
    twice = build_classifier("posternet-small", SPEC, 3, 0.0, tta=2).eval()
    twice.load_state_dict(once.state_dict())
    ten = build_classifier("posternet-small", SPEC, 3, 0.0, tta=10).eval()
    ten.load_state_dict(once.state_dict())
    with torch.no_grad():
        by_hand = (once(pixels) + once(pixels.flip(2))) / 2
        assert torch.allclose(twice(pixels), by_hand, atol=1e-5)
        assert torch.allclose(ten(pixels), ten(pixels.flip(2)), atol=1e-4)
        assert not torch.allclose(ten(pixels), by_hand, atol=1e-6)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 63), (95, 0), (95, 63)])
def test_each_of_five_views_shows_another_corner(row: int, column: int) -> None:
    pixels = torch.zeros(1, 96, 64, 3)
    pixels[0, row, column] = 255
    model = build_classifier("posternet-small", SPEC, 3, 0.0, tta=5).eval()
    seen: list[Tensor] = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(pixels)
    bright = [bool(look.max() > look.min() + 1) for look in seen]
    assert len(bright) == 5
    assert bright[0], "the whole poster"
    assert sum(bright) == 2, "and the one corner that it is in"


def test_blue_first_is_what_the_backbone_sees() -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (1, 96, 64, 3), dtype=torch.uint8)
    plain = ImageSpec(96, 64, mean=(0, 0, 0), std=(1, 1, 1))
    model = build_classifier("posternet-small", plain, 3, 0.0, bgr=True).eval()
    seen: list[Tensor] = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(pixels)
    assert torch.allclose(seen[0], pixels.flip(3).permute(0, 3, 1, 2) / 255)
