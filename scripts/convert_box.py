"""Bring the model that comes with keyart from bundle format 1 to format 2.

    python scripts/convert_box.py src/keyart/box

The network's bytes stay as they are; only the manifest's words and the card's change.
"""

import hashlib
import json
import sys
from pathlib import Path

WORDS = {  # of the card
    "## Figures on the test part": "## Metrics on the test split",
}


def main(folder: Path) -> None:
    """Rewrite keyart.json and MODEL_CARD.md in place."""
    manifest = json.loads((folder / "keyart.json").read_bytes())
    if manifest["format"] != 1:
        sys.exit(f"{folder}: format {manifest['format']}; only format 1 needs this")
    provenance = manifest["provenance"]
    provenance["metrics"] = provenance.pop("figures")
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    for old, new in WORDS.items():
        card = card.replace(old, new)
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    data = card.encode("utf-8")
    identity = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest["files"]["MODEL_CARD.md"] = identity
    manifest["format"] = 2
    del manifest["digest"]
    canonical = json.dumps(manifest, sort_keys=True, ensure_ascii=False, allow_nan=False)
    manifest["digest"] = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "keyart.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
