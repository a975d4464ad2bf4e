"""catalog/films_table.py and table_file.py: tables of films as people have them."""

import csv
import gzip
import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyart.catalog import table_file
from keyart.catalog.examine import choose_films
from keyart.catalog.films_table import Listing, read_films
from keyart.errors import TableError
from keyart.genres import DEFAULT_VOCABULARY

FILMS = [
    Listing(2, "tt0112573", "Braveheart", 1995, ("Biography", "Drama", "War"), None),
    Listing(3, "tt0068646", "The Godfather; or: a, b", 1972, ("Crime", "Drama"), None),
    Listing(4, "a|b", "Amélie", None, ("Comedy",), None),
]


def table(folder: Path, content: str | bytes, name: str = "films.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> list[Listing]:
    films, notes = read_films(path, DEFAULT_VOCABULARY)
    assert notes == []
    return films


def films_csv(films: Sequence[Listing], delimiter: str = ",") -> str:
    lines: list[str] = []

    class Lines:
        def write(self, line: str) -> None:
            lines.append(line)

    writer = csv.writer(Lines(), delimiter=delimiter)
    writer.writerow(["film_id", "title", "year", "genres"])
    for film in films:
        writer.writerow([film.film_id, film.title, film.year or "", "|".join(film.genres)])
    return "".join(lines)


@pytest.mark.parametrize(("delimiter", "name"), [(",", "a.csv"), ("\t", "a.tsv"), (";", "a.csv")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_comma_tab_and_semicolon_tables_say_the_same(
    tmp_path: Path, delimiter: str, name: str, encoding: str
) -> None:
    assert read(table(tmp_path, films_csv(FILMS, delimiter).encode(encoding), name)) == FILMS


def test_a_latin_1_table_is_read_and_noted(tmp_path: Path) -> None:
    path = table(tmp_path, films_csv(FILMS).encode("latin-1"))
    films, notes = read_films(path, DEFAULT_VOCABULARY)
    assert films == FILMS
    assert notes == ["films.csv is not UTF-8; it was read as Windows-1252 (Latin-1)"]


def test_json_lines_are_read_with_their_line_numbers(tmp_path: Path) -> None:
    rows = [
        {"imdbId": 112573, "title": "Braveheart", "year": 1995, "genres": ["Drama", "War"]},
        {"imdbId": "tt68646", "title": "Line\u2028break", "genres": "Crime|Drama", "year": None},
    ]
    lines = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    for name in ("films.jsonl", "films.txt"):
        assert read(table(tmp_path, lines, name)) == [
            Listing(1, "tt0112573", "Braveheart", 1995, ("Drama", "War"), None),
            Listing(3, "tt0068646", "Line\u2028break", None, ("Crime", "Drama"), None),
        ]


def test_a_later_line_may_have_the_column_that_the_first_one_lacks(tmp_path: Path) -> None:
    lines = '{"id": "a"}\n{"id": "b", "genres": ["Drama"]}\n'
    assert [film.genres for film in read(table(tmp_path, lines, "f.jsonl"))] == [(), ("Drama",)]


def test_parquet_is_read_whatever_its_name(tmp_path: Path) -> None:
    columns = {
        "tconst": ["tt0112573", "tt0068646"],
        "primaryTitle": ["Braveheart", "The Godfather"],
        "startYear": [1995.0, float("nan")],
        "genres": [["Drama", "War"], []],
        "poster_path": ["/a.jpg", None],
    }
    pq.write_table(pa.table(columns), tmp_path / "films.csv")
    assert read(tmp_path / "films.csv") == [
        Listing(1, "tt0112573", "Braveheart", 1995, ("Drama", "War"), "/a.jpg"),
        Listing(2, "tt0068646", "The Godfather", None, (), None),
    ]


@pytest.mark.parametrize(
    "name", ["film_id", "imdb_id", "IMDb ID", "tconst", "tmdbId", "movieId", " ID ", "filename"]
)
def test_the_id_column_goes_by_its_usual_names(tmp_path: Path, name: str) -> None:
    (film,) = read(table(tmp_path, f"genre,{name}\nDrama,tt0112573\n"))
    assert film.film_id == "tt0112573"


def test_a_file_name_is_both_the_id_and_the_poster(tmp_path: Path) -> None:
    (film,) = read(table(tmp_path, "filename,genres\nposters/my film.v2.JPG,Drama\n"))
    assert (film.film_id, film.poster) == ("my film.v2", "posters/my film.v2.JPG")


@pytest.mark.parametrize(
    ("column", "given", "film_id"),
    [
        ("imdb_id", "112573", "tt0112573"),
        ("imdb_id", "0112573", "tt0112573"),
        ("imdb_id", "112573.0", "tt0112573"),
        ("imdb_id", "tt112573", "tt0112573"),
        ("imdb_id", "tt10872600", "tt10872600"),
        ("film_id", "TT0112573", "tt0112573"),
        ("film_id", "112573", "112573"),
        ("tmdb_id", "862.0", "862"),
        ("id", "tt12x", "tt12x"),
        ("id", "0", "0"),
        ("imdb_id", "9" * 5000, "tt" + "9" * 5000),
    ],
)
def test_an_id_is_written_one_way(tmp_path: Path, column: str, given: str, film_id: str) -> None:
    (film,) = read(table(tmp_path, f"{column},genres\n{given},Drama\n"))
    assert film.film_id == film_id


@pytest.mark.parametrize(
    ("given", "genres"),
    [
        ("Drama|War", ("Drama", "War")),
        ('"Drama, War"', ("Drama", "War")),
        ("Drama;War", ("Drama", "War")),
        ("Drama|Drama| ", ("Drama",)),
        ("\"['Drama', 'War']\"", ("Drama", "War")),
        ('"[""Drama"", None, 3]"', ("Drama", "3")),
        (
            "\"[{'id': 18, 'name': 'Drama'}, {'id': 1, 'name': None}, {'id': 2}]\"",
            ("Drama", "1", "2"),
        ),
        ("\"[{'id': 18}, {'id': 878, 'name': ''}]\"", ("Drama", "Science Fiction")),
        ("Drama/War", ("Drama", "War")),
        ("Action / Adventure", ("Action / Adventure",)),
        ("Drama/Sport", ("Drama", "Sport")),
        ("Sport/News", ("Sport/News",)),
        ("Action Science Fiction", ("Action", "Science Fiction")),
        ("Action Noir", ("Action Noir",)),
        ("Sci-Fi & Fantasy", ("Sci-Fi & Fantasy",)),
        ("Sci-Fi &amp; Fantasy", ("Sci-Fi & Fantasy",)),
        ("Children&#39;s|War", ("Children's", "War")),
        ("['Drama' 'Crime']", ("Drama", "Crime")),
        ("['Drama'\t 'Sci-Fi']", ("Drama", "Sci-Fi")),
        ('"[""Children\'s"" \'War\']"', ("Children's", "War")),
        ('"{Drama,""Sci-Fi""}"', ("Drama", "Sci-Fi")),
        ("\"{'War', 'Drama'}\"", ("War", "Drama")),
        ("\"('Drama', 'War')\"", ("Drama", "War")),
        ("Drama;Crime;", ("Drama", "Crime")),
        ("Drama • War", ("Drama", "War")),
        ("Drama - War", ("Drama", "War")),
        ("nan", ()),
        ("[]", ()),
        ("18", ("18",)),
        ("[Drama", ("Drama",)),
        (r"\N", ()),
        ("(no genres listed)", ()),
        ("N/A", ()),
        ("", ()),
    ],
)
def test_genres_come_in_many_spellings(tmp_path: Path, given: str, genres: tuple[str, ...]) -> None:
    (film,) = read(table(tmp_path, f"id,genres\na,{given}\n"))
    assert film.genres == genres


@pytest.mark.parametrize("name", ["films.csv", "films.jsonl"])
def test_deeply_nested_genres_are_reported_or_refused(tmp_path: Path, name: str) -> None:
    outcomes = set()
    for depth in (30, *range(880, 1_000)):  # around the depth at which Python ends a recursion
        cell = "[" * depth + "1" + "]" * depth
        csv = name.endswith("csv")
        text = f"id,genres\na,{cell}\n" if csv else f'{{"id":"a","genres":{cell}}}'
        try:
            (film,) = read(table(tmp_path, text, name))
            outcomes.add(film.genres)
        except TableError:
            outcomes.add(("refused",))
    # Too deep for JSON, a cell of CSV is taken for names in brackets.
    assert outcomes == {("(nested too deeply)",), ("1",) if csv else ("refused",)}


def test_half_a_character_in_json_becomes_one_that_files_can_hold(tmp_path: Path) -> None:
    row = r'{"id": "a\ud800", "title": "\udcff\ud83c\udfac", "genres": ["Drama", "\ud800"]}'
    (film,) = read(table(tmp_path, row, "films.jsonl"))
    assert (film.film_id, film.title, film.genres) == ("a\ufffd", "\ufffd🎬", ("Drama", "\ufffd"))


def test_a_line_of_more_fields_than_columns_is_not_guessed_at(tmp_path: Path) -> None:
    films = read(table(tmp_path, "id,title,genres\na,Up, up,Drama\nb,Up,Drama,\n"))
    assert [(film.film_id, film.problem) for film in films] == [
        ("a", "4 fields, but the header has 3; quote what holds a separator"),
        ("b", ""),
    ]
    (rejection,) = choose_films(films, DEFAULT_VOCABULARY).rejections
    assert rejection.film_id == "a"
    assert rejection.reason == f"line 2: {films[0].problem}"


def test_imdb_s_own_files_quote_nothing(tmp_path: Path) -> None:
    lines = (
        'tconst\tprimaryTitle\tstartYear\tgenres\ntt1\t"Up" up\t\\N\tDrama\ntt2\t"x\t2001\tWar\n'
    )
    assert [film.title for film in read(table(tmp_path, lines, "title.basics.tsv"))] == [
        '"Up" up',
        '"x',
    ]


def test_columns_of_0_and_1_are_genres(tmp_path: Path) -> None:
    lines = ["id,year,Drama,Sci-Fi,Sport", "a,1995,1,0,1", "b,1996,0,1.0,n", "c,0,True,yes,0"]
    films = read(table(tmp_path, "\n".join(lines)))
    assert [film.genres for film in films] == [("Drama", "Sport"), ("Sci-Fi",), ("Drama", "Sci-Fi")]


@pytest.mark.parametrize(
    ("title", "year", "expected"),
    [
        ("Toy Story (1995)", "", ("Toy Story", 1995)),
        ("Toy Story (1995) ", "1996", ("Toy Story (1995)", 1996)),
        ("1984", "", ("1984", None)),
        ("(500) Days of Summer", "", ("(500) Days of Summer", None)),
        ("Up", "2009-05-29", ("Up", 2009)),
        ("Up", "2009.0", ("Up", 2009)),
        ("Up", r"\N", ("Up", None)),
        ("Up", "19999", ("Up", None)),
        ("Up (2009)", "0000-00-00", ("Up", 2009)),
        ("Up", "9999", ("Up", None)),
        ("Up (9999)", "", ("Up (9999)", None)),
        ("Up", "1999\u20132003", ("Up", 1999)),
        ("Up", "\u0662\u0660\u0660\u0669", ("Up", 2009)),
        ("Up (\uff12\uff10\uff10\uff19)", "", ("Up", 2009)),
        ("nan", "nan", ("", None)),
        ("N/A", "N/A", ("", None)),
        ("NULL", "2009", ("NULL", 2009)),
        ("<NA>", "<NA>", ("", None)),
        ("Nan", "2009", ("Nan", 2009)),
    ],
)
def test_the_year_comes_from_its_column_or_from_the_title(
    tmp_path: Path, title: str, year: str, expected: tuple[str, int | None]
) -> None:
    (film,) = read(table(tmp_path, f"id,title,year,genres\na,{title},{year},Drama\n"))
    assert (film.title, film.year) == expected


@pytest.mark.parametrize(
    ("title", "original", "expected"),
    [
        ("Spirited Away", "千と千尋の神隠し", "Spirited Away / 千と千尋の神隠し"),
        ("Alien", "ALIEN", "Alien"),
        ("Up (2009)", "Up", "Up"),
        ("Heat", "", "Heat"),
        ("", "Yojimbo", "Yojimbo"),
    ],
)
def test_an_original_title_stands_next_to_the_local_one(
    tmp_path: Path, title: str, original: str, expected: str
) -> None:
    path = table(tmp_path, f"id,title,Original Title,genres\na,{title},{original},Drama\n")
    assert read(path)[0].title == expected


@pytest.mark.parametrize(
    ("cell", "title"), [("300.0", "300"), ("2012.0", "2012"), ("2.0", "2.0"), ("300", "300")]
)
def test_a_title_that_a_program_took_for_a_number_is_a_title_again(
    tmp_path: Path, cell: str, title: str
) -> None:
    path = tmp_path / "films.csv"
    path.write_text(f"film_id,title,genres\nf1,{cell},Action\n")
    (film,) = read_films(path, DEFAULT_VOCABULARY)[0]
    assert film.title == title


def test_a_title_may_hold_line_breaks(tmp_path: Path) -> None:
    films = read(table(tmp_path, 'id,title,genres\r\na,"x\r\ny",Drama\r\nb,p\u2028q\x85r,War\r\n'))
    assert [(film.line, film.title) for film in films] == [(3, "x\r\ny"), (4, "p\u2028q\x85r")]


def test_a_note_names_the_columns_that_may_hold_the_titles(tmp_path: Path) -> None:
    rows = b"id,Film,Rank,Seen,genres\na,Up,1,yes,Drama\nb,Heat,2,yes,Crime\nc,300,3,no,War\n"
    rows += b"d,Alien,4,yes,Horror\n"
    path = table(tmp_path, rows)
    _, notes = read_films(path, DEFAULT_VOCABULARY)
    assert notes == [
        f"{path.name} has no column named title; if the titles are in Film, say so with --title"
    ]
    assert read_films(path, DEFAULT_VOCABULARY, {"title": "Film"})[1] == []
    assert read(table(tmp_path, rows.replace(b"Film", b"Name")))[0].title == "Up"


@pytest.mark.parametrize("second", ["1995", "1995-10-30", "30.10.1995", "1995.0"])
def test_a_note_names_the_columns_that_may_hold_the_years(tmp_path: Path, second: str) -> None:
    rows = "id,title,Jahr,minutes,added,genres\na,Up,2009,96,2024-01-01,Drama\n"
    rows += f"b,Heat,{second},170,2024-05-05,Crime\nc,M,,99,2024-02-02,War\n"
    path = table(tmp_path, rows.encode())
    _, notes = read_films(path, DEFAULT_VOCABULARY)
    assert notes == [
        f"{path.name} has no column named year; if the years are in Jahr, say so with --year"
    ]
    assert read_films(path, DEFAULT_VOCABULARY, {"year": "Jahr"})[1] == []
    titled = rows.replace("Heat", "Heat (1995)").replace("Up", "Up (2009)")
    assert read_films(table(tmp_path, titled.encode()), DEFAULT_VOCABULARY)[1] == []


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "f.csv", "no films in it; give a table with one row per film"),
        (b"id,genres\n", "f.csv", "no films in it; give a table with one row per film"),
        (b"\n\n\n", "f.csv", "no films in it; give a table with one row per film"),
        (
            b"name,genres\nUp,Drama\n",
            "f.csv",
            "no column of film ids; its columns are name, genres; name one of them film_id, "
            "imdb_id, tconst, const, tmdb_id, movie_id, id, filename, or say which one it is with "
            "--id",
        ),
        (
            b"id,title\na,Up\n",
            "f.csv",
            "no column of genres; its columns are id, title; name one of them genres, say which "
            "one it is with --genres, or give one 0/1 column per genre",
        ),
        (b"\x89PNG\x00\x00", "f.csv", "not text; give CSV, TSV, Parquet, JSON or Excel's .xlsx"),
        (b"PAR1 and no more", "f.parquet", "damaged Parquet"),
        (b'{"id": 1}\nid', "f.jsonl", " line 2: not JSON"),
        (b'{"id": 1}\n[1, 2]', "f.jsonl", " line 2: expected one object per line, as in JSON"),
        (b"[1, 2]", "f.json", "not a table: expected an array of objects, one for each film"),
        (b'[{"id": 1}, {', "f.json", "not JSON ("),
        (b"[" * 100_000, "f.json", "not a table: its JSON is nested too deeply"),
        (b"\x1f\x8b no gzip", "f.csv.gz", "damaged gzip ("),
        (b"PK\x03\x04 no zip", "f.xlsx", "damaged Excel file ("),
        (b"\xd0\xcf\x11\xe0\xa1", "f.xls", "of before 2007; save it as .xlsx or CSV"),
    ],
    ids=[
        "empty", "header only", "blank", "no ids", "no genres", "binary", "cut parquet", "bad json",
        "list in lines", "json list", "cut json", "deep json", "cut gzip", "cut excel", "old excel",
    ],
)  # fmt: skip
def test_anything_but_a_table_is_an_error_of_one_line(
    tmp_path: Path, content: bytes, name: str, message: str
) -> None:
    path = table(tmp_path, content, name)
    with pytest.raises(TableError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_table_or_a_folder_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path / "gone.csv")
    assert str(caught.value) == f"{tmp_path}/gone.csv: no such file; give a table"
    with pytest.raises(TableError) as caught:
        read(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read (is a folder, not a file)"


def test_a_small_compressed_table_takes_little_memory(tmp_path: Path) -> None:
    path = table(tmp_path, gzip.compress(films_csv(FILMS).encode()), "films.csv.gz")
    tracemalloc.start()
    assert read(path) == FILMS
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_compressed_table_that_grows_like_no_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "_ANY_BYTES", 1_000_000)
    path = table(tmp_path, gzip.compress(b"id,genres\n" + b" " * 30_000_000), "films.csv.gz")
    with pytest.raises(TableError, match=r"over [34],[0-9,]+ bytes when decompressed; split or de"):
        read(path)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='id,genres\n"[]{}|;\t1:', max_size=90)))
def test_any_bytes_are_a_table_or_a_table_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    path = table(tmp_path_factory.getbasetemp(), content, "wild.csv")
    try:
        films, _ = read_films(path, DEFAULT_VOCABULARY)
    except TableError:
        return
    choose_films(films, DEFAULT_VOCABULARY)


def listed(film_id: str, *genres: str, line: int = 2) -> Listing:
    return Listing(line, film_id, film_id, None, genres, None)


def test_genres_are_mapped_ordered_and_the_unknown_ones_counted() -> None:
    listings = [
        listed("a", "Science Fiction", "Action & Adventure", "Sport"),
        listed("b", "Sport", "war"),
    ]
    choice = choose_films(listings, DEFAULT_VOCABULARY)
    assert [film.genres for film, _ in choice.new] == [("Action", "Adventure", "Sci-Fi"), ("War",)]
    assert choice.rejections == []
    assert choice.unmapped == {"Sport": 2}


def test_each_listing_that_cannot_be_used_is_rejected_with_its_reason() -> None:
    listings = [
        listed("same", "Drama", "War", line=2),
        listed("same", "war", "drama", line=3),
        listed("torn", "Drama", line=4),
        listed("torn", "War", "Drama", line=5),
        listed("unknown", "Sport", "News", line=6),
        listed("bare", line=7),
        listed("", "Drama", line=8),
    ]
    choice = choose_films(listings, DEFAULT_VOCABULARY)
    assert [film.film_id for film, _ in choice.new] == ["same"]
    assert sorted((one.film_id, one.reason) for one in choice.rejections) == [
        ("", "line 8: no film id"),
        ("bare", "no genre given"),
        ("same", "line 3 lists it again with the same genres; counted once"),
        ("torn", "line 4: listed with different genres (line 4: Drama; line 5: Drama|War)"),
        ("torn", "line 5: listed with different genres (line 4: Drama; line 5: Drama|War)"),
        ("unknown", "no genre of the vocabulary (Sport|News)"),
    ]
    assert choice.unmapped == {"Sport": 1, "News": 1}


def test_imdb_ids_that_differ_in_padding_alone_are_one_film(tmp_path: Path) -> None:
    lines = "imdb_id,genres\ntt0085549,Drama\n85549,Drama\ntt85549,Drama\n"
    choice = choose_films(read(table(tmp_path, lines)), DEFAULT_VOCABULARY)
    assert [film.film_id for film, _ in choice.new] == ["tt0085549"]
    assert [one.reason.split()[:2] for one in choice.rejections] == [["line", "3"], ["line", "4"]]


@pytest.mark.parametrize(
    ("cells", "genres", "problem"),
    [
        ("1,0", ("Drama",), ""),
        ("1.0,0.0", ("Drama",), ""),
        ("True,FALSE", ("Drama",), ""),
        ("yes,No", ("Drama",), ""),
        ("x,n", ("Drama",), ""),
        ("0,0", (), ""),
        (",1", (), "column Drama: empty is neither yes nor no; write 1 or 0"),
        ("nan,1", (), "column Drama: 'nan' is neither yes nor no; write 1 or 0"),
        ("1,2", (), "column War: '2' is neither yes nor no; write 1 or 0"),
        ("maybe,1", (), "column Drama: 'maybe' is neither yes nor no; write 1 or 0"),
    ],
)
def test_a_flag_that_is_neither_yes_nor_no_rejects_its_row(
    tmp_path: Path, cells: str, genres: tuple[str, ...], problem: str
) -> None:
    films = read(table(tmp_path, f"id,Drama,War\na,{cells}\nb,0,1\n"))
    assert (films[0].genres, films[0].problem) == (genres, problem)
    assert films[1].genres == ("War",)


def test_where_nothing_says_no_an_empty_flag_does(tmp_path: Path) -> None:
    films = read(table(tmp_path, "id,genre_Drama,genre_War,genre_Sport\na,x,,\nb,,x,x\nc,,,\n"))
    assert [film.genres for film in films] == [("Drama",), ("War", "Sport"), ()]
    assert not any(film.problem for film in films)


def test_one_row_per_film_and_genre_is_one_film(tmp_path: Path) -> None:
    path = table(tmp_path, "id,title,genre\na,A,Drama\nb,B,War\na,A,War\nc,C,Crime\nc,C,War\n")
    films, notes = read_films(path, DEFAULT_VOCABULARY)
    assert [(film.film_id, film.genres, film.lines) for film in films] == [
        ("a", ("Drama", "War"), 2),
        ("b", ("War",), 1),
        ("c", ("Crime", "War"), 2),
    ]
    assert notes == [f"{path.name} has one row per film and genre: 5 rows, 3 films"]


def test_rows_that_disagree_are_not_one_row_per_film_and_genre(tmp_path: Path) -> None:
    path = table(tmp_path, "id,title,genre\na,A,Drama\na,Another,War\nb,B,War\n")
    assert [film.film_id for film in read(path)] == ["a", "a", "b"]
    path = table(tmp_path, "id,title,genre\na,A,Drama\na,A,War\nb,B,War|Crime\n")
    assert [film.film_id for film in read(path)] == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("cell", "film_id"),
    [
        ("https://www.imdb.com/title/tt0133093/", "tt0133093"),
        ("imdb.com/title/tt133093/?ref_=fn", "tt0133093"),
        ("https://www.themoviedb.org/movie/603-the-matrix", "603"),
    ],
)
def test_a_page_s_address_is_its_film_s_id(tmp_path: Path, cell: str, film_id: str) -> None:
    for column in ("id", "Link"):
        assert read(table(tmp_path, f"{column},genres\n{cell},Drama\n"))[0].film_id == film_id


def test_tmdb_s_numbers_are_genres(tmp_path: Path) -> None:
    path = tmp_path / "films.json"
    path.write_text('[{"id": 1, "genre_ids": [18, 878, 7]}, {"id": 2, "genre_ids": []}]')
    assert [film.genres for film in read(path)] == [("Drama", "Science Fiction", "7"), ()]
