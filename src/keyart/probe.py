"""Known posters and titles, which a model must answer as it did when its bundle was written."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.errors import BundleError
from keyart.graph import check_model
from keyart.images.decode import Pixels
from keyart.images.spec import ImageSpec
from keyart.known_networks import remember
from keyart.manifest import PROBE_TITLES
from keyart.manifest_schema import PROBES
from keyart.network import Logits, Network
from keyart.title_model import TextHead

# Of a logit. Processors differ by less than 1e-4 in fp32; another network differs by far more.
_TOLERANCE = 0.02


def probe_posters(spec: ImageSpec) -> Pixels:
    """The prepared posters (2, ...): a slope of all levels, and a fine pattern.

    Integers alone, so that they are the same everywhere.
    """
    place = np.arange(int(np.prod(spec.shape)), dtype=np.int64)
    slope = place * 256 // len(place)
    pattern = place * 37 % 251 * (place // 97 % 2)
    return np.stack([slope, pattern]).astype(np.uint8).reshape(PROBES, *spec.shape)


def probe(network: Network, spec: ImageSpec, genres: int) -> Logits:
    """The network's logits (2, genres) of the known posters.

    Raises BundleError if its input or its answer is not that of a model of `genres` genres.
    """
    network.check_input(spec.shape)
    try:
        logits = network.logits(probe_posters(spec))
    except BundleError:
        raise
    except Exception as error:  # the runtime has error classes of its own, without a root
        reason = str(error).strip().splitlines()[0]
        raise BundleError(f"the network fails on a known poster ({reason[:300]})") from error
    if not isinstance(logits, np.ndarray) or logits.dtype != np.float32:
        raise BundleError(f"the network answers with {_kind(logits)}, not with float32")
    if logits.shape != (PROBES, genres):
        raise BundleError(
            f"the network answers {PROBES} posters with {logits.shape}, not with a row for each "
            f"and {genres} genres"
        )
    if not np.isfinite(logits).all():
        raise BundleError("the network answers a known poster with NaN or infinity")
    return logits


def new_probe(onnx: bytes, spec: ImageSpec, genres: int) -> list[list[float]]:
    """The logits (2, genres) of the known posters, by a network that was made here.

    Raises BundleError if no bundle can hold the network.
    """
    try:
        check_model(onnx)
    except (ValueError, IndexError) as error:
        raise BundleError(f"the network {error}; no bundle can hold it") from error
    logits: list[list[float]] = probe(Network(onnx), spec, genres).tolist()
    remember(hashlib.sha256(onnx).hexdigest())
    return logits


def new_text_probe(text: TextHead) -> list[list[float]]:
    """The logits (2, genres) of the known titles, by an encoder that was run here."""
    logits: list[list[float]] = text.logits(PROBE_TITLES).tolist()
    remember(text.encoder.fingerprint)
    return logits


def check_probe(network: Network, spec: ImageSpec, expected: Sequence[Sequence[float]]) -> None:
    """Raise BundleError if a network does not answer the known posters as `expected`."""
    _check(probe(network, spec, len(expected[0])), expected, "the network answers a known poster")


def check_text_probe(text: TextHead, expected: Sequence[Sequence[float]]) -> None:
    """Raise BundleError if a sentence encoder does not answer the known titles as `expected`."""
    try:
        found = text.logits(PROBE_TITLES)
    except ValueError as error:
        raise BundleError(str(error)) from error
    _check(found, expected, "the sentence encoder answers a known title")


def _check(
    logits: npt.NDArray[np.floating[Any]], expected: Sequence[Sequence[float]], what: str
) -> None:
    found, wanted = logits.astype(np.float64), np.array(expected, np.float64)
    drift = np.abs(found - wanted) / np.maximum(1, np.abs(wanted))
    if drift.max() > _TOLERANCE:
        raise BundleError(
            f"{what} with a logit of {found.flat[drift.argmax()]:.4g} where "
            f"{wanted.flat[drift.argmax()]:.4g} was written"
        )


def _kind(value: object) -> str:
    return str(value.dtype) if isinstance(value, np.ndarray) else type(value).__name__
