"""What a training takes from the machine that it runs on."""

import platform
import subprocess
import sys

import pytest

_PAGES = """
import resource, sys
import torch
from keyart.training.machine import choose_machine, keep_freed_memory

choose_machine("fp32", "off", 0)
if sys.argv[1] == "command":
    keep_freed_memory()

def step():
    torch.ones(16, 1024, 1024).add_(1)  # 64 MiB, 16,384 pages

for _ in range(16):  # until the heap has found its shape
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's")
def test_only_a_command_keeps_the_memory_that_steps_free() -> None:
    def cleared(mode: str) -> int:
        command = [sys.executable, "-c", _PAGES, mode]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    assert cleared("plain") > 1_000  # else this machine has nothing to save
    assert cleared("command") < 100
