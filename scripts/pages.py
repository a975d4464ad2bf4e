"""Generated pages: written by `make docs`, compared by `make check`."""

import sys
from pathlib import Path


def cell(text: str) -> str:
    """Text as one cell of a Markdown table. Code in it stays as it is."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join([part if n % 2 else part.replace("<", "&lt;") for n, part in enumerate(parts)])


def publish(place: str, text: str, *, check: bool) -> int:
    """Write a page, or with `check` only compare it. Returns an exit status."""
    page = Path(place)
    if not check:
        page.write_text(text, encoding="utf-8", newline="\n")
        return 0
    if page.is_file() and page.read_text(encoding="utf-8") == text:
        return 0
    print(f"{place} is not current: run `make docs` and commit it", file=sys.stderr)
    return 1
