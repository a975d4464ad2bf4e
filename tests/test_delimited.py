"""catalog/delimited.py: delimited text as people have it; Python's csv module is the oracle."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart.catalog.delimited import Delimited, Record

COLUMNS = ("id", "title", "genres")
LINE = st.text("ab\"é'.-", max_size=8)  # within a line
WORDS = st.lists(st.text("abé", min_size=1, max_size=4), min_size=1, max_size=4)
PROSE = st.lists(WORDS.map(", ".join), min_size=2, max_size=3).map("\n".join)


def read_delimited(text: str, *, tabs: bool = False) -> tuple[tuple[str, ...], list[Record]]:
    """The columns and records of a text."""
    table = Delimited(lambda: text.split("\n"), tabs=tabs)
    return table.columns, list(table.records())


def rows_of(text: str, *, tabs: bool = False) -> list[list[str]]:
    """The fields of all records, which have no problem."""
    columns, records = read_delimited(text, tabs=tabs)
    assert columns == COLUMNS
    assert [record.problem for record in records] == [""] * len(records)
    return [record.fields for record in records]


def spans(text: str) -> int:
    """How many lines the records have, and the empty lines between them."""
    _, records = read_delimited(text)
    ends = [1, *(record.line for record in records)]
    assert ends == sorted(set(ends))
    return ends[-1]


@given(
    rows=st.lists(st.tuples(st.text("ab", min_size=1), LINE | PROSE, LINE), max_size=6),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    all_quoted=st.booleans(),
)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str, str]], separator: str, end: str, all_quoted: bool
) -> None:
    file = io.StringIO()
    writer = csv.writer(
        file,
        delimiter=separator,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerows([COLUMNS, *rows])
    assert rows_of(file.getvalue()) == [list(row) for row in rows]


@given(
    rows=st.lists(
        st.tuples(
            st.text("ab", min_size=1), st.from_regex(r'[ab" ]*"[ab" ]*', fullmatch=True), LINE
        ),
        min_size=1,
        max_size=6,
    )
)
def test_marks_in_text_without_quoting_are_text(rows: list[tuple[str, str, str]]) -> None:
    # A table in which no field is enclosed in marks, as IMDb writes them.
    fields = [[cell.strip('" ') + '"' if '"' in cell else cell for cell in row] for row in rows]
    text = "\n".join("\t".join(row) for row in [list(COLUMNS), *fields])
    assert rows_of(text, tabs=True) == fields


@given(
    rows=st.lists(
        st.tuples(st.text("ab", min_size=1, max_size=3), *[st.text('ab"', max_size=5)] * 2),
        min_size=1,
        max_size=12,
    ),
    separator=st.sampled_from(",;\t|"),
)
def test_no_mark_swallows_a_row(rows: list[tuple[str, str, str]], separator: str) -> None:
    text = "\n".join(separator.join(row) for row in [COLUMNS, *rows])
    columns, records = read_delimited(text)
    assert columns == COLUMNS
    assert [record.line for record in records] == list(range(2, len(rows) + 2))


@given(st.text('ab",;\t|\n\r ', max_size=60))
def test_every_line_of_any_text_belongs_to_one_record(text: str) -> None:
    text = "id,title\n" + text.replace("\r", "") + "\nlast,line"
    assert spans(text) == text.count("\n") + 1


def test_a_title_in_inches_swallows_no_film() -> None:
    rows = [["1", '12" of Snow', "Drama"], ["2", "Up", "Comedy"], ["3", '7" Single', "Music"]]
    for separator in ",;\t|":
        text = "\n".join(separator.join(row) for row in [list(COLUMNS), *rows])
        assert rows_of(text) == rows


def test_a_mark_that_opens_a_title_and_is_never_closed_is_text() -> None:
    text = 'id,title,genres\n1,"Snow,Drama\n2,Up,Comedy\n3,"Quoted, well",War\n'
    assert rows_of(text) == [
        ["1", '"Snow', "Drama"],
        ["2", "Up", "Comedy"],
        ["3", "Quoted, well", "War"],
    ]


def test_a_mark_closed_many_rows_later_encloses_nothing() -> None:
    text = 'id,title,genres\n1,"Snow,Drama\n2,Up,Comedy\n3,Down",War\n'
    assert rows_of(text) == [["1", '"Snow', "Drama"], ["2", "Up", "Comedy"], ["3", 'Down"', "War"]]


def test_rows_with_a_field_for_each_column_are_not_joined_to_one_without() -> None:
    assert rows_of('id,title,genres\n1,a,"\n",b,War\n') == [["1", "a", '"'], ['"', "b", "War"]]
    assert rows_of('id,title,genres\n1,","\n') == [["1", '"', '"']]


def test_a_title_in_marks_may_go_over_lines() -> None:
    text = 'id,title,genres\r\n1,"A film,\r\nin two ""parts""",Drama\r\n\r\n2,Up,Comedy\r\n'
    columns, records = read_delimited(text)
    assert [(record.line, record.fields[1]) for record in records] == [
        (3, 'A film,\r\nin two "parts"'),
        (5, "Up"),
    ]
    assert columns == COLUMNS


def test_marks_may_be_escaped_by_a_backslash() -> None:
    assert rows_of('id,title,genres\n1,"The \\"Good\\", the Bad",Drama\n') == [
        ["1", 'The "Good", the Bad', "Drama"]
    ]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("sep=;\nid;title;genres\n1;a, b;War\n", [["1", "a, b", "War"]]),
        ("sep=\t\nid\ttitle\tgenres\n1\ta, b\tWar\n", [["1", "a, b", "War"]]),
        ("id,title,genres\r1,a,War\r2,b,Drama\r", [["1", "a", "War"], ["2", "b", "Drama"]]),
        ("\n\n id,title,genres,,\n1,a,War,,\n", [["1", "a", "War"]]),
        ('id\ttitle\tgenres\n1\t"a\nb"\tWar\n', [["1", "a\nb", "War"]]),
        ('"id"\t"title"\t"genres"\n"1"\t"a\tb"\t"War"\n', [["1", "a\tb", "War"]]),
    ],
)
def test_other_dialects(text: str, rows: list[list[str]]) -> None:
    columns, records = read_delimited(text)
    assert tuple(name.strip() for name in columns) == COLUMNS
    assert [record.fields for record in records] == rows


def test_the_tables_of_movielens_have_no_header() -> None:
    columns, (record,) = read_delimited("1::Toy Story (1995)::Animation|Children's|Comedy\n")
    assert columns == ("movie_id", "title", "genres")
    assert record.fields == ["1", "Toy Story (1995)", "Animation|Children's|Comedy"]
    flags = "|".join("1" if at in (3, 5) else "0" for at in range(19))
    columns, (record,) = read_delimited(f"1|Toy Story (1995)|01-Jan-1995||http://x/?a|{flags}\n")
    row = dict(zip(columns, record.fields, strict=True))
    assert {name for name, cell in row.items() if cell == "1"} == {
        "movie_id",
        "Animation",
        "Comedy",
    }


def test_a_long_field_takes_no_longer_than_its_length() -> None:
    cell = 'a"' * 100_000
    assert rows_of(f"id,title,genres\n1,{cell},War\n") == [["1", cell, "War"]]
    escaped = "\\" * 200_000
    _, (record,) = read_delimited(f'id,title,genres\n1,"{escaped},War\n')
    assert len(record.fields) == 3
