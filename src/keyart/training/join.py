"""How a process becomes a worker of a training, and what it does when another one is lost."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from keyart.errors import TrainingError
from keyart.parallel import cores
from keyart.training.workers import Group

# A worker that does not answer in a step for so long is lost.
STEP_TIMEOUT = timedelta(minutes=10)

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class LostWorkerError(TrainingError):
    """Another worker of the training ended or cannot be reached."""


def under_torchrun() -> bool:
    """Whether torchrun, or what sets the same variables, started this process as one of several."""
    return all(name in os.environ for name in _TORCHRUN) and int(os.environ["WORLD_SIZE"]) > 1


def follows() -> bool:
    """Whether torchrun started this process, and not as the worker that writes files."""
    return under_torchrun() and os.environ["RANK"] != "0"


def restarted() -> bool:
    """Whether torchrun has started this process again, after a worker was lost."""
    return under_torchrun() and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


@contextmanager
def joined_by_torchrun() -> Iterator[Group]:
    """Join the workers that torchrun started."""
    local, peers = (int(os.environ[name]) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    _use_gpu(local, peers)
    dist.init_process_group(_backend(), timeout=STEP_TIMEOUT)
    try:
        with working(local=local, peers=peers, threads=cores() // peers) as group:
            yield group
    finally:
        dist.destroy_process_group()


@contextmanager
def joined_here(port: int, rank: int, count: int) -> Iterator[Group]:
    """Join the workers of this machine that meet at a port of it."""
    _use_gpu(rank, count)
    store = dist.TCPStore("127.0.0.1", port, is_master=False)  # type: ignore[attr-defined]
    dist.init_process_group(
        _backend(), store=store, rank=rank, world_size=count, timeout=STEP_TIMEOUT
    )
    try:
        with working(local=rank, peers=count, threads=cores() // count) as group:
            yield group
    finally:
        dist.destroy_process_group()


@contextmanager
def working(*, local: int, peers: int, threads: int) -> Iterator[Group]:
    """Work in the process group that is there.

    local: the worker's number on its machine, of `peers`. threads: for torch. Raises
    LostWorkerError if another worker ended or does not answer.
    """
    threads = max(1, threads)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield Group(local=local, threads=threads, all_threads=threads * peers)
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error).lower():
            raise LostWorkerError(
                "another worker ended or does not answer; its own message says why, if it has one"
            ) from error
        raise
    finally:
        torch.set_num_threads(before)


def _backend() -> str:
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def _use_gpu(local: int, peers: int) -> None:
    if not torch.cuda.is_available():
        return
    gpus = torch.cuda.device_count()
    if peers > gpus:
        raise TrainingError(f"{peers} workers on a machine with {gpus} GPUs: use at most {gpus}")
    torch.cuda.set_device(local)
