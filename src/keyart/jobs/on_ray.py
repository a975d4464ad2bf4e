"""Shards as tasks on a Ray cluster: one task a shard, which Ray repeats if its node is lost."""

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from keyart.cache import cache_folder
from keyart.cluster import connect
from keyart.errors import JobError, KeyartError, one_line
from keyart.files import make_once
from keyart.jobs.worker import Setup, Worker
from keyart.network import Device
from keyart.version import __version__

_RETRIES = 3  # of a shard whose node or process is lost
Files = dict[str, npt.NDArray[np.uint8]]


class OnRay:
    """A Ray cluster. Nodes need keyart, of the same version, and the posters at the same paths.

    address: of a cluster, 'auto' for the one of this machine, or 'local' to start one here, which
    ends with the job. A connection that this process has already is used as it is.
    """

    def __init__(self, setup: Setup, address: str, *, workers: int | None, device: Device) -> None:
        ray, self._connected = connect(address, workers)
        self._ray: Any = ray
        self._workers, self._gpus = workers, int(device == "cuda")
        if device == "cuda" and not self._ray.cluster_resources().get("GPU"):
            self.__exit__(None, None, None)
            raise JobError("device cuda: no node of the cluster has a GPU; leave the device out")
        if device == "cuda":
            setup = replace(setup, gpu="", threads=None)
        # Once for each node: its tasks share what Ray's object store has.
        files = {} if setup.path is None else _files(Path(setup.path))
        self._model, self._setup = ray.put(files), (setup, __version__)
        self._task = ray.remote(
            num_cpus=0 if self._gpus else 1, num_gpus=self._gpus, max_retries=_RETRIES
        )(_compute)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._connected:
            self._ray.shutdown()

    def most(self) -> int:
        """Two for each processor that the cluster has now: nodes come and go."""
        if self._workers is not None:
            return self._workers
        kind = "GPU" if self._gpus else "CPU"
        return max(2, 2 * int(self._ray.cluster_resources().get(kind, 0)))

    def submit(self, rows: bytes, about: dict[str, str]) -> Any:
        """Begin a shard."""
        return self._task.remote(self._setup, self._model, rows, about)

    def first(self, handles: Sequence[Any], seconds: float) -> Any | None:
        """The first that is done."""
        done, _ = self._ray.wait(list(handles), num_returns=1, timeout=seconds)
        return done[0] if done else None

    def result(self, handle: Any) -> bytes:
        """The shard's file. Raises JobError if its node or process was lost again and again."""
        from ray.exceptions import RayError, RayTaskError

        try:
            content: bytes = self._ray.get(handle)
            return content
        except KeyartError:
            raise
        except RayTaskError as error:
            if isinstance(error.cause, KeyartError):
                raise error.cause from error
            missing = isinstance(error.cause, ModuleNotFoundError)
            remedy = f"install keyart {__version__} on all nodes" if missing else "see Ray's logs"
            raise JobError(f"a task failed ({one_line(error.cause)}); {remedy}") from error
        except RayError as error:
            raise JobError(
                f"a shard was lost {_RETRIES + 1} times ({one_line(error)}); look after the "
                "cluster, and run the command again"
            ) from error


def _files(bundle: Path) -> Files:
    """The files of a bundle, by their paths in it."""
    found = sorted(file for file in bundle.rglob("*") if file.is_file())
    return {
        file.relative_to(bundle).as_posix(): np.frombuffer(file.read_bytes(), np.uint8)
        for file in found
    }


_worker: tuple[Setup, Worker] | None = None  # of this process, which computes many shards


def _compute(given: tuple[Setup, str], model: Files, rows: bytes, about: dict[str, str]) -> bytes:
    """Compute a shard: the task on a node."""
    global _worker
    setup, version = given
    if version != __version__:
        host = socket.gethostname()
        raise JobError(f"{host}: keyart {__version__} here, {version} for the job; install that")
    if setup.gpu is not None:  # the one that Ray gives to this task
        setup = replace(setup, gpu=os.environ["CUDA_VISIBLE_DEVICES"])
    if _worker is None or _worker[0] != setup:
        path = str(_unpacked(model, setup.fingerprint)) if model else None
        _worker = setup, Worker(replace(setup, path=path))
    return _worker[1].compute(rows, about)


def _unpacked(model: Files, fingerprint: str) -> Path:
    """The folder of a model on this node, which its tasks share. `Worker` checks every byte."""
    cache = cache_folder("jobs")
    if cache is None:
        raise JobError(f"{socket.gethostname()}: no folder for a cache; set XDG_CACHE_HOME")

    def fill(folder: Path) -> None:
        for name, content in model.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.tobytes())

    folder = cache / fingerprint[:32]
    make_once(folder, fill)
    return folder
