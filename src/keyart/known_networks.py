"""The networks that are known to load and answer here, by SHA-256, in the user's cache."""

from contextlib import suppress
from pathlib import Path

from keyart.cache import cache_folder
from keyart.version import __version__


def is_known(sha256: str) -> bool:
    """Whether `remember` was called for a network, with this keyart and this runtime."""
    file = _file(sha256)
    return file is not None and file.is_file()


def remember(sha256: str) -> None:
    """Remember that the network of this hash loads and answers."""
    file = _file(sha256)
    if file is None:
        return
    with suppress(OSError):  # then it is tried out again
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def _file(sha256: str) -> Path | None:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        runtime = version("onnxruntime")
    except PackageNotFoundError:  # another build of it, onnxruntime-gpu
        runtime = "other"
    folder = cache_folder("networks")
    return folder and folder / f"{sha256}-{__version__}-{runtime}"
