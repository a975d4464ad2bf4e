"""browse/: a page of films with their posters, from answers, a catalog or a folder."""

import base64
import io
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

import keyart
from keyart.browsing.page import browsing, write_tiles
from keyart.browsing.tiles import Tile, read_tiles
from keyart.catalog.catalog import Catalog
from keyart.cli import app
from keyart.errors import OutputError, PosterError, TableError
from keyart.images.poster import content_of
from keyart.local_page import serving
from keyart.predictor import Predictor
from keyart.queries import find_films
from keyart.writers import write_predictions
from tests.tiny_catalog import encoded, poster, tiny_films
from tests.wire import GREEN, RED


@pytest.fixture
def posters(tmp_path: Path) -> Path:
    folder = tmp_path / "posters"
    folder.mkdir()
    (folder / "Alien (1979).jpg").write_bytes(RED)
    (folder / "meadow.jpg").write_bytes(GREEN)
    (folder / "torn.jpg").write_bytes(RED[:60])
    return folder


@pytest.mark.parametrize("suffix", ["csv", "json", "ndjson", "parquet"])
def test_answers_are_shown_as_predict_wrote_them(
    tiny_predictor: Predictor, posters: Path, tmp_path: Path, suffix: str
) -> None:
    answers = list(tiny_predictor.predict_many(find_films(posters)))
    out = tmp_path / f"answers.{suffix}"
    write_predictions(answers, out, genres=tiny_predictor.genres)
    # No model predicts again: there is none of this name.
    tiles = list(read_tiles(out, model=tmp_path / "nothing"))
    again = list(read_tiles(posters, model=tiny_predictor))
    assert [tile.name for tile in tiles] == ["Alien", "meadow.jpg", "torn.jpg"]
    for tile, other, answer in zip(tiles, again, answers, strict=True):
        scores = answer.scores if isinstance(answer, keyart.Prediction) else {}
        assert dict(tile.scores) == pytest.approx(dict(scores), abs=1e-6)
        assert (tuple(tile.genres), tuple(tile.maybe)) == (tuple(other.genres), tuple(other.maybe))
        assert tile.reason == other.reason
        assert tile.doubt == pytest.approx(other.doubt, abs=1e-5)
    assert tiles[2].doubt == 1
    assert "damaged" in tiles[2].reason or "cannot" in tiles[2].reason


def test_a_catalog_is_shown_with_its_listed_genres(
    tiny_predictor: Predictor, tmp_path: Path
) -> None:
    table, folder = tiny_films(tmp_path, range(12))
    catalog = Catalog.build(table, folder, tmp_path / "catalog")
    tiles = list(read_tiles(catalog.path, model=tiny_predictor))
    assert [tile.listed for tile in tiles] == [film.genres for film in catalog]
    assert [tile.film_id for tile in tiles] == [film.film_id for film in catalog]
    for row in (0, 11):
        shown = tiles[row].poster
        assert shown is not None
        assert content_of(shown) == catalog.poster(row)


def test_the_doubtful_are_those_whose_genres_the_model_believes_least() -> None:
    def tile(listed: list[str] | None, genres: list[str], **scores: float) -> Tile:
        return Tile("x", "", None, genres, [], scores, listed)

    assert tile(["A", "B"], ["A"], A=0.9, B=0.2).doubt == pytest.approx(0.8)
    # A model says nothing of a genre that it lacks.
    assert tile(["A", "Unknown"], ["A"], A=0.9, B=0.2).doubt == pytest.approx(0.1)
    assert tile(["Unknown"], [], A=0.9).doubt == pytest.approx(0.1)
    assert tile(None, ["A", "B"], A=0.9, B=0.7, C=0.1).doubt == pytest.approx(0.2)
    assert tile(None, [], A=0.3, B=0.2).doubt == pytest.approx(0.7)
    assert tile([], [], A=0.3, B=0.2).doubt == pytest.approx(0.7)
    assert Tile("x", "", None, [], [], {}, None, "damaged").doubt == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a.jpg,Red,,false,poster,,1.5", "a score is not from 0 to 1"),
        ("a.jpg,Red,,true,poster,,0.5", "its genres contradict `unsure`"),
        ("a.jpg,Red,,false,poster,,x", "could not convert"),
        ("a.jpg,Red,,false,poster,,nan", "a score is not from 0 to 1"),
        ("a.jpg,Red,,false,poster,,", "no score for 'Red'"),
        ("a.jpg,Sci|Fi,,false,poster,,0.5", "no score for 'Sci'"),
        ("a.jpg,,Blue,true,poster,,0.5", "no score for 'Blue'"),
        ("s3://me:secret@films/a.jpg,Red,,false,poster,,0.5", "s3://...@films/a.jpg: has a pass"),
    ],
)
def test_answers_that_contradict_themselves_are_refused_by_line(
    tmp_path: Path, line: str, problem: str
) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(f"poster,genres,maybe,unsure,evidence,reason,Red\n{line}\n", encoding="utf-8")
    with pytest.raises(TableError, match=f"answers.csv: line 2: {problem}"):
        list(read_tiles(file))


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        ({"genres": [["Red"]]}, r"expected a list of genres, got \[\['Red'\]\]"),
        ({"genres": {"Red": 1}}, "expected a list of genres"),
        ({"maybe": 7}, "expected a list of genres, got 7"),
        ({"scores": {"Red": 10**400}}, "too large"),
        ({"scores": [0.9]}, "no score for 'Red'"),
    ],
)
def test_answers_in_json_of_another_kind_are_refused(
    tmp_path: Path, odd: dict[str, Any], problem: str
) -> None:
    file = tmp_path / "answers.ndjson"
    answer = {"poster": "a.jpg", "genres": ["Red"], "maybe": [], "unsure": False}
    about = {"evidence": "poster", "scores": {"Red": 0.9}}
    file.write_text(json.dumps({**answer, **about, **odd}), encoding="utf-8")
    with pytest.raises(TableError, match=f"answers.ndjson: line 1: .*{problem}"):
        list(read_tiles(file))


def test_answers_of_posters_in_a_store_lead_back_to_them(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    line = "s3://films/old/a.jpg,Red,,false,poster,,0.9"
    file.write_text(f"poster,genres,maybe,unsure,evidence,reason,Red\n{line}\n", encoding="utf-8")
    for posters, expected in ((None, "s3://films/old/a.jpg"), ("s3://new", "s3://new/a.jpg")):
        (tile,) = read_tiles(file, posters=posters)
        assert str(tile.poster) == expected


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    plain: dict[str, Any] = json.loads(found[1])
    return plain


def test_a_file_has_all_pictures_in_it_and_asks_for_nothing(
    tiny_predictor: Predictor, posters: Path, tmp_path: Path
) -> None:
    out = tmp_path / "films.html"
    seen: list[tuple[int, int]] = []
    count = keyart.browse(
        posters, out=out, model=tiny_predictor, progress=lambda *done: seen.append(done)
    )
    assert count == 3
    assert seen[-1] == (3, 3)
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?https?:|url\(", out.read_text(encoding="utf-8"))
    data = data_of(out)
    assert data["genres"] == list(tiny_predictor.genres)
    first, _, torn = data["pictures"]
    with Image.open(io.BytesIO(base64.b64decode(first))) as picture:
        assert picture.format == "JPEG"
        assert picture.height <= 132
    assert torn == ""


def test_listed_genres_that_the_model_lacks_and_any_name_are_on_the_page(tmp_path: Path) -> None:
    tiles = [
        Tile(
            "x" * 1_000_000, "", None, ["Red"], [], {"Red": 0.9, "Blue": 0.2}, ["Musical|</script>"]
        ),
        Tile("y", "", None, ["Red"], [], {"Red": 0.9}, ["Red"]),
    ]
    write_tiles(tiles, tmp_path / "films.html", name="caf\udce9")  # a name that is not UTF-8
    data = data_of(tmp_path / "films.html")
    assert data["name"] == "caf\\xe9"
    assert data["genres"] == ["Red", "Blue", "Musical|</script>"]
    scores, listed = zip(*(film[5:7] for film in data["films"]), strict=True)
    assert listed == ([2], [0])
    assert scores == ([900, 200, -1], [900, -1, -1])  # -1: not known, which is not 0


def test_a_browser_that_goes_away_is_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = iter([BrokenPipeError, ConnectionResetError, RuntimeError])

    def answer(path: str) -> None:
        raise next(kinds)("in the test")

    with serving(answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = []
        for _ in range(3):
            with pytest.raises(ConnectionError):
                urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/")
            said.append(capsys.readouterr().err)
        server.shutdown()
    assert said[:2] == ["", ""]
    assert "RuntimeError: in the test" in said[2]


def test_the_command_says_what_it_wrote(tiny_model: Path, posters: Path, tmp_path: Path) -> None:
    out = tmp_path / "films.html"
    command = ["browse", str(posters), "--model", str(tiny_model), "--out", str(out)]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.stdout == f"{out}: 3 films\n"
    assert CliRunner().invoke(app, [*command, "--quiet"], catch_exceptions=False).stdout == ""


def test_a_page_is_html_and_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written in this format"):
        keyart.browse(tmp_path, out=tmp_path / "films.pdf")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PosterError, match="no files in this folder"):
        keyart.browse(tmp_path / "empty", out=tmp_path / "films.html")
    done = CliRunner().invoke(app, ["browse", str(tmp_path / "none"), "--out", "x.html"])
    assert isinstance(done.exception, PosterError)


def many(folder: Path, count: int) -> list[Tile]:
    """Films that share ten posters; the names of some try to be code."""
    files = []
    for seed in range(10):
        files.append(folder / f"{seed}.jpg")
        files[-1].write_bytes(encoded(poster(seed), "JPEG"))
    tiles = []
    for number in range(count):
        score = (number * 37 % 101) / 101
        predicted = ["Drama"] if score > 0.5 else []
        name = "</script><script>document.title='hit'</script>" if number == 1 else f"Film {number}"
        maybe, listed = ["War"] if number % 7 == 0 else [], ["War"] if number % 2 else ["Drama"]
        scores, odd = {"Drama": score, "War": 1 - score}, number % 1000 == 999
        about = (name, f"tt{number}", 1950 + number % 70)
        tiles.append(Tile(*about, predicted, maybe, scores, listed, "", odd, files[number % 10]))
    tiles[5] = Tile("Torn", "tt5", None, [], [], {}, [], "damaged")
    return tiles


def test_the_server_has_the_page_and_its_pictures_and_nothing_else(tmp_path: Path) -> None:
    tiles = many(tmp_path, 20)
    with browsing(tiles, name="films") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{address}/poster/3") as answer:
            assert Image.open(io.BytesIO(answer.read())).height <= 200
        for path in (
            "/poster/20",
            "/poster/5",
            "/poster/-1",
            "/poster/0x1",
            "/large/",
            "/../0.jpg",
        ):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(f"{address}{path}")
            with error.value as refused:
                assert refused.code == 404
        server.shutdown()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of 20,000 films, from a server."""
    with browsing(many(tmp_path, 20_000), name="films") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        opened = context.new_page()
        opened.goto(f"http://127.0.0.1:{server.server_port}/")
        yield opened
        context.close()
        server.shutdown()


def test_twenty_thousand_films_are_filtered_sorted_and_walked_by_keyboard(page: Page) -> None:
    count, tiles, dialog = page.locator("#count"), page.locator(".tile"), page.locator("#film")
    expect(count).to_have_text("20,000 films")
    assert tiles.count() < 200  # only those that are seen are in the document
    expect(tiles.nth(1).locator("b")).to_have_text(re.compile(r"</script><script>"))
    assert page.title() == "films: keyart browse"
    # By keyboard: to the end and back, open one, on to the next, close.
    page.keyboard.press("End")
    expect(page.locator(".tile.current b")).to_have_text("Film 19999 (1999)")
    expect(page.locator(".tile.current img")).not_to_have_js_property("naturalWidth", 0)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(dialog.locator("h2")).to_have_text("Film 2 (1952)")
    expect(dialog.locator("#film-genres")).to_contain_text("Drama; listed: Drama")
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("h2")).to_have_text("Film 3 (1953)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    # The dialog's end may be heard of only after the next key.
    page.evaluate("document.getElementById('text').focus()")
    page.evaluate("document.getElementById('film').dispatchEvent(new Event('close'))")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#grid")).to_be_focused()
    # Filters: text, genre and how it is meant, kinds of answers.
    page.keyboard.press("/")
    page.keyboard.type("tt1999")
    expect(count).to_have_text("11 of 20,000 films")
    page.fill("#text", "")
    page.select_option("#show", "odd")
    expect(count).to_have_text("20 of 20,000 films")
    page.select_option("#show", "failed")
    expect(tiles).to_have_count(1)
    expect(tiles).to_contain_text("damaged")
    page.select_option("#show", "")
    page.select_option("#genre", label="Drama")
    page.select_option("#as", "score")
    page.fill("#least", "90")
    expect(count).to_have_text(
        f"{sum((n * 37 % 101) / 101 >= 0.8995 for n in range(20_000) if n != 5):,} of 20,000 films"
    )
    page.select_option("#genre", "")
    page.select_option("#sort", "doubt")
    expect(tiles.nth(1).locator("b")).to_have_text("Torn")


def test_a_page_from_a_file_works_on_a_phone_in_the_dark(browser: Browser, tmp_path: Path) -> None:
    out = tmp_path / "films.html"
    write_tiles(many(tmp_path, 30), out, name="films")
    context = browser.new_context(
        viewport={"width": 360, "height": 700}, color_scheme="dark", has_touch=True
    )
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(out.as_uri())
    opened.locator(".tile").nth(3).tap()
    expect(opened.locator("#film h2")).to_have_text("Film 3 (1953)")
    expect(opened.locator("#large")).not_to_have_js_property("naturalWidth", 0)
    wide = opened.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", ground)[:3])) < 120
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    context.close()
