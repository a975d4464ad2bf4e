"""A catalog at a glance: counts, years, groups, rejections, and a contact sheet of posters."""

import re
from collections import Counter
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keyart.catalog.groups import splits_of_series
from keyart.catalog.rejections import read_rejections
from keyart.catalog.table import CatalogTable
from keyart.errors import nearest
from keyart.images.decode import decode
from keyart.images.write import picture_format, write_picture


@dataclass(frozen=True)
class Summary:
    """The counts that `catalog show` prints."""

    path: str
    fingerprint: str
    films: int
    splits: dict[str, int]
    genres: dict[str, dict[str, int]]  # films of each genre in each split
    megabytes: float
    smallest: tuple[int, int]  # width and height of the poster with the fewest pixels
    largest: tuple[int, int]
    decades: dict[str, int]
    groups: int  # of two films or more
    grouped_films: int
    largest_groups: list[list[str]]  # film ids
    series: int  # of two films or more, by the stem of their titles
    series_films: int
    largest_series: dict[str, int]  # films by stem
    split_series: int  # series with films in several splits
    keeps_series: bool  # all films were grouped by series; older keyarts grouped none
    rejections: dict[str, int]  # by kind of reason
    tables: list[dict[str, Any]]  # name, rows, films, rejections and without_poster of each
    unmapped_cells: dict[str, int]  # cells of genres that map to nothing
    unmapped: dict[str, int]  # genre names that map to nothing
    suggestions: dict[str, str]  # for those that may be misspelt
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self)


def summarise(catalog: CatalogTable) -> Summary:
    """Count a catalog's films, see `Catalog.summary`. Raises CatalogError."""
    films = catalog.to_table()
    widths, heights = films["width"].to_numpy(), films["height"].to_numpy()
    areas = widths.astype(np.int64) * heights
    small, large = (int(areas.argmin()), int(areas.argmax())) if len(films) else (0, 0)
    members: dict[str, list[str]] = {}
    for film_id, group in zip(films["film_id"].to_pylist(), catalog.groups, strict=True):
        members.setdefault(group, []).append(film_id)
    several = sorted((ids for ids in members.values() if len(ids) > 1), key=len, reverse=True)
    decades = Counter(
        "unknown" if year is None else f"{year // 10 * 10}s" for year in films["year"].to_pylist()
    )
    series = splits_of_series(catalog)
    sizes = Counter({stem: counts.total() for stem, counts in series.items()})
    unmapped = dict(catalog.facts["unmapped"])
    hints = {name: nearest(name, catalog.vocabulary.names) for name in unmapped}
    return Summary(
        path=str(catalog.path),
        fingerprint=catalog.fingerprint,
        films=len(catalog),
        splits=dict(catalog.facts["splits"]),
        genres={name: dict(counts) for name, counts in catalog.facts["counts"].items()},
        megabytes=sum(shard["size"] for shard in catalog.facts["shards"]) / 1e6,
        smallest=(int(widths[small]), int(heights[small])),
        largest=(int(widths[large]), int(heights[large])),
        decades=dict(sorted(decades.items())),
        groups=len(several),
        grouped_films=sum(map(len, several)),
        largest_groups=several[:3],
        series=len(series),
        series_films=sizes.total(),
        largest_series=dict(sizes.most_common(3)),
        split_series=sum(len(counts) > 1 for counts in series.values()),
        keeps_series=catalog.keeps_series,
        rejections=dict(Counter(_kind(one.reason) for one in read_rejections(catalog))),
        # Older catalogs list the films without a poster among the rejections.
        tables=[{"without_poster": 0, **one} for one in catalog.facts.get("tables", [])],
        unmapped_cells=dict(catalog.facts.get("unmapped_cells", {})),
        unmapped=unmapped,
        suggestions={name: hint.strip("; ?") for name, hint in hints.items() if hint},
        notes=list(catalog.facts["notes"]),
    )


def html(catalog: CatalogTable) -> str:
    """A table of films by genre and split, for notebooks."""
    facts = catalog.facts
    counts = {**facts["counts"], "all": facts["splits"]}
    head = "".join(f"<th>{name}</th>" for name in ("genre", *facts["splits"]))
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{count:,}</td>" for count in row.values())
        + "</tr>"
        for name, row in counts.items()
    )
    title = f"{escape(str(catalog.path))}: {len(catalog):,} films"
    return f"<table><caption>{title}</caption><tr>{head}</tr>{rows}</table>"


def _kind(reason: str) -> str:
    """A reason without the file, line or names in it."""
    for kind in (
        "no genre of the vocabulary",
        "no poster found",
        "two posters fit",
        "its poster is a near-duplicate of films in two splits",
        "its poster and its series are in two splits",
    ):
        if reason.startswith(kind):
            return kind
    if reason.startswith("line "):
        if "again" in reason:
            return "listed again"
        kind = reason.partition(": ")[2]
        for one in ("listed with different genres", "column "):
            if kind.startswith(one):
                return one if one != "column " else "a cell that is neither yes nor no"
        return re.sub(r"^\d+ fields?, .*", "another number of fields than the header", kind)
    if reason.startswith("is in the catalog with"):
        return "is in the catalog with other genres"
    _, colon, rest = reason.partition(": ")
    rest = re.sub(r"^[\d,x]+ (pixels|bytes); ", "", rest)
    return rest.partition(":")[0] if colon else reason


_TILE = (96, 144)
_GAP, _MARGIN, _LABEL = 8, 24, 150
_PAPER, _INK, _FAINT = "#f4f1ea", "#1d1b18", "#8a8478"


def draw_sheet(catalog: CatalogTable, path: Path, *, across: int = 10) -> None:
    """Draw one row per genre, with `across` of its posters spread evenly over the catalog.

    Raises OutputError if the name of `path` does not end like that of a PNG, JPEG or WebP.
    """
    picture_format(path)
    truth = catalog.truth
    rows = [
        (name, np.flatnonzero(truth[:, column]))
        for column, name in enumerate(catalog.vocabulary.names)
    ]
    rows = [(name, films) for name, films in rows if len(films)]
    picked = {
        name: films[np.linspace(0, len(films) - 1, min(across, len(films))).astype(int)].tolist()
        for name, films in rows
    }
    tiles = {}
    for row in sorted({row for films in picked.values() for row in films}):
        tile = Image.fromarray(decode(catalog.poster(row), at_least=(_TILE[1], _TILE[0])))
        tiles[row] = tile.resize(_TILE, Image.Resampling.LANCZOS)
    step = (_TILE[0] + _GAP, _TILE[1] + _GAP)
    width = 2 * _MARGIN + _LABEL + across * step[0] - _GAP
    height = 2 * _MARGIN + len(rows) * step[1] - _GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    name_font, count_font = ImageFont.load_default(22), ImageFont.load_default(14)
    for line, (name, films) in enumerate(rows):
        top = _MARGIN + line * step[1]
        draw.text((_MARGIN, top + 48), name, _INK, name_font)
        draw.text((_MARGIN, top + 78), f"{len(films):,} films", _FAINT, count_font)
        for place, row in enumerate(picked[name]):
            sheet.paste(tiles[row], (_MARGIN + _LABEL + place * step[0], top))
    write_picture(path, sheet)
