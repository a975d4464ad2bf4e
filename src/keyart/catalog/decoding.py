"""The text of a file: UTF-8, what a byte order mark says, or Windows-1252."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keyart.errors import TableError

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\x00\x00\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
    b"\xef\xbb\xbf": "utf-8",
}
_ONE_BYTE = "cp1252"


@dataclass(frozen=True)
class Decoded:
    """A file's text.

    start: how many bytes its byte order mark has. note: for people, on bytes that are not UTF-8.
    """

    data: bytes
    text: str
    encoding: str
    start: int = 0
    note: str = ""

    @property
    def exact(self) -> str:
        """The text with each byte that is not UTF-8 as a character of its own."""
        if self.encoding == "utf-8" and self.note:
            return self.data[self.start :].decode("utf-8", "surrogateescape")
        return self.text

    def edited(self, edits: Iterable[tuple[int, int, str]]) -> Iterator[bytes]:
        """The file with some pieces of `exact` replaced; every other byte is as it was.

        edits: where each begins and ends, and what is there instead; in order.
        """
        text, at, byte = self.exact, 0, self.start
        yield self.data[: self.start]
        for begin, end, new in edits:
            after = byte + self._bytes(text[at:begin])
            yield self.data[byte:after]
            yield new.encode(self.encoding, "backslashreplace")
            byte = after + self._bytes(text[begin:end])
            at = end
        yield self.data[byte:]

    def _bytes(self, piece: str) -> int:
        if self.encoding == _ONE_BYTE:
            return len(piece)
        return len(piece.encode(self.encoding, "surrogateescape"))


def decode(data: bytes) -> Decoded:
    """The text of a file. Raises TableError, without its name, if it has none."""
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    encoding = _MARKS.get(mark, "utf-8")
    if not mark and b"\x00" in data[:200]:  # UTF-16 without a mark
        encoding = "utf-16-le" if data[1:200:2].count(0) > data[:200:2].count(0) else "utf-16-be"
    start = len(mark)
    try:
        found = Decoded(data, data[start:].decode(encoding), encoding, start)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise TableError("not text") from error
        found = _damaged(data, start)
    if "\x00" in found.text:
        raise TableError("not text")
    return found


def _damaged(data: bytes, start: int) -> Decoded:
    """Text that is not UTF-8 throughout: Windows-1252, or UTF-8 with some damage."""
    text = data[start:].decode("utf-8", "surrogateescape")
    wrong = sum("\udc80" <= letter <= "\udcff" for letter in text)
    other = sum(letter > "\x7f" for letter in text) - wrong
    if other > wrong:
        note = f"{wrong:,} of its bytes were read as \N{REPLACEMENT CHARACTER}"
        return Decoded(data, data[start:].decode("utf-8", "replace"), "utf-8", start, note)
    note = "it was read as Windows-1252 (Latin-1)"
    return Decoded(data, data[start:].decode(_ONE_BYTE, "replace"), _ONE_BYTE, start, note)
