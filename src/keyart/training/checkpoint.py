"""Checkpoints: the whole state of the loop in one safetensors file, written whole or not at all."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from keyart.errors import RunError, why
from keyart.files import replacing
from keyart.reading import LARGEST_WEIGHTS, opened
from keyart.run import Run
from keyart.training.callbacks import Row
from keyart.training.state import LoopState


def save_checkpoint(
    path: Path,
    state: LoopState,
    model: nn.Module,
    average: Mapping[str, Tensor] | None,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the loop's whole state to `path`."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in (average or {}).items()}
    for index, slots in optimizer.state_dict()["state"].items():
        for name, value in slots.items():
            if value is not None:
                tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
    save_tensors(path, tensors, {"state": json.dumps(asdict(state))})


def load_checkpoint(
    path: Path,
    model: nn.Module,
    average: Mapping[str, Tensor] | None,
    optimizer: torch.optim.Optimizer,
) -> LoopState:
    """Put a checkpoint's tensors into place and return its state. Raises RunError."""
    tensors, facts = load_tensors(path)
    try:
        model.load_state_dict(_below("model.", tensors))
        saved = _below("average.", tensors)
        for name, tensor in (average or {}).items():
            tensor.copy_(saved[name])
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in _below("optimizer.", tensors).items():
            index, _, name = key.partition(".")
            like = trained[int(index)]
            if value.shape == like.shape:
                # A fused optimizer needs its state in the memory layout of the parameter
                # (channels_last). The file does not keep layouts.
                value = torch.empty_like(like).copy_(value)
            slots.setdefault(int(index), {})[name] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": slots, "param_groups": groups})
        return LoopState(**json.loads(facts["state"]))
    except (KeyError, IndexError, ValueError, TypeError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise RunError(
            f"{path}: not a checkpoint of this recipe ({first}); train into a new folder"
        ) from error


def history_of(path: Path) -> list[Row]:
    """The rows of history.csv up to a checkpoint. Raises RunError."""
    try:
        with opened(path, LARGEST_WEIGHTS, links=True), safe_open(path, framework="pt") as file:
            return LoopState(**json.loads(file.metadata()["state"])).history
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: missing or damaged ({error})") from error


def rows_done(run: Run) -> list[Row]:
    """The epochs up to a run's last checkpoint: of the head alone, then of the whole network.

    history.csv may have more epochs; those are trained again.
    """
    checkpoints = [stage.last_checkpoint for stage in (run.head, run)]
    return [row for file in checkpoints if file.is_file() for row in history_of(file)]


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write tensors and facts to a safetensors file, whole or not at all."""
    with replacing(path) as partial:
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        try:
            save_file(plain, partial, dict(facts))
        except SafetensorError as error:
            code = re.search(r"os error ([0-9]+)", str(error))
            if code is None:
                raise
            number = int(code[1])
            raise OSError(number, os.strerror(number), str(path)) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and facts of a safetensors file. Raises RunError."""
    try:
        with opened(path, LARGEST_WEIGHTS, links=True), safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise RunError(f"{path}: missing or damaged ({why(error)})") from error


def _below(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
