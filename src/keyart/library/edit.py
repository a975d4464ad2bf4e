"""Edits of NFO files: a few bytes inserted or replaced, and every other byte left as it was."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from keyart.errors import NfoError
from keyart.library.nfo import Nfo, read_nfo

As = Literal["genre", "tag"]
"""How genres are written: as <genre>Sci-Fi</genre>, or as <tag>keyart: Sci-Fi</tag>."""

# After which element a new one comes, if there is none of its own kind.
_AFTER = {
    "genre": ("id", "uniqueid", "year", "originaltitle", "title"),
    "tag": ("genre", "id", "uniqueid", "year", "originaltitle", "title"),
}
_INDENT = re.compile(rb"(\r\n|\n|\r)([ \t]*)$")
_NEWLINE = re.compile(rb"\r\n|\n|\r")
_TAG = "keyart: "


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes of a file to replace. at: where they begin. old, new: they, and what comes instead."""

    at: int
    old: bytes
    new: bytes

    def apply(self, data: bytes) -> bytes:
        """The file afterwards. Raises NfoError if it does not have the old bytes there."""
        end = self.at + len(self.old)
        if data[self.at : end] != self.old:
            raise NfoError("does not have the bytes that are to be replaced")
        return data[: self.at] + self.new + data[end:]

    def undone(self) -> "Edit":
        """The edit that takes this one back."""
        return Edit(self.at, self.new, self.old)


def written(genre: str, kind: As) -> str:
    """How a genre is written. Jellyfin splits genres at '/', so 'A/B' is written as 'A & B'."""
    name = re.sub(r"\s*/+\s*", " & ", genre.strip("/ "))
    name = "".join(letter for letter in name if letter.isprintable())
    return f"{_TAG}{name}" if kind == "tag" else name


def make_edit(data: bytes, names: Sequence[str], kind: As) -> Edit:
    """The edit that gives an NFO genres or tags. names: as `written` gives them.

    The first empty element of the kind is replaced; otherwise they come after the last of their
    kind, on lines of their own if their neighbours are. Raises NfoError.
    """
    before = read_nfo(data)
    edit = _edit(before, [f"<{kind}>{escape(name)}</{kind}>" for name in names], kind)
    # Reading it again proves the edit, whatever the file was like.
    after = read_nfo(edit.apply(data))
    added = [name for name in after.texts(kind) if name not in before.texts(kind)]
    other = "tag" if kind == "genre" else "genre"
    same = after.texts(other) == before.texts(other) and (
        (after.title, after.year, after.ids) == (before.title, before.year, before.ids)
    )
    if sorted(added) != sorted({" ".join(name.split()) for name in names}) or not same:
        raise NfoError("cannot be edited without changing more than that")
    return edit


def _edit(nfo: Nfo, elements: Sequence[str], kind: As) -> Edit:
    """The edit, not proved. elements: of XML, as text."""
    content = nfo.content
    if nfo.kind == "url":  # it becomes XML that is followed by an address
        newline = _newline(content)
        inner = "".join(f"  {one}{newline}" for one in elements)
        return Edit(nfo.mark, b"", nfo.encode(f"<movie>{newline}{inner}</movie>{newline}"))
    empty = next((one for one in nfo.children if one.name == kind and not one.text), None)
    names = (kind, *_AFTER[kind])
    neighbours = ([one for one in nfo.children if one.name == name][-1:] for name in names)
    neighbour = empty or next((found[0] for found in neighbours if found), None)
    if neighbour is not None:
        before = _INDENT.search(content, 0, neighbour.start)
        between = before[0].decode() if before else ""
        start = end = neighbour.end
        if empty is not None:
            start = empty.start
        text = between.join(elements) if empty else between + between.join(elements)
    elif nfo.closing > nfo.opened or content[nfo.opened - 2 : nfo.opened] != b"/>":
        start = end = nfo.opened
        line = _INDENT.search(content, 0, nfo.closing)
        between = f"{line[1].decode()}{line[2].decode()}  " if line else ""
        text = between + between.join(elements)
    else:  # <movie/>
        newline = _newline(content)
        start, end = nfo.opened - 2, nfo.opened
        inner = "".join(f"  {one}{newline}" for one in elements)
        text = f">{newline}{inner}</movie>"
    old = content[start:end].decode("utf-8").encode(nfo.codec)
    return Edit(nfo.place(start), old, nfo.encode(text))


def _newline(content: bytes) -> str:
    found = _NEWLINE.search(content)
    return found[0].decode() if found else "\n"


def new_nfo(
    title: str, year: int | None, ids: Mapping[str, str], names: Sequence[str], kind: As
) -> bytes:
    """A small NFO, which Kodi and Jellyfin read, for a film that has none."""
    lines = [f"<title>{escape(title)}</title>"]
    if year is not None:
        lines.append(f"<year>{year}</year>")
    for number, (name, value) in enumerate(ids.items()):
        default = ' default="true"' if number == 0 else ""
        lines.append(f'<uniqueid type="{name}"{default}>{escape(value)}</uniqueid>')
    lines += [f"<{kind}>{escape(name)}</{kind}>" for name in names]
    inner = "".join(f"  {line}\n" for line in lines)
    text = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<movie>\n{inner}</movie>\n'
    data = text.encode("utf-8")
    read_nfo(data)
    return data


def digest(data: bytes) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(data).hexdigest()
