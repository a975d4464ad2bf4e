"""Run the code of pages and write what it prints: python -m scripts.examples PAGE ...

A page is a script, read from top to bottom in one folder. `python` blocks share their variables;
what they print stands in the `text` block that follows. In `console` blocks a line after `$ ` is a
command, and what it prints follows. `<!-- lines: 9 -->` before a block shortens its output to nine
lines. Other blocks are not run. The tests run the same pages, at a smaller size.
"""

import contextlib
import io
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyart.__main__ import main as keyart

_BLOCK = re.compile(
    r"^(?:<!-- lines: (?P<lines>\d+) -->\n)?```(?P<language>\w*).*\n(?P<content>(?s:.*?))^```$",
    re.MULTILINE,
)
_COMMAND = re.compile(r"^\$ (?P<code>(?:.*\\\n)*.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_SECONDS = 60  # until a service answers
_CUT = "..."


@dataclass(frozen=True)
class Example:
    """A piece of code, and where in its page the output stands: from `start` to `stop`.

    language: python or console. start, stop: None if the page has no place for output. lines: how
    much of the output is shown, None for all.
    """

    language: str
    code: str
    start: int | None
    stop: int | None
    lines: int | None = None


def examples(page: str) -> Iterator[Example]:
    """The code of a page, in order: a `python` block, or one command of a `console` block."""
    blocks = [*_BLOCK.finditer(page)]
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        lines = int(block["lines"]) if block["lines"] else None
        if block["language"] == "python":
            start = stop = None
            if following and following["language"] == "text":
                start, stop = following.span("content")
            yield Example("python", block["content"], start, stop, lines)
        elif block["language"] == "console":
            for command in _COMMAND.finditer(page, *block.span("content")):
                code = re.sub(r"\s*\\\n\s*", " ", command["code"])
                yield Example("console", code, *command.span("output"), lines)


@dataclass
class Session:
    """Runs examples one after the other in a folder. `change` may make a command smaller."""

    folder: Path
    change: Callable[[str], str] = lambda code: code
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    services: list[subprocess.Popen[str]] = field(default_factory=list)
    port: int = 0

    def run(self, example: Example) -> str:
        """What the example prints. Raises what its code raises, and RuntimeError if it fails."""
        code = self.change(example.code)
        if example.language == "python":
            return self._printed(lambda: exec(compile(code, "<page>", "exec"), self.names))
        program, *arguments = shlex.split(code)
        if program == "keyart" and arguments[0] == "serve":
            return self._serve(arguments)
        if program == "keyart":
            return self._printed(lambda: _keyart(arguments))
        if program == "curl":
            arguments = [word.replace(":8000", f":{self.port}") for word in arguments]
        return subprocess.run(
            [program, *arguments], cwd=self.folder, check=True, text=True, capture_output=True
        ).stdout

    def close(self) -> None:
        """Stop the services that were started."""
        for service in self.services:
            service.terminate()
            service.communicate(timeout=_SECONDS)

    def _printed(self, work: Callable[[], object]) -> str:
        output = io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
            warnings.catch_warnings(),
        ):
            work()
        return output.getvalue()

    def _serve(self, arguments: list[str]) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "keyart", *arguments, "--port", str(self.port)]
        service = subprocess.Popen(
            command,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.services.append(service)
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until and service.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz").close()
                assert service.stdout is not None
                return service.stdout.readline().replace(f":{self.port}", ":8000")
            time.sleep(0.05)
        service.kill()
        raise RuntimeError(f"{shlex.join(command)}: {service.communicate()[0] or 'no answer'}")


def _keyart(arguments: list[str]) -> None:
    before = sys.argv
    sys.argv = ["keyart", *arguments]
    try:
        keyart()
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(
                f"keyart {shlex.join(arguments)}: exit status {ended.code}"
            ) from None
    finally:
        sys.argv = before


def shown(output: str, lines: int | None) -> str:
    """The output as a page shows it: at most so many lines, and no spaces at their ends."""
    kept = [line.rstrip() for line in output.strip("\n").splitlines()]
    if lines is not None and len(kept) > lines:
        kept = [*kept[:lines], _CUT]
    return "".join(f"{line}\n" for line in kept)


def rewrite(page: Path, session: Session) -> None:
    """Run a page's code, and put what it prints into the page."""
    text = page.read_text(encoding="utf-8")
    pieces, end = [], 0
    for example in examples(text):
        print(example.code, file=sys.stderr)
        output = shown(session.run(example), example.lines)
        if example.start is not None and example.stop is not None:
            pieces += [text[end : example.start], output]
            end = example.stop
        elif output:
            raise RuntimeError(f"this prints, and no text block follows:\n{example.code}")
    page.write_text("".join([*pieces, text[end:]]), encoding="utf-8", newline="\n")


def main() -> None:
    """Run the pages in one folder, in order: a page may use what those before it made."""
    os.environ |= {"COLUMNS": "88", "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Session(Path(folder))) as run:
        for place in sys.argv[1:]:
            rewrite(Path(place), run)


if __name__ == "__main__":
    main()
