"""The bundles that are known to load and answer here, by digest, in the user's cache."""

import os
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from keyart.version import __version__


def is_known(digest: str) -> bool:
    """Whether `remember` was called for a bundle, with this keyart and this runtime."""
    return _file(digest).is_file()


def remember(digest: str) -> None:
    """Remember that the bundle of this digest loads and answers."""
    file = _file(digest)
    with suppress(OSError):  # then it is tried out again
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def _file(digest: str) -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    try:
        runtime = version("onnxruntime")
    except PackageNotFoundError:  # another build of it, onnxruntime-gpu
        runtime = "other"
    return Path(base) / "keyart" / "tried" / f"{digest}-{__version__}-{runtime}"
