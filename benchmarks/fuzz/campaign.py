"""A campaign: doors, the process that tries inputs on them, and what is kept of it."""

import faulthandler
import json
import multiprocessing
import os
import shutil
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from keyart.errors import KeyartError
from keyart.files import write_json

SLOWEST = 2.0  # seconds of processor time of one input
HANG = 30.0  # seconds without an answer: wall time, as what hangs may also sleep
MEMORY = 6 * 2**30  # bytes of address space of a worker
_OPENING = 300.0  # seconds, for imports on a busy machine
_MINIMISING = 60.0  # seconds for one finding
_ERRORS = "stderr.txt"
_REPLACED_AFTER = 20_000  # inputs: what libraries keep must not add up


class Refused(KeyartError):
    """A refusal that is not an exception of keyart, such as a status of HTTP."""


@dataclass(frozen=True)
class Door:
    """A way into keyart.

    make: the input of a number. check: what keyart answers to an input; the number decides options
    that go with it. It raises KeyartError for a refusal; all else that it raises is a finding.
    """

    make: Callable[[int], bytes]
    check: Callable[[int, bytes], object]


OpenDoor = Callable[[Path, ExitStack], Door]
"""Opens a door. folder: empty, for its files. stack: closes what it opens."""


def put(file: Path, data: bytes) -> None:
    """Write a file in place of what is there; much faster than over it, which flushes to disk."""
    file.unlink(missing_ok=True)
    file.write_bytes(data)


@dataclass(frozen=True)
class Outcome:
    """What became of an input. kind: answered, refused, or the short name of a finding's cause."""

    kind: str
    seconds: float = 0.0
    detail: str = ""

    @property
    def found(self) -> bool:
        """Whether this is a finding."""
        return self.kind not in ("answered", "refused")


class Worker:
    """A process that tries inputs on a door. It is replaced after one that ends it.

    folder: for the files of the process. It is removed at the end, and at the next start, if the
    campaign was killed.
    """

    def __init__(
        self, door: OpenDoor, folder: Path, *, hang: float = HANG, slowest: float = SLOWEST
    ) -> None:
        self._door, self._folder = door, folder
        self._hang, self._slowest = hang, slowest
        self._process: Any = None

    def make(self, number: int) -> bytes:
        """The input of a number."""
        made: bytes = self._reply(number, None, False)
        return made

    def ask(self, number: int, data: bytes | None = None) -> Outcome:
        """Try an input. data: None for the one that has this number."""
        try:
            outcome: Outcome = self._reply(number, data, True)
            return outcome
        except TimeoutError:
            self.close()
            return Outcome("hang", self._hang, f"no answer within {self._hang:g} s")
        except (EOFError, OSError):  # the process has ended
            self._process.join()
            status = self._process.exitcode
            name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
            said = (self._folder / _ERRORS).read_text(encoding="utf-8", errors="replace")[-2_000:]
            self.close()
            return Outcome("crash", 0, f"the process ended: {name}\n{said}")

    def close(self) -> None:
        """End the process and its children, and remove its files."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._process.kill()
            self._process.join()
            self._connection.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._process = None

    def _reply(self, *question: object) -> Any:
        if self._process is None or self._asked >= _REPLACED_AFTER:
            self._start()
        self._asked += 1
        self._connection.send(question)
        if not self._connection.poll(self._hang):
            raise TimeoutError
        return self._connection.recv()

    def _start(self) -> None:
        self.close()
        self._asked = 0
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (self._door, self._folder, theirs, self._slowest, self._hang)
        self._process = context.Process(target=_work, args=arguments)
        self._process.start()
        theirs.close()
        if not self._connection.poll(_OPENING) or not self._connection.recv():
            raise TimeoutError(f"the door did not open within {_OPENING:g} s")


def _work(opened: OpenDoor, folder: Path, connection: Any, allowed: float, hang: float) -> None:
    import resource

    os.setsid()  # so that what it starts ends with it
    with (folder / _ERRORS).open("w") as errors:  # decoders and faulthandler write there
        os.dup2(errors.fileno(), 1)
        os.dup2(errors.fileno(), 2)
    faulthandler.enable()
    os.environ["XDG_CACHE_HOME"] = str(folder)  # where keyart remembers networks
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("error")
    slowest = 0.0
    with ExitStack() as stack:
        (folder / "door").mkdir()
        door = opened(folder / "door", stack)
        connection.send(True)
        while True:
            try:
                number, data, wanted = connection.recv()
            except EOFError:  # the campaign was killed
                return
            if data is None:
                data = door.make(number)
            if not wanted:
                connection.send(data)
                continue
            # The campaign ends a process that hangs, unless it was killed itself.
            faulthandler.dump_traceback_later(4 * hang, exit=True)
            outcome = tried(door, number, data)
            if not outcome.found and outcome.seconds > slowest:
                # Not the time of a first import, nor of a machine that was busy for a moment.
                again = tried(door, number, data)
                outcome = min(outcome, again, key=lambda one: one.seconds)
                slowest = max(slowest, outcome.seconds)
                if outcome.seconds > allowed:
                    detail = f"{outcome.seconds:.1f} s, then {outcome.kind}"
                    outcome = Outcome("slow", outcome.seconds, detail)
            faulthandler.cancel_dump_traceback_later()
            connection.send(outcome)


def tried(door: Door, number: int, data: bytes) -> Outcome:
    """What becomes of an input, in this process."""
    began = _processor_seconds()
    try:
        answer = door.check(number, data)
        seconds = _processor_seconds() - began
        if door.check(number, data) != answer:
            return Outcome("two answers", seconds, "the same input was answered in two ways")
        return Outcome("answered", seconds)
    except KeyartError as error:
        seconds = _processor_seconds() - began
        if not str(error).strip():
            return Outcome("no reason", seconds, type(error).__name__)
        return Outcome("refused", seconds)
    except BaseException as error:  # whatever it is, it is a finding
        frames = traceback.extract_tb(error.__traceback__)
        own = [one for one in frames if "/keyart/" in one.filename] or frames
        kind = f"{type(error).__name__} in {Path(own[-1].filename).name} {own[-1].name}"
        if isinstance(error, AssertionError):  # of the check itself
            kind = str(error).partition(":")[0] or kind
        detail = "".join(traceback.format_exception(error))
        return Outcome(kind, _processor_seconds() - began, detail)


def _processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


@dataclass
class Finding:
    """A cause. number: of its first input. times: how many inputs. mended: not found any more."""

    number: int
    detail: str
    times: int = 0
    mended: bool = False


@dataclass
class Tally:
    """What is kept of a door.

    next: the number of the next input. slowest: seconds of one that is no finding. findings: by
    cause.
    """

    next: int = 0
    answered: int = 0
    refused: int = 0
    slowest: float = 0.0
    slowest_number: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Tally":
        """The inverse of dataclasses.asdict."""
        findings = {cause: Finding(**one) for cause, one in value.pop("findings").items()}
        return cls(**value, findings=findings)


class Campaign:
    """Tries inputs on one door; keeps tally and findings in a folder, and goes on from them.

    In the folder: DOOR.json, and in findings/ for each cause the input, the smaller one that is
    left of it, and a text that says what happened.
    """

    def __init__(self, name: str, door: OpenDoor, folder: Path, *, hang: float = HANG) -> None:
        self.name, self._folder = name, folder
        self._worker = Worker(door, folder / "work" / name, hang=hang)
        self._file = folder / f"{name}.json"
        self.tally = Tally()
        if self._file.exists():
            self.tally = Tally.from_json(json.loads(self._file.read_text(encoding="utf-8")))

    def again(self) -> None:
        """Try the kept inputs of all findings: which ones are mended?"""
        for cause, finding in self.tally.findings.items():
            data = self._kept(finding.number, "input").read_bytes()
            finding.mended = self._worker.ask(finding.number, data).kind != cause
        self._save()

    def run(self, seconds: float, inputs: int | None = None) -> None:
        """Try the next inputs, for so long or so many."""
        end = time.monotonic() + seconds
        tried = 0
        while time.monotonic() < end and tried != inputs:
            self._try(self.tally)
            tried += 1
        self._save()

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _try(self, tally: Tally) -> None:
        number = tally.next
        outcome = self._worker.ask(number)
        tally.next += 1
        tally.answered += outcome.kind == "answered"
        tally.refused += outcome.kind == "refused"
        if not outcome.found:
            if outcome.seconds > tally.slowest:
                tally.slowest, tally.slowest_number = outcome.seconds, number
            return
        finding = tally.findings.setdefault(outcome.kind, Finding(number, outcome.detail))
        finding.times += 1
        if finding.times == 1 or finding.mended:  # the kept input does not show it any more
            finding.number, finding.detail, finding.mended = number, outcome.detail, False
            self._keep(outcome, number)
        self._save()

    def _keep(self, outcome: Outcome, number: int) -> None:
        data = self._worker.make(number)
        self._kept(number, "input").parent.mkdir(parents=True, exist_ok=True)
        self._kept(number, "input").write_bytes(data)
        self._kept(number, "txt").write_text(f"{outcome.kind}\n\n{outcome.detail}\n")
        if outcome.kind not in ("hang", "slow"):
            small = minimised(
                data, lambda part: self._worker.ask(number, part).kind == outcome.kind
            )
            self._kept(number, "small").write_bytes(small)

    def _kept(self, number: int, suffix: str) -> Path:
        return self._folder / "findings" / f"{self.name}-{number}.{suffix}"

    def _save(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_json(self._file, asdict(self.tally))


def minimised(
    data: bytes, fails: Callable[[bytes], bool], *, seconds: float = _MINIMISING
) -> bytes:
    """What is left of an input if no part can be left out: delta debugging, halving the parts."""
    end = time.monotonic() + seconds
    size = len(data) // 2
    while size and time.monotonic() < end:
        at = 0
        while at < len(data) and time.monotonic() < end:
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def table(campaigns: Sequence[Campaign]) -> str:
    """What became of all inputs, in Markdown; then the causes of findings."""
    lines = [
        "| door | inputs | answered | refused | slowest (s) | findings open | mended |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    causes = []
    total = Tally()
    for one in campaigns:
        tally = one.tally
        lines.append(_line(one.name, tally))
        total.next += tally.next
        total.answered += tally.answered
        total.refused += tally.refused
        total.slowest = max(total.slowest, tally.slowest)
        for cause, finding in tally.findings.items():
            total.findings[f"{one.name} {cause}"] = finding
            state = "mended" if finding.mended else "open"
            causes.append(f"- {state}: {one.name} {finding.number}: {cause} ({finding.times:,} x)")
    return "\n".join([*lines, _line("all", total), "", *causes])


def _line(name: str, tally: Tally) -> str:
    mended = sum(finding.mended for finding in tally.findings.values())
    return (
        f"| {name} | {tally.next:,} | {tally.answered:,} | {tally.refused:,} | {tally.slowest:.2f} "
        f"| {len(tally.findings) - mended} | {mended} |"
    )
