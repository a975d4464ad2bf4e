"""An exported network under ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime

from keyart.errors import BundleError
from keyart.images.decode import Pixels
from keyart.images.pixels import PixelRows
from keyart.parallel import batches, ordered

# Posters in one run. More would leave the caches of a core; fewer would pay the pool more often.
BATCH = 16

Logits = npt.NDArray[np.float32]
Device = Literal["cpu", "cuda"]
_CUDA = "CUDAExecutionProvider"


def check_device(device: Device) -> None:
    """Raise BundleError if this runtime cannot use the device."""
    if device == "cuda" and _CUDA not in onnxruntime.get_available_providers():
        raise BundleError(
            "device cuda: this ONNX Runtime is for processors alone; install onnxruntime-gpu "
            "instead of onnxruntime, or leave the device out"
        )


def open_session(onnx: bytes | Path, device: Device = "cpu") -> Any:
    """A session of ONNX Runtime for a file, or its content. Raises BundleError."""
    check_device(device)
    options = onnxruntime.SessionOptions()
    # A session runs on the thread that calls it. Many calls at once fill the cores with less
    # waiting than one call that is split over all of them.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # TF32 would round to 10 bits: equal to a processor within 1e-4 means without it.
    providers: list[Any] = [(_CUDA, {"use_tf32": "0"})] if device == "cuda" else []
    try:
        session = onnxruntime.InferenceSession(
            onnx, options, providers=[*providers, "CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime has error classes of its own, without a root
        what = onnx if isinstance(onnx, Path) else "the network"
        reason = str(error).strip().splitlines()[0]
        raise BundleError(
            f"{what}: the runtime refuses it ({reason[:300]}); export it again"
        ) from error
    if device == "cuda" and session.get_providers()[0] != _CUDA:  # it falls back without a word
        raise BundleError("device cuda: no GPU, or its driver or CUDA's libraries do not work here")
    return session


class Network:
    """An exported network. Many threads may share one."""

    def __init__(self, onnx: bytes | Path, device: Device = "cpu") -> None:
        """Load an ONNX model: a file, or its content. Raises BundleError if the runtime refuses."""
        self._session = open_session(onnx, device)
        self._outputs = frozenset(output.name for output in self._session.get_outputs())

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise BundleError unless the input is `pixels`, uint8, any number of this shape."""
        inputs = self._session.get_inputs()
        if [one.name for one in inputs] != ["pixels"] or inputs[0].type != "tensor(uint8)":
            raise BundleError("the network's input is not pixels, uint8, alone")
        films, *found = inputs[0].shape
        if isinstance(films, int) or tuple(found) != shape:
            raise BundleError(
                f"the network's input has the shape {inputs[0].shape}, not any number of films of "
                f"{list(shape)}"
            )

    def has(self, output: str) -> bool:
        """Whether the network has this output: logits, features or maps."""
        return output in self._outputs

    def require(self, output: str) -> None:
        """Raise BundleError if the network does not have this output."""
        if not self.has(output):
            raise BundleError(f"this model's network has no output {output}; export it again")

    def logits(self, pixels: Pixels) -> Logits:
        """pixels: prepared (films, ...), uint8. Returns (films, genres)."""
        return self.run(["logits"], pixels)[0]

    def run(self, outputs: Sequence[str], pixels: Pixels) -> list[npt.NDArray[np.float32]]:
        """Several outputs of one run. Raises BundleError for an output that it does not have."""
        for output in outputs:
            self.require(output)
        results: list[npt.NDArray[np.float32]] = self._session.run(
            list(outputs), {"pixels": np.ascontiguousarray(pixels)}
        )
        return results

    def logits_of_rows(self, pixels: PixelRows, rows: npt.NDArray[np.int64]) -> Logits:
        """Logits (rows, genres) of these rows of a catalog's pixels, on all cores."""

        def work(chosen: list[int]) -> Logits:
            return self.logits(pixels[np.array(chosen)])

        return np.concatenate(list(ordered(work, batches(rows.tolist(), BATCH))))
