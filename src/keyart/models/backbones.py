"""Backbones: our own by name, and every network of timm, with weights from a file or the hub.

A backbone takes (films, 3, height, width), normalised, and returns its last feature map (films,
channels, height', width'). timm (Wightman, github.com/huggingface/pytorch-image-models) has over a
thousand. The patch tokens of a transformer become a map again; if there is a class token, every
place of the map gets it as further channels.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from keyart.errors import WeightsError, nearest, why
from keyart.images.spec import ImageSpec
from keyart.models.milestone import ScratchConvolutions, Vgg16Convolutions, scratch_map
from keyart.models.posternet import PATCH, PosterNet
from keyart.models.quiet import errors_only
from keyart.reading import LARGEST_WEIGHTS, opened

HUB = "hub"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_BYTES_ONLY = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # pixels / 255, as in the study
_VGG16 = "milestone-vgg16"

_FEWEST_PLACES = 4  # in a map; fewer tokens stand for the whole poster

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Origin:
    """Where a backbone's weights come from. licence: as timm states it, or why it is not known."""

    source: str
    licence: str
    sha256: str | None


class _NoMapError(Exception):
    """The output of a network cannot become a map."""


class TimmBackbone(nn.Module):
    """A network from timm without its classifier. Its output is always a map."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network
        self._tokens_first = getattr(network, "num_prefix_tokens", None)
        self._norm = getattr(network, "fc_norm", nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """x: (films, 3, height, width), normalised. Returns (films, channels, height', width')."""
        features: Tensor = self.network.forward_features(x)
        if not isinstance(features, Tensor) or features.ndim not in (3, 4):
            raise _NoMapError("its features are not a map, which a head needs")
        if features.ndim == 4:
            channels_last = getattr(self.network, "output_fmt", "NCHW") == "NHWC"
            return features.permute(0, 3, 1, 2) if channels_last else features
        tokens = self._norm(features)
        first, rows, columns = _map_size(
            tokens.shape[1], x.shape[2] / x.shape[3], self._tokens_first
        )
        patches: Tensor = tokens[:, first:].transpose(1, 2).unflatten(2, (rows, columns))
        if not first:
            return patches
        whole = tokens[:, 0, :, None, None].expand(-1, -1, rows, columns)
        return torch.cat([patches, whole], 1)


def _map_size(tokens: int, shape: float, first: int | None) -> tuple[int, int, int]:
    """The map of a transformer's tokens: number of tokens before it, its rows, its columns.

    shape: height over width of the poster, which is about that of the map. first: the number of
    tokens before the map if the network states it; otherwise None, and it is 0 or 1. Raises
    _NoMapError if no map has that shape, or there are class tokens alone.
    """
    for before in (0, 1) if first is None else (first,):
        patches = tokens - before
        rows = round((patches * shape) ** 0.5)
        if patches >= _FEWEST_PLACES and patches % rows == 0:
            return before, rows, patches // rows
    raise _NoMapError(f"its {tokens} tokens are not a map of the poster's shape")


_OWN: dict[str, Callable[[], nn.Module]] = {
    "posternet": lambda: PosterNet(widths=(32, 64, 128, 256), depths=(1, 1, 2, 2)),
    "posternet-large": lambda: PosterNet(widths=(40, 80, 160, 320), depths=(1, 2, 2, 2)),
    "posternet-small": lambda: PosterNet(widths=(32, 64, 128), depths=(1, 1, 1)),
    "milestone-scratch": ScratchConvolutions,
    _VGG16: Vgg16Convolutions,
}


def statistics(name: str) -> tuple[Triple, Triple]:
    """The mean and standard deviation of RGB in [0, 1] that a backbone was made for.

    Raises WeightsError for an unknown name.
    """
    if name.startswith("milestone-"):
        return _BYTES_ONLY
    if name in _OWN:
        return _IMAGENET
    config = _timm_config(name)
    (red, green, blue), (r, g, b) = config.mean, config.std
    return (red, green, blue), (r, g, b)


def build_backbone(
    name: str, spec: ImageSpec, *, weights: str | None = None, pad_type: str | None = None
) -> nn.Module:
    """A backbone by name, for pixels of `spec`'s size, with `weights`: a safetensors file or 'hub'.

    Without `weights` they are random. pad_type: timm's padding, 'same' for weights from TensorFlow.
    Raises WeightsError for an unknown name, a size that the backbone cannot take, and weights that
    are missing or of another network.
    """
    if name not in _OWN:
        return _timm_backbone(name, spec, weights, pad_type)
    if pad_type is not None:
        raise WeightsError(f"pad_type: {name} does not have this key; leave it out")
    _fits(name, spec)
    backbone = _OWN[name]()
    if weights is None:
        return backbone
    if name != _VGG16 and weights == HUB:
        raise WeightsError(f"weights: the hub has none for {name}; leave them out")
    tensors = _hub_vgg16() if weights == HUB else _vgg16_features(_read(weights), name)
    _load(backbone, tensors, f"{weights}: not the weights of {name}")
    return backbone


def origin(name: str, weights: str | None) -> Origin | None:
    """Where the weights of a backbone come from, for its bundle; None for random ones."""
    if weights is None:
        return None
    foreign = name not in _OWN or name == _VGG16
    config = _timm_config("vgg16.tv_in1k" if name == _VGG16 else name) if foreign else None
    licence = str(config.license or "not stated") if config else "that of the run they are from"
    if weights != HUB:
        digest = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
        if config:
            licence = f"not known of a file; of timm's own weights: {licence}"
        return Origin(f"file {Path(weights).name}", licence, digest)
    assert config
    return Origin(str(config.hf_hub_id or config.url or "hub"), licence, None)


def weights_digest(backbone: nn.Module) -> str:
    """A digest of all that a backbone computes with: its tensors, and its modules as they print.

    Settings such as padding and activations are not in the tensors, but change the features.
    """
    modules = re.sub(r" at 0x[0-9a-f]+", "", repr(backbone))  # addresses in memory
    digest = hashlib.sha256(modules.encode())
    for name, tensor in sorted(backbone.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _fits(name: str, spec: ImageSpec) -> None:
    size = f"{spec.height}x{spec.width}"
    if name == "milestone-scratch" and min(map(scratch_map, (spec.height, spec.width))) < 1:
        raise WeightsError(f"height and width: {name} needs 28 or more, not {size}")
    step = PATCH if name.startswith("posternet") else 32
    if name != "milestone-scratch" and (spec.height % step or spec.width % step):
        raise WeightsError(f"height and width: {name} needs multiples of {step}, not {size}")


def _timm_config(name: str) -> Any:
    import timm

    # For an unknown tag timm silently returns the configuration of another one.
    architecture, _, tag = name.partition(".")
    known = timm.is_model(architecture)
    if not known or (tag and name not in timm.list_pretrained(f"{architecture}.*")):
        names = [*_OWN, *timm.list_models(), *timm.list_pretrained()]
        raise WeightsError(
            f"backbone: no network {name!r}{nearest(name, names)} Known: "
            f"{', '.join(_OWN)}, and the names of timm"
        )
    return timm.get_pretrained_cfg(name)


def _timm_backbone(
    name: str, spec: ImageSpec, weights: str | None, pad_type: str | None
) -> TimmBackbone:
    import timm

    config = _timm_config(name)
    options: dict[str, Any] = {"num_classes": 0}
    if config.fixed_input_size:
        options["img_size"] = (spec.height, spec.width)  # position embeddings are interpolated
    if pad_type is not None:
        options["pad_type"] = pad_type
    if weights is not None and weights != HUB:
        heads = config.classifier
        heads = (heads,) if isinstance(heads, str) else tuple(heads or ())
        tensors = {
            key: tensor
            for key, tensor in _read(weights).items()
            if not key.startswith(tuple(f"{head}." for head in heads))
        }
        # Without a classifier in the configuration timm loads strictly.
        options["pretrained_cfg_overlay"] = {
            "state_dict": tensors,
            "num_classes": 0,
            "classifier": None,
        }
    try:
        with errors_only("timm"):
            network: Any = timm.create_model(name, pretrained=weights is not None, **options)
    except Exception as error:  # timm, the hub and torch each raise their own kinds
        raise WeightsError(_why(name, spec, weights, error)) from error
    network.pretrained_cfg = {}  # otherwise it keeps the tensors just loaded in memory
    network.default_cfg = {}
    _in_whole_patches(name, network, spec)
    backbone = TimmBackbone(network)
    try:
        with torch.no_grad():
            backbone.eval()(torch.zeros(1, 3, spec.height, spec.width))
    except _NoMapError as error:
        raise WeightsError(f"backbone {name}: {error}; choose another backbone") from error
    except Exception as error:
        raise WeightsError(_why(name, spec, None, error)) from error
    return backbone.train()


def _in_whole_patches(name: str, network: Any, spec: ImageSpec) -> None:
    """Raise WeightsError if patches do not cover the whole poster; timm would ignore the rest."""
    embedding = getattr(network, "patch_embed", None)
    cut = getattr(embedding, "proj", None)
    if not isinstance(cut, nn.Conv2d) or cut.stride != cut.kernel_size or any(cut.padding):
        return  # overlapping, or padded
    if hasattr(embedding, "backbone"):
        return  # patches are cut from the map of another network
    tall, wide = cut.stride
    if spec.height % tall or spec.width % wide:
        height, width = (
            max(1, round(side / step)) * step
            for side, step in ((spec.height, tall), (spec.width, wide))
        )
        raise WeightsError(
            f"height and width: {name} cuts posters into patches of {tall}x{wide}, and "
            f"{spec.height}x{spec.width} leaves a rest; --set height={height} --set width={width}"
        )


def _why(name: str, spec: ImageSpec, weights: str | None, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    if weights == HUB:
        return (
            f"weights: {name} cannot be downloaded from the hub ({reason}); without a network "
            "give a local file: --set weights=FILE.safetensors"
        )
    if weights is not None:
        return f"{weights}: not the weights of {name} ({reason})"
    _, height, width = _timm_config(name).input_size
    return (
        f"backbone {name}: cannot take posters of {spec.height}x{spec.width} ({reason}); its own "
        f"size is {height}x{width}"
    )


def _read(path: str) -> dict[str, Tensor]:
    """The tensors of a file; if it has a run's whole network, those of the backbone alone."""
    try:
        with opened(Path(path), LARGEST_WEIGHTS, links=True):
            tensors = load_file(path)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({why(error)})") from error
    ours = {
        name.removeprefix("backbone.").removeprefix("network."): tensor
        for name, tensor in tensors.items()
        if name.startswith("backbone.")
    }
    return ours or tensors


def _vgg16_features(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The convolutions of a whole VGG16 from timm or torchvision; other tensors as they are."""
    if name != _VGG16 or "features.0.weight" not in tensors:
        return tensors
    dense = ("pre_logits.", "head.", "classifier.")
    return {
        key.removeprefix("features."): tensor
        for key, tensor in tensors.items()
        if not key.startswith(dense)
    }


def _hub_vgg16() -> dict[str, Tensor]:
    import timm

    try:
        with errors_only("timm"):
            network: Any = timm.create_model("vgg16.tv_in1k", pretrained=True, num_classes=0)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"weights: VGG16 cannot be downloaded from the hub ({reason}); without a network give "
            "a local file: --set weights=FILE.safetensors (timm's vgg16.tv_in1k)"
        ) from error
    tensors: dict[str, Tensor] = network.features.state_dict()
    return tensors


def _load(backbone: nn.Module, tensors: dict[str, Tensor], what: str) -> None:
    try:
        backbone.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{what} ({reason})") from error
