"""The command line, run in this process."""

import sys
from dataclasses import dataclass

import pytest

from keyart.__main__ import main


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


class Commands:
    """Runs commands of keyart."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shown: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._shown = monkeypatch, shown

    def __call__(self, *words: object) -> Done:
        """Run one, such as ("library", "undo", path)."""
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["keyart", *map(str, words)])
            patch.setenv("COLUMNS", "200")
            self._shown.readouterr()
            status = 0
            try:
                main()
            except SystemExit as ended:
                status = int(ended.code or 0)
        return Done(status, *self._shown.readouterr())
