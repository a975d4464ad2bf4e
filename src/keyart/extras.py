"""Packages that the base install does not have, and the extras that bring them."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from types import FrameType

from keyart.errors import MissingExtraError

EXTRAS = {
    **dict.fromkeys(("imagehash", "openpyxl", "pyarrow"), "catalog"),
    "httpx2": "fetch",
    "obstore": "remote",
    **dict.fromkeys(("jinja2", "matplotlib", "onnx", "onnxscript", "optuna"), "train"),
    **dict.fromkeys(("safetensors", "sklearn", "timm", "torch", "torchvision"), "train"),
    "huggingface_hub": "hub",
    "ray": "cluster",
    "tensorboardX": "tensorboard",
    "tokenizers": "text",
}


# What trains, scores or fetches imports pyarrow first, but needs more than that.
_PARTS = {
    **dict.fromkeys(("demo", "ensemble", "evaluation", "milestone", "report"), "train"),
    **dict.fromkeys(("search", "study", "training"), "train"),
    **dict.fromkeys(("fetch", "sources"), "fetch"),
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
        if extra == "catalog":
            parts = {part for frame in walk_tb(error.__traceback__) for part in _parts(frame)}
            extra = next((_PARTS[part] for part in _PARTS if part in parts), extra)
        raise MissingExtraError(f"this needs {package}: pip install 'keyart[{extra}]'") from error


def _parts(frame: tuple[FrameType, int]) -> list[str]:
    """The part of keyart that a frame is in: training, also in keyart.cli.training."""
    name = frame[0].f_globals.get("__name__", "").split(".")
    return name[1:3] if name[0] == "keyart" else []
