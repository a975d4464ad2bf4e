"""Convert the model that comes with keyart from bundle format 2 to format 3.

    python -m scripts.convert_box src/keyart/box

Adds the network's logits of two known posters. The bytes of the network and the card stay the same.
"""

import json
import sys
from pathlib import Path

from keyart.files import write_json
from keyart.images.spec import ImageSpec
from keyart.manifest import FORMAT, MANIFEST, ONNX, digest_of
from keyart.network import Network
from keyart.probe import probe


def main(folder: Path) -> None:
    """Rewrite keyart.json in place."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    if manifest["format"] != FORMAT - 1:
        sys.exit(f"{folder}: format {manifest['format']}; only format {FORMAT - 1} needs this")
    spec, genres = ImageSpec.from_json(manifest["image"]), len(manifest["vocabulary"])
    manifest["probe"] = probe(Network(folder / ONNX), spec, genres).tolist()
    manifest["format"] = FORMAT
    manifest["digest"] = digest_of(manifest)
    write_json(folder / MANIFEST, manifest)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
