"""Where a model is: the box, a folder, a hub, an address. One place turns its name into a folder.

What comes from elsewhere is kept in the user's cache, as a folder that was checked to be a bundle
before it got its name there.
"""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keyart.archives import Address, fetch
from keyart.bundle import boxed_bundle
from keyart.cache import cache_folder
from keyart.copies import copied_folder, copied_tree, naming
from keyart.errors import BundleError, HubError
from keyart.files import StrPath, make_once
from keyart.hub import SCHEME, Repo, download
from keyart.manifest import LARGEST, MANIFEST, MEMBERS, read_manifest
from keyart.reading import parse_json
from keyart.stores.paths import WEB, RemotePath, place

_ARCHIVE = re.compile(r"^https?:/.*(\.(zip|tar|tgz)\b|#)", re.IGNORECASE)
_MOST_MEMBERS, _DEEPEST = 32, 4  # of an ensemble, as manifests may have

BOX = "box"
"""The name of the model that comes with keyart."""

_log = logging.getLogger("keyart.places")


@dataclass(frozen=True)
class Place:
    """Where a model is on this machine.

    path: the folder of a run or a bundle. name: as it can be given again, with the commit or the
    hash that was found. source: the same if it came from elsewhere; otherwise empty.
    """

    path: Path
    name: str
    source: str = ""

    @property
    def bundle(self) -> Path:
        """The folder of the bundle: that of a run is in it."""
        inner = self.path / "bundle"
        return inner if inner.is_dir() else self.path


def in_store(name: StrPath) -> RemotePath | None:
    """The address that a model's name is, of a folder in a store or on a web server; or None."""
    text = os.fspath(name)
    named = None if _ARCHIVE.search(text) else place(text)
    return named if isinstance(named, RemotePath) else None


def find_model(name: StrPath | None = None) -> Place:
    """Where a model is, after fetching it if it is elsewhere.

    name: the folder of a run or a bundle; None or "box" for the model that comes with keyart;
    hf:OWNER/NAME or hf:OWNER/NAME@REVISION on a hub; https://HOST/MODEL.zip#sha256=HEX for an
    archive. Whether a local folder exists is not checked. Raises HubError for what cannot be
    fetched, BundleError if no model comes with this keyart, and MissingExtraError.
    """
    if name is None or (isinstance(name, str) and name == BOX):
        return Place(boxed_bundle(), BOX)
    text = os.fspath(name)
    if (stored := in_store(text)) is not None:
        return _in_store(stored)
    for scheme, find in _ELSEWHERE.items():
        if text.startswith(scheme):
            found = find(text)
            _log.info("model: %s", found.name)
            return found
    if re.match(r"[a-z][a-z0-9+.]+:/[^/]", text):  # a Path has made one slash of two
        raise HubError(f"{text}: give an address as text, not as a Path")
    local = str(Path(text))
    return Place(Path(text), f".{os.sep}{BOX}" if local == BOX else local)


def _on_hub(text: str) -> Place:
    repo = Repo.parse(text)
    if repo.is_pinned and (known := _folder("hub", repo)).is_dir():
        return Place(known, str(repo), str(repo))
    folder, pinned = download(repo, [MANIFEST, f"{MEMBERS}/*/{MANIFEST}"])
    if not (folder / MANIFEST).is_file():
        raise _no_bundle(str(pinned))

    def fill(partial: Path) -> None:
        # By exact names: a repository may hold other files, which nobody asked for.
        download(pinned, [*LARGEST, *(f"{MEMBERS}/*/{name}" for name in LARGEST)])
        shutil.copytree(folder, partial, ignore=_others, copy_function=_link, dirs_exist_ok=True)

    name = str(pinned)
    return Place(_kept(_folder("hub", pinned), name, fill), name, name)


def _in_store(path: RemotePath) -> Place:
    """A bundle, or a run without its checkpoints."""
    try:
        manifest, _ = path.bucket.get((path / MANIFEST).key, LARGEST[MANIFEST])
    except FileNotFoundError:
        run = (
            None
            if path.scheme in WEB
            else copied_tree(path, leave_out=r"checkpoints/.*\.safetensors")
        )
        if run is None or not (run / "bundle" / MANIFEST).is_file():
            raise BundleError(
                f"{path}: no model there (no {MANIFEST}); give a run or a bundle"
            ) from None
        return Place(run, str(path), str(path))
    except ValueError as error:
        raise BundleError(f"{path / MANIFEST}: {error}; give a bundle") from error

    def fill(folder: Path) -> None:
        with naming(path, folder):
            _copy_bundle(path, folder, manifest, 0)
            read_manifest(folder)

    key = f"bundle-{hashlib.sha256(manifest).hexdigest()[:32]}"
    return Place(copied_folder(key, path.name, fill), str(path), str(path))


def _copy_bundle(path: RemotePath, folder: Path, manifest: bytes, depth: int) -> None:
    """Copy what a manifest lists; whether it is right is checked afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_bytes(manifest)
    try:
        content = parse_json(manifest)
        names = [name for name in content["files"] if name in LARGEST]
        members = range(min(len(content.get(MEMBERS, ())), _MOST_MEMBERS))
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path / MANIFEST}: damaged; export the bundle again") from error
    try:
        for name in names:
            path.bucket.download((path / name).key, folder / name)
        for number in members if depth < _DEEPEST else ():
            inner = path / MEMBERS / str(number)
            listed, _ = inner.bucket.get((inner / MANIFEST).key, LARGEST[MANIFEST])
            _copy_bundle(inner, folder / MEMBERS / str(number), listed, depth + 1)
    except FileNotFoundError as error:
        raise BundleError(f"{error.filename}: missing; export the bundle again") from error


def _archived(text: str) -> Place:
    address = Address.parse(text)

    def fill(partial: Path) -> None:
        fetch(address, partial)
        if not (partial / MANIFEST).is_file():
            raise _no_bundle(str(address))

    name = str(address)
    return Place(_kept(_models() / "sha256" / address.sha256, name, fill), name, name)


_ELSEWHERE: dict[str, Callable[[str], Place]] = {
    SCHEME: _on_hub,
    "https://": _archived,
    "http://": _archived,
}
"""How the names of models that are not on this machine begin, and what finds them."""


def _folder(kind: str, repo: Repo) -> Path:
    return _models() / kind / repo.name.replace("/", "--") / repo.revision


def _models() -> Path:
    folder = cache_folder("models")
    if folder is None:
        raise HubError("no folder for models from elsewhere; set XDG_CACHE_HOME to one")
    return folder


def _kept(folder: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """A bundle in the cache. fill: writes it into an empty folder, if it is not there yet.

    Raises HubError if that is no bundle.
    """

    def checked(partial: Path) -> None:
        fill(partial)
        try:
            read_manifest(partial)
        except BundleError as error:
            raise HubError(str(error).replace(str(partial), name)) from error

    make_once(folder, checked)
    return folder


def _no_bundle(name: str) -> HubError:
    return HubError(f"{name}: not a keyart model, it has no {MANIFEST}; choose one that has")


def _others(_: str, names: list[str]) -> list[str]:
    """What else others have put into the hub's cache."""
    return [name for name in names if name not in (*LARGEST, MEMBERS) and not name.isdecimal()]


def _link(source: str, target: str) -> None:
    """The file behind a link of the hub's cache, without taking its place on the disk twice."""
    real = os.path.realpath(source)
    try:
        os.link(real, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(real, target)
