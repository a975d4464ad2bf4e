"""What the library logs, as plain lines on standard error."""

import logging
import sys

_ROOT = logging.getLogger("keyart")


class _Lines(logging.Handler):
    """Writes each message to standard error as it is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def show_logs() -> None:
    """Print what keyart logs, for the rest of this process."""
    if not any(isinstance(handler, _Lines) for handler in _ROOT.handlers):
        _ROOT.addHandler(_Lines())
    _ROOT.setLevel(logging.INFO)


def hide_logs(wanted: bool = True) -> bool:
    """Print warnings alone if `wanted`. Returns `wanted`, so that an option can call it."""
    if wanted:
        _ROOT.setLevel(logging.WARNING)
    return wanted
