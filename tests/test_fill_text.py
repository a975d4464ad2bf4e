"""Filling CSV and JSON: new cells are there for every reader, all other bytes are as they were."""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keyart.catalog.table_file import Row, read_table
from keyart.errors import TableError
from keyart.tables.delimited_text import DelimitedText
from keyart.tables.filling import Filling, Value
from keyart.tables.json_text import JsonText

NEW = ("keyart_genres", "keyart_unsure", "keyart_score_Drama", "keyart_error")
LINE = st.text("ab\"é'.-", max_size=8)
WORDS = st.lists(st.text("abé", min_size=1, max_size=4), min_size=1, max_size=4)
PROSE = st.lists(WORDS.map(", ".join), min_size=2, max_size=3).map("\n".join)


def filled(path: Path, content: bytes, filling: Filling) -> bytes:
    """What filling a file of this content gives."""
    path.write_bytes(content)
    table = read_table(path)
    kind = JsonText if path.suffix == ".json" else DelimitedText
    out = path.with_name(f"filled-{path.name}")
    kind(table).write(filling, out)
    return out.read_bytes()


def test_a_quotation_mark_is_a_letter_in_a_table_of_tabs_that_quotes_nothing(
    tmp_path: Path,
) -> None:
    filling = Filling(NEW, [[("Drama", 'a "b"'), True, 0.25, None]])
    after = filled(tmp_path / "films.tsv", b"id\ttitle\na\tb\n", filling)
    assert after.splitlines()[1] == b'a\tb\tDrama|a "b"\ttrue\t0.250000\t'


@given(
    rows=st.lists(st.tuples(st.text("ab", min_size=1), LINE | PROSE, LINE), min_size=1, max_size=5),
    genre=st.text('ab",;|\té', min_size=1, max_size=5).filter(lambda text: text.strip() == text),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    all_quoted=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
)
def test_a_filled_table_is_what_the_csv_module_writes_byte_for_byte(
    rows: list[tuple[str, str, str]], genre: str, separator: str, end: str, all_quoted: bool,
    encoding: str, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    def written(rows: list[tuple[str, ...]]) -> bytes:
        file = io.StringIO()
        quoting: Any = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
        writer = csv.writer(file, delimiter=separator, lineterminator=end, quoting=quoting)
        writer.writerows(rows)
        return file.getvalue().encode(encoding)

    header = ("id", "title", "genres é")
    table = written([header, *rows])
    # A table of tabs that has no quotation mark quotes nothing, as IMDb's: the mark is a letter.
    assume(separator != "\t" or '"' not in genre or '"' in table.decode(encoding))
    path = tmp_path_factory.mktemp("csv") / ("films.tsv" if separator == "\t" else "films.csv")
    values: list[Value] = [("Drama", genre), True, 0.25, None]
    after = filled(path, table, Filling(NEW, [values] * len(rows)))
    cells = (f"Drama|{genre}", "true", "0.250000", "")
    assert after == written([(*header, *NEW), *[(*row, *cells) for row in rows]])


@example(text='\n","', header='"a","b"')
@given(
    text=st.text('ab",;\t|\n\r \\', max_size=40),
    header=st.sampled_from(["a,b", "a;b;", "a", '"a","b"', "a\tb"]),
)
def test_wild_text_is_refused_or_changed_by_insertions_alone(
    text: str, header: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("csv") / "films.csv"
    path.write_bytes(f"{header}\n1{text}\n".encode())
    table = read_table(path)
    out = path.with_name("out.csv")
    try:
        DelimitedText(table).write(Filling(("new",), [["ZZ"]] * len(table.rows)), out)
    except TableError as error:
        assert "quotation marks" in str(error)  # noqa: PT017
        return

    added = r'(?:[,;|\t]+"?(?:ZZ|new|line [0-9]+: [0-9]+ fields?, but [^"\r\n]*)"?)?'
    old, new = (one.read_bytes().decode() for one in (path, out))
    assert re.fullmatch(added.join(["", *map(re.escape, old), ""]), new)
    again = read_table(out)
    assert [name for name in again.columns if name] == [*table.columns, "new"]
    for before, after in zip(table.rows, again.rows, strict=True):
        assert after.line == before.line
        assert bool(after.problem) == bool(before.problem)
        if not before.problem:
            assert {**after.cells, "": ""} == {**before.cells, "new": "ZZ", "": ""}


LONG = '"line 4: 3 fields, but the header has 2; quote what holds a separator"'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Empty names and cells past the last column: new columns come after the header's.
        ("a,b,\n1,2,\n3,4\n", 'a,b,,n\n1,2,,Z\n3,4,,Z\n'),
        ("a,b\n1,2,,\n", "a,b,n\n1,2,Z,,\n"),
        # Empty lines stay, short rows too, and the end without a line end. A row that is too long
        # stays too long for the longer header.
        ("a,b\n\n1\n1,2,3\n \n5,6", f"a,b,n\n\n1\n1,2,3,{LONG}\n \n5,6,Z"),
        ("sep=;\na;b\n1;2\n", "sep=;\na;b;n\n1;2;Z\n"),
        ("a,b\r1,2\r", "a,b,n\r1,2,Z\r"),  # an old Mac's
        ("title\nHeat\n", "title,n\nHeat,Z\n"),
        ('"a","b"\n"1","2"\n', '"a","b","n"\n"1","2","Z"\n'),
        ('a\tb\n12" Records\tx\n', 'a\tb\tn\n12" Records\tx\tZ\n'),
        # A column of this name is replaced where it is.
        ('n,a\nold,1\n"o,ld",2\n,3\n', 'n,a\nZ,1\n"Z",2\nZ,3\n'),
    ],
)  # fmt: skip
def test_odd_tables_are_filled_where_a_person_would(
    tmp_path: Path, before: str, after: str
) -> None:
    rows = before.count("\n") + before.count("\r")
    path = tmp_path / "films.csv"
    path.write_bytes(before.encode())
    count = len(read_table(path).rows)
    assert rows
    assert filled(path, before.encode(), Filling(("n",), [["Z"]] * count)).decode() == after


def test_text_that_is_not_utf8_throughout_keeps_its_bytes(tmp_path: Path) -> None:
    before = b"title,a\n" + "éé,ü\n".encode() * 3 + b"\xff\xc3,b\n\xe2\x82,c\n"
    after = filled(tmp_path / "films.csv", before, Filling(("n",), [["Z"]] * 5))
    assert after == before.replace(b"\n", b",Z\n").replace(b"title,a,Z", b"title,a,n")


def test_a_table_that_could_be_read_in_another_way_once_it_is_filled_is_refused(
    tmp_path: Path,
) -> None:
    """One quoted field is too short a row; in a table of three columns it has three fields."""
    before = b'a,b\n1,2\n",,c"\n'
    assert [bool(row.problem) for row in _rows(tmp_path, before)] == [False, True]
    assert [bool(row.problem) for row in _rows(tmp_path, b'a,b,n\n1,2,Z\n",,c"\n')] == [False] * 2
    with pytest.raises(TableError, match="line 3: with more cells in it, its quotation marks"):
        filled(tmp_path / "films.csv", before, Filling(("n",), [["Z"], ["Z"]]))


def _rows(folder: Path, content: bytes) -> Sequence[Row]:
    (folder / "rows.csv").write_bytes(content)
    return read_table(folder / "rows.csv").first_rows


def test_decimal_commas_are_kept(tmp_path: Path) -> None:
    rows: list[list[Value]] = [[0.5]]
    for price, score in (("1,5", "0,500000"), ("1.5", "0.500000"), ("x", "0.500000")):
        before = f"a;price\n1;{price}\n"
        after = filled(tmp_path / "films.csv", before.encode(), Filling(("n",), rows))
        assert after.decode() == f"a;price;n\n1;{price};{score}\n"


def test_what_a_spreadsheet_would_run_is_text(tmp_path: Path) -> None:
    after = filled(tmp_path / "films.csv", b"a\n1\n", Filling(("n",), [["=1+1"]]))
    assert after == b"a,n\n1,'=1+1\n"


def test_an_encoding_that_cannot_hold_a_genre_and_a_table_without_a_header_are_refused(
    tmp_path: Path,
) -> None:
    def source(content: bytes) -> DelimitedText:
        path = tmp_path / "films.csv"
        path.write_bytes(content)
        return DelimitedText(read_table(path))

    source("title\né\n".encode("cp1252")).check(["Comédie"], NEW)
    with pytest.raises(TableError, match="its encoding, cp1252, cannot hold 'Комедия'; save it as"):
        source("title\né\n".encode("cp1252")).check(["Комедия"], NEW)
    with pytest.raises(TableError, match="has no header to name new columns in"):
        source(b"1::Toy Story (1995)::Animation\n").check(["Drama"], NEW)
    source(b"1::Toy Story (1995)::Animation\n").check(["Drama"], ["genres"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\é{}[],:\n', max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from("abcn"), JSON, max_size=3), min_size=1, max_size=4
    ),
    form=st.sampled_from(["lines", "array", "pretty", "compact", "answer"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)  # fmt: skip
def test_json_gets_members_and_keeps_the_text_of_all_others(
    rows: list[dict[str, Any]], form: str, encoding: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [{"t": 1, **row} for row in rows] * 2  # of one line with a list, the list is the table
    text = {
        "lines": "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n",
        "array": json.dumps(rows),
        "pretty": json.dumps(rows, indent=2),
        "compact": json.dumps(rows, separators=(",", ":")),
        "answer": json.dumps({"page": 1, "results": rows}),
    }[form]
    filling = Filling(("n", "m"), [[("Drama",), True]] * len(rows))
    path = tmp_path_factory.mktemp("json") / "films.json"
    after = filled(path, text.encode(encoding), filling).decode(encoding)
    expected = [{**row, "n": ["Drama"], "m": True} for row in rows]
    if form == "lines":
        assert [json.loads(line) for line in after.splitlines()] == expected
        return
    found = json.loads(after)
    found = found["results"] if form == "answer" else found
    assert found == expected
    if form == "pretty":
        assert after == json.dumps(expected, indent=2).replace(
            '[\n      "Drama"\n    ]', '["Drama"]'
        )
    else:
        separators = (",", ":") if form == "compact" else None
        whole: Any = {"page": 1, "results": expected} if form == "answer" else expected
        assert after == json.dumps(whole, separators=separators)


def test_numbers_spaces_and_escapes_of_json_stay_as_they_are_written(tmp_path: Path) -> None:
    before = (
        '[{"t" : 1.0, "big": 123456789012345678901234567890,"e":1E5,  "u": "\\u00e9\\/", "n": [ ] }'
        ',\n\n{} ,{"n": "x", "n": null}]\n'
    )
    filling = Filling(("n",), [[["Drama"]], [["Drama"]], [["Drama"]]])
    assert filled(tmp_path / "a.json", before.encode(), filling).decode() == (
        before.replace("[ ]", '["Drama"]')
        .replace("{}", '{"n": ["Drama"]}')
        .replace("null", '["Drama"]')
    )


def test_json_that_holds_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "films.json"
    path.write_text('{"title": {"0": "Heat", "1": "Alien"}, "year": {"0": 1995, "1": 1979}}')
    with pytest.raises(TableError, match="holds its columns as objects; save it as an array"):
        JsonText(read_table(path))
