"""What a run folder holds."""

import json
from dataclasses import dataclass
from pathlib import Path

from keyart.catalog.catalog import Catalog
from keyart.errors import RunError
from keyart.files import write_json

_ORIGIN = "checkpoints/catalog.json"  # which catalog, so that evaluate and resume find it


@dataclass(frozen=True)
class Origin:
    """The catalog that a run was trained on: where it was, its fingerprint, and how it was split.

    split: "catalog" where the run's parts are the catalog's own.
    """

    path: Path
    fingerprint: str
    split: str


def write_origin(run: Path, catalog: Catalog, split: str = "catalog") -> None:
    """Have a run remember its catalog."""
    path = str(catalog.path.resolve())
    write_json(run / _ORIGIN, {"path": path, "fingerprint": catalog.fingerprint, "split": split})


def has_origin(path: Path) -> bool:
    """Whether a folder is a run, that is, knows its catalog; a bundle does not."""
    return (path / _ORIGIN).exists()


def read_origin(run: Path) -> Origin:
    """The catalog of a run. Raises RunError."""
    try:
        origin: dict[str, str] = json.loads((run / _ORIGIN).read_text())
        split = origin.get("split", "catalog")
        return Origin(Path(origin["path"]), origin["fingerprint"], split)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{run}: not a run ({_ORIGIN} is missing or damaged)") from error


def catalog_of(run: Path) -> Path:
    """The catalog that a run was trained on. Raises RunError where it is no longer there."""
    path = read_origin(run).path
    if not path.is_dir():
        raise RunError(f"{run}: its catalog {path} is gone; name one with --catalog")
    return path
