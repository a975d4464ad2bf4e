"""Training on a Ray cluster: Ray Train starts the workers, and starts them again if one is lost."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keyart.cluster import connect
from keyart.errors import KeyartError, MissingExtraError, RunError, TrainingError, one_line
from keyart.parallel import cores
from keyart.training.board import Board
from keyart.training.callbacks import Callbacks
from keyart.training.join import STEP_TIMEOUT, LostWorkerError, working
from keyart.training.reports import Job, Report, Teller, error_of, failure, sending

RESTARTS = 3
"""How often workers start again in one training after one was lost."""

_POLL = 0.5  # seconds between two looks at what the workers report
_STEPS = 0.5  # seconds between two reports of steps
_GRACE = 2.0  # seconds in which all workers can report an error that all have
_SETTINGS = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths in a recipe stay what they are
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
}


def train_on_ray(job: Job, workers: int, address: str, callbacks: Callbacks) -> None:
    """Train in `workers` processes of a cluster, until the best weights are in the run's folder.

    The folder must have been started, and all machines must see it and the catalog at the same
    paths. address: as in `cluster.connect`. If a worker is lost, all start again from the last
    checkpoint. Raises what a worker raised, LostWorkerError after RESTARTS, TrainingError if the
    cluster has no room, and JobError without a cluster.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    ray, was_connected = connect(address, max(workers, cores()))
    try:
        _train(ray, job, workers, callbacks)
    finally:
        if not was_connected:
            ray.shutdown()


def _train(ray: Any, job: Job, workers: int, callbacks: Callbacks) -> None:
    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError as error:  # of what it needs, such as pandas
        raise MissingExtraError("this needs Ray Train: pip install 'ray[train]'") from error

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpu = sum(int(node.get("GPU", 0)) for node in nodes) >= workers
    processors = 1 if gpu else each([int(node.get("CPU", 0)) for node in nodes], workers)
    if processors == 0:
        total = sum(int(node.get("CPU", 0)) for node in nodes)
        raise TrainingError(
            f"{workers} workers, but the cluster has {total} processors: use fewer workers"
        )
    state = Path(job.run, "ray")
    board = ray.remote(num_cpus=0)(Board).remote()
    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": asdict(job), "board": board, "processors": processors},
        torch_config=TorchConfig(
            backend="cpu:gloo,cuda:nccl" if gpu else "gloo",
            timeout_s=int(STEP_TIMEOUT.total_seconds()),
        ),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=gpu, resources_per_worker={"CPU": processors}
        ),
        run_config=RunConfig(
            name="training",
            storage_path=str(state),
            failure_config=FailureConfig(max_failures=RESTARTS),
        ),
    )
    lost = None
    try:
        _fit(ray, trainer, board, Teller(callbacks))
    except TrainingFailedError as error:
        lost = error
    failed = ray.get(board.failure.remote())
    if failed is not None:
        raise error_of(*failed)
    if lost is not None:
        raise LostWorkerError(
            f"workers were lost {RESTARTS + 1} times ({one_line(lost)}); look after the cluster, "
            "and continue with --resume"
        ) from lost
    shutil.rmtree(state, ignore_errors=True)


def each(nodes: Sequence[int], workers: int) -> int:
    """The most processors that each worker can have. nodes: the processors of each node."""
    most = max(nodes, default=0)
    fits = (n for n in range(most, 0, -1) if sum(node // n for node in nodes) >= workers)
    return next(fits, 0)


def _fit(ray: Any, trainer: Any, board: Any, teller: Teller) -> None:
    """Run the trainer, and tell the reports of the board meanwhile."""
    result: Future[Any] = Future()

    def fit() -> None:
        try:
            result.set_result(trainer.fit())
        except BaseException as error:
            result.set_exception(error)

    # In the main thread Ray Train would take Ctrl-C for itself.
    threading.Thread(target=fit, daemon=True).start()
    try:
        while not wait([result], _POLL).done:
            for report in ray.get(board.take.remote()):
                teller.tell(report)
    except BaseException:
        board.fail.remote(0, {"failure": "TrainingError", "message": "stopped"})
        raise
    for report in ray.get(board.take.remote()):
        teller.tell(report)
    result.result()


def _work(given: dict[str, Any]) -> None:
    """Train as one of the workers, in a process of the cluster."""
    import ray
    from ray.train import get_context

    from keyart.catalog.catalog import Catalog
    from keyart.run import Run
    from keyart.training.machine import keep_freed_memory
    from keyart.training.recipe import Recipe, recipe_of
    from keyart.training.train import learn

    board, job, context = given["board"], Job(**given["job"]), get_context()
    rank, sent = context.get_world_rank(), 0.0

    def send(report: Report) -> None:
        nonlocal sent
        now = time.monotonic()
        if rank == 0 and ("step" not in report or report["step"]["row"] or now - sent > _STEPS):
            sent = now
            if not ray.get(board.tell.remote(report)):
                raise TrainingError("stopped")

    if ray.get(board.failure.remote()) is not None:
        return  # this is the start after it
    if rank == 0 and ray.get(board.start.remote()) > 0:
        send({"message": "a worker was lost; continuing from the last checkpoint"})
    keep_freed_memory()
    local, peers = context.get_local_rank(), context.get_local_world_size()
    try:
        with working(local=local, peers=peers, threads=given["processors"]) as group:
            run = Run(job.run)
            if rank == 0 and not run.has_origin:
                raise RunError(f"{run.path}: {os.uname().nodename} does not see this folder; "
                               "choose one that all machines of the cluster share")  # fmt: skip
            recipe = recipe_of(job.recipe, job.run)
            assert isinstance(recipe, Recipe)
            learn(Catalog.open(job.catalog), recipe, run, sending(send), resume=True, workers=group)
    except LostWorkerError:
        raise
    except (KeyartError, OSError) as error:
        ray.get(board.fail.remote(rank, failure(error)))
        if rank:
            time.sleep(_GRACE)  # when one ends, Ray ends the others
        raise
