"""Text that can always be encoded: names of files that are not UTF-8, and JSON that has them."""

import codecs
import json
import os
import re
from typing import Any

_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


def printable(name: str | os.PathLike[str]) -> str:
    r"""A file's name as text that can be encoded: what is not UTF-8 in it becomes \\xe9."""
    return os.fspath(name).encode("utf-8", ESCAPE).decode("utf-8")


def in_one_line(text: str) -> str:
    """Text without what a terminal obeys: line ends, escape sequences, other directions."""
    return _OBEYED.sub(" ", text)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    # Python keeps a byte of a name that is not UTF-8 as a character from U+DC80 to U+DCFF.
    codes = (ord(letter) for letter in error.object[error.start : error.end])
    escaped = (
        f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
        for code in codes
    )
    return "".join(escaped), error.end


ESCAPE = "keyart.escape"
"""How text is encoded that may hold a file's name, see `printable`."""
codecs.register_error(ESCAPE, _escape)


def json_text(value: Any) -> str:
    r"""JSON that people can read. NaN is an error. A name that is not UTF-8 keeps \\udce9."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
