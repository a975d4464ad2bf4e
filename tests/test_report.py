"""The report: its numbers are those of the run, and a title can be any text."""

import base64
import html
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keyart.catalog.catalog import Catalog
from keyart.errors import CatalogError, RunError
from keyart.evaluation.scoring import compare_scores
from keyart.genres import Vocabulary
from keyart.metric_table import Row, SplitMetrics
from keyart.model_metrics import BASELINES, HEADLINE, METRICS, Interval, ModelMetrics
from keyart.report.card import model_card
from keyart.report.findings import mistakes, standing_out, surest
from keyart.report.gallery import Gallery
from keyart.report.numbers import share_text
from keyart.report.page import write_report
from keyart.report.svg import Axis, thin
from keyart.run import Run, ScoredFilms
from keyart.terminal.scores import show_scores
from tests.tiny_titles import titled_bundle

NASTY = ("<script>alert(1)</script>", '" onerror="alert(2)', "Tom & Jerry's <i>")


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. No film in it has an ordinary title."""
    titles = [f"{NASTY[film % 3]} {film}" for film in range(60)]
    return make_run(tmp_path_factory.mktemp("runs") / "first", titles=titles)


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return report(run)


def report(*runs: Path, catalog: Path | None = None) -> str:
    out = runs[0].parent / "report.html"
    write_report(runs, out, catalog=catalog)
    return out.read_text(encoding="utf-8")


def scored(run: Path) -> SplitMetrics:
    """The metrics of the test split."""
    return Run(run).metrics.split("test")


def known(metrics: ModelMetrics, name: str) -> Interval:
    """A metric that is defined."""
    found = metrics[name]
    assert found is not None
    return found


def text(page: str) -> str:
    """What a reader sees of a page: no tags, one space between words."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def rows(page: str, section: str) -> dict[str, list[str]]:
    """The rows of a section's tables, by their heading."""
    content = page.split(f'<section id="{section}">')[1].split("</section>")[0]
    found: dict[str, list[str]] = {}
    for row in re.findall(r"<tr>(.*?)</tr>", content, re.S):
        cells = [text(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        found.setdefault(cells[0].removesuffix(" lower is better"), cells[1:])
    return found


def shown(found: Interval | None) -> str:
    if found is None:
        return "-"
    return f"{found.value:.{4 if 0 < found.high < 0.01 else 3}f}"


@pytest.mark.parametrize("name", HEADLINE)
def test_a_card_shows_the_metric_its_interval_and_the_best_guess(
    page: str, run: Path, name: str
) -> None:
    split = scored(run)
    found = known(split.model, name)
    guesses = [known(guess, name).value for guess in split.baselines.values()]
    best = min(guesses) if METRICS[name].lower_is_better else max(guesses)
    card = text(re.split(r'data-metric="', page.split(f'data-metric="{name}"')[1])[0])
    assert METRICS[name].label in card
    assert f" {found.value:.3f} 95% {found.low:.3f} to {found.high:.3f} " in card
    assert re.search(rf"guess {best:.3f}|guess {best:.4f}", card)


def test_the_table_of_all_metrics_is_that_of_the_run(page: str, run: Path) -> None:
    split, table = scored(run), rows(page, "headline")
    assert list(split.baselines) == list(BASELINES)
    for name, metric in METRICS.items():
        cells = table[metric.label]
        assert cells[0] == shown(split.model[name])
        assert cells[2:5] == [shown(guess[name]) for guess in split.baselines.values()]


def test_titles_and_series_have_rows_of_their_own(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Run(shutil.copytree(run, tmp_path / "titled"))
    test, other = own.metrics.split("test"), own.metrics.split("validation")
    titled = replace(other, films=53)
    never = {"poster": replace(test, films=48), "poster+title": replace(titled, films=47)}
    own.write_metrics(replace(own.metrics, evidence={"poster+title": titled}, never_seen=never))
    table = re.search(r"With titles and years.*?</table>", report(own.path), re.S)
    assert table is not None
    found = [
        [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall("<t[hd].*?</t[hd]>", line)]
        for line in re.findall("<tr>.*?</tr>", table[0], re.S)[1:]
    ]
    expected = [
        ["poster", "all", "60", shown(test.model["mean_average_precision"])],
        ["poster", "series never seen", "48", shown(test.model["mean_average_precision"])],
        ["poster, title", "all", "53", shown(other.model["mean_average_precision"])],
        ["poster, title", "series never seen", "47", shown(other.model["mean_average_precision"])],
    ]
    guess = test.row("mean_average_precision").best_guess
    expected.append(["best constant guess", "all", "60", shown(guess)])
    assert [row[:4] for row in found] == expected
    assert f"| best constant guess | 60 | {shown(guess)} |" in model_card(own.metrics, "")
    show_scores(own.metrics, "test")
    printed = capsys.readouterr().out
    assert printed.count("series never seen") == 2
    assert re.search(rf"best guess +all +60 +{shown(guess)}", printed)
    assert "does not know which series" not in printed
    show_scores(replace(own.metrics, never_seen={}), "test")
    assert "does not know which series" in capsys.readouterr().out
    show_scores(own.metrics, "validation")
    assert "series" not in capsys.readouterr().out
    show_scores(own.metrics, "test", as_json=True)
    plain = json.loads(capsys.readouterr().out)
    assert plain == test.to_json() | {
        "evidence": {"poster+title": titled.to_json()},
        "never_seen": {evidence: found.to_json() for evidence, found in never.items()},
    }


def test_every_genre_has_its_own_metrics_and_an_undefined_one_is_not_zero(
    page: str, run: Path
) -> None:
    split, table = scored(run), rows(page, "genres")
    for name, genre in split.model.genres.items():
        cells = table[name]
        assert cells[1] == shown(genre.average_precision)
        assert cells[3] == shown(split.baselines["genre_rates"].genres[name].average_precision)
        assert cells[5:7] == [shown(genre.roc_auc), shown(genre.f1)]
        assert cells[7:] == ["0.450", str(genre.predicted), str(genre.true)]
    assert table["Western"][1:7] == ["-"] * 6


def test_it_says_how_much_better_than_a_guess_it_is_and_what_label_accuracy_is_worth(
    page: str, run: Path
) -> None:
    split, words = scored(run), text(page)
    assert f"right for {100 * known(split.model, 'top_class').value:.1f}% of films" in words
    name = "mean_average_precision"
    guess = max(known(guess, name).value for guess in split.baselines.values())
    times = known(split.model, name).value / guess
    assert f"{times:.1f} times as well as a constant guess" in words
    assert f"already scores {shown(split.baselines['nothing']['label_accuracy'])}" in words


def test_it_says_how_many_films_it_is_unsure_about_and_how_often_the_others_are_right(
    page: str, run: Path
) -> None:
    words, unsure = text(page), scored(run).model.unsure
    assert unsure is not None
    top, precision = unsure.top_class, unsure.precision
    assert top is not None
    assert precision is not None
    assert unsure.films > 0
    assert f"unsure about {unsure.films} of 60 films" in words
    assert f"the top genre is right for {share_text(top)}" in words
    assert f"On these films {share_text(precision)} of the predicted genres are right" in words
    table = rows(page, "trust")
    for point in unsure.curve:
        cells = table[f"{100 * point.coverage:.0f}%"]
        assert cells[1] == shown(point.top_class)
    assert "Fewer answers, better answers" in words


def test_a_film_called_like_markup_is_shown_as_text(page: str) -> None:
    assert "<script" not in page.lower()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"<[^>]*\sonerror=\"", page)
    assert "<b>Roll" not in page
    assert "Rock &amp; &lt;b&gt;Roll" in page


def test_a_page_asks_nothing_of_anywhere_else(run: Path, catalog: Path) -> None:
    page = report(run, catalog=catalog)
    places = re.findall(r"(?:src|href|action|data)\s*=\s*[\"']?([^\"'\s>]+)", page)
    places += re.findall(r"url\(([^)]*)\)", page)
    assert any(place.startswith("data:image/jpeg") for place in places)
    assert [place for place in places if not place.startswith(("data:", "#"))] == []
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page


def test_every_link_within_the_page_has_its_section(page: str) -> None:
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


def test_every_picture_says_in_words_what_it_shows(page: str) -> None:
    for opening in re.findall(r"<svg [^>]*>", page):
        # A picture within a picture only cuts off what lies outside its axes.
        assert (
            "aria-label=" in opening or "aria-hidden=" in opening or opening.startswith("<svg x=")
        )


def test_two_reports_of_a_run_are_equal_byte_for_byte(run: Path, catalog: Path) -> None:
    assert report(run, catalog=catalog) == report(run, catalog=catalog)


@pytest.mark.parametrize(
    ("name", "section", "sentence"),
    [
        ("metrics.json", "headline", "{run} has no metrics yet."),
        ("metrics.json", "genres", "{run} has no metrics yet."),
        ("metrics.json", "trust", "{run} has no metrics yet."),
        ("predictions-test.parquet", "trust", "{run} has no predictions on the test split yet."),
        ("metrics.json", "gallery", "{run} has no metrics yet."),
        ("predictions-test.parquet", "curves", "{run} has no predictions on the test split yet."),
        ("predictions-test.parquet", "gallery", "{run} has no predictions on the test split yet."),
        ("history.csv", "learning", "{run} has not finished an epoch yet."),
        ("recipe.toml", "made", "{run} has no recipe."),
    ],
)
def test_what_a_run_lacks_is_replaced_by_a_sentence_that_says_why(
    make_run: Callable[..., Path], tmp_path: Path, name: str, section: str, sentence: str
) -> None:
    path = make_run(tmp_path / "lacking")
    (path / name).unlink()
    page = report(path)
    content = text(page.split(f'<section id="{section}">')[1].split("</section>")[0])
    assert sentence.format(run="lacking") in content


def test_a_run_in_its_first_epoch_has_a_report(tmp_path: Path) -> None:
    path = tmp_path / "begun"
    path.mkdir()
    (path / "recipe.toml").write_text("epochs = 3\n")
    (path / "history.csv").write_text("epoch,seconds,train_loss,validation_loss\n")
    assert "begun has not finished an epoch yet." in text(report(path))
    with (path / "history.csv").open("a") as file:
        file.write("1,2.0,0.5,\n")
    assert "Loss by epoch, from 1 to 1" in report(path)


def test_only_validation_scored_is_reported_as_such(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_run(tmp_path / "untested")
    facts = json.loads((path / "metrics.json").read_text())
    del facts["splits"]["test"]
    (path / "metrics.json").write_text(json.dumps(facts))
    words = text(report(path))
    assert "measured on 60 validation films." in words
    assert "never saw" not in words


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("metrics.json", "{", "metrics.json"),
        ("metrics.json", '{"format": 4}', "metrics.json: damaged"),
        ("metrics.json", '{"format": 9}', "format 9, but this keyart reads format 4"),
        ("predictions-test.parquet", "PAR1", "predictions-test.parquet: damaged"),
        ("history.csv", "epoch,train_loss\n1,much\n", "history.csv: damaged"),
        ("history.csv", "epoch,train_loss\n,0.5\n", "history.csv: damaged"),
        ("recipe.toml", "epochs = ", "recipe.toml: not TOML"),
    ],
)
def test_a_damaged_file_is_an_error_of_one_line_and_writes_nothing(
    make_run: Callable[..., Path], tmp_path: Path, name: str, content: str, says: str
) -> None:
    path = make_run(tmp_path / "damaged")
    (path / name).write_text(content)
    with pytest.raises(RunError, match=re.escape(says)) as raised:
        write_report([path], tmp_path / "report.html")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "report.html").exists()


def test_a_folder_that_is_not_a_run_is_an_error(tmp_path: Path) -> None:
    for folder, says in ((tmp_path, "not a run"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(RunError, match=says):
            write_report([folder], tmp_path / "report.html")
    with pytest.raises(RunError, match="no run to report on"):
        write_report([], tmp_path / "report.html")


def test_a_catalog_that_is_not_one_is_an_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no catalog here"):
        write_report([run], tmp_path / "report.html", catalog=tmp_path)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of film-0 to film-39, each with a poster of one colour of its own."""
    folder = tmp_path_factory.mktemp("catalog")
    (folder / "posters").mkdir()
    lines = ["film_id,title,genres"]
    for film in range(40):
        colour = (6 * film, 255 - 6 * film, 40)
        Image.new("RGB", (300, 450), colour).save(folder / "posters" / f"film-{film}.png")
        lines.append(f"film-{film},Film {film},Drama")
    (folder / "films.csv").write_text("\n".join(lines))
    Catalog.build(folder / "films.csv", folder / "posters", folder / "catalog")
    return folder / "catalog"


def test_posters_are_those_of_the_films_and_small(run: Path, catalog: Path) -> None:
    page = report(run, catalog=catalog)
    films = re.findall(
        r'<article class="film">\s*<img src="data:image/jpeg;base64,([^"]+)".*?<h5>(.*?)</h5>',
        page,
        re.S,
    )
    assert len(films) > 5
    for poster, title in films:
        picture = Image.open(io.BytesIO(base64.b64decode(poster)))
        assert picture.size == (150, 225)
        film = int(title.rsplit(" ", 1)[1])
        pixel = picture.convert("RGB").getpixel((75, 100))
        assert pixel == pytest.approx((6 * film, 255 - 6 * film, 40), abs=4)


def test_it_says_which_posters_it_could_not_find(run: Path, catalog: Path) -> None:
    page = report(run, catalog=catalog)
    lacking = page.count('class="no-poster"')
    films = page.count('<article class="film">')
    assert 0 < lacking < films
    assert f"has no poster of {lacking} of these {films} films" in text(page)
    assert "No catalog was found" in text(report(run))


def test_posters_come_from_the_catalog_of_the_run_unless_it_is_gone(
    make_run: Callable[..., Path], catalog: Path, tmp_path: Path
) -> None:
    run, moved = make_run(tmp_path / "run"), tmp_path / "moved"
    shutil.copytree(catalog, moved)
    Run(run).write_origin(Catalog.open(moved))
    assert "data:image/jpeg" in report(run)
    assert report(run) == report(run, catalog=catalog)
    shutil.rmtree(moved)
    assert "No catalog was found" in text(report(run))


def test_runs_side_by_side_are_compared_over_the_same_films(
    make_run: Callable[..., Path], run: Path
) -> None:
    other = make_run(
        run.parent / "second", skill=0.55, seed=4, recipe='model = "tiny"\nepochs = 9\n'
    )
    page = report(run, other)
    table = rows(page, "several")
    expected = compare_scores(Run(other).predictions("test"), Run(run).predictions("test"))
    for name, metric in METRICS.items():
        first, second = table[metric.label]
        difference = expected[name]
        assert difference is not None
        assert first.startswith(shown(scored(run).model[name]))
        assert second.startswith(shown(scored(other).model[name]))
        assert (f"{difference.value:+.3f}*" in second) == difference.is_real
        assert f"{difference.value:+.3f}" in second or abs(difference.value) < 5e-4
    assert table["epochs"] == ["8", "9"]
    assert "model" not in table
    assert "The rest of this page is about first alone." in text(page)


def test_runs_over_other_films_are_not_subtracted(make_run: Callable[..., Path], run: Path) -> None:
    other = make_run(run.parent / "elsewhere", films=50, truth_seed=1)
    page = report(run, other)
    assert "paired bootstrap" not in text(page)
    assert "+" not in " ".join(rows(page, "several")["mAP"])


def test_a_run_next_to_itself_has_two_names_and_no_difference(run: Path) -> None:
    page = report(run, run)
    table = rows(page, "several")
    assert table["Metric"] == ["first", "first (2)"]
    assert "Their recipes are the same." in text(page)
    assert "+0.000 " in table["mAP"][1]


def test_a_run_that_was_not_scored_is_named_next_to_one_that_was(run: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "recipe.toml").write_text("epochs = 3\n")
    assert "Not scored on the test split: begun." in text(report(run, begun))
    page = tmp_path / "report.html"
    write_report([Run(begun), run], page)
    assert "Not scored on the test split: begun." in text(page.read_text())


def test_five_thousand_films_make_a_page_of_under_three_megabytes(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_run(tmp_path / "large", films=5000, resamples=2)
    page = report(path)
    assert len(page.encode()) < 1_500_000  # 24 posters take up to a megabyte more
    assert max(line.count("L") for line in re.findall(r' d="(M[^"]*)"', page)) < 200


@pytest.mark.parametrize(
    ("name", "found", "guess", "expected"),
    [
        ("top_class", (0.5, 0.45, 0.55), 0.4, "better"),
        ("top_class", (0.5, 0.45, 0.55), 0.46, "level"),
        ("top_class", (0.5, 0.45, 0.55), 0.6, "worse"),
        ("brier", (0.5, 0.45, 0.55), 0.6, "better"),
        ("brier", (0.5, 0.45, 0.55), 0.4, "worse"),
    ],
)
def test_a_metric_is_better_only_if_its_whole_interval_is(
    name: str, found: tuple[float, float, float], guess: float, expected: str
) -> None:
    guesses = {"nothing": Interval(guess, guess, guess)}
    assert Row(name, METRICS[name], Interval(*found), guesses).verdict == expected
    assert Row(name, METRICS[name], None, guesses).verdict == ""


def test_a_mistake_is_a_genre_predicted_instead_of_one_that_was_missed() -> None:
    #                  A  B  C
    truth = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=bool)
    chosen = np.array([[0, 1, 0], [0, 1, 1], [0, 1, 0], [1, 1, 0]], dtype=bool)
    found = mistakes(chosen, truth)
    assert found.missed.tolist() == [3, 0, 0]
    assert found.wrong.tolist() == [[0, 2, 1], [0, 0, 0], [0, 0, 0]]
    assert found.others.tolist() == [1, 2, 1]
    assert found.share[0].tolist() == pytest.approx([0, 2 / 3, 1 / 3])


def test_what_stands_out_is_predicted_more_often_than_for_all_films() -> None:
    truth = np.zeros((100, 3), dtype=bool)
    chosen = np.zeros((100, 3), dtype=bool)
    truth[:20, 0] = True  # twenty films of the first genre, none recognised,
    chosen[:10, 1] = True  # half of them predicted to be the second,
    chosen[90:, 2] = True  # while the third is predicted for others.
    [(missed, predicted, times)] = standing_out(mistakes(chosen, truth), 100)
    assert (missed, predicted) == (0, 1)
    assert times == pytest.approx(5.0)


def random_films(films: int = 200, genres: int = 4) -> ScoredFilms:
    rng = np.random.default_rng(3)
    scores = rng.random((films, genres)) ** 2
    truth = rng.random((films, genres)) < scores
    ids = [f"film-{film}" for film in range(films)]
    groups = [f"group-{film // 3}" for film in range(films)]
    vocabulary = Vocabulary(("Action", "Comedy", "Drama", "Rock & <b>Roll", "Western")[:genres])
    return ScoredFilms(vocabulary, ids, ids, groups, truth, scores > 0.7, scores)


@pytest.mark.parametrize("right", [True, False])
def test_the_surest_films_are_varied_and_in_order(right: bool) -> None:
    found = random_films()
    films = surest(found, right=right, count=6, each=2)
    top = found.scores.argmax(axis=1)
    scores = found.scores.max(axis=1)
    assert len(films) == 6
    assert all(found.truth[film, top[film]] == right for film in films)
    assert (np.diff(scores[films]) <= 0).all()
    assert len({found.groups[film] for film in films}) == 6
    assert np.bincount(top[films]).max() <= 2
    eligible = np.flatnonzero(found.truth[np.arange(len(top)), top] == right)
    assert scores[films[0]] == scores[eligible].max()


def test_a_line_is_thinned_to_points_of_its_own_and_keeps_its_ends() -> None:
    x = np.linspace(0, 1, 5000)
    y = np.where(x < 0.5, x, 1 - x)
    thin_x, thin_y = thin(x, y, 200)
    assert len(thin_x) <= 200
    assert (thin_x[0], thin_x[-1], thin_y[0], thin_y[-1]) == (0, 1, 0, 0)
    assert np.isin(thin_x, x).all()
    assert np.abs(np.interp(x, thin_x, thin_y) - y).max() < 0.01
    assert thin(x[:100], y[:100], 200)[0] is not None


@pytest.mark.parametrize(
    ("low", "high", "percent", "expected"),
    [
        (0, 1, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 1, True, ["0%", "20%", "40%", "60%", "80%", "100%"]),
        (1, 28, False, ["10", "20"]),
        (0.231, 0.287, False, ["0.24", "0.26", "0.28"]),
    ],
)
def test_an_axis_is_marked_at_round_numbers(
    low: float, high: float, percent: bool, expected: list[str]
) -> None:
    assert [word for _, word in Axis("", low, high, percent).marks()] == expected


def test_a_run_is_named_by_a_path_a_text_or_a_run(run: Path, tmp_path: Path) -> None:
    pages = []
    for runs in (run, str(run), Run(run), [run], (Run(run),)):
        write_report(runs, str(tmp_path / "report.html"))
        pages.append((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(set(pages)) == 1


def test_the_gallery_says_what_titles_would_change_and_which_words(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    titles = [("Saw Love", "Moon", "Unheard of")[film % 3] for film in range(60)]
    genres = ("Red", "Green", "Blue")
    path = make_run(tmp_path / "run", titles=titles, genres=genres, rates=(0.4, 0.4, 0.4))
    bundle = titled_bundle(tmp_path / "model")
    gallery = Gallery.of(Run(path).predictions(), None, bundle)
    cards = [*gallery.hits, *gallery.misses]
    assert {card.title for card in cards} == {"Saw Love", "Moon", "Unheard of"}
    for card in cards:
        if card.title == "Unheard of":
            assert card.informed is None
            continue
        assert card.informed is not None
        assert card.informed.evidence == "poster and title"
        assert all(one.score >= 0.65 for one in card.informed.predicted)
        right = {one.name for one in card.informed.predicted if one.true}
        assert right <= {one.name for one in card.true}
        if card.title == "Moon":
            # Blue's poster logit, and half of the title's 12.7, less an intercept of 0.25.
            (blue,) = (one for one in card.informed.predicted if one.name == "Blue")
            assert blue.score > 0.98
            assert f"Blue: moon\u00a0{6.35 - 0.25:+.1f}" in card.informed.words
    out = tmp_path / "report.html"
    write_report(path, out, bundle=bundle)
    shown = text(out.read_text(encoding="utf-8"))
    assert "By poster and title: " in shown
    assert "Blue: moon +6.1" in shown
    write_report(path, out)
    assert "By poster and title" not in out.read_text(encoding="utf-8")
