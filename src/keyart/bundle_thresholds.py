"""Other thresholds for a saved model: its folder is replaced by one that has them."""

import shutil
from collections.abc import Mapping
from typing import Any

from keyart.bundle import Bundle, read_bundle
from keyart.decisions import Decisions, Films, decisions_to_json, evidence_to_json
from keyart.files import replacing_folder, write_json
from keyart.manifest import CARD, MANIFEST, digest_of, identity_of, read_manifest
from keyart.typical import Typical
from keyart.version import __version__


def change_thresholds(
    bundle: Bundle,
    decisions: Decisions,
    films: Films | None,
    *,
    typical: Typical | None,
    card: str,
    provenance: Mapping[str, Any],
) -> Bundle:
    """Give a saved model other thresholds, and the card and provenance that describe them.

    films: the model's own, with other thresholds. typical: the model's own, or learned now.
    """
    data = card.encode("utf-8")
    manifest = read_manifest(bundle.path) | {
        "keyart": __version__,
        **decisions_to_json(bundle.vocabulary, decisions),
        "precision": decisions.precision,
        "typical": typical.to_json() if typical else None,
        "provenance": dict(provenance),
    }
    if films is not None:
        manifest["evidence"] = evidence_to_json(bundle.vocabulary, films)
    manifest["files"][CARD] = identity_of(data)
    manifest["digest"] = digest_of(manifest)
    with replacing_folder(bundle.path) as partial:
        shutil.copytree(bundle.path, partial, dirs_exist_ok=True)
        (partial / CARD).write_bytes(data)
        write_json(partial / MANIFEST, manifest)
    return read_bundle(bundle.path)
