"""Packages that the base install does not have, and the extras that bring them."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from types import FrameType

from keyart.errors import MissingExtraError

EXTRAS = {
    **dict.fromkeys(("imagehash", "openpyxl", "pyarrow"), "catalog"),
    **dict.fromkeys(("jinja2", "matplotlib", "onnx", "onnxscript", "optuna"), "train"),
    **dict.fromkeys(("safetensors", "sklearn", "timm", "torch", "torchvision"), "train"),
    **dict.fromkeys(("huggingface_hub", "tokenizers"), "text"),
}


# What trains and scores. It imports pyarrow first, but needs more than that.
_TRAINING = {"demo", "ensemble", "evaluation", "milestone", "report", "search", "study", "training"}


@contextmanager
def extras() -> Iterator[None]:
    """Imports inside raise MissingExtraError, with the install command, for a missing package."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        extra = "train" if any(map(_trains, walk_tb(error.__traceback__))) else EXTRAS[package]
        raise MissingExtraError(f"this needs {package}: pip install 'keyart[{extra}]'") from error


def _trains(frame: tuple[FrameType, int]) -> bool:
    """Whether a frame of a traceback is in keyart.training, keyart.cli.training and the like."""
    name = frame[0].f_globals.get("__name__", "").split(".")
    return name[0] == "keyart" and not _TRAINING.isdisjoint(name[1:3])
