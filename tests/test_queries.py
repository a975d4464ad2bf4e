"""queries.py: the films that files, folders and tables name, in order."""

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyart.catalog.catalog import Catalog
from keyart.catalog.kept import CatalogPoster
from keyart.errors import PosterError, TableError
from keyart.prediction import Failure, Query
from keyart.predictor import Predictor
from keyart.queries import NamedFilms, find_films
from tests.tiny_catalog import tiny_films

NAMES = ["b.png", "a, b.png", "sub/next\x85line.png", "“q”\u2028.png"]


NONE_NAMED = "no poster found: the row has none; give the folder of posters with --posters"


def tables() -> dict[str, bytes]:
    """One list of posters, in every kind of table."""
    rows = [{"title": f"Film {n}", "Poster": name} for n, name in enumerate([*NAMES, ""])]
    quoted = "".join(f'{row["title"]},"{row["Poster"]}"\r\n' for row in rows)
    tabs = "".join(f"{row['title']}\t{row['Poster']}\n" for row in rows)
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return {
        "list.csv": f"\ufefftitle,Poster\r\n{quoted}".encode(),
        "semicolons.csv": f"title;Poster\n{tabs.replace(chr(9), ';')}".encode(),
        "list.TSV": f"title\tPoster\n{tabs}".encode(),
        "one.tsv": "\n".join(["image", *NAMES]).encode(),
        "list.jsonl": lines.encode(),
        "list.parquet": sink.getvalue().to_pybytes(),
    }


@pytest.mark.parametrize("name", tables())
def test_a_table_names_posters_relative_to_itself(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(tables()[name])
    for poster in NAMES:
        (tmp_path / poster).parent.mkdir(exist_ok=True)
        (tmp_path / poster).touch()
    films = list(find_films([path]))
    assert [film.poster for film in films[:4]] == [tmp_path / poster for poster in NAMES]
    titled = [] if name == "one.tsv" else [Query("line 6", None, "Film 4", None, NONE_NAMED)]
    assert [(film.title, film.problem) for film in films[4:]] == [
        (film.title, film.problem) for film in titled
    ]
    assert list(find_films(str(path))) == films


def test_a_table_without_a_poster_column_names_the_columns_it_has(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("rank,year\nA,1999\n")
    reason = r"no poster column, and no titles; its columns are rank, year; say.* --title which"
    with pytest.raises(TableError, match=reason):
        list(find_films([path]))


def test_a_part_of_a_catalog_that_is_damaged_loses_its_own_posters_alone(
    tmp_path: Path, tiny_predictor: Predictor
) -> None:
    table, posters = tiny_films(tmp_path, range(6))
    catalog = Catalog.build(table, posters, tmp_path / "catalog")
    (shard,) = catalog.shards
    column = pq.ParquetFile(shard).metadata.row_group(0).column(4)
    assert column.path_in_schema == "poster"
    content = bytearray(shard.read_bytes())
    content[column.data_page_offset : column.data_page_offset + 16] = b"\xff" * 16
    shard.write_bytes(content)
    answers = list(tiny_predictor.predict_many(find_films([catalog.path])))
    assert len(answers) == 6
    for answer in answers:
        assert isinstance(answer, Failure)
        assert answer.reason.startswith("damaged in its catalog (")


def test_a_catalog_that_replaced_another_at_its_path_is_read_afresh(tmp_path: Path) -> None:
    for seed in (1, 2):
        folder = tmp_path / f"films {seed}"
        folder.mkdir()
        table, posters = tiny_films(folder, range(10 * seed, 10 * seed + 6))
        catalog = Catalog.build(table, posters, tmp_path / "catalog")
        kept = [film.poster for film in find_films([catalog.path])]
        read = [poster.read() for poster in kept if isinstance(poster, CatalogPoster)]
        assert read == list(catalog.posters())
        assert read == [catalog.poster(row) for row in range(6)]
        with pytest.raises(PosterError, match=r"^damaged in its catalog"):
            CatalogPoster(catalog.shards[0], 6).read()
        shutil.rmtree(catalog.path)


def test_files_folders_and_tables_come_in_the_order_given(tmp_path: Path) -> None:
    folder = tmp_path / "posters"
    (folder / "below").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "below/c.webp", "notes.txt", ".hidden.png"):
        (folder / name).write_bytes(b"")
    os.symlink(folder, folder / "again")  # a loop of links ends
    table = tmp_path / "list.csv"
    table.write_text("file\nposters/b.png\n")
    strange = folder / "notes.txt"
    assert [film.poster for film in find_films([strange, table, folder])] == [
        strange,
        folder / "b.png",
        folder / "a.JPG",
        folder / "b.png",
        folder / "below" / "c.webp",
    ]


def test_missing_paths_and_empty_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PosterError, match="no such file"):
        list(find_films([tmp_path / "none.jpg"]))
    with pytest.raises(PosterError, match="no files in this folder"):
        list(find_films([tmp_path]))


def write_films(folder: Path, rows: str, *posters: str) -> Path:
    """A table with these rows, and files for posters."""
    for poster in posters:
        (folder / poster).parent.mkdir(parents=True, exist_ok=True)
        (folder / poster).touch()
    path = folder / "films.csv"
    path.write_text(rows, encoding="utf-8", newline="")
    return path


def test_each_row_is_a_film_in_its_place(tmp_path: Path) -> None:
    path = write_films(
        tmp_path,
        'imdb_id,title,year,poster\n7,Alien,1979,art/7.png\n8,"Two\r\nlines",,art/7.png\n'
        "9,Next\x85Line (1999),,gone.png\n10,One,more,2000,art/7.png\n"
        "11,Web,2000,https://example.org/11.png\n12,No poster,2000,\n",
        "art/7.png",
    )
    poster = tmp_path / "art" / "7.png"
    assert list(find_films(path)) == [
        Query(poster, "tt0000007", "Alien", 1979),
        Query(poster, "tt0000008", "Two\r\nlines"),
        Query(
            "gone.png",
            "tt0000009",
            "Next\x85Line",
            1999,
            f"no poster found: gone.png is not in {tmp_path}",
        ),
        Query(
            "2000",
            "tt0000010",  # no title: its cells may stand in the wrong columns
            problem="line 6: 5 fields, but the header has 4; quote what holds a separator",
        ),
        Query(
            "https://example.org/11.png",
            "tt0000011",
            "Web",
            2000,
            "no poster found: nothing is downloaded from https://example.org/11.png; "
            "give the folder of posters with --posters",
        ),
        Query("line 8", "tt0000012", "No poster", 2000, NONE_NAMED),
    ]


@pytest.mark.parametrize("rows", ["", "imdb_id,poster\n"])
def test_a_table_without_rows_is_an_error(tmp_path: Path, rows: str) -> None:
    path = write_films(tmp_path, rows)
    with pytest.raises(TableError, match="no films in it; give a table with one row per film"):
        list(find_films(path))


def test_posters_named_after_ids_come_from_the_folder_of_posters(tmp_path: Path) -> None:
    path = write_films(tmp_path, "tconst,name\ntt7,A\ntt8,B\ntt0000007,A\n", "art/x/0000007.jpg")
    assert list(find_films(path)) == [  # by their titles
        Query(None, "tt0000007", "A"),
        Query(None, "tt0000008", "B"),
        Query(None, "tt0000007", "A"),
    ]
    poster = tmp_path / "art" / "x" / "0000007.jpg"
    assert list(find_films(path, posters=tmp_path / "art")) == [
        Query(poster, "tt0000007", "A"),
        Query("line 3", "tt0000008", "B", problem="no poster found"),
        Query(poster, "tt0000007", "A"),
    ]


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    path = write_films(tmp_path, "Nr,Werk,Jahr,Plakat\n7,Alien,1979,a.png\n", "a.png")
    columns = {"id": "nr", "title": "Werk", "year": "Jahr", "poster": "Plakat"}
    assert list(find_films(path, columns=columns)) == [
        Query(tmp_path / "a.png", "7", "Alien", 1979)
    ]
    with pytest.raises(TableError, match="has no column 'Plakt'; did you mean 'Plakat'"):
        list(find_films(path, columns={"poster": "Plakt"}))


@pytest.mark.parametrize(
    "given",
    ["art/Pöster.png", "ART\\po\u0308ster.PNG", "art/pöster.png?w=300", "../in/art/Pöster.png"],
)
def test_a_path_is_found_as_people_write_it(tmp_path: Path, given: str) -> None:
    path = write_films(tmp_path / "in", f"poster\n{given}\n", "art/Pöster.png")
    (film,) = find_films(path)
    assert (film.problem, Path(str(film.poster)).name) == ("", "Pöster.png")


def test_a_frame_is_not_a_list_of_paths() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"^expected paths, got a DataFrame; give it to keyart"):
        list(find_films(pandas.DataFrame({"path": ["a.jpg"]})))


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    os.symlink(tmp_path, tmp_path / "again")
    assert list(find_films([tmp_path])) == [Query(tmp_path / "a.png")]


@pytest.mark.parametrize(
    ("name", "title", "year"),
    [
        ("Alien (1979).jpg", "Alien", 1979),
        ("Dr. No (1962).JPEG", "Dr. No", 1962),
        ("2001 (A Space Odyssey) (1968).webp", "2001 (A Space Odyssey)", 1968),
        ("Alien  (1979).jpg", "Alien", 1979),
        ("Alien\u00a0(1979).jpg", "Alien", 1979),
        ("千と千尋の神隠し (2001).png", "千と千尋の神隠し", 2001),
        ("Heat (1995)/poster.jpg", "Heat", 1995),
        ("Heat (1995)/Folder.PNG", "Heat", 1995),
        ("Heat (1995)/cover.webp", "Heat", 1995),
        ("Heat (1995)/Ronin (1998).jpg", "Ronin", 1998),
        ("Heat (1995)/fanart.jpg", None, None),
        ("Heat (1995)/extras/poster.jpg", None, None),
        ("poster.jpg", None, None),
        ("Alien 1979.jpg", None, None),
        ("Alien(1979).jpg", None, None),
        ("Alien (1979) [1080p].jpg", None, None),
        ("Alien (12).jpg", None, None),
        ("Alien (1066).jpg", None, None),
        ("Alien (1870).jpg", None, None),
        ("Alien (2100).jpg", None, None),
        ("Alien (١٩٧٩).jpg", None, None),
        ("poster (1950).jpg", None, None),
        ("Folder (2001).jpg", None, None),
        ("IMG (1999).png", None, None),
        ("poster (1950)/poster.jpg", None, None),
        ("(1979).jpg", None, None),
        ("  (1979).jpg", None, None),
        (os.fsdecode(b"Am\xe9lie (2001).jpg"), None, None),
    ],
)
def test_a_clear_name_gives_the_title_and_the_year_and_others_give_neither(
    tmp_path: Path, name: str, title: str | None, year: int | None
) -> None:
    poster = tmp_path / name
    poster.parent.mkdir(parents=True, exist_ok=True)
    poster.touch()
    expected = [Query(poster, None, title, year)]
    assert list(find_films(poster)) == expected
    assert list(find_films(tmp_path)) == expected


def test_pictures_that_were_numbered_together_have_no_years(tmp_path: Path) -> None:
    names = ["Heat (1995).jpg", "scan-a (1).jpg", "scan-a (1950).jpg", "scan-a (2001).jpg"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "box (2)").mkdir()
    (tmp_path / "box (1950)").mkdir()
    (tmp_path / "box (1950)" / "folder.jpg").touch()
    films = list(find_films(tmp_path))
    assert [film.title for film in films] == ["Heat", None, None, None, None]
    assert next(find_films(tmp_path / "scan-a (1950).jpg")).year is None


def test_a_poster_in_the_working_directory_has_the_title_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Heat (1995)" / "extras").mkdir(parents=True)
    (tmp_path / "Heat (1995)" / "poster.jpg").touch()
    monkeypatch.chdir(tmp_path / "Heat (1995)")
    for given in ("poster.jpg", "."):
        assert list(find_films(given)) == [Query(Path("poster.jpg"), None, "Heat", 1995)]
    monkeypatch.chdir("extras")
    assert list(find_films("../poster.jpg")) == [Query(Path("../poster.jpg"), None, "Heat", 1995)]


def test_names_of_columns_without_a_table_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "poster.jpg").touch()
    (tmp_path / "films.csv").write_text("id,Titel\n1,Alien\n")
    for paths in ([tmp_path / "poster.jpg"], [tmp_path]):
        with pytest.raises(TableError, match=r"--title 'Titel' names a column .*: Alien \(1979\)"):
            NamedFilms(paths, columns={"title": "Titel"})
    for named in ([tmp_path / "poster.jpg", tmp_path / "films.csv"], [f"{tmp_path}/*"]):
        films = list(NamedFilms(named, columns={"title": "Titel"}))
        assert sorted(film.title or "" for film in films) == ["", "Alien"]


def test_a_table_alone_says_the_titles_of_its_rows(tmp_path: Path) -> None:
    path = write_films(tmp_path, "title,poster\nHeat,Alien (1979).png\n", "Alien (1979).png")
    assert list(find_films(path)) == [Query(tmp_path / "Alien (1979).png", None, "Heat")]


def test_a_table_without_a_usual_name_of_titles_is_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_films(tmp_path, "id,Werk,poster\n7,Alien,a.png\n8,Heat,a.png\n", "a.png")
    with caplog.at_level("INFO", logger="keyart"):
        assert [film.title for film in find_films(path)] == [None, None]
    assert "if the titles are in Werk, say so with --title" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", logger="keyart"):
        assert [film.title for film in find_films(path, columns={"title": "Werk"})] == [
            "Alien",
            "Heat",
        ]
    assert caplog.text == ""
