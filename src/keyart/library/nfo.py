"""NFO files of films: which kind one is, what it says, and where in its bytes it says so.

An NFO is XML, XML followed by the address of a page, or an address alone. They come from many
programs and may come from strangers: entities, DTDs, depth and size are refused, and what is not
well-formed is never edited.
"""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from xml.parsers import expat

from keyart.errors import NfoError
from keyart.film import EARLIEST, LATEST

MOST_BYTES = 4_000_000  # of an NFO; one with a hundred actors has 60,000
_DEEPEST = 64
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
# Encodings of single bytes or of pairs, in which every byte below 128 at a tag is that of ASCII.
_KNOWN = re.compile(
    "(us-)?ascii|(iso-?)?8859-([1-9]|1[0-6])|iso-8859-([1-9]|1[0-6])|latin-?1|(windows-|cp)125[0-8]"
    "|cp(437|850|852|866)|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|euc-(jp|kr)|macintosh",
    re.IGNORECASE,
)
_START_TAG = re.compile(rb"""<(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_URL = re.compile(r"https?://\S+")
_IMDB_ID = re.compile(r"tt[0-9]{6,10}")
_IMDB = re.compile(r"(?:imdb\.com/\S*?title/|^)(tt[0-9]{6,10})\b")
_TMDB = re.compile(r"themoviedb\.org/movie/([0-9]+)")
_YEAR = re.compile(r"(?<![0-9])[0-9]{4}(?![0-9])")


@dataclass(frozen=True, slots=True)
class Element:
    """A child of the root. start, end: of the whole of it, in the UTF-8 form of the document."""

    name: str
    start: int
    end: int
    text: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Nfo:
    """What an NFO says of a film.

    kind: "url" has no XML. title, year: None if unknown. ids: by "imdb" and "tmdb". locked: what
    other programs must leave alone, of "genres" and "tags".

    The rest is for edits: content: the document in UTF-8, without a byte order mark. codec, mark:
    of the file. guessed: nothing in the file says that this is its encoding. opened, closing: ends
    of the root's start tag and begin of its end tag, in `content`; equal if it is empty.
    """

    kind: Literal["xml", "url"]
    content: bytes
    codec: str
    mark: int
    guessed: bool
    children: Sequence[Element] = ()
    opened: int = 0
    closing: int = 0
    title: str | None = None
    year: int | None = None
    ids: Mapping[str, str] = field(default_factory=dict)

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of all elements of a name, without empty ones."""
        return tuple(one.text for one in self.children if one.name == name and one.text)

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that it lists, as they are written there."""
        return self.texts("genre")

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return self.texts("tag")

    @property
    def locked(self) -> frozenset[str]:
        """What must be left alone, by <lockdata> and <lockedfields>."""
        if any(text.casefold() == "true" for text in self.texts("lockdata")):
            return frozenset(("genres", "tags"))
        fields = re.split(r"[|,;\s]+", "|".join(self.texts("lockedfields")).casefold())
        return frozenset(("genres", "tags")).intersection(fields)

    def place(self, at: int) -> int:
        """The byte of the file at a place in `content`."""
        return self.mark + len(self.content[:at].decode("utf-8").encode(self.codec))

    def encode(self, text: str) -> bytes:
        """Text as bytes of this file; characters that its encoding lacks become references."""
        if self.guessed:  # other programs may guess another one
            text = text.encode("ascii", "xmlcharrefreplace").decode("ascii")
        return text.encode(self.codec, "xmlcharrefreplace")


def read_nfo(data: bytes) -> Nfo:
    """Read an NFO of a film. Raises NfoError, with the reason alone, for anything else."""
    if len(data) > MOST_BYTES:
        raise NfoError(f"has {len(data):,} bytes, more than the {MOST_BYTES:,} of an NFO")
    text, codec, mark, guessed = _decoded(data)
    content = text.encode("utf-8")
    if not text.lstrip().startswith("<"):
        return _address(text, content, codec, mark, guessed)
    found = _Reader(content)
    found.read()
    after = content[found.end :].decode("utf-8")
    if "<movie" in after or any(one.name == "movie" for one in found.children):
        raise NfoError("describes several films")
    if found.name != "movie":
        raise NfoError(f"describes no film, but <{found.name[:40]}>")
    if "<" in re.sub(r"<!--.*?-->", "", after, flags=re.DOTALL):
        raise NfoError("has more XML after the film's")
    nfo = Nfo("xml", content, codec, mark, guessed, tuple(found.children), found.opened,
              found.closing)  # fmt: skip
    title = next(iter((*nfo.texts("title"), *nfo.texts("originaltitle"))), None)
    return replace(nfo, title=title, year=_year(nfo), ids=_ids(nfo, after))


def _address(text: str, content: bytes, codec: str, mark: int, guessed: bool) -> Nfo:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise NfoError("is empty")
    if not all(_URL.fullmatch(line) for line in lines):
        raise NfoError("is neither XML nor the address of a page")
    return Nfo("url", content, codec, mark, guessed, ids=_ids_of_pages(text))


def _decoded(data: bytes) -> tuple[str, str, int, bool]:
    """The text of a file, its codec, the length of its mark, and whether the codec is a guess."""
    mark, codec, guessed = 0, "", False
    for start, name in _BOMS:
        if data.startswith(start):
            mark, codec = len(start), name
            break
    else:
        if data.startswith((b"<\0?\0", b"<\0m\0")):
            codec = "utf-16-le"
        elif data.startswith((b"\0<\0?", b"\0<\0m")):
            codec = "utf-16-be"
        elif (declared := _DECLARED.match(data)) and _KNOWN.fullmatch(declared[1].decode()):
            codec = declared[1].decode()
    body = data[mark:]
    if not codec:  # UTF-8; what is not, and does not say what it is, is from Windows
        codec = "utf-8"
        try:
            body.decode(codec)
        except UnicodeDecodeError:
            guessed = True
            codec = "cp1252" if not set(body) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
    try:
        text = body.decode(codec)
        if text.encode(codec) != body:
            raise NfoError(f"is {codec} that cannot be written back byte by byte")
        text.encode("utf-8")
    except (UnicodeError, LookupError) as error:
        raise NfoError(f"is not the {codec} that it says it is") from error
    return text, codec, mark, guessed


class _ReadError(Exception):
    """Ends the parser from inside of a handler."""


class _End(_ReadError):
    """The root's end: what comes after it is not XML."""


class _Reader:
    """Reads a document's root and its children, with their places. Places are bytes of UTF-8."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._depth = 0
        self._text: list[str] = []
        self._child: tuple[str, int, Mapping[str, str]] | None = None
        self.children: list[Element] = []
        self.name = ""
        self.root = self.opened = self.closing = self.end = 0
        # The text is UTF-8 now, whatever its declaration says.
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.ExternalEntityRefHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def read(self) -> None:
        """Raises NfoError."""
        try:
            self._parser.Parse(self._content, True)
        except _End:
            return
        except _ReadError as error:
            raise NfoError(str(error)) from error
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            place = f"line {error.lineno}, column {error.offset + 1}"
            raise NfoError(f"is broken XML ({what}: {place})") from error
        raise NfoError("is broken XML (it does not end)")

    def _refuse(self, *_: object) -> int:
        raise _ReadError("has a DTD, which may hold entities; no program writes one")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        at = self._parser.CurrentByteIndex
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _ReadError(f"has more than {_DEEPEST} levels")
        if self._depth == 1:
            self.name, self.root, self.opened = name, at, self._tag_end(at)
        elif self._depth == 2:
            self._child, self._text = (name, at, attributes), []

    def _end(self, name: str) -> None:
        at = self._parser.CurrentByteIndex
        self._depth -= 1
        if self._depth == 1 and self._child is not None:
            _, start, attributes = self._child
            end = self._whole(start, at)
            text = " ".join("".join(self._text).split())
            self.children.append(Element(name, start, end, text, attributes))
            self._child = None
        elif self._depth == 0:
            self.end = self._whole(self.root, at)
            self.closing = at if self.end != self.opened else self.opened
            raise _End

    def _characters(self, text: str) -> None:
        if self._depth == 2:
            self._text.append(text)

    def _tag_end(self, start: int) -> int:
        found = _START_TAG.match(self._content, start)
        assert found is not None, "expat has read it"
        return found.end()

    def _whole(self, start: int, at: int) -> int:
        """The end of an element. at: where the parser saw it: at its end tag, if it has one."""
        end = self._tag_end(start)
        return end if self._content[end - 2 : end] == b"/>" else self._content.index(b">", at) + 1


def _year(nfo: Nfo) -> int | None:
    for name in ("year", "premiered", "releasedate"):
        for text in nfo.texts(name):
            if (found := _YEAR.search(text)) and EARLIEST <= int(found[0]) <= LATEST:
                return int(found[0])
    return None


def _ids(nfo: Nfo, after: str) -> dict[str, str]:
    ids = _ids_of_pages(after)
    for one in nfo.children:
        name = one.name.casefold()
        kind = one.attributes.get("type", "").casefold() if name == "uniqueid" else ""
        if name in ("imdbid", "imdb_id") or (name == "id" and _IMDB_ID.fullmatch(one.text)):
            kind = "imdb"
        elif name == "tmdbid":
            kind = "tmdb"
        if kind == "imdb" and _IMDB_ID.fullmatch(one.text):
            ids["imdb"] = one.text
        elif kind in ("tmdb", "themoviedb") and one.text.isdecimal() and one.text.isascii():
            ids["tmdb"] = one.text
    return ids


def _ids_of_pages(text: str) -> dict[str, str]:
    found = {"imdb": _IMDB.search(text), "tmdb": _TMDB.search(text)}
    return {kind: match[1] for kind, match in found.items() if match}
