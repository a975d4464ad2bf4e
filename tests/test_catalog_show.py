"""catalog/show.py: the numbers that people ask for are right, and the sheet shows every genre."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keyart.catalog.catalog import Catalog
from keyart.terminal.catalog import show_catalog
from tests.tiny_catalog import encoded, poster, tiny_films, write_posters, write_table

FILMS = [
    ("a", "Drama|War"),
    ("b", "Drama"),
    ("b2", "Drama|Horror"),
    ("c", "Sport|Drmaa|War"),
    ("d", "Sci Fi"),
    ("e", "Sport"),
    ("f", "Zxcv"),
    ("g", "Drama"),
    ("h", "Drama"),
    ("i", "Drama"),
    ("i", "Drama"),
    ("j", "Drama"),
    ("j", "War"),
    ("", "War"),
]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    sizes = {"a": (20, 30), "b2": (120, 180)}
    artwork = {"b2": 1}
    posters = {
        f"{name}.png": encoded(poster(artwork.get(name, number), sizes.get(name, (60, 90))), "PNG")
        for number, name in enumerate(["a", "b", "b2", "c", "d", "e", "f", "i", "j"])
    }
    folder = write_posters(tmp_path / "posters", {**posters, "g.png": b"", "h.png": b"no"})
    table = write_table(tmp_path / "films.csv", FILMS)
    lines = (
        table.read_text().replace("Film a,1950", "Film a,").replace("Film b,1951", "Film b,2001")
    )
    table.write_text(lines)
    return Catalog.build(table, folder, tmp_path / "cat")


def test_the_numbers_are_right(catalog: Catalog) -> None:
    summary = catalog.summary()
    assert summary.path == str(catalog.path)
    assert summary.fingerprint == catalog.fingerprint
    assert summary.films == 6
    assert sum(summary.splits.values()) == 6
    counts = {name: sum(splits.values()) for name, splits in summary.genres.items()}
    assert {name: count for name, count in counts.items() if count} == {
        "Drama": 4, "War": 2, "Horror": 1, "Sci-Fi": 1,
    }  # fmt: skip
    assert list(counts) == list(catalog.vocabulary.names)
    for name, splits in summary.genres.items():
        column = catalog.vocabulary.index(name)
        for split, count in splits.items():
            assert catalog.truth[catalog.rows(split), column].sum() == count
    assert (summary.smallest, summary.largest) == ((20, 30), (120, 180))
    assert summary.decades == {"1950s": 4, "2000s": 1, "unknown": 1}
    assert (summary.groups, summary.grouped_films) == (1, 2)
    assert summary.largest_groups == [["b", "b2"]]
    assert summary.megabytes == pytest.approx(catalog.shards[0].stat().st_size / 1e6)
    assert summary.notes == []


def test_sizes_are_printed_as_people_say_them(
    catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show_catalog(catalog)
    printed = capsys.readouterr().out
    assert ": 6 films, under 1 MB, fingerprint" in printed
    assert "posters   20x30 to 120x180 pixels" in printed
    large = replace(catalog.summary(), megabytes=1234.4, smallest=(120, 180))
    monkeypatch.setattr(Catalog, "summary", lambda _: large)
    show_catalog(catalog)
    printed = capsys.readouterr().out
    assert ": 6 films, 1,234 MB, fingerprint" in printed
    assert "posters   120x180 pixels" in printed


def test_rejections_are_counted_by_kind(catalog: Catalog, tmp_path: Path) -> None:
    assert catalog.summary().rejections == {
        "no film id": 1,
        "no genre of the vocabulary": 2,
        "the file is empty": 1,
        "not a picture in a known format (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIF)": 1,
        "listed again": 1,
        "listed with different genres": 2,
    }
    table = write_table(tmp_path / "more.csv", [("a", "Drama|War"), ("b", "War"), ("z", "War")])
    grown = catalog.grow(table, tmp_path / "posters")
    counts = grown.summary().rejections
    assert counts["is in the catalog already"] == 1
    assert counts["is in the catalog with other genres"] == 1
    assert "no poster found" not in counts
    assert grown.summary().tables[1]["without_poster"] == 1


def test_posters_of_many_sizes_are_rejected_for_one_reason(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(9))
    for seed in range(1, 9):
        (posters / f"f{seed:04}.png").write_bytes(encoded(poster(seed, (seed, 90)), "PNG"))
    summary = Catalog.build(table, posters, tmp_path / "cat").summary()
    assert summary.rejections == {"a poster needs at least 16 on each side": 8}


def test_genre_names_that_map_to_nothing_are_counted_and_misspelt_ones_hinted_at(
    catalog: Catalog,
) -> None:
    summary = catalog.summary()
    assert summary.unmapped == {"Sport": 2, "Drmaa": 1, "Zxcv": 1}
    assert summary.suggestions["Drmaa"] == "did you mean 'Drama'"
    assert "Zxcv" not in summary.suggestions


def test_a_summary_is_plain_json(catalog: Catalog) -> None:
    again = json.loads(json.dumps(catalog.summary().to_json()))
    assert again["films"] == 6
    assert again["smallest"] == [20, 30]


def test_the_sheet_has_a_row_a_genre_with_its_posters(catalog: Catalog, tmp_path: Path) -> None:
    catalog.contact_sheet(tmp_path / "sheets" / "sheet.png", across=3)
    with Image.open(tmp_path / "sheets" / "sheet.png") as image:
        assert image.format == "PNG"
        width, height = image.size
        pixels = np.asarray(image.convert("RGB")).astype(int)
    # Drama, Horror, Sci-Fi, War, in the vocabulary's order; three tiles of 96x144 a row.
    assert (width, height) == (2 * 24 + 150 + 3 * 104 - 8, 2 * 24 + 4 * 152 - 8)

    def tile(row: int, place: int) -> np.ndarray:
        top, left = 24 + row * 152, 24 + 150 + place * 104
        found: np.ndarray = pixels[top : top + 144, left : left + 96]
        return found

    paper = np.array([0xF4, 0xF1, 0xEA])
    filled = [[bool((tile(row, place) != paper).any()) for place in range(3)] for row in range(4)]
    assert filled == [[True] * 3, [True, False, False], [True, False, False], [True, True, False]]
    expected = np.asarray(poster(4, (60, 90)).resize((96, 144))).astype(int)
    assert np.abs(tile(2, 0) - expected).mean() < 6  # the only science fiction


def test_the_same_catalog_draws_the_same_sheet(catalog: Catalog, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        catalog.contact_sheet(tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_every_film_has_its_decade(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(30))
    summary = Catalog.build(table, posters, tmp_path / "cat").summary()
    assert summary.decades == {"1950s": 10, "1960s": 10, "1970s": 10}
