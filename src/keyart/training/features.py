"""The feature cache: a frozen backbone's features of posters, computed once and kept.

CATALOG/features/KEY-VIEW.npy holds one row per poster, in float16. The .txt file next to it lists
the SHA-256 of each row's poster. The key stands for the network (its weights, settings and dtype),
the ImageSpec and the view. If a catalog has grown, only its new posters are computed.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from keyart.catalog.catalog import Catalog
from keyart.catalog.row_store import RowStore
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec
from keyart.models.backbones import weights_digest
from keyart.models.classifier import GenreClassifier
from keyart.training.augment import augment
from keyart.training.machine import Machine

PLAIN, FLIPPED = 0, 1

_BLOCK = 64  # posters in a batch: small enough for the activations to stay in the CPU's caches

Features = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Changes:
    """How views are augmented, as in the recipe. Views 0 and 1 are not."""

    zoom: float
    shift: float
    crop: float
    colour: float
    erase: float
    randaugment: int


def cached_features(
    catalog: Catalog,
    pixels: Pixels,
    model: GenreClassifier,
    spec: ImageSpec,
    views: int,
    changes: Changes,
    machine: Machine,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Features]:
    """The input of `model`'s head for every poster: for each view (films, numbers), memory-mapped.

    View 0 is the poster as it is, view 1 is flipped. Further views are augmented by `changes`, with
    draws from `seed`; odd ones are flipped too. pixels: (films, height, width, 3) of the catalog.
    progress: called with (done, total) posters while some are computed.
    """
    network = [weights_digest(model.backbone), model.bgr, machine.bf16]
    posters = [str(digest) for digest in catalog.to_table()["poster_sha256"].to_pylist()]
    stores = [
        RowStore(catalog.folder / "features", _key(network, spec, view, changes, seed))
        for view in range(views)
    ]
    missing = [store.missing(posters) for store in stores]
    total, done = sum(map(len, missing)), 0
    if total:
        model.to(machine.device).eval()
    for view, (store, rows) in enumerate(zip(stores, missing, strict=True)):
        if len(rows):
            computed = np.empty((len(rows), _width(model, pixels, machine)), np.float16)
            for start in range(0, len(rows), _BLOCK):
                chosen = rows[start : start + _BLOCK]
                batch = _viewed(pixels[chosen], view, changes, [seed, view, start])
                computed[start : start + len(chosen)] = _pooled(model, batch, machine)
                done += len(chosen)
                if progress:
                    progress(done, total)
            store.add([posters[row] for row in rows], computed)
    return [store.of(posters) for store in stores]


def _key(network: list[object], spec: ImageSpec, view: int, changes: Changes, seed: int) -> str:
    parts: list[object] = [*network, spec.key, spec.mean, spec.std, view]
    if view > FLIPPED:
        parts += [vars(changes), seed]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{digest[:24]}-{view}"


def _viewed(pixels: Pixels, view: int, changes: Changes, seeds: list[int]) -> Tensor:
    plain = torch.from_numpy(np.ascontiguousarray(pixels))
    batch = plain.flip(2) if view % 2 else plain
    if view <= FLIPPED:
        return batch
    draws = torch.Generator().manual_seed(int(np.random.SeedSequence(seeds).generate_state(1)[0]))
    return augment(batch, draws, flip=False, **vars(changes))


@torch.no_grad()
def _pooled(model: GenreClassifier, batch: Tensor, machine: Machine) -> npt.NDArray[np.float32]:
    with machine.arithmetic():
        pooled: npt.NDArray[np.float32] = (
            model.pooled(batch.to(machine.device)).float().cpu().numpy()
        )
    return pooled


def _width(model: GenreClassifier, pixels: Pixels, machine: Machine) -> int:
    one = torch.from_numpy(np.array(pixels[:1]))
    return int(_pooled(model, one, machine).shape[1])
