"""Packages that the base install does not have, and the extras that bring them."""

from collections.abc import Iterator
from contextlib import contextmanager

from keyart.errors import MissingExtraError

EXTRAS = {
    **dict.fromkeys(("imagehash", "openpyxl", "pyarrow"), "catalog"),
    **dict.fromkeys(("jinja2", "matplotlib", "onnx", "onnxscript", "optuna"), "train"),
    **dict.fromkeys(("safetensors", "sklearn", "timm", "torch", "torchvision"), "train"),
}


@contextmanager
def extras() -> Iterator[None]:
    """Imports inside raise MissingExtraError, with the install command, for a missing package."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        extra = EXTRAS[package]
        also = ", or 'keyart[train]' to train as well" if extra == "catalog" else ""
        raise MissingExtraError(
            f"this needs {package}: pip install 'keyart[{extra}]'{also}"
        ) from error
