"""Exporting a finished run's model to a folder of its own."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from keyart.bundle import (
    Bundle,
    Content,
    Member,
    NetworkFiles,
    content_of,
    read_bundle,
    write_bundle,
)
from keyart.errors import RunError
from keyart.run import Run
from keyart.scorer import open_scorer
from keyart.stores.paths import place
from keyart.training.halve import halved
from keyart.training.networks import load_model
from keyart.training.onnx_export import PARITY_POSTERS, check_parity


def export(
    run: Run | str | os.PathLike[str], out: str | os.PathLike[str], *, small: bool = False
) -> Bundle:
    """Write a finished run's bundle to the folder `out`, after comparing ONNX with PyTorch again.

    small: store weights as float16, which takes a quarter of the bytes, and leave out the weights
    to train on from. An ensemble has no PyTorch network to compare with. Raises RunError for a run
    that is not finished, and BundleError if scores differ by more than 1e-4 or `out` exists.
    """
    opened = run if isinstance(run, Run) else Run.open(run)
    if not opened.is_finished:
        raise RunError(f"{opened.path}: has no bundle yet; finish it with keyart train --resume")
    bundle = read_bundle(opened.bundle_path)
    open_scorer(bundle)  # a run may come from anywhere
    if bundle.spec is not None:
        shape = (PARITY_POSTERS, *bundle.spec.shape)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        check_parity(bundle.onnx.read_bytes(), load_model(opened), noise)
    if not small:
        return write_bundle(place(out), content_of(bundle))
    with tempfile.TemporaryDirectory(prefix="keyart-") as folder:
        return write_bundle(place(out), _small(bundle, Path(folder)))


def _small(bundle: Bundle, folder: Path) -> Content:
    """A bundle's content with weights as float16; small members are made in `folder`."""
    content = content_of(bundle)
    if isinstance(content.model, NetworkFiles):
        model = replace(content.model, onnx=halved(content.model.onnx), weights=None)
        return replace(content, model=model)
    members = []
    for number, member in enumerate(content.model):
        made = write_bundle(
            folder / str(number), _small(member.bundle, folder / f"{number}-members")
        )
        members.append(Member(member.name, member.weight, made))
    return replace(content, model=members)
