"""keyart.json, the manifest of a bundle: read strictly, before any other file is opened.

A manifest that breaks the schema is refused by the place of the first fault. The names of files
are fixed, so that none can lead out of the folder.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keyart.errors import BundleError, KeyartError, shown, why
from keyart.evidence import FUSED
from keyart.files import no_folder, recover_folder
from keyart.genres import Vocabulary
from keyart.graph import check_graph
from keyart.json_values import (
    check_hash,
    check_integer,
    check_list,
    check_number,
    check_object,
    check_text,
)
from keyart.manifest_schema import (
    MOST_GENRES,
    PROBES,
    check_decisions,
    check_evidence,
    check_genre_sets,
    check_image,
    check_provenance,
    check_titles,
    check_typical,
)
from keyart.reading import LARGEST_WEIGHTS, opened, read_json
from keyart.version import __version__

FORMAT = 5
_OLDEST = 3  # see _upgraded
MANIFEST, ONNX, WEIGHTS, CARD = "keyart.json", "model.onnx", "model.safetensors", "MODEL_CARD.md"
TITLES, ENCODER, TOKENIZER = "titles.bin", "encoder.onnx", "tokenizer.json"
MEMBERS = "members"
PROBE_TITLES = ("The Kid", "千と千尋の神隠し")

# A protobuf file, and so the network, has at most 2 GiB.
LARGEST = {
    MANIFEST: 4 << 20,
    ONNX: 2 << 30, WEIGHTS: LARGEST_WEIGHTS, CARD: 4 << 20,
    TITLES: 1 << 30, ENCODER: 2 << 30, TOKENIZER: 64 << 20,
}  # fmt: skip
_MOST_MEMBERS, _DEEPEST = 32, 4
_TITLE_KEYS = {"titles", "evidence", "genre_sets"}
_KEYS = {
    "format", "keyart", "vocabulary", "thresholds", "precision_thresholds", "precision",
    "typical",
    "calibration", "provenance", "files", "digest",
}  # fmt: skip

Manifest = dict[str, Any]


def read_manifest(path: Path, depth: int = 0) -> Manifest:
    """The manifest of the bundle in the folder `path`, which it describes to the byte.

    depth: in how many ensembles it is. Raises BundleError: no bundle, another format, a fault in
    the manifest, or a file that is missing, changed, or not listed.
    """
    recover_folder(path)
    file = path / MANIFEST
    if problem := no_folder(path):
        on_hub = re.fullmatch(r"[\w-]+/[\w.-]+", path.as_posix())
        hint = f", or hf:{path.as_posix()} for one on a hub" if on_hub else ""
        raise BundleError(f"{problem}; give a run or a bundle{hint}")
    try:
        content = read_json(file, LARGEST[MANIFEST])
    except FileNotFoundError as error:
        raise BundleError(f"{path}: neither a run nor a bundle, it has no {MANIFEST}") from error
    except OSError as error:
        raise BundleError(f"{file}: cannot be read ({why(error)})") from error
    except ValueError as error:
        raise BundleError(f"{file}: cannot be read ({error}); export the bundle again") from error
    manifest = _of_this_format(path, content)
    try:
        if manifest.get("digest") != digest_of(manifest):
            raise BundleError(f"{file}: changed since it was written; export the bundle again")
        manifest = _upgraded(manifest)
        _check(manifest)
    except (ValueError, OverflowError, KeyartError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{file}: {error}; export the bundle again") from error
    if MEMBERS in manifest and depth >= _DEEPEST:
        raise BundleError(
            f"{path}: an ensemble in more than {_DEEPEST} others; average the runs themselves"
        )
    _check_folder(path, manifest)
    return manifest


def identity_of(content: bytes) -> dict[str, Any]:
    """What the manifest says of a file, by which it is known again."""
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def digest_of(manifest: Mapping[str, Any]) -> str:
    """The digest of all else in a manifest. Raises ValueError for what JSON cannot hold."""
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def _of_this_format(path: Path, content: Any) -> Manifest:
    manifest: Manifest = content if isinstance(content, dict) else {}
    found = manifest.get("format")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise BundleError(f"{path / MANIFEST}: not a keyart manifest; export the bundle again")
    if found > FORMAT:
        raise BundleError(
            f"{path}: format {found:.6g}, written by a newer keyart; this {__version__} "
            f"reads format {FORMAT}: upgrade keyart"
        )
    if found < _OLDEST:
        raise BundleError(
            f"{path}: format {found}, of an older keyart; this one reads formats {_OLDEST} to "
            f"{FORMAT}: train again, or export it from a run of this version"
        )
    return manifest


def _upgraded(manifest: Manifest) -> Manifest:
    """An older manifest in the words of this format: what is new is unknown."""
    if manifest["format"] == FORMAT:
        return manifest
    new: Manifest = {"format": FORMAT}
    of_evidence: Manifest = {"sets_weight": None}
    if manifest["format"] == _OLDEST:  # its thresholds for a precision were no promise
        new |= {"precision_thresholds": {}, "precision": None, "typical": None}
        of_evidence |= {"precision_thresholds": {}}
    if "evidence" in manifest:
        evidence = check_object(manifest["evidence"], "evidence", most=len(FUSED))
        new["evidence"] = {
            name: check_object(plain, f"evidence {name[:30]!r}", most=100) | of_evidence
            for name, plain in evidence.items()
        }
        new["genre_sets"] = None
    return manifest | new


def _check(manifest: Manifest) -> None:
    """Raise ValueError or a KeyartError for the first fault."""
    kinds = {MEMBERS} if MEMBERS in manifest else {"image", "probe"}
    has_titles = bool(_TITLE_KEYS & manifest.keys())
    check_object(manifest, "the manifest", _KEYS | kinds | (_TITLE_KEYS if has_titles else set()))
    check_text(manifest["keyart"], "keyart")
    names = check_list(manifest["vocabulary"], "vocabulary", 1, MOST_GENRES)
    for name in names:
        check_text(name, "vocabulary")
    Vocabulary(tuple(names))
    if MEMBERS in manifest:
        _check_members(manifest[MEMBERS])
    else:
        check_image(manifest["image"])
        for row in check_list(manifest["probe"], "probe", PROBES, PROBES):
            for logit in check_list(row, "probe", len(names), len(names)):
                check_number(logit, "probe", -1e30, 1e30)
    check_decisions(manifest, "", names)
    if manifest["typical"] is not None:
        check_typical(manifest["typical"], len(names))
    if (precision := manifest["precision"]) is not None:
        check_number(precision, "precision", 0, 1)
        if precision not in map(float, manifest["precision_thresholds"]):
            raise ValueError(f"precision: has no thresholds for {precision:g}")
    if has_titles:
        check_titles(manifest["titles"], len(names))
        if manifest["genre_sets"] is not None:
            check_genre_sets(manifest["genre_sets"], len(names))
        check_evidence(manifest, names)
    check_provenance(manifest["provenance"])
    kept = {CARD}
    if MEMBERS not in manifest:
        kept |= {ONNX, WEIGHTS}
    if has_titles:
        kept |= {TITLES, *((ENCODER, TOKENIZER) if "text" in manifest["titles"] else ())}
    _check_files(manifest["files"], kept)


def _check_members(members: Any) -> None:
    for place, member in enumerate(check_list(members, MEMBERS, 1, _MOST_MEMBERS)):
        where = f"{MEMBERS} {place}"
        check_object(member, where, {"name", "weight", "digest"})
        check_text(member["name"], f"{where} name")
        check_number(member["weight"], f"{where} weight", 0, 1)
        check_hash(member["digest"], f"{where} digest")
    total = math.fsum(member["weight"] for member in members)
    if abs(total - 1) > 1e-6:
        raise ValueError(f"{MEMBERS}: expected weights of 1 in total, got {total:g}")


def _check_files(files: Any, allowed: set[str]) -> None:
    check_object(files, "files", most=100)
    if unknown := sorted(set(files) - allowed):
        raise ValueError(f"files: {shown(unknown[0])} is not a file of a bundle")
    if missing := sorted(allowed - {WEIGHTS} - set(files)):
        raise ValueError(f"files: {missing[0]} is not listed")
    for name, identity in files.items():
        check_object(identity, f"files {name}", {"size", "sha256"})
        check_integer(identity["size"], f"files {name} size", 0, LARGEST[name])
        check_hash(identity["sha256"], f"files {name} sha256")


def _check_folder(path: Path, manifest: Manifest) -> None:
    """Raise BundleError unless the folder holds the listed files, as listed, and nothing else."""
    for name, expected in manifest["files"].items():
        _check_file(path / name, expected["size"], expected["sha256"])
    _no_others(path, {MANIFEST, *manifest["files"], *({MEMBERS} & set(manifest))})
    if MEMBERS in manifest:
        folders = {str(place) for place in range(len(manifest[MEMBERS]))}
        for folder in (path / MEMBERS, *(path / MEMBERS / place for place in sorted(folders))):
            if folder.is_symlink() or not folder.is_dir():
                raise BundleError(
                    f"{folder}: missing from the bundle, or not a folder; export it again"
                )
        _no_others(path / MEMBERS, folders)


def _no_others(folder: Path, known: set[str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            # Hidden ones are of desktops and of version control.
            if entry.name not in known and not entry.name.startswith("."):
                raise BundleError(
                    f"{folder}: {shown(entry.name)} is not listed in {MANIFEST}; remove it, or "
                    "export the bundle again"
                )


def _check_file(file: Path, size: int, sha256: str) -> None:
    try:
        with opened(file, LARGEST[file.name]) as handle:
            found = os.fstat(handle.fileno()).st_size
            if found != size:
                raise BundleError(
                    f"{file}: {found:,} bytes where {size:,} were written; export it again"
                )
            if hashlib.file_digest(handle, "sha256").hexdigest() != sha256:
                raise BundleError(f"{file}: changed since it was written; export the bundle again")
            if file.name == CARD:
                handle.seek(0)
                handle.read().decode("utf-8")
            if file.name in (ONNX, ENCODER):
                check_graph(handle)
    except FileNotFoundError as error:
        raise BundleError(f"{file}: missing from the bundle; export it again") from error
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{file}: cannot be used: {why(error)}; export the bundle again"
        ) from error
