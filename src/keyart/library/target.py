"""Where changes are made: what a folder and a server have in common, and how a change may fail."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from keyart.library.journal import Record
from keyart.library.plan import FileChange, ItemChange, Place, Plan, PlannedFilm

State = Literal["before", "after"]
"""How far a change is, as it is seen in the library."""


class ChangedError(Exception):
    """Somebody has changed what was to be changed. The message says what."""


class FailedError(Exception):
    """A change could not be made: it may work the next time. The message says why."""


class Target(Protocol):
    """Where changes are made: a folder, or a server."""

    def record(
        self, film: PlannedFilm, change: FileChange | ItemChange, plan: Plan
    ) -> Record | None:
        """What a change comes down to; None if it is made already.

        Raises ChangedError and FailedError.
        """

    def state(self, record: Record) -> State:
        """How far a change is. Raises ChangedError and FailedError."""

    def make(self, record: Record) -> None:
        """Make a change. Raises ChangedError and FailedError."""

    def take_back(self, record: Record) -> None:
        """Undo a change. Raises ChangedError and FailedError."""


@dataclass
class Outcome:
    """What came of applying a plan, or of undoing it.

    of: what is counted, films or changes. done, already: how many of them were done now, or before.
    conflicts: what somebody changed, and failed: what could not be done; each with its reason.
    """

    place: Place
    of: str
    done: int = 0
    already: int = 0
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all was done."""
        return not self.conflicts and not self.failed

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "library": self.place.model_dump(),
            "done": self.done,
            "already": self.already,
            "conflicts": [{"film": name, "reason": why} for name, why in self.conflicts],
            "failed": [{"film": name, "reason": why} for name, why in self.failed],
        }
