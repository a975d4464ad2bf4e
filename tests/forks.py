"""Processes that need not import PyTorch: each is forked from one that has done so.

A process can be killed and started again in a moment, and that is what tests of kills do.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Reads tasks, a line each: it forks, or says whether a fork runs or how it has ended.
_SCRIPT = """
import importlib, json, os, sys
import torch._dynamo  # the first optimizer would import it

module = importlib.import_module(sys.argv[1])
for line in sys.stdin:
    task = json.loads(line)
    if "wait" in task:
        print(os.waitstatus_to_exitcode(os.waitpid(task["wait"], 0)[1]), flush=True)
        continue
    if "runs" in task:
        ended = os.waitid(os.P_PID, task["runs"], os.WEXITED | os.WNOHANG | os.WNOWAIT)
        print(int(ended is None), flush=True)
        continue
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(task["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
            getattr(module, task["run"])(*task["given"])
            sys.stdout.flush()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    print(child, flush=True)
"""


class Forks:
    """Runs functions of a module, each in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, run: str, *given: str, out: str | Path = os.devnull) -> int:
        """Call the module's function `run`; what it prints goes to a file. Returns the process."""
        return self._ask({"run": run, "given": given, "out": str(out)})

    def wait(self, child: int) -> int:
        """Wait until a process has ended. Returns its exit status, -9 if it was killed."""
        return self._ask({"wait": child})

    def runs(self, child: int) -> bool:
        """Whether a process that nobody has waited for still runs."""
        return bool(self._ask({"runs": child}))

    def _ask(self, task: dict[str, object]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def forks_of(module: str, **environment: str) -> Iterator[Forks]:
    """A process that has imported `module` and forks others."""
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, module],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment,
    ) as process:  # fmt: skip
        yield Forks(process)
