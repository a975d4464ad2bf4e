"""`python -m keyart.training.worker`: a process that `launch` starts. It reports as JSON lines."""

import json
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from keyart.training.reports import Report, failure, sending


def main() -> None:
    """Train as one of several workers, as the first line of standard input says."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started it ends it
    reports = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no report

    def send(report: Report) -> None:
        reports.write(json.dumps(report) + "\n")

    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _train(job, send)
    except Exception as error:
        traceback.print_exc()
        send(failure(error))
        sys.exit(1)


def _train(job: dict[str, Any], send: Callable[[Report], None]) -> None:
    from keyart.catalog.catalog import Catalog
    from keyart.run import Run
    from keyart.training.join import joined_here
    from keyart.training.machine import keep_freed_memory
    from keyart.training.recipe import Recipe, recipe_of
    from keyart.training.train import learn

    keep_freed_memory()
    recipe = recipe_of(job["recipe"], job["run"])
    assert isinstance(recipe, Recipe)
    with joined_here(job["port"], job["rank"], job["count"]) as group:
        learn(
            Catalog.open(job["catalog"]),
            recipe,
            Run(job["run"]),
            sending(send),
            resume=True,
            workers=group,
        )


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
