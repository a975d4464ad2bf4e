"""Freezing: parts of a backbone that stay as they are while the rest is fine-tuned."""

from torch import nn

from keyart.errors import RecipeError
from keyart.models.classifier import GenreClassifier
from keyart.training.optimizer import layers_of

_Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.SyncBatchNorm


def freeze_stages(model: GenreClassifier, stages: int) -> None:
    """Fix the weights of the `stages` stages nearest the input. Raises RecipeError for too many."""
    if stages == 0:
        return
    layers = layers_of(model.backbone)
    known = max(layers.values()) + 1
    if stages > known:
        raise RecipeError(f"frozen_stages = {stages}: the backbone has {known} stages")
    for name, parameter in model.backbone.named_parameters():
        parameter.requires_grad_(layers[name] >= stages)


def training_mode(model: nn.Module, *, freeze_batch_norm: bool) -> None:
    """Put `model` into training mode, except for batch normalisations that keep their statistics.

    These are the ones of frozen stages, or all with `freeze_batch_norm`.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, _Norm):
            fixed = module.affine and not module.weight.requires_grad
            module.train(not (freeze_batch_norm or fixed))
