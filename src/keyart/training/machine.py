"""How this machine trains fastest: its device, its dtype, and whether to compile."""

import ctypes
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from keyart.models.quiet import errors_only

# Compiling costs some 40 s on two cores and then saves about half of the time. Below this much
# arithmetic (multiply-adds counted twice, forward and backward) it does not pay.
_COMPILE_PAYS_GFLOP = 20_000


@dataclass(frozen=True)
class Machine:
    """Where and how a network runs."""

    device: torch.device
    bf16: bool
    compile: bool

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Matrix products inside are bf16 if that pays."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            yield


def choose_machine(dtype: str, compile: str, gflop: float) -> Machine:
    """The machine for a training of `gflop`. dtype, compile: as in the recipe."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    # Hardware without bf16 emulates it, more slowly than fp32.
    native = torch.cuda.is_bf16_supported() if cuda else _cpu_has_bf16()
    bf16 = native if dtype == "auto" else dtype == "bf16"
    pays = gflop > _COMPILE_PAYS_GFLOP if compile == "auto" else compile == "on"
    return Machine(device, bf16, pays)


def keep_freed_memory() -> None:
    """Let this process keep the memory that tensors free, for the tensors of the next step.

    It changes the whole process, so the command line calls it and the library does not.

    glibc returns blocks of more than 32 MB to the system at once, which then clears every page of
    the next such block: a tenth to a quarter of a training on two cores (docs/benchmarks.md). On
    other systems and C libraries it does nothing.
    """
    if sys.platform == "linux":
        change_setting = getattr(ctypes.CDLL(None), "mallopt", None)
        if change_setting is not None:  # musl has none
            trim_threshold, mmap_max = -1, -4  # their numbers in malloc.h
            change_setting(trim_threshold, -1)  # never
            change_setting(mmap_max, 0)


def _cpu_has_bf16() -> bool:
    # These names are private and may go away. The public torch.cpu.get_capabilities is newer.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


@contextmanager
def isolated() -> Iterator[None]:
    """Restore torch's random state and choice of algorithms afterwards."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):  # with all devices it would warn
        try:
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = before


def repeatable(seed: int) -> None:
    """Fix torch's own random numbers (dropout) and its choice of algorithms."""
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


class Compiled:
    """A function, compiled if the machine says so; if that fails, it runs as it is.

    frozen: the weights in it do not change, so that they can be folded into one another.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        machine: Machine,
        say: Callable[[str], None],
        *,
        frozen: bool = False,
    ) -> None:
        self._plain = self._fast = function
        if machine.compile:
            options: dict[str, str | int | bool | Callable[..., Any]] = {"freezing": frozen}
            self._fast = torch.compile(function, dynamic=False, options=options)
        self._say = say

    def __call__(self, *arguments: Any) -> Any:
        if self._fast is self._plain:
            return self._plain(*arguments)
        try:
            # Users can do nothing about the compiler's deprecation warnings, nor about its warning
            # that there is no GPU toolkit.
            with errors_only("torch.utils.cpp_extension"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._fast(*arguments)
        except Exception as error:
            # Most often there is no C++ compiler. Any other error is raised again in plain mode.
            self._fast = self._plain
            result = self._plain(*arguments)
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error)
            self._say(f"torch.compile does not work here ({reason}); continuing without it, slower")
            return result
