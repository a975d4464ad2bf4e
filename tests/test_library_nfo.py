"""NFO files: what they say, edits that leave every other byte, and those that are refused."""

import codecs
import re
import time
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart.errors import NfoError
from keyart.library.edit import As, make_edit, new_nfo, written
from keyart.library.nfo import MOST_BYTES, read_nfo

PLAIN = b"<movie>\n  <title>Alien</title>\n  <year>1979</year>\n</movie>\n"
DECLARED = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
URL = b"https://www.imdb.com/title/tt0078748/\n"
ODD = {
    "plain": PLAIN,
    "declared": DECLARED + PLAIN,
    "without a last newline": PLAIN.rstrip(),
    "crlf": DECLARED.replace(b"\n", b"\r\n") + PLAIN.replace(b"\n", b"\r\n"),
    "old mac": PLAIN.replace(b"\n", b"\r"),
    "tabs": PLAIN.replace(b"  ", b"\t"),
    "one line": b"<movie><title>Alien</title><year>1979</year></movie>",
    "utf-8 mark": codecs.BOM_UTF8 + DECLARED + PLAIN,
    "utf-16": "\ufeff".encode("utf-16-le") + PLAIN.decode().encode("utf-16-le"),
    "utf-16 big-endian": "\ufeff".encode("utf-16-be") + PLAIN.decode().encode("utf-16-be"),
    "utf-16 without a mark": ('<?xml version="1.0" encoding="UTF-16"?>' + PLAIN.decode()).encode(
        "utf-16-le"
    ),
    "utf-16 that is utf-8": b'<?xml version="1.0" encoding="utf-16"?>\n' + PLAIN,
    "latin-1": '<?xml version="1.0" encoding="ISO-8859-1"?>\n<movie>\n <title>Amélie</title>\n'
    "</movie>".encode("latin-1"),
    "latin-1, undeclared": "<movie>\n <title>Amélie</title>\n</movie>".encode("latin-1"),
    "latin-1, declared as utf-8": '<?xml version="1.0" encoding="UTF-8"?><movie>\n '
    "<title>Amélie</title>\n</movie>".encode("latin-1"),
    "windows-1251": '<?xml version="1.0" encoding="windows-1251"?>\n<movie>\n <title>Сталкер'
    "</title>\n</movie>".encode("cp1251"),
    "shift_jis": '<?xml version="1.0" encoding="Shift_JIS"?>\n<movie>\n <title>表示</title>\n'
    "</movie>".encode("shift_jis"),
    "followed by a page": PLAIN + URL,
    "followed by a page on the same line": PLAIN.rstrip() + URL.rstrip(),
    "a page alone": URL,
    "two pages, crlf": URL.replace(b"\n", b"\r\n") + b"https://www.themoviedb.org/movie/348-alien",
    "a page, utf-8 mark": codecs.BOM_UTF8 + URL,
    "comments": b"<!-- made by hand --><movie><!-- <genre>Drama</genre> -->\n  <title>Alien"
    b"<!-- 3? --></title> <!-- a > b -->\n</movie><!-- end -->\n",
    "cdata": b"<movie>\n  <title><![CDATA[Alien <3 & <genre>]]></title>\n</movie>\n",
    "references": b"<movie>\n  <title>Alien &amp; &#233;&#x1F600; &lt;3</title>\n</movie>\n",
    "attributes": b'<movie id="1" note=\'a > b "c"\'  >\n  <title a="b">Alien</title >\n</movie\n>',
    "an empty genre": b"<movie>\n  <genre/>\n  <title>Alien</title>\n</movie>",
    "an empty genre, two tags": b"<movie>\n  <genre></genre>\n  <title>Alien</title>\n</movie>",
    "two empty genres": b"<movie>\n\t<genre />\n\t<genre> </genre>\n\t<title>A</title>\n</movie>",
    "nested genre": b"<movie>\n <set><name>A</name><genre>Set</genre></set>\n</movie>",
    "empty": b"<movie></movie>",
    "empty, lines": b"<movie>\n</movie>\n",
    "self-closed": b"<movie/>\n",
    "processing": b'<?xml version="1.0"?>\n<?xml-stylesheet href="a.css"?>\n' + PLAIN,
    "astral": "<movie>\n <title>😀 🎬</title>\n</movie>\n".encode("utf-16"),
}


def independent(data: bytes) -> list[str]:
    """The genres of an NFO, by another reader: its declaration and page removed."""
    for codec in ("utf-8-sig", "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le"):
        text = data.decode(codec, "replace")
        if "<movie" in text:
            break
    text = re.sub(r"^\s*<\?xml [^>]*\?>", "", text)
    return [one.text or "" for one in ElementTree.fromstring(
        text[: text.rindex("</movie") ] + "</movie>").findall("genre")]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("kind", ["genre", "tag"])
def test_an_edit_changes_nothing_but_what_it_inserts_and_undoing_gives_back_each_byte(
    name: str, kind: As
) -> None:
    data = ODD[name]
    names = [written(genre, kind) for genre in ("Sci-Fi", "Crime & Co")]
    edit = make_edit(data, names, kind)
    after = edit.apply(data)
    assert after[: edit.at] == data[: edit.at]
    assert after[edit.at + len(edit.new) :] == data[edit.at + len(edit.old) :]
    assert edit.undone().apply(after) == data
    read, was = read_nfo(after), read_nfo(data)
    assert list(read.texts(kind)) == names
    assert (read.title, read.year, read.ids) == (was.title, was.year, was.ids)
    if kind == "genre":
        assert [one for one in independent(after) if one.strip()] == names
    if not name.startswith(("an empty", "two empty", "self")) or kind == "tag":
        assert edit.old == b"" or name == "self-closed"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", b"  <year>1979</year>\n  <genre>War</genre>\n  <genre>Drama</genre>\n</movie>\n"),
        ("crlf", b"</year>\r\n  <genre>War</genre>\r\n  <genre>Drama</genre>\r\n</movie>\r\n"),
        ("tabs", b"\t<year>1979</year>\n\t<genre>War</genre>\n\t<genre>Drama</genre>\n</movie>\n"),
        ("one line", b"<year>1979</year><genre>War</genre><genre>Drama</genre></movie>"),
        (
            "an empty genre",
            b"<movie>\n  <genre>War</genre>\n  <genre>Drama</genre>\n  <title>Alien",
        ),
        ("self-closed", b"<movie>\n  <genre>War</genre>\n  <genre>Drama</genre>\n</movie>\n"),
        (
            "a page alone",
            b"<movie>\n  <genre>War</genre>\n  <genre>Drama</genre>\n</movie>\n" + URL,
        ),
        ("empty, lines", b"<movie>\n  <genre>War</genre>\n  <genre>Drama</genre>\n</movie>\n"),
    ],
)
def test_what_is_inserted_looks_like_its_neighbours(name: str, expected: bytes) -> None:
    after = make_edit(ODD[name], ["War", "Drama"], "genre").apply(ODD[name])
    assert expected in after


def test_tags_come_after_the_last_tag_and_genres_stay() -> None:
    data = b"<movie>\n <genre>War</genre>\n <tag>mine</tag>\n <plot>x</plot>\n</movie>"
    after = make_edit(data, ["keyart: Drama"], "tag").apply(data)
    assert b"<tag>mine</tag>\n <tag>keyart: Drama</tag>\n <plot>" in after
    assert read_nfo(after).genres == ("War",)


def test_letters_that_the_encoding_lacks_become_references() -> None:
    latin = ODD["latin-1"]
    assert make_edit(latin, ["Comédie"], "genre").new == "\n <genre>Comédie</genre>".encode(
        "latin-1"
    )
    assert make_edit(latin, ["戦争"], "genre").new == b"\n <genre>&#25126;&#20105;</genre>"
    # Nothing says that it is Latin-1, so nobody could tell what the letter is.
    guessed = ODD["latin-1, undeclared"]
    assert make_edit(guessed, ["Comédie"], "genre").new == b"\n <genre>Com&#233;die</genre>"
    assert read_nfo(make_edit(latin, ["戦争"], "genre").apply(latin)).genres == ("戦争",)


def test_jellyfin_splits_genres_at_slashes_so_none_is_written() -> None:
    assert written("Sci-Fi/Fantasy", "genre") == "Sci-Fi & Fantasy"
    assert written("Sci-Fi / Fantasy", "tag") == "keyart: Sci-Fi & Fantasy"
    assert written("War", "genre") == "War"


def test_title_year_ids_genres_tags_and_locks_are_read() -> None:
    nfo = read_nfo(
        DECLARED
        + b"""<movie>
  <title>Alien</title><originaltitle>Alien (o)</originaltitle>
  <premiered>1979-05-25</premiered>
  <uniqueid type="tmdb">348</uniqueid><uniqueid type="imdb" default="true">tt0078748</uniqueid>
  <genre>Horror</genre><genre/><genre>Science  Fiction</genre><genre clear="true">War</genre>
  <tag>space</tag><actor><name>Weaver</name><genre>none</genre></actor>
  <lockedfields>Name|Genres</lockedfields><lockdata>false</lockdata>
</movie>"""
    )
    assert (nfo.title, nfo.year) == ("Alien", 1979)
    assert nfo.ids == {"imdb": "tt0078748", "tmdb": "348"}
    assert nfo.genres == ("Horror", "Science Fiction", "War")
    assert nfo.tags == ("space",)
    assert nfo.locked == {"genres"}
    locked = read_nfo(b"<movie><lockdata>true</lockdata></movie>").locked
    assert locked == {"genres", "tags"}
    assert read_nfo(URL).ids == {"imdb": "tt0078748"}
    assert read_nfo(ODD["latin-1, undeclared"]).title == "Amélie"
    assert read_nfo(ODD["windows-1251"]).title == "Сталкер"
    assert read_nfo(ODD["followed by a page"]).ids == {"imdb": "tt0078748"}


def test_a_new_nfo_is_small_and_escaped() -> None:
    data = new_nfo("Fast & <Furious>", 2001, {"imdb": "tt0232500"}, ["Action"], "genre")
    root = ElementTree.fromstring(data)
    assert [one.tag for one in root] == ["title", "year", "uniqueid", "genre"]
    assert root.findtext("title") == "Fast & <Furious>"
    assert root.find("uniqueid").attrib == {"type": "imdb", "default": "true"}  # type: ignore[union-attr]


BOMB = b'<!DOCTYPE movie [<!ENTITY a "lol">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
)
REFUSED = {
    "bomb": (BOMB + b"]><movie><title>&j;</title></movie>", "DTD"),
    "external": (
        b'<!DOCTYPE movie [<!ENTITY x SYSTEM "file:///etc/passwd">]><movie>&x;</movie>', "DTD",
    ),
    "dtd": (b'<!DOCTYPE movie SYSTEM "http://127.0.0.1:9/movie.dtd"><movie/>', "DTD"),
    "undefined": (b"<movie><title>a&nbsp;b</title></movie>", "undefined entity"),
    "deep": (b"<movie>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</movie>", "64 levels"),
    "large": (b"<movie>" + b" " * MOST_BYTES + b"</movie>", "bytes, more than"),
    "cut": (PLAIN[:-8], "broken XML"),
    "crossed": (b"<movie><a></movie></a>", r"broken XML \(mismatched tag: line 1, column 13\)"),
    "null": (b"<movie><title>\0</title></movie>", "broken XML"),
    "two films": (PLAIN + PLAIN, "several films"),
    "films in a root": (b"<movies>" + PLAIN + PLAIN + b"</movies>", "several films"),
    "series": (b"<tvshow><title>A</title></tvshow>", "no film, but <tvshow>"),
    "more xml": (PLAIN + b"<set/>", "more XML"),
    "text": (b"  __ RELEASED BY GROUP __\nhttps://www.imdb.com/title/tt0078748/", "neither XML"),
    "nothing": (b" \n", "is empty"),
    "not utf-16": (b"\xff\xfe<movie/>a", "not the utf-16"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_hostile_broken_or_no_film_is_refused_in_a_line_and_never_edited(name: str) -> None:
    data, reason = REFUSED[name]
    began = time.process_time()
    tracemalloc.start()
    for refused in (lambda: read_nfo(data), lambda: make_edit(data, ["War"], "genre")):
        with pytest.raises(NfoError, match=reason) as error:
            refused()
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 200
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - began < 2
    assert peak < 10 * len(data) + 1_000_000


def test_an_nfo_of_many_children_is_read_in_linear_time() -> None:
    data = b"<movie>\n" + b"<actor><name>A</name></actor>\n" * 100_000 + b"</movie>\n"
    began = time.process_time()
    after = make_edit(data, ["War"], "genre").apply(data)
    assert b"<movie>\n  <genre>War</genre>\n<actor>" in after
    assert time.process_time() - began < 5


blank = st.sampled_from(["", " ", "\n", "\r\n  ", "\t"])
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"]), max_size=8)
inner = st.one_of(
    text.map(lambda one: f"<title>{_escaped(one)}</title>"),
    text.map(lambda one: f"<plot><![CDATA[{one.replace(']]>', '')}]]></plot>"),
    text.map(lambda one: f"<!--{one.replace('-', '')}-->"),
    st.sampled_from(["<genre/>", "<genre></genre >", "<tag>a</tag>", "<year>1979</year>", "&#233;",
                     "<id>tt0078748</id>", "<set a='>'><genre>x</genre></set>"]),
)  # fmt: skip


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@given(
    parts=st.lists(st.tuples(blank, inner), max_size=6),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]),
    after=st.sampled_from(["", "\n", "\nhttps://www.imdb.com/title/tt0078748/"]),
    names=st.lists(st.sampled_from(["War", "Drama", "Música", "A & B"]), min_size=1, unique=True),
)
def test_any_nfo_is_edited_in_one_place_and_back(
    parts: list[tuple[str, str]], codec: str, after: str, names: list[str]
) -> None:
    inside = "".join(space + one for space, one in parts)
    body = f"<movie>{inside}\n</movie>{after}"
    declared = f'<?xml version="1.0" encoding="{codec}"?>' if codec in ("latin-1", "cp1252") else ""
    data = (declared + body).encode(codec, "xmlcharrefreplace")
    before = read_nfo(data)
    edit = make_edit(data, names, "genre")
    changed = edit.apply(data)
    assert edit.undone().apply(changed) == data
    assert data.startswith(changed[: edit.at])
    assert data.endswith(changed[edit.at + len(edit.new) :])
    read = read_nfo(changed)
    assert sorted(read.genres) == sorted(names)
    assert (read.title, read.year, read.ids, read.tags) == (
        before.title, before.year, before.ids, before.tags,
    )  # fmt: skip


def test_a_file_of_100_mb_is_refused_unread(tmp_path: Path) -> None:
    from keyart.library.folder import read_folder

    (tmp_path / "Alien.mkv").write_bytes(b"video")
    with (tmp_path / "Alien.nfo").open("wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    (film,) = read_folder(tmp_path).films
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "100,000,000 bytes" in film.problem
    assert peak < 2_000_000
