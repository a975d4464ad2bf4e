"""The two optimizers, with weight decay on matrices alone and lower rates near the input."""

import torch
from torch import nn

from keyart.models.backbones import TimmBackbone
from keyart.models.classifier import GenreClassifier


def build_optimizer(
    model: nn.Module,
    name: str,
    *,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    layer_decay: float = 1.0,
) -> torch.optim.Optimizer:
    """AdamW ('adamw') or SGD with Nesterov momentum ('sgd').

    Biases and the scales of normalisations are not decayed: shrinking them changes what a layer
    computes without making it simpler. layer_decay: each layer learns at this fraction of the rate
    of the layer above it. Each parameter group has its fraction of the highest rate as `share`.
    """
    depths = _depths(model) if layer_decay < 1 else {}
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((depths.get(key, 0), parameter.ndim > 1), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "weight_decay": weight_decay if decayed else 0.0,
            "share": layer_decay**depth,
        }
        for (depth, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
    if name == "sgd":
        return torch.optim.SGD(
            settings, lr=learning_rate, momentum=momentum, nesterov=momentum > 0, fused=True
        )
    return torch.optim.AdamW(settings, lr=learning_rate, fused=True)


def _depths(model: nn.Module) -> dict[str, int]:
    """How many layers are above each parameter of a classifier; the head's have none."""
    classifier = next((m for m in model.modules() if isinstance(m, GenreClassifier)), None)
    if classifier is None:
        return {}
    path = next(name for name, module in model.named_modules() if module is classifier)
    start = f"{path}.backbone." if path else "backbone."
    layers = layers_of(classifier.backbone)
    top = max(layers.values())
    return {start + name: top - layer + 1 for name, layer in layers.items()}


def layers_of(backbone: nn.Module) -> dict[str, int]:
    """The layer of each parameter of a backbone, 0 nearest the input.

    timm knows the layers of its networks. In ours each block is a layer.
    """
    if isinstance(backbone, TimmBackbone):
        from timm.models import group_parameters

        matcher = backbone.network.group_matcher(coarse=True)
        found = group_parameters(backbone.network, matcher, reverse=True)
        ranks = {layer: rank for rank, layer in enumerate(sorted(set(found.values())))}
        return {f"network.{name}": ranks[layer] for name, layer in found.items()}
    blocks: dict[str, int] = {}
    layers = {}
    for name, _ in backbone.named_parameters():
        parts = name.split(".")
        block = ".".join(parts[:2]) if parts[0] == "stages" else parts[0]
        layers[name] = blocks.setdefault(block, len(blocks))
    return layers
