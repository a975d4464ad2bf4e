"""Where the workers of a training on Ray report. Its process imports no PyTorch."""

from collections import deque

from keyart.training.reports import Report


class Board:
    """What the workers report: an actor of the cluster."""

    def __init__(self) -> None:
        self._reports: deque[Report] = deque()
        self._failure: tuple[int, Report] | None = None
        self._starts = 0

    def start(self) -> int:
        """How often the training has started before."""
        self._starts += 1
        return self._starts - 1

    def tell(self, report: Report) -> bool:
        """Add a report. Returns whether the training is to go on."""
        self._reports.append(report)
        return self._failure is None

    def take(self) -> list[Report]:
        """The reports since the last call."""
        taken = list(self._reports)
        self._reports.clear()
        return taken

    def fail(self, rank: int, report: Report) -> None:
        """Remember a failure, of which starting again would be no cure: of several, the one of the
        worker that comes first."""
        if self._failure is None or rank < self._failure[0]:
            self._failure = rank, report

    def failure(self) -> tuple[int, Report] | None:
        """What failed, if anything did: a worker and its report."""
        return self._failure
