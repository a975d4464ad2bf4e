"""What a saved model is: a folder with everything that inference needs, checked before use.

    keyart.json          format, vocabulary, ImageSpec, calibration, thresholds (also by wanted
                         precision), provenance, the logits of two known posters, the size and
                         SHA-256 of the files below, and a digest of all this
    model.onnx           pixels (films, height, width, 3) uint8 -> logits (films, genres) float32
    model.safetensors    the same weights, to train on from; a small bundle has none
    titles.bin           the n-grams of titles, if it learned from titles: see title_model.py
    encoder.onnx         a sentence encoder that reads titles as well, with its tokenizer.json, if
                         it learned with one: see text_encoder.py
    MODEL_CARD.md        what it was trained on, how good it is, what it must not be used for

An ensemble is a bundle of bundles: instead of an ImageSpec and a network it has members/0,
members/1 ..., each a bundle, with a weight.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.calibration import Calibration
from keyart.copies import local_tree
from keyart.decisions import (
    Decisions,
    Films,
    Thresholds,
    decisions_from_json,
    decisions_to_json,
    evidence_to_json,
)
from keyart.errors import BundleError
from keyart.evidence import POSTER, Evidence, Fusion
from keyart.files import new_folder, write_json
from keyart.genre_sets import GenreSets
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
from keyart.images.spec import ImageSpec
from keyart.manifest import (
    CARD,
    ENCODER,
    FORMAT,
    MANIFEST,
    MEMBERS,
    ONNX,
    TITLES,
    TOKENIZER,
    WEIGHTS,
    digest_of,
    identity_of,
    read_manifest,
)
from keyart.manifest_schema import evidence_of
from keyart.stores.paths import RemotePath, place
from keyart.text_encoder import TextEncoder
from keyart.title_model import TitleModel
from keyart.typical import Typical
from keyart.version import __version__

BOX = Path(__file__).with_name("box")


@dataclass(frozen=True)
class Member:
    """A model of an ensemble. weight: of its scores in the average; all weights sum to 1."""

    name: str
    weight: float
    bundle: "Bundle"


@dataclass(frozen=True)
class Bundle:
    """A saved model, read and checked.

    spec: how its network takes posters; None for an ensemble, which has `members` instead.
    calibration, thresholds, precision_thresholds: for posters alone, as in Decisions. films: None
    if it learned no titles. typical: what posters look like; None if it was not learned. precision:
    the one that predicted genres keep, whatever they rest on;
    None if they are predicted from the balanced `thresholds`. fingerprint: changes with any byte of
    the bundle. onnx_sha256: of the network; "" for an ensemble. probe: the network's logits (2,
    genres) of two known posters, see probe.py; () for an ensemble. source: the hub's name for it
    with its commit, or its address, if it was fetched; empty otherwise.
    """

    path: Path
    vocabulary: Vocabulary
    spec: ImageSpec | None
    members: tuple[Member, ...]
    calibration: Calibration
    thresholds: Thresholds
    precision_thresholds: Mapping[float, Thresholds]
    provenance: Mapping[str, Any]
    fingerprint: str
    films: Films | None = None
    typical: Typical | None = None
    onnx_sha256: str = ""
    probe: tuple[tuple[float, ...], ...] = ()
    text_probe: tuple[tuple[float, ...], ...] = ()
    precision: float | None = None
    source: str = ""

    def __repr__(self) -> str:
        name = self.provenance.get("name") or self.path.name
        source = f", {self.source}" if self.source else ""
        return f"<Bundle {name!r}: {len(self.vocabulary)} genres, {self.fingerprint[:12]}{source}>"

    def at_precision(self, wanted: float) -> "Bundle":
        """This model, predicting genres of which at least the share `wanted` is right.

        The next higher precision that the bundle can promise is kept. Raises BundleError for one
        above or below all of these: below, the next one would predict fewer genres than wanted.
        """
        if not self.precision_thresholds:
            raise BundleError(
                f"{self.path}: cannot promise a precision; let it learn to with keyart evaluate "
                "RUN --precision P --save"
            )
        precisions = sorted(self.precision_thresholds)
        reached = [precision for precision in precisions if precision >= wanted - 1e-9]
        if not reached or not wanted >= precisions[0] - 1e-9:
            remedy = "give a share, as 0.8 for 8 of 10 cases"
            if 0 < wanted < precisions[0]:
                remedy = "balanced thresholds predict more genres, without a promise"
            raise BundleError(
                f"precision {wanted:g}: this model can promise {precisions[0]:g} to "
                f"{precisions[-1]:g}; {remedy}"
            )
        return replace(self, precision=reached[0])

    def balanced(self) -> "Bundle":
        """This model, predicting each genre from its balanced threshold: more, with less right."""
        return replace(self, precision=None)

    def deciding(self, precision: float | None, balanced: bool) -> "Bundle":
        """The same model with the thresholds of `at_precision`, of `balanced`, or its own.

        Raises ValueError if both are asked for.
        """
        if balanced and precision is not None:
            raise ValueError("give precision or balanced, not both")
        if balanced:
            return self.balanced()
        return self if precision is None else self.at_precision(precision)

    def decisions_for(self, evidence: Evidence) -> Decisions:
        """Calibration and thresholds for answers that rest on this evidence."""
        if evidence == POSTER:
            return self.decisions
        assert self.films is not None
        return replace(self.films.decisions[evidence], precision=self.precision)

    @property
    def decisions(self) -> Decisions:
        """Calibration and thresholds for posters alone."""
        return Decisions(
            self.calibration, self.thresholds, self.precision_thresholds, self.precision
        )

    @property
    def rates(self) -> npt.NDArray[np.float64] | None:
        """The share of films that have each genre (genres,), on test films; None if unknown."""
        rates = self.provenance.get("rates", {})
        if not all(name in rates for name in self.vocabulary.names):
            return None
        return np.array([rates[name] for name in self.vocabulary.names], np.float64)

    @property
    def onnx(self) -> Path:
        """The network, for ONNX Runtime. An ensemble has none of its own."""
        return self.path / ONNX

    @property
    def weights(self) -> Path:
        """The network's weights, for PyTorch. A small bundle has none."""
        return self.path / WEIGHTS

    @property
    def card(self) -> str:
        """What the model was trained on, how good it is, what it must not be used for."""
        return (self.path / CARD).read_text(encoding="utf-8")

    def image_to_json(self) -> dict[str, Any]:
        """How posters are prepared, as JSON; for an ensemble a list, one for each member."""
        if self.spec is not None:
            return self.spec.to_json()
        return {MEMBERS: [member.bundle.image_to_json() for member in self.members]}


@dataclass(frozen=True)
class NetworkFiles:
    """A network to be saved. weights: a safetensors file's content; None for a small bundle."""

    onnx: bytes
    spec: ImageSpec
    weights: bytes | None = None


@dataclass(frozen=True)
class Content:
    """What a bundle is written from. model: a network, or the members of an ensemble.

    films: None if it learned no titles. typical: what posters look like; None if it is unknown.
    """

    model: NetworkFiles | Sequence[Member]
    vocabulary: Vocabulary
    decisions: Decisions
    card: str
    provenance: Mapping[str, Any]
    films: Films | None = None
    typical: Typical | None = None

    def unwritten(self, path: Path) -> Bundle:
        """The bundle that `path` will be. It decides as that one will, but has no network yet."""
        own = self.decisions
        return Bundle(
            path, self.vocabulary, None, (), own.calibration, own.thresholds,
            own.precision_thresholds, self.provenance, "", self.films, self.typical,
            precision=own.precision,
        )  # fmt: skip


def write_bundle(path: Path, content: Content) -> Bundle:
    """Write a bundle, whole or not at all. `path` must not exist. Raises BundleError."""
    path = place(path)
    if path.exists():
        raise BundleError(f"{path}: already exists; choose another folder or remove it")
    with new_folder(path) as partial:
        _fill(partial, content)
        if isinstance(path, RemotePath):
            read_bundle(partial)
    return read_bundle(local_tree(path))


def _fill(folder: Path, content: Content) -> None:
    """Write all files of a bundle into an empty folder, the manifest last."""
    from keyart.probe import new_probe, new_text_probe  # with the runtime

    files = {CARD: content.card.encode("utf-8")}
    model: dict[str, Any]
    if isinstance(content.model, NetworkFiles):
        model = {
            "image": content.model.spec.to_json(),
            "probe": new_probe(content.model.onnx, content.model.spec, len(content.vocabulary)),
        }
        files[ONNX] = content.model.onnx
        if content.model.weights is not None:
            files[WEIGHTS] = content.model.weights
    else:
        model = {MEMBERS: _copy_members(folder, content.model)}
    names, films = content.vocabulary, content.films
    if films is not None:
        files[TITLES] = films.titles.to_bytes()
        model["titles"] = titles = films.titles.to_json()
        if (text := films.titles.text) is not None:
            titles["text"] |= {"prompt": text.encoder.prompt, "probe": new_text_probe(text)}
            files[ENCODER] = text.encoder.onnx.read_bytes()
            files[TOKENIZER] = text.encoder.tokenizer.read_bytes()
        model["evidence"] = evidence_to_json(names, films)
        model["genre_sets"] = films.sets.to_json() if films.sets is not None else None
    for name, data in files.items():
        (folder / name).write_bytes(data)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "keyart": __version__,
        "vocabulary": list(names.names),
        **model,
        **decisions_to_json(names, content.decisions),
        "precision": content.decisions.precision,
        "typical": content.typical.to_json() if content.typical else None,
        "provenance": dict(content.provenance),
        "files": {name: identity_of(data) for name, data in files.items()},
    }
    manifest["digest"] = digest_of(manifest)
    write_json(folder / MANIFEST, manifest)


def _copy_members(folder: Path, members: Sequence[Member]) -> list[dict[str, Any]]:
    listed = []
    for number, member in enumerate(members):
        shutil.copytree(member.bundle.path, folder / MEMBERS / str(number))
        listed.append(
            {"name": member.name, "weight": member.weight, "digest": member.bundle.fingerprint}
        )
    return listed


def content_of(bundle: Bundle) -> Content:
    """What `write_bundle` would need to write this bundle again."""
    model: NetworkFiles | Sequence[Member] = bundle.members
    if bundle.spec is not None:
        weights = bundle.weights.read_bytes() if bundle.weights.exists() else None
        model = NetworkFiles(bundle.onnx.read_bytes(), bundle.spec, weights)
    return Content(
        model,
        bundle.vocabulary,
        bundle.decisions,
        bundle.card,
        bundle.provenance,
        bundle.films,
        bundle.typical,
    )


def boxed_bundle() -> Path:
    """The bundle that comes with keyart. Raises BundleError if this keyart has none."""
    if not (BOX / MANIFEST).is_file():
        raise BundleError("no model comes with this keyart; give a run or a bundle")
    return BOX


def read_bundle(path: Path) -> Bundle:
    """Read a bundle after checking its manifest, and the size and hash of every file.

    Raises BundleError: not there, a file missing or too many, a byte changed, another format.
    """
    return _read(path, 0)


def _read(path: Path, depth: int) -> Bundle:
    """depth: in how many ensembles it is."""
    manifest = read_manifest(path, depth)
    names = tuple(manifest["vocabulary"])
    # A bundle keeps the names; the aliases of the default vocabulary come with keyart.
    known = DEFAULT_VOCABULARY if names == DEFAULT_VOCABULARY.names else Vocabulary(names)
    image = manifest.get("image")
    decisions = decisions_from_json(names, manifest)
    return Bundle(
        path=path,
        vocabulary=known,
        spec=ImageSpec.from_json(image) if image is not None else None,
        members=_read_members(path, names, manifest.get(MEMBERS, ()), depth),
        calibration=decisions.calibration,
        thresholds=decisions.thresholds,
        precision_thresholds=decisions.precision_thresholds,
        precision=manifest["precision"],
        provenance=manifest["provenance"],
        fingerprint=manifest["digest"],
        films=_read_films(path, names, manifest),
        typical=Typical.from_json(manifest["typical"]) if manifest["typical"] else None,
        onnx_sha256=manifest["files"].get(ONNX, {"sha256": ""})["sha256"],
        probe=tuple(map(tuple, manifest.get("probe", ()))),
        text_probe=tuple(map(tuple, manifest.get("titles", {}).get("text", {}).get("probe", ()))),
    )


def _read_films(path: Path, names: tuple[str, ...], manifest: Mapping[str, Any]) -> Films | None:
    if "titles" not in manifest:
        return None
    encoder = None
    if (text := manifest["titles"].get("text")) is not None:
        files = manifest["files"]
        hashes = (files[ENCODER]["sha256"], files[TOKENIZER]["sha256"])
        encoder = TextEncoder(path / ENCODER, path / TOKENIZER, text["prompt"], hashes)
    try:
        content = (path / TITLES).read_bytes()
        titles = TitleModel.from_parts(content, manifest["titles"], encoder)
    except ValueError as error:
        raise BundleError(f"{path / TITLES}: {error}; export the bundle again") from error
    found = {evidence_of(name): plain for name, plain in manifest["evidence"].items()}
    sets = manifest["genre_sets"]
    if sets is not None:
        sets = GenreSets.from_json(sets, len(names))
    return Films(
        titles,
        {
            evidence: Fusion(
                {kind: float(plain["weights"][kind]) for kind in evidence},
                np.array(plain["intercept"], np.float64),
                None if plain["sets_weight"] is None else sets,
                float(plain["sets_weight"] or 0),
            )
            for evidence, plain in found.items()
        },
        {evidence: decisions_from_json(names, plain) for evidence, plain in found.items()},
    )


def _read_members(
    path: Path, names: tuple[str, ...], listed: Sequence[Mapping[str, Any]], depth: int
) -> tuple[Member, ...]:
    members = []
    for number, entry in enumerate(listed):
        folder = path / MEMBERS / str(number)
        bundle = _read(folder, depth + 1)
        if bundle.fingerprint != entry["digest"] or bundle.vocabulary.names != names:
            raise BundleError(f"{folder}: is not the member that was written; export it again")
        members.append(Member(entry["name"], float(entry["weight"]), bundle))
    return tuple(members)
