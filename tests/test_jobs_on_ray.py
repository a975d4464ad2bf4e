"""Long jobs on a Ray cluster of this machine: nodes and processes are lost in the middle."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keyart.bundle import read_bundle
from keyart.cluster import settings
from keyart.errors import JobError, MissingExtraError
from keyart.evidence import KINDS
from keyart.jobs.on_ray import _compute, _files, _unpacked
from keyart.jobs.run import run_job
from keyart.jobs.status import JobStatus, job_status
from keyart.jobs.worker import Setup
from keyart.version import __version__
from tests.test_jobs import scores_in
from tests.tiny_catalog import encoded, poster

SHARDS = 6
STORE = 100 << 20  # bytes


@pytest.fixture(scope="module")
def posters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 96 large posters, so that a shard takes some tenths of a second."""
    folder = tmp_path_factory.mktemp("posters")
    contents = [encoded(poster(seed, (480, 720)), "PNG") for seed in range(4)]
    for film in range(16 * SHARDS):
        (folder / f"{film:02d}.png").write_bytes(contents[film % 4])
    return folder


@pytest.fixture(scope="module")
def local(posters: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job that was done without Ray."""
    folder = tmp_path_factory.mktemp("local") / "job"
    run_job(posters, folder, model=tiny_model, shard_size=16, workers=1)
    return folder


class Nodes:
    """A cluster of processes of this machine: a head that computes nothing, and nodes."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray._common.utils import get_default_ray_temp_dir
            from ray.cluster_utils import Cluster

            # The head writes its address there too, and only `ray.init` makes the folder.
            os.makedirs(get_default_ray_temp_dir(), exist_ok=True)  # type: ignore[no-untyped-call]
            self._cluster: Any = Cluster(
                initialize_head=True,
                head_node_args={
                    **{"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE},
                    "temp_dir": str(folder),
                },
            )
        self.address = str(self._cluster.address)
        self._nodes: list[Any] = []

    def add(self) -> None:
        self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=STORE))

    def lose(self) -> None:
        """Kill the processes of a node."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def stop(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A cluster with a head and two nodes, and a token without which nobody computes."""
    # Paths of sockets may have 107 letters, fewer than pytest's folders take.
    folder = Path(f"/tmp/kr-{os.getpid()}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1")
        cluster = Nodes(folder)
        try:
            cluster.add()
            cluster.add()
            yield cluster
        finally:
            cluster.stop()
            shutil.rmtree(folder, ignore_errors=True)


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_scores_are_those_of_one_machine_though_a_node_is_lost(
    nodes: Nodes, posters: Path, local: Path, tiny_model: Path, tmp_path: Path
) -> None:
    when: list[int] = []

    def lose_one(status: JobStatus) -> None:
        if status.shards_done and not when:
            when.append(status.shards_done)
            nodes.lose()

    done = run_job(
        posters, tmp_path / "job", model=tiny_model, shard_size=16, ray=nodes.address,
        progress=lose_one,
    )  # fmt: skip
    assert (done.state, done.computed) == ("finished", SHARDS)
    assert when[0] < SHARDS - 1
    assert scores_in(tmp_path / "job").equals(scores_in(local))
    again = run_job(posters, tmp_path / "job", model=tiny_model, ray=nodes.address)
    assert again.computed == 0


def processes(name: str) -> list[int]:
    """The processes with this name that this one has started, or those that it has."""
    parents, named = {}, []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat, line = (path / "stat").read_text(), (path / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(path.name)] = int(stat.rpartition(")")[2].split()[1])
        if line.startswith(name.encode()):
            named.append(int(path.name))

    def mine(process: int) -> bool:
        return process == os.getpid() or (process in parents and mine(parents[process]))

    return list(filter(mine, named))


def test_a_lost_process_costs_its_shard_and_nothing_else(
    nodes: Nodes, posters: Path, local: Path, tiny_model: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(status: JobStatus) -> None:
        if status.shards_done and not killed:
            until = time.monotonic() + 5  # between two shards a process has another name
            while not killed and time.monotonic() < until:
                killed.extend(processes("ray::_compute"))
            for process in killed:
                os.kill(process, signal.SIGKILL)

    job = tmp_path / "job"
    done = run_job(
        posters, job, model=tiny_model, shard_size=16, ray=nodes.address, progress=kill_one
    )
    assert killed
    assert (done.state, done.computed) == ("finished", SHARDS)
    assert scores_in(job).equals(scores_in(local))


def test_a_killed_driver_leaves_what_is_written_and_the_cluster_goes_on(
    nodes: Nodes, posters: Path, local: Path, tiny_model: Path, tmp_path: Path
) -> None:
    job = tmp_path / "job"
    command = [sys.executable, "-m", "keyart", "predict", str(posters), "--out", f"{job}/"]
    command += ["--model", str(tiny_model), "--shard-size", "16", "--ray", nodes.address]
    running = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not list(job.glob("scores-*")):
        assert running.poll() is None, running.stderr and running.stderr.read()
    running.kill()
    running.communicate()
    kept = {file.name: file.stat().st_mtime_ns for file in job.glob("scores-*")}
    assert 1 <= len(kept) < SHARDS
    assert job_status(job).state == "stopped"
    done = run_job(posters, job, model=tiny_model, ray=nodes.address)
    assert done.computed == SHARDS - len(kept)
    assert scores_in(job).equals(scores_in(local))
    now = {file.name: file.stat().st_mtime_ns for file in job.glob("scores-*")}
    assert now.items() >= kept.items()


def test_without_a_cluster_the_error_is_one_line(
    posters: Path, tiny_model: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(JobError, match=f"no Ray cluster at {address} .*; check its address"):
        run_job(posters, tmp_path / "job", model=tiny_model, ray=address)


def test_a_cluster_that_is_started_here_asks_for_a_token_and_reports_nothing() -> None:
    assert settings("local")["RAY_AUTH_MODE"] == "token"
    assert "RAY_AUTH_MODE" not in settings("auto")  # it must be that of the cluster
    assert settings("auto")["RAY_USAGE_STATS_ENABLED"] == "0"


def test_without_ray_the_error_names_the_extra(
    posters: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"this needs ray: pip install 'keyart\[cluster\]'"):
        run_job(posters, tmp_path / "job", model=tiny_model, ray="local")


def test_a_node_with_another_keyart_is_refused() -> None:
    setup = Setup(None, "0" * 64, None, False, KINDS, None, None)
    with pytest.raises(JobError, match=f"keyart {__version__} here, 0.0.1 for the job"):
        _compute((setup, "0.0.1"), {}, b"", {})


def test_tasks_of_a_node_share_one_copy_of_the_model(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    files, fingerprint = _files(tiny_model), read_bundle(tiny_model).fingerprint
    copy = _unpacked(files, fingerprint)
    assert read_bundle(copy).fingerprint == fingerprint
    before = copy.stat().st_ino
    assert _unpacked(files, fingerprint).stat().st_ino == before
