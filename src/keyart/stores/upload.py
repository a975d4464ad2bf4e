"""A folder that goes to a store: data first, and last the file that says it is whole."""

from pathlib import Path

from keyart.errors import StoreChangedError, StoreError
from keyart.stores.paths import RemotePath

LAST = ("metrics.json", "index.json", "bundle/keyart.json", "keyart.json")
"""The files without which a run's scores, an index or a model are not there."""


def data_first(folder: Path) -> list[str]:
    """The names of all files in a folder, the one that says it is whole last."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    names = sorted(file.relative_to(folder).as_posix() for file in files)
    return sorted(names, key=lambda name: LAST.index(name) if name in LAST else -1)


def upload_new(folder: Path, path: RemotePath) -> None:
    """Write a folder's files below an address, where nothing else has been written.

    Each object is only created, never replaced, and all writers begin with the same one: of two
    writers at a time, one gets a StoreError at the first file that differs, and changes nothing. A
    writer that was stopped can be run again: what is there already need not be written again.
    """
    for name in data_first(folder):
        target = path.joinpath(*name.split("/"))
        try:
            target.bucket.put_new(target.key, folder / name)
        except StoreChangedError:
            raise StoreError(
                f"{path}: has another {name} already; choose another place, or, if its writer was "
                "stopped, remove it"
            ) from None
