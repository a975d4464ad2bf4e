"""Filling Excel, Parquet and DataFrames: compared cell by cell by openpyxl, pyarrow and Polars."""

import datetime
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image as Picture
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Border, Font, PatternFill, Side
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table
from PIL import Image

from keyart.catalog.table_file import read_table
from keyart.errors import TableError
from keyart.queries import find_films
from keyart.tables.excel import Excel
from keyart.tables.fill import fill
from keyart.tables.filling import Filling, Value
from keyart.tables.frames import Frame
from keyart.tables.parquet import Parquet
from tests.wire import encoded, plain

NEW = ("keyart_genres", "keyart_maybe", "keyart_unsure", "keyart_score_Drama", "keyart_error")
SURE: list[Value] = [("Drama", "War"), (), False, 0.5, None]
REFUSED: list[Value] = [None, None, None, None, "=not a \x01picture"]


def filled(path: Path, filling: Filling) -> Path:
    """Fill a file."""
    kind: Any = Excel if path.suffix == ".xlsx" else Parquet
    out = path.with_name(f"filled-{path.name}")
    kind(read_table(path)).write(filling, out)
    return out


def workbook(path: Path) -> Path:
    """A workbook with most of what people do to their lists."""
    book = openpyxl.Workbook()
    notes = book.active
    notes.title = "empty"
    sheet = book.create_sheet("films")
    sheet["B2"], sheet["C2"], sheet["D2"], sheet["E2"] = "title", "seen", "price", "genres"
    sheet["F4"] = "a note to the right"
    for row, (title, price) in enumerate([("Heat", 1.5), ("Alien", 2), ("Up", 3)], start=3):
        sheet.cell(row, 2, title)
        sheet.cell(row, 3, datetime.date(2020, 1, row)).number_format = "dd.mm.yyyy"
        sheet.cell(row, 4, price).number_format = "#,##0.00 €"
    sheet["E3"] = "Drama, Science Fiction"
    sheet["D7"] = "=SUM(D3:D5)"
    sheet["B3"].font = Font(name="Arial", bold=True, color="FF0000")
    sheet["E2"].fill = PatternFill("solid", fgColor="FFFF00")
    sheet["E2"].border = Border(bottom=Side(style="thick"))
    sheet["B4"].hyperlink = "https://example.org/"
    sheet["B5"].comment = Comment("seen twice", "me")
    sheet["B8"] = CellRichText("half ", TextBlock(InlineFont(b=True), "bold"))
    sheet.merge_cells("B9:C9")
    sheet["B9"] = "merged"
    sheet.column_dimensions["B"].width = 33
    sheet.row_dimensions[3].height = 44
    sheet.freeze_panes = "C3"
    sheet.auto_filter.ref = "B2:E5"
    sheet.conditional_formatting.add(
        "D3:D5", CellIsRule(operator="greaterThan", formula=["2"], font=Font(bold=True))
    )
    valid = DataValidation(type="list", formula1='"yes,no"')
    valid.add("C3:C5")
    sheet.add_data_validation(valid)
    sheet.add_table(Table(displayName="Films", ref="B2:E5"))
    other = book.create_sheet("other")
    other["A1"] = "=films!D7*2"
    other.sheet_properties.tabColor = "00FF00"
    book.save(path)
    return path


def looks(cell: Any) -> tuple[Any, ...]:
    """Everything about a cell that a person sees."""
    return (
        cell.value, cell.number_format, *map(repr, (cell.font, cell.fill, cell.border)),
        repr(cell.alignment), repr(cell.protection), cell.hyperlink and cell.hyperlink.target,
        cell.comment and cell.comment.text,
    )  # fmt: skip


def test_a_workbook_is_what_it_was_cell_by_cell_and_has_new_columns(tmp_path: Path) -> None:
    path = workbook(tmp_path / "films.xlsx")
    rows: list[Sequence[Value] | None] = [SURE, REFUSED, SURE, None, None]
    before = openpyxl.load_workbook(path, rich_text=True)
    after = openpyxl.load_workbook(filled(path, Filling(NEW, rows)), rich_text=True)
    assert after.sheetnames == before.sheetnames
    for name in before.sheetnames:
        old, new = before[name], after[name]
        for cells in old.iter_rows():
            for cell in cells:
                assert looks(new[cell.coordinate]) == looks(cell), cell.coordinate
        for attribute in ("freeze_panes", "merged_cells", "data_validations"):
            assert str(getattr(new, attribute)) == str(getattr(old, attribute))
        assert new.auto_filter.ref == old.auto_filter.ref
        assert new.column_dimensions["B"].width == old.column_dimensions["B"].width
        assert new.row_dimensions[3].height == old.row_dimensions[3].height
        rules = [[one.sqref, *one.rules] for one in old.conditional_formatting]
        assert [[one.sqref, *one.rules] for one in new.conditional_formatting] == rules
        assert {one: new.tables[one].ref for one in new.tables} == {
            one: old.tables[one].ref for one in old.tables
        }
        assert new.sheet_properties.tabColor == old.sheet_properties.tabColor
    sheet = after["films"]
    # To the right of everything, also of the note.
    found = [[sheet.cell(row, column).value for column in range(7, 13)] for row in range(2, 6)]
    assert found == [
        [*NEW, None],
        ["Drama|War", None, False, 0.5, None, None],
        [None, None, None, None, "=not a \N{REPLACEMENT CHARACTER}picture", None],
        ["Drama|War", None, False, 0.5, None, None],
    ]
    assert sheet["K4"].data_type == "s"  # no formula


def test_a_column_of_a_workbook_is_filled_where_it_is_empty_and_holds_no_formula(
    tmp_path: Path,
) -> None:
    path = workbook(tmp_path / "films.xlsx")
    book = openpyxl.load_workbook(path)
    book["films"]["E5"] = '=""'  # Excel has not computed it: it has no value yet
    book.save(path)
    table = read_table(path)
    source = Excel(table)
    assert [source.has_no_value(row, "genres") for row in table.rows][:3] == [False, True, False]
    rows: list[Sequence[Value] | None] = [None, ["War"], None, None, None]
    after = openpyxl.load_workbook(filled(path, Filling(("genres",), rows, only_empty=True)))
    assert [after["films"].cell(row, 5).value for row in range(2, 6)] == [
        "genres", "Drama, Science Fiction", "War", '=""',
    ]  # fmt: skip
    assert after["films"].max_column == 6


def test_what_openpyxl_cannot_keep_is_named(tmp_path: Path) -> None:
    def lost(path: Path) -> list[str]:
        return Excel(read_table(path)).lost

    path = workbook(tmp_path / "films.xlsx")
    assert lost(path) == []
    book = openpyxl.load_workbook(path)
    book["other"].add_image(Picture(io.BytesIO(encoded(plain((255, 0, 0), (8, 8))))), "C3")
    book.save(path)
    assert lost(path) == []
    after = openpyxl.load_workbook(filled(path, Filling(NEW, [SURE] * 5)))
    (picture,) = after["other"]._images
    assert Image.open(io.BytesIO(picture._data())).getpixel((0, 0)) == (255, 0, 0)
    book = openpyxl.load_workbook(path)
    chart = BarChart()
    chart.add_data(Reference(book["films"], min_col=4, min_row=3, max_row=5))
    book["other"].add_chart(chart, "E5")
    book.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macros")
        archive.writestr("xl/richData/rdrichvalue.xml", b"<a/>")
        archive.writestr("xl/drawings/drawing9.xml", b"<xdr:wsDr><xdr:sp macro=''/></xdr:wsDr>")
        archive.writestr("xl/worksheets/sheet9.xml", b'<extLst><ext uri="{05C60535}"/></extLst>')
    assert lost(path) == [
        "charts", "macros", "shapes", "sparklines or conditional formats of newer Excel",
        "xl/richData/rdrichvalue.xml",
    ]  # fmt: skip


def arrow() -> pa.Table:
    """Columns of many types, with metadata of the table and of fields."""
    schema = pa.schema(
        [
            pa.field("title", pa.dictionary(pa.int8(), pa.string())),
            pa.field("price", pa.decimal128(12, 2), metadata={"unit": "EUR"}),
            pa.field("seen", pa.timestamp("ns", "Europe/Berlin")),
            pa.field("tags", pa.list_(pa.struct([("name", pa.large_string())]))),
            pa.field("count", pa.uint16(), nullable=False),
            pa.field("genres", pa.list_(pa.string())),
            pa.field("half", pa.float16()),
        ],
        metadata={"owner": "me", "pandas": '{"columns": []}'},
    )
    seen = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    rows = [
        {"title": title, "price": 1, "seen": seen, "tags": [{"name": "x"}], "count": 3,
         "genres": genres, "half": 0.5}
        for title, genres in (("Heat", ["Crime"]), ("Alien", []), (None, None), ("Up", []))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema)


@pytest.mark.parametrize("compression", ["zstd", {"title": "gzip", "genres.list.element": "zstd"}])
def test_parquet_keeps_types_metadata_row_groups_and_compression(
    tmp_path: Path, compression: Any
) -> None:
    path = tmp_path / "films.parquet"
    pq.write_table(arrow(), path, row_group_size=3, compression=compression)
    out = filled(path, Filling(NEW, [SURE, REFUSED, SURE, SURE]))
    before, after = pq.ParquetFile(path), pq.ParquetFile(out)
    old, new = before.read(), after.read()
    assert new.select(old.column_names).equals(old, check_metadata=True)
    assert new.schema.metadata == old.schema.metadata
    assert new.column_names == [*old.column_names, *NEW]
    assert new["keyart_genres"].to_pylist() == ["Drama|War", None, "Drama|War", "Drama|War"]
    assert new["keyart_unsure"].to_pylist() == [False, None, False, False]
    assert str(new.schema.field("keyart_score_Drama").type) == "double"
    for group in range(2):
        one, other = (file.metadata.row_group(group) for file in (before, after))
        assert other.num_rows == one.num_rows
        for column in range(one.num_columns):
            assert other.column(column).compression == one.column(column).compression
            assert other.column(column).physical_type == one.column(column).physical_type
    again = pq.read_table(filled(out, Filling(NEW, [REFUSED] * 4)))
    assert again.column_names == new.column_names  # replaced where they were
    assert again["keyart_genres"].null_count == 4


def test_parquet_of_old_hadoop_and_without_arrows_schema_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "films.parquet"
    table = arrow().select(["title", "seen"])
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)
    before = pq.ParquetFile(path)
    after = pq.ParquetFile(filled(path, Filling(NEW, [SURE] * 4)))
    assert before.metadata.row_group(0).column(1).physical_type == "INT96"
    assert after.metadata.row_group(0).column(1).physical_type == "INT96"
    assert (after.metadata.metadata or {}).keys() == (before.metadata.metadata or {}).keys()
    assert after.read().select(["title", "seen"]).equals(before.read())


def test_empty_cells_of_a_parquet_column_are_filled_in_its_own_type(tmp_path: Path) -> None:
    path = tmp_path / "films.parquet"
    pq.write_table(arrow(), path)
    rows: list[Sequence[Value] | None] = [None, [["War"]], [["Drama", "War"]], None]
    new = pq.read_table(filled(path, Filling(("genres",), rows, only_empty=True)))
    old = pq.read_table(path)
    assert new.schema.equals(old.schema, check_metadata=True)
    assert new["genres"].to_pylist() == [["Crime"], ["War"], ["Drama", "War"], []]
    assert new.drop(["genres"]).equals(old.drop(["genres"]))
    rows = [None, None, ["Western"], None]
    new = pq.read_table(filled(path, Filling(("title",), rows, only_empty=True)))
    assert new.schema.equals(old.schema, check_metadata=True)
    assert new["title"].to_pylist() == ["Heat", "Alien", "Western", "Up"]
    with pytest.raises(TableError, match="'count' is a column of uint16, which cannot hold names"):
        filled(path, Filling(("count",), rows, only_empty=True))


def test_frames_come_back_as_the_kind_that_they_were() -> None:
    filling = Filling(NEW, [SURE, REFUSED, SURE, SURE])
    table = arrow()
    found = Frame(table).filled(filling)
    assert found.select(table.column_names).equals(table, check_metadata=True)
    frame = polars.DataFrame({"t": ["a", None], "d": [datetime.date(2020, 1, 1)] * 2, "n": [1, 2]})
    filled_frame = Frame(frame).filled(Filling(NEW, [SURE, REFUSED]))
    assert filled_frame.select(frame.columns).equals(frame)
    assert filled_frame.schema["keyart_unsure"] == polars.Boolean
    assert filled_frame["keyart_genres"].to_list() == ["Drama|War", None]
    into = Frame(frame).filled(Filling(("t",), [None, ["War"]], only_empty=True))
    assert into["t"].to_list() == ["a", "War"]
    assert into.drop("t").equals(frame.drop("t"))

    class Stream:
        """What another library offers: Arrow's stream and nothing else."""

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return table.__arrow_c_stream__(requested_schema)

    assert Frame(Stream()).filled(filling).equals(found)


def test_a_frame_of_pandas_keeps_its_index_and_types() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"t": ["a", None], "y": [1979.0, float("nan")], 3: pandas.array([1, None], "Int64")},
        index=["x", "y"],
    )
    new = Frame(frame).filled(Filling(NEW, [SURE, REFUSED]))
    assert new[frame.columns].equals(frame)
    assert list(new.index) == ["x", "y"]
    assert new["keyart_genres"].isna().tolist() == [False, True]  # pandas says NaN for no text
    assert new["keyart_genres"].iloc[0] == "Drama|War"
    into = Frame(frame).filled(Filling(("t",), [None, ["War"]], only_empty=True))
    assert into["t"].tolist() == ["a", "War"]
    assert into.drop(columns="t").equals(frame.drop(columns="t"))


@pytest.mark.parametrize("kind", ["float64", "category"])
def test_a_column_of_a_frame_that_cannot_hold_new_names_becomes_one_that_can(kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    first = "War" if kind == "category" else None
    frame = pandas.DataFrame({"t": ["a", "b"], "g": pandas.Series([first, None], dtype=kind)})
    new = Frame(frame).filled(Filling(("g",), [None, ["Drama|War"]], only_empty=True))
    assert new["g"].iloc[1] == "Drama|War"
    assert new["g"].iloc[0] == first or pandas.isna(new["g"].iloc[0])
    assert str(frame["g"].dtype) == kind


def test_what_is_no_table_is_a_type_error_that_says_so() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"^expected a table, got a Series"):
        fill(pandas.Series(["Alien"], name="title"))
    with pytest.raises(TypeError, match=r"^table: expected a file or a DataFrame, got a dict"):
        fill({"title": ["Alien"]})
    frame, numbered = pandas.DataFrame([["Alien", 1979]]), {"title": 0}
    with pytest.raises(TypeError, match=r"^columns: expected the name of the title as text, got 0"):
        fill(frame, columns=numbered)  # type: ignore[arg-type]


@pytest.mark.parametrize("nested", [False, True], ids=["bytes", "a struct of them"])
def test_a_column_of_pictures_is_read_as_posters(nested: bool, tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("RGB", (40, 60), "white").save(content, "PNG")
    pictures = [content.getvalue(), b"\xff\xd8\xff is no JPEG", None]
    cells = [{"bytes": one, "path": None} for one in pictures] if nested else pictures
    table = pa.table({"film": ["a", "b", "c"], "image": cells, "title": [None, None, "Alien"]})
    pq.write_table(table, tmp_path / "films.parquet")
    blank, damaged, absent = fill(table).select(["keyart_unsure", "keyart_error"]).to_pylist()
    assert blank == {"keyart_unsure": True, "keyart_error": "does not look like a poster"}
    assert "damaged JPEG header" in damaged["keyart_error"]
    assert damaged["keyart_unsure"] is None
    assert absent["keyart_unsure"] is not None  # by its title
    films = list(find_films(tmp_path / "films.parquet"))
    assert [film.poster for film in films[:2]] == pictures[:2]
