"""Excel files, part by part, so that any part may be wrong."""

import io
import zipfile
from collections.abc import Sequence
from html import escape

_HOST = "http://schemas.openxmlformats.org"
_MAIN = f'xmlns="{_HOST}/spreadsheetml/2006/main"'
_LINKS = f'xmlns="{_HOST}/package/2006/relationships"'
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DOCUMENT = f"{_HOST}/officeDocument/2006/relationships"


def sheet(rows: Sequence[Sequence[str]]) -> str:
    """The XML of a sheet that has these rows of text."""
    text = "".join(
        f'<row r="{number}">{"".join(map(_cell, range(len(row)), [number] * len(row), row))}</row>'
        for number, row in enumerate(rows, start=1)
    )
    return f"<worksheet {_MAIN}><sheetData>{text}</sheetData></worksheet>"


def workbook(sheet: str | bytes) -> bytes:
    """An .xlsx file with one sheet, of this XML. The same XML gives the same bytes."""
    parts = {
        "[Content_Types].xml": (
            f'<Types xmlns="{_HOST}/package/2006/content-types">'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
            f'<Override PartName="/xl/sheet.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>'
        ),
        "_rels/.rels": _link("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": (
            f'<workbook {_MAIN} xmlns:r="{_DOCUMENT}">'
            '<sheets><sheet name="films" sheetId="1" r:id="r1"/></sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": _link("worksheet", "sheet.xml"),
        "xl/sheet.xml": sheet,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _cell(column: int, row: int, text: str) -> str:
    name = chr(ord("A") + column % 26)
    if column >= 26:
        name = chr(ord("A") + column // 26 - 1) + name
    return f'<c r="{name}{row}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'


def _link(kind: str, target: str) -> str:
    return (
        f'<Relationships {_LINKS}><Relationship Id="r1" Type="{_DOCUMENT}/{kind}" '
        f'Target="{target}"/></Relationships>'
    )
