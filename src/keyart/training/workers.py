"""The workers of one training: one process, or several that share every batch.

A worker trains on its part of each batch, and PyTorch's DistributedDataParallel averages the
gradients. Worker 0 leads: it alone writes files, and what it decides the others take from it.
"""

import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parallel import DistributedDataParallel

from keyart.errors import TrainingError
from keyart.models.dropout import Dropout
from keyart.training.callbacks import Row
from keyart.training.shared_norm import share_norms

# While one worker decodes posters or computes features, the others wait. A worker that dies is
# noticed at once, so this is only for machines that vanish.
_PATIENCE = timedelta(hours=24)


class Workers:
    """One process that trains alone; `Group` is one of several."""

    rank = 0
    count = 1

    @property
    def leads(self) -> bool:
        """Whether this is the worker that writes files."""
        return self.rank == 0

    def part(self, items: int) -> npt.NDArray[np.int64]:
        """The places of this worker's items."""
        return np.arange(self.rank * items // self.count, (self.rank + 1) * items // self.count)

    def scale(self, films: int) -> float:
        """What makes the mean over workers of their mean losses the mean over a batch's films."""
        return len(self.part(films)) * self.count / films

    def means(self, values: Sequence[float], films: int) -> list[float]:
        """Means over a batch of `films`, from the means over this worker's part."""
        return list(values)

    def ready(self, trainee: nn.Module, films: int) -> nn.Module:
        """`trainee` with the leader's weights, and how to call it in a step on `films`.

        `trainee` itself changes as well: its dropout and its normalisations see the whole batch.
        """
        return trainee

    def share(self, model: nn.Module) -> None:
        """Replace a model's weights by the leader's."""

    def gathered(
        self, own: npt.NDArray[np.float32], shape: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        """The rows of all workers, in order, from those of this worker's part. shape: of all."""
        return own

    def seed(self, seed: int) -> int:
        """The seed of what the layers of a network draw."""
        return seed

    def agreed(self, row: Row) -> Row:
        """The leader's row: rounding could let machines decide differently."""
        return row

    def check(self, what: str, value: str) -> None:
        """Raise TrainingError if a worker has another value than the leader."""

    @contextmanager
    def copy(self, path: Path) -> Iterator[Path | None]:
        """The leader's file at `path`, or a copy of it for now; None if it has none."""
        yield path if path.exists() else None

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The leader first, then one worker of each other machine, then all the others.

        So what is inside can find, in files, what the worker before computed.
        """
        yield


ALONE = Workers()
"""The worker of a training in one process."""


class Group(Workers):
    """A worker of several. torch.distributed's process group must be there.

    local: the worker's number on its machine. threads, all_threads: for torch, for this worker and
    for all on its machine.
    """

    def __init__(self, *, local: int, threads: int, all_threads: int) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self._turn = 0 if self.rank == 0 else 1 if local == 0 else 2
        patient = dist.new_group(backend="gloo", timeout=_PATIENCE)
        assert isinstance(patient, dist.ProcessGroup)
        self._patient = patient
        self._threads, self._all_threads = threads, all_threads
        self._apart = False

    def means(self, values: Sequence[float], films: int) -> list[float]:
        """As `Workers.means`."""
        sums = torch.tensor(values, dtype=torch.float64) * len(self.part(films))
        dist.all_reduce(sums)
        return [float(one) for one in sums / films]

    def ready(self, trainee: nn.Module, films: int) -> nn.Module:
        """As `Workers.ready`, in DistributedDataParallel."""
        part = self.part(films)
        if films < self.count:
            raise TrainingError(
                f"{self.count} workers cannot share a batch of {films} films: use fewer workers, "
                "or a larger batch_size"
            )
        for module in trainee.modules():
            if isinstance(module, Dropout):
                module.part = (int(part[0]), films)
            elif isinstance(module, _DropoutNd) or getattr(module, "drop_prob", None):
                self._apart = True
        share_norms(trainee)
        self.share(trainee)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the new name is not in torch 2.11
            # Normalisations agree on their statistics without DDP. A static graph may leave weights
            # unused, as networks of timm do.
            return DistributedDataParallel(trainee, broadcast_buffers=False, static_graph=True)

    def share(self, model: nn.Module) -> None:
        """As `Workers.share`."""
        for tensor in model.state_dict().values():
            sent = tensor.detach().cpu().contiguous()
            dist.broadcast(sent, 0, self._patient)
            tensor.copy_(sent)

    def gathered(
        self, own: npt.NDArray[np.float32], shape: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        """As `Workers.gathered`."""
        rows = torch.zeros(shape)
        if len(own):
            rows[self.part(len(rows))] = torch.from_numpy(own)
        dist.all_reduce(rows)
        return rows.numpy()

    def seed(self, seed: int) -> int:
        """As `Workers.seed`; of each worker if a layer cannot draw for the whole batch."""
        if not self._apart:
            return seed
        return int(np.random.SeedSequence([seed, self.rank]).generate_state(1)[0])

    def agreed(self, row: Row) -> Row:
        """As `Workers.agreed`."""
        agreed: Row = json.loads(self._sent(json.dumps(row).encode()))
        return agreed

    def check(self, what: str, value: str) -> None:
        """As `Workers.check`."""
        known = self._sent(value.encode()).decode()
        if known != value:
            raise TrainingError(f"worker {self.rank} has {what} {value}, worker 0 has {known}")

    @contextmanager
    def copy(self, path: Path) -> Iterator[Path | None]:
        """As `Workers.copy`. A shared folder could show another worker an older file."""
        content = path.read_bytes() if self.leads and path.exists() else b""
        content = self._sent(content)
        if not content:
            yield None
        elif self.leads:
            yield path
        else:
            with tempfile.TemporaryDirectory(prefix="keyart-") as folder:
                copied = Path(folder, path.name)
                copied.write_bytes(content)
                yield copied

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """As `Workers.in_turn`. A worker that others on its machine wait for has their cores."""
        for turn in range(3):
            if turn == self._turn:
                torch.set_num_threads(self._all_threads if turn < 2 else self._threads)
                try:
                    yield
                finally:
                    torch.set_num_threads(self._threads)
            dist.all_reduce(torch.zeros(1), group=self._patient)

    def _sent(self, data: bytes) -> bytes:
        """The leader's data."""
        size = torch.tensor([len(data)])
        dist.broadcast(size, 0, self._patient)
        if not size:
            return b""
        content = torch.empty(int(size), dtype=torch.uint8)
        if self.leads:
            content = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        dist.broadcast(content, 0, self._patient)
        return content.numpy().tobytes()
