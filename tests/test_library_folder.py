"""Media libraries on disk: which films there are, their posters and NFO files, in any layout."""

import logging
from pathlib import Path

import pytest

from keyart.catalog.catalog import Catalog
from keyart.errors import LibraryError, PosterError
from keyart.genres import Vocabulary
from keyart.library.folder import FolderFilm, read_folder
from keyart.library.library import Library
from keyart.library.names import Named, parse_name
from keyart.queries import find_films
from tests.media_reader import jellyfin, kodi
from tests.tiny_library import LAYOUTS, art, flat, make_library, nfo, paint, painted, video

FILM = painted(0)


def only(root: Path) -> FolderFilm:
    (film,) = read_folder(root).films
    return film


@pytest.mark.parametrize(
    ("name", "title", "year"),
    [
        ("Alien (1979)", "Alien", 1979),
        ("Alien [1979] [1080p]", "Alien", 1979),
        ("Alien (1979) {imdb-tt0078748}", "Alien", 1979),
        ("Alien.1979.1080p.BluRay.x264-GROUP", "Alien", 1979),
        ("2001.A.Space.Odyssey.1968.2160p.UHD", "2001 A Space Odyssey", 1968),
        ("2001 A Space Odyssey", "2001 A Space Odyssey", None),
        ("Wonder Woman 1984", "Wonder Woman 1984", None),
        ("Wonder.Woman.1984.2020.1080p.WEB-DL", "Wonder Woman 1984", 2020),
        ("Blade Runner 2049 (2017)", "Blade Runner 2049", 2017),
        ("Dr. Strangelove (1964)", "Dr. Strangelove", 1964),
        ("Se7en", "Se7en", None),
        ("Mr.Nobody.DVDRip.XviD", "Mr Nobody", None),
        ("VTS_01_1", "", None),
        ("movie", "", None),
        ("00000", "", None),
        ("2012", "", None),
        ("2012 (2009)", "2012", 2009),
        ("1917.2019.1080p.BluRay", "1917", 2019),
        ("1984 [1984]", "1984", 1984),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("caf\udce9 (1999)", "", None),
    ],
)
def test_names_give_titles_and_years(name: str, title: str, year: int | None) -> None:
    found = parse_name(name)
    assert (found.title, found.year) == (title, year)


def test_names_give_ids() -> None:
    assert parse_name("Alien (1979) [imdbid-tt0078748] [tmdbid=348]").ids == (
        ("imdb", "tt0078748"),
        ("tmdb", "348"),
    )
    assert parse_name("Alien {tmdb-348}") == Named("Alien", None, (("tmdb", "348"),))
    assert parse_name("Alien [imdbid-348]").ids == ()


def test_200_films_in_six_layouts_are_found_as_kodi_and_jellyfin_find_them(tmp_path: Path) -> None:
    films = make_library(tmp_path, 200)
    found = {film.name: film for film in read_folder(tmp_path).films}
    assert sorted(found) == sorted(path.relative_to(tmp_path).as_posix() for path in films)
    for path, film in films.items():
        mine, own = found[path.relative_to(tmp_path).as_posix()], path.parent.name != "Flat"
        assert (mine.title, mine.year) == (film.title, film.year)
        for read in (kodi(path, folders=own), jellyfin(path, mixed=not own)):
            assert mine.poster == read.poster
            assert (read.nfo is None) == (mine.files == [])
            assert read.nfo is None or read.nfo in [file.path for file in mine.files]


def test_predict_takes_films_of_a_library_and_no_art(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    films = make_library(tmp_path, 24)
    with caplog.at_level(logging.INFO, "keyart"):
        queries = list(find_films(tmp_path))
    posters = [one.poster for one in queries]
    assert posters == sorted(film.poster for film in read_folder(tmp_path).films if film.poster)
    expected = {(film.title, film.year) for film in films.values()}
    assert {(one.title, one.year) for one in queries} == expected
    assert "24 films of a media library" in caplog.text
    assert "are left out: fan art, logos and the like, extras, art of series" in caplog.text
    assert {one.film_id for one in queries} == {None, "tt0078748"}


@pytest.mark.parametrize(
    "better",
    [
        ("F-poster.png", "poster.png"), ("poster.png", "folder.png"), ("folder.png", "cover.png"),
        ("poster.png", "F.png"), ("cover.png", "movie.png"), ("movie.png", "default.png"),
        ("F.png", "fanart.png"), ("Folder-poster.png", "folder.png"), ("movie.png", "F.tbn"),
        ("POSTER.PNG", "cover.png"),
    ],
)  # fmt: skip
def test_posters_have_an_order_of_preference(tmp_path: Path, better: tuple[str, str]) -> None:
    folder = tmp_path / "Folder"
    video(folder / "F.mkv")
    for name in better:
        (folder / name).write_bytes(b"x") if name.endswith(".tbn") else paint(folder / name, "Red")
    found = only(tmp_path).poster
    assert found is not None
    assert found.name == better[0]


ART = ("fanart", "fanart2", "backdrop", "landscape", "logo", "clearlogo", "disc", "discart",
       "cdart", "banner", "clearart", "characterart", "thumb", "keyart", "background")  # fmt: skip


@pytest.mark.parametrize("kind", ART)
def test_art_is_never_a_poster(tmp_path: Path, kind: str) -> None:
    for name in (f"{kind}.jpg", f"F-{kind}.jpg", f"{kind.upper()}.PNG"):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "F"
        video(folder / "F.mkv")
        art(folder / name)
    queries = list(find_films(tmp_path))
    assert [one.poster for one in queries] == [None] * 3
    assert [one.title for one in queries] == ["F"] * 3


def test_art_next_to_posters_is_left_out_without_videos_too(tmp_path: Path) -> None:
    paint(tmp_path / "Alien (1979)" / "poster.jpg", "Red")
    art(tmp_path / "Alien (1979)" / "fanart.jpg")
    paint(tmp_path / "flat" / "Heat (1995)-poster.jpg", "Red")
    art(tmp_path / "flat" / "Heat (1995)-fanart.jpg")
    found = [(one.title, one.year) for one in find_films(tmp_path)]
    assert found == [("Alien", 1979), ("Heat", 1995)]


def test_pictures_that_only_look_like_art_are_posters(tmp_path: Path) -> None:
    for name in ("Logo (2011).jpg", "thumb.jpg", "Spider-Man.jpg", "Disc-banner.jpg", "a.jpg"):
        paint(tmp_path / name, "Red")
    assert len(list(find_films(tmp_path))) == 5
    video(tmp_path / "clip.mp4")  # a video next to many posters does not take them away
    assert len(list(find_films(tmp_path))) == 5


def test_sets_seasons_extras_and_trailers_are_no_films(tmp_path: Path) -> None:
    path = tmp_path / "Set" / FILM.name / f"{FILM.name}.mkv"
    video(path)
    paint(path.with_name("poster.jpg"), "Red")
    art(tmp_path / "Set" / "poster.jpg")
    art(tmp_path / "folder.jpg")
    for name in ("trailer.mp4", "F-trailer.mkv", "F-featurette.mkv", "sample.avi", "f-sample.mkv"):
        video(path.with_name(name))
    for name in ("extras", "Behind The Scenes", "Trailers", "extrathumbs", "F.trickplay"):
        video(path.parent / name / "Making (2001).mkv")
        art(path.parent / name / "poster.jpg")
    show = tmp_path / "Show"
    (show / "Season 1").mkdir(parents=True)
    (show / "tvshow.nfo").write_text("<tvshow/>")
    video(show / "Season 1" / "Show S01E01.mkv")
    art(show / "season01-poster.jpg")
    video(tmp_path / "Other Show" / "Other.Show.2x03.mkv")
    film = only(tmp_path)
    assert film.poster == path.with_name("poster.jpg")
    assert [one.poster for one in find_films(tmp_path)] == [film.poster]


def test_a_folder_that_is_called_shorts_may_have_films(tmp_path: Path) -> None:
    video(tmp_path / "Shorts" / "Geri's Game (1997).mkv")
    assert only(tmp_path).title == "Geri's Game"


def test_parts_versions_and_discs_are_one_film(tmp_path: Path) -> None:
    for part in (1, 2):
        video(tmp_path / "Ben-Hur (1959)" / f"Ben-Hur-part{part}.avi")
    for version in ("", " - 4K", " - Director's Cut", " [1080p]"):
        video(tmp_path / "Alien (1979)" / f"Alien (1979){version}.mkv")
    video(tmp_path / "Heat (1995)" / "VIDEO_TS" / "VTS_01_1.VOB")
    nfo(tmp_path / "Heat (1995)" / "VIDEO_TS" / "VIDEO_TS.nfo", painted(1))
    video(tmp_path / "Ran (1985)" / "BDMV" / "STREAM" / "00000.m2ts")
    films = {film.name: film for film in read_folder(tmp_path).films}
    assert {name: (film.title, film.year) for name, film in films.items()} == {
        "Alien (1979)/Alien (1979).mkv": ("Alien", 1979),
        "Ben-Hur (1959)/Ben-Hur-part1.avi": ("Ben-Hur", 1959),
        "Heat (1995)/VIDEO_TS": ("Film 001", 1951),
        "Ran (1985)/BDMV": ("Ran", 1985),
    }
    new = {film.new_nfo.relative_to(tmp_path).as_posix() for film in films.values()}
    assert "Alien (1979)/movie.nfo" in new
    assert "Ben-Hur (1959)/Ben-Hur-part1.nfo" in new
    assert "Ran (1985)/movie.nfo" in new


def test_films_side_by_side_get_no_general_names(tmp_path: Path) -> None:
    for number in (0, 1):
        flat(tmp_path, painted(number))
    nfo(tmp_path / "Flat" / "movie.nfo", painted(7))
    art(tmp_path / "Flat" / "poster.png")
    films = read_folder(tmp_path).films
    assert [film.title for film in films] == ["Film 000", "Film 001"]
    assert [film.poster.name for film in films if film.poster] == [
        "Film 000 (1950)-poster.png", "Film 001 (1951)-poster.png",
    ]  # fmt: skip


def test_metadata_without_videos_is_a_library(tmp_path: Path) -> None:
    nfo(tmp_path / "A" / "movie.nfo", painted(1))
    paint(tmp_path / "A" / "poster.jpg", "Red")
    nfo(tmp_path / "B" / "B.nfo", painted(2))
    nfo(tmp_path / "B" / "C.nfo", painted(3))
    nfo(tmp_path / "D" / "movie.nfo", painted(4))
    nfo(tmp_path / "D" / "D.nfo", painted(4))
    films = read_folder(tmp_path).films
    assert [film.title for film in films] == ["Film 001", "Film 002", "Film 003", "Film 004"]
    assert [len(film.files) for film in films] == [1, 1, 1, 2]


def test_kodi_takes_any_single_nfo_of_a_folder_and_so_do_we(tmp_path: Path) -> None:
    video(tmp_path / "A" / "alien.mkv")
    nfo(tmp_path / "A" / "release.nfo", FILM)
    film = only(tmp_path)
    assert film.title == FILM.title == kodi(tmp_path / "A" / "alien.mkv", folders=True).title
    nfo(tmp_path / "A" / "other.nfo", painted(1))
    assert "is one of 2 NFO files" in only(tmp_path).problem


def test_a_broken_nfo_is_named_and_its_film_known_by_its_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video(tmp_path / "Alien (1979).mkv")
    (tmp_path / "Alien (1979).nfo").write_text("<movie><title>Alien</movie>")
    (query,) = find_films(tmp_path)
    assert (query.title, query.year, query.poster) == ("Alien", 1979, None)
    assert "Alien (1979).nfo is broken XML (mismatched tag: line 1, column" in caplog.text


def test_links_and_files_that_are_not_regular_are_not_read(tmp_path: Path) -> None:
    video(tmp_path / "lib" / "Alien.mkv")
    secret = nfo(tmp_path / "secret.nfo", FILM)
    (tmp_path / "lib" / "Alien.nfo").symlink_to(secret)
    film = only(tmp_path / "lib")
    assert film.title == "Alien"
    assert "symbolic link" in film.problem


def test_a_folder_without_films_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no such folder"):
        Library.open(tmp_path / "absent")
    paint(tmp_path / "a.jpg", "Red")
    with pytest.raises(LibraryError, match="no videos, and no NFO files"):
        Library.open(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PosterError, match="no files"):
        list(find_films(tmp_path / "empty"))


def test_a_catalog_is_made_from_a_library(tmp_path: Path) -> None:
    root = tmp_path / "library"
    for number in range(12):
        path = LAYOUTS[number % 2](root, painted(number))
        file = path.parent / ("movie.nfo" if number % 2 else f"{path.stem}.nfo")
        more = (f'<uniqueid type="imdb">tt{number:07}</uniqueid>', "<genre>Red / Blue</genre>")
        nfo(file, painted(number), *more[: 1 if number == 3 else 2])
    (root / painted(5).name / "movie.nfo").write_text("<movie>")
    library = Library.open(root)
    vocabulary = Vocabulary(("Red", "Green", "Blue"))
    catalog = library.build_catalog(tmp_path / "catalog", vocabulary=vocabulary)
    assert sorted(film.film_id for film in catalog) == [
        f"tt{n:07}" for n in range(12) if n not in (3, 5)
    ]
    assert {film.genres for film in catalog} == {("Red", "Blue")}
    assert {film.title: film.year for film in catalog}["Film 004"] == 1954
    reasons = {one.film_id: one.reason for one in catalog.rejections()}
    assert reasons["tt0000003"] == "no genre given"
    (broken,) = (reason for film, reason in reasons.items() if film != "tt0000003")
    assert broken.startswith("NFO: movie.nfo is broken XML")
    grown = library.grow_catalog(Catalog.open(tmp_path / "catalog"))
    assert len(grown) == len(catalog)
