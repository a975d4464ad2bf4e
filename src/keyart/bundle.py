"""What a saved model is: a folder with everything that inference needs, checked before use.

keyart.json          format, vocabulary, ImageSpec, calibration, thresholds (also by wanted
                     precision), provenance, and the size and SHA-256 of the files below and of
                     itself
model.onnx           pixels (films, height, width, 3) uint8 -> logits (films, genres) float32;
                     an ensemble's takes what PackedSpec prepares, a model's of titles and years
                     what FilmSpec does
model.safetensors    the same weights, to train on from; a small bundle goes without
MODEL_CARD.md        what it was trained on, how good it is, what it must not be used for
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import keyart
from keyart.calibration import Calibration
from keyart.errors import BundleError, KeyartError
from keyart.files import new_folder, replacing_folder, write_json
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
from keyart.images.spec import FilmSpec, Spec, spec_from_json

FORMAT = 1
MANIFEST, ONNX, WEIGHTS, CARD = "keyart.json", "model.onnx", "model.safetensors", "MODEL_CARD.md"
BOX = Path(__file__).with_name("box")


@dataclass(frozen=True)
class Bundle:
    """A saved model, read and found sound.

    thresholds: (genres,), the score from which a genre is answered. precision_thresholds: the
    same for several wanted precisions; none in a bundle of an older keyart. precision: the one
    that `thresholds` are for, None where they are the bundle's own. fingerprint: changes with any
    byte of the bundle.
    """

    path: Path
    vocabulary: Vocabulary
    spec: Spec | FilmSpec
    calibration: Calibration
    thresholds: npt.NDArray[np.float64]
    provenance: Mapping[str, Any]
    fingerprint: str
    precision_thresholds: Mapping[float, npt.NDArray[np.float64]]
    precision: float | None = None

    def at_precision(self, wanted: float) -> "Bundle":
        """This model, answering a genre only where it is right in the share `wanted` of cases.

        The thresholds are those of the next higher precision that the bundle brings. Raises
        BundleError where it brings none so high.
        """
        if not self.precision_thresholds:
            raise BundleError(
                f"{self.path}: brings no thresholds by precision, as it was made by an older "
                "keyart; make them with keyart evaluate RUN --precision P --save"
            )
        precisions = sorted(self.precision_thresholds)
        reached = [precision for precision in precisions if precision >= wanted - 1e-9]
        if not wanted > 0 or not reached:
            raise BundleError(
                f"precision {wanted:g}: this model has thresholds for {precisions[0]:g} to "
                f"{precisions[-1]:g}; ask for one up to that"
            )
        return replace(self, thresholds=self.precision_thresholds[reached[0]], precision=reached[0])

    @property
    def onnx(self) -> Path:
        """The network, for ONNX Runtime."""
        return self.path / ONNX

    @property
    def weights(self) -> Path:
        """The network's weights, for PyTorch; a small bundle has none."""
        return self.path / WEIGHTS

    @property
    def card(self) -> str:
        """What the model was trained on, how good it is, what it must not be used for."""
        return (self.path / CARD).read_text(encoding="utf-8")


def write_bundle(
    path: Path,
    *,
    onnx: bytes,
    weights: bytes | None,
    card: str,
    vocabulary: Vocabulary,
    spec: Spec | FilmSpec,
    calibration: Calibration,
    thresholds: npt.NDArray[np.float64],
    provenance: Mapping[str, Any],
    precision_thresholds: Mapping[float, npt.NDArray[np.float64]] | None = None,
) -> Bundle:
    """Write a bundle, whole or not at all. `path` must not exist. Raises BundleError."""
    if path.exists():
        raise BundleError(f"{path}: is already there; name another folder or remove it")
    contents = {ONNX: onnx, CARD: card.encode("utf-8")}
    if weights is not None:
        contents[WEIGHTS] = weights
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "keyart": keyart.__version__,
        "vocabulary": list(vocabulary.names),
        "image": spec.to_json(),
        "thresholds": _by_genre(vocabulary, thresholds),
        "precision_thresholds": _by_precision(vocabulary, precision_thresholds),
        "calibration": calibration.to_json(),
        "provenance": dict(provenance),
        "files": {name: _identity(content) for name, content in contents.items()},
    }
    manifest["digest"] = _digest(manifest)
    with new_folder(path) as beside:
        for name, content in contents.items():
            (beside / name).write_bytes(content)
        write_json(beside / MANIFEST, manifest)
    return read_bundle(path)


def change_thresholds(
    bundle: Bundle,
    thresholds: npt.NDArray[np.float64],
    precision_thresholds: Mapping[float, npt.NDArray[np.float64]],
    *,
    card: str,
    provenance: Mapping[str, Any],
) -> Bundle:
    """Give a saved model other thresholds, with the card and provenance that tell them."""
    content = card.encode("utf-8")
    manifest = _manifest(bundle.path) | {
        "keyart": keyart.__version__,
        "thresholds": _by_genre(bundle.vocabulary, thresholds),
        "precision_thresholds": _by_precision(bundle.vocabulary, precision_thresholds),
        "provenance": dict(provenance),
    }
    manifest["files"][CARD] = _identity(content)
    manifest["digest"] = _digest(manifest)
    with replacing_folder(bundle.path) as beside:
        shutil.copytree(bundle.path, beside, dirs_exist_ok=True)
        (beside / CARD).write_bytes(content)
        write_json(beside / MANIFEST, manifest)
    return read_bundle(bundle.path)


def boxed_bundle() -> Path:
    """The bundle that comes with keyart. Raises BundleError where this one has none."""
    if not (BOX / MANIFEST).is_file():
        raise BundleError("no model comes with this keyart; name a run or a bundle with --model")
    return BOX


def read_bundle(path: Path) -> Bundle:
    """Read a bundle, after checking every file's size and hash.

    Raises BundleError: not there, a file missing, a byte changed, a newer format.
    """
    manifest = _manifest(path)
    for name, expected in manifest["files"].items():
        _check_file(path / name, expected["size"], expected["sha256"])
    try:
        names = tuple(manifest["vocabulary"])
        # A bundle keeps the names; the aliases of the default vocabulary come with keyart.
        known = DEFAULT_VOCABULARY if names == DEFAULT_VOCABULARY.names else Vocabulary(names)
        return Bundle(
            path=path,
            vocabulary=known,
            spec=spec_from_json(manifest["image"]),
            calibration=Calibration.from_json(manifest["calibration"]),
            thresholds=np.array([manifest["thresholds"][name] for name in names]),
            provenance=manifest["provenance"],
            fingerprint=manifest["digest"],
            precision_thresholds={
                float(precision): np.array([cuts[name] for name in names])
                for precision, cuts in manifest.get("precision_thresholds", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, KeyartError) as error:
        raise BundleError(f"{path / MANIFEST}: incomplete ({error!r}); export it again") from error


def _by_genre(vocabulary: Vocabulary, thresholds: npt.NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(vocabulary.names, map(float, thresholds), strict=True))


def _by_precision(
    vocabulary: Vocabulary, thresholds: Mapping[float, npt.NDArray[np.float64]] | None
) -> dict[str, dict[str, float]]:
    """JSON names are text: "0.8"."""
    return {f"{at:g}": _by_genre(vocabulary, cuts) for at, cuts in (thresholds or {}).items()}


def _identity(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    if not path.is_dir():
        raise BundleError(f"{path}: no such bundle; name a run or a bundle folder")
    try:
        manifest = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"{path}: not a bundle, it has no {MANIFEST}") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{file}: cannot be read ({error}); export the bundle again") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise BundleError(f"{file}: not a keyart manifest; export the bundle again")
    if manifest["format"] > FORMAT:
        raise BundleError(
            f"{path}: format {manifest['format']}, written by keyart {manifest.get('keyart')}; "
            f"this keyart {keyart.__version__} reads up to format {FORMAT}: upgrade keyart"
        )
    if manifest.get("digest") != _digest(manifest):
        raise BundleError(f"{file}: changed since it was written; export the bundle again")
    return manifest


def _digest(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def _check_file(file: Path, size: int, sha256: str) -> None:
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise BundleError(f"{file}: missing from the bundle; export it again") from error
    except OSError as error:
        raise BundleError(f"{file}: cannot be read ({error})") from error
    if len(content) != size:
        raise BundleError(
            f"{file}: {len(content):,} bytes where {size:,} were written; export it again"
        )
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError(f"{file}: changed since it was written; export the bundle again")
