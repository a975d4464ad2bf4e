"""Applying a plan and undoing it: each change is written down, then made; nothing is made twice.

What is to be done is seen in the library, not in a list of what was done: a file is as it was
before the change, as it is after it, or somebody has changed it, and then it is left alone.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from keyart.files import StrPath
from keyart.library.folder_changes import FolderTarget
from keyart.library.journal import FileRecord, Journal, Record, read_journal
from keyart.library.plan import Place, Plan, PlannedFilm, read_plan
from keyart.library.target import ChangedError, FailedError, Outcome, Target
from keyart.parallel import Progress, batches
from keyart.stores.paths import on_this_machine

_BATCH = 32  # films that one write to the journal covers


def apply_plan(
    plan: Plan | StrPath, journal: StrPath, *, progress: Progress | None = None
) -> Outcome:
    """Make the changes of a plan in a library. Applied again, it changes nothing.

    plan: or the path of its file. journal: the file in which each change is written down before it
    is made; it is made if there is none. A film that has changed since the plan is skipped, and so
    is a film that cannot be written; both are listed. Raises LibraryError if the plan, the
    journal or the library cannot be used at all.
    """
    opened = plan if isinstance(plan, Plan) else read_plan(plan)
    outcome, films = Outcome(opened.library, "films"), opened.changed
    with (
        _target(opened.library) as target,
        Journal.open(on_this_machine(journal), opened.library) as written,
    ):
        done = 0
        for batch in batches(films, _BATCH):
            ready = [
                (film, records)
                for film in batch
                if (records := _records(target, film, opened, outcome)) is not None
            ]
            written.add(record for _, records in ready for record in records)
            for film, records in ready:
                _make(target, film, records, outcome)
            done += len(batch)
            if progress:
                progress(done, len(films))
    return outcome


def _records(
    target: Target, film: PlannedFilm, plan: Plan, outcome: Outcome
) -> list[Record] | None:
    """What the changes of a film come down to; None if it is to be left alone."""
    try:
        found = [target.record(film, change, plan) for change in film.changes]
        return [record for record in found if record is not None]
    except ChangedError as error:
        outcome.conflicts.append((film.name, str(error)))
    except FailedError as error:
        outcome.failed.append((film.name, str(error)))
    return None


def _make(target: Target, film: PlannedFilm, records: Sequence[Record], outcome: Outcome) -> None:
    try:
        made = 0
        for record in records:
            if target.state(record) == "before":
                target.make(record)
                made += 1
    except ChangedError as error:
        outcome.conflicts.append((film.name, str(error)))
    except FailedError as error:
        outcome.failed.append((film.name, str(error)))
    else:
        outcome.done += made > 0
        outcome.already += made == 0


def undo_changes(journal: StrPath, *, progress: Progress | None = None) -> Outcome:
    """Undo all changes of a journal, the last one first: each file gets its old bytes.

    Films that have changed since are skipped and listed. Undone again, it changes nothing. Raises
    LibraryError if the journal or the library cannot be used at all.
    """
    place, records = read_journal(on_this_machine(journal))
    outcome = Outcome(place, "changes")
    refused: set[str] = set()
    with _target(place) as target:
        for done, record in enumerate(reversed(records), start=1):
            name = _name(record)
            try:
                if target.state(record) == "after":
                    target.take_back(record)
                    outcome.done += 1
                else:
                    outcome.already += 1
            except ChangedError as error:
                if name not in refused:
                    outcome.conflicts.append((name, str(error)))
                refused.add(name)
            except FailedError as error:
                outcome.failed.append((name, str(error)))
            if progress:
                progress(done, len(records))
    return outcome


def _name(record: Record) -> str:
    return record.path if isinstance(record, FileRecord) else record.item


def _target(place: Place) -> AbstractContextManager[Target]:
    if place.kind == "folder":
        return FolderTarget(Path(place.where))
    from keyart.library.servers import ServerTarget

    return ServerTarget(place)
