"""Write by which films the model that comes with keyart was trained, as hashes.

python -m benchmarks.box_films CATALOG

CATALOG is the one that the box was trained on. Comparisons with the box leave these films out; see
evaluation/box.py.
"""

import argparse
from pathlib import Path

import numpy as np

from keyart.bundle import boxed_bundle, read_bundle
from keyart.catalog.catalog import Catalog
from keyart.evaluation import box
from keyart.files import write_bytes


def main() -> None:
    """Write the file into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    catalog = Catalog.open(parser.parse_args().catalog)
    known = read_bundle(boxed_bundle()).provenance["catalog"]
    if catalog.fingerprint != known:
        raise SystemExit(f"{catalog.path}: is not the catalog of the box, {known[:12]}")
    keys = np.unique(np.concatenate(list(box.film_keys(catalog, catalog.rows("train")))))
    file = Path(box.__file__).with_name(box.FILMS)
    write_bytes(file, keys.astype("<u4").tobytes())
    print(f"{file}: {len(keys):,} hashes, {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
