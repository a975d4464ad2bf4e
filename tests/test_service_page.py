"""service/page/: the page in a real browser: mouse, keyboard, phone, dark mode."""

import csv
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from keyart.bundle import content_of, write_bundle
from keyart.evidence import Kind
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service.app import create_app
from keyart.service.server import running
from keyart.service.tokens import Tokens, new_token
from keyart.similar import Index
from keyart.typical import Typical
from tests.tiny import tiny_bundle
from tests.tiny_titles import titled_bundle
from tests.wire import DARK, GREEN, RED, encoded, plain

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="Chromium is not installed (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def url(
    tiny_predictor: Predictor, film_index: Index, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    store = Corrections(f"sqlite:///{tmp_path_factory.mktemp('store') / 'corrections.sqlite'}")
    with running(create_app(tiny_predictor, index=film_index, corrections=store)) as address:
        yield address


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1200, "height": 900})
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, url: str) -> Iterator[Page]:
    """The page, which must neither complain nor ask anybody else for anything."""
    opened = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(dialog.message))
    opened.on("console", lambda line: complaints.append(line.text))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(url)
    yield opened
    # A refused poster is a refused request, which the browser notes.
    # This test reads the canvas back, which the browser prefers to know beforehand.
    known = ("Failed to load resource", "willReadFrequently")
    assert [line for line in complaints if not any(one in line for one in known)] == []
    assert [one for one in asked if not one.startswith((url, "blob:"))] == []


def choose(page: Page, **posters: bytes) -> None:
    files: list[Any] = [
        {"name": name.replace("_", ".", 1), "mimeType": "image/jpeg", "buffer": data}
        for name, data in posters.items()
    ]
    before = page.locator(".card").count()
    page.set_input_files("#file", files)
    expect(page.locator(".card")).to_have_count(before + len(files))
    expect(page.locator(".waiting")).to_have_count(0)


def region(colour: tuple[int, int, int] = (255, 30, 30)) -> bytes:
    """A grey poster; its upper right decides."""
    rgb = plain((100, 100, 100), (96, 72))
    rgb[4:28, 44:68] = colour
    return encoded(rgb)


def test_many_posters_are_read_and_unsure_is_shown(page: Page) -> None:
    choose(page, red_jpg=RED, green_png=GREEN, dark_webp=DARK)
    verdicts = page.locator(".verdict").all_inner_texts()
    assert verdicts == ["Red", "Green", "Unsure"]
    expect(page.locator("#count")).to_have_text("3 posters")
    unsure = page.locator(".card").nth(2)
    expect(unsure.locator(".hint")).to_contain_text("is closest: 0%, threshold 50%")


def test_what_is_only_maybe_and_what_is_no_poster_are_told_apart(
    context: BrowserContext, tmp_path: Path
) -> None:
    whole = content_of(tiny_bundle(tmp_path / "plain"))
    strict = replace(
        whole.decisions,
        precision_thresholds={0.6: np.array([0.9999, 0.5, 1.0])},
        precision=0.6,
    )
    typical = Typical(np.zeros(19), np.zeros((19, 19)), 1.0, 0.5, 1.0)
    content = replace(whole, decisions=strict, typical=typical)
    model = Predictor(write_bundle(tmp_path / "bundle", content))
    wide = encoded(plain((130, 30, 30), (40, 80)))
    with running(create_app(model)) as address:
        page = context.new_page()
        page.goto(address)
        choose(page, red_jpg=RED, wide_png=wide)
        first, second = page.locator(".card").nth(0), page.locator(".card").nth(1)
        expect(first.locator(".verdict")).to_have_text("Unsuremaybe Red")
        expect(first.locator(".bar").first).to_contain_text("threshold 100%, maybe")
        expect(first.locator(".bar", has_text="Blue")).to_contain_text("never predicted")
        expect(second.locator(".verdict")).to_have_text("Unsure")
        expect(second.locator(".evidence")).to_contain_text("does not look like a poster")
        with page.expect_download() as download:
            page.click("#csv")
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [(row["genres"], row["maybe"]) for row in rows] == [("", "Red"), ("", "")]
    assert rows[1]["reason"] == "does not look like a poster"


def test_bars_show_scores_and_thresholds(page: Page) -> None:
    choose(page, red_jpg=RED)
    bars = page.locator(".bar")
    expect(bars).to_have_count(3)
    expect(bars.first).to_contain_text("Red")
    expect(bars.first).to_contain_text("100%")
    expect(bars.first).to_contain_text("threshold 50%, predicted")
    blue = page.locator(".bar", has_text="Blue").locator(".meter")
    assert blue.evaluate("m => m.style.getPropertyValue('--threshold')") == "0.9"
    filled = "m => parseFloat(getComputedStyle(m, '::before').width) / m.offsetWidth"
    expect(bars.first.locator(".meter")).to_be_visible()
    page.wait_for_timeout(700)
    assert bars.first.locator(".meter").evaluate(filled) > 0.95
    assert blue.evaluate(filled) < 0.05


def test_a_genre_lights_the_place_it_comes_from(page: Page) -> None:
    choose(page, spot_png=region())
    canvas, red = page.locator(".heat"), page.locator(".bar", has_text="Red")
    expect(canvas).to_be_hidden()
    red.click()
    expect(canvas).to_be_visible()
    expect(red).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".caption")).to_have_text("Red: mostly at the top right.")
    alternative = re.compile(
        r"Red \d+%, mostly at the top right, where the log-odds would rise by "
    )
    expect(canvas).to_have_attribute("aria-label", alternative)
    pixel = """(c, [x, y]) => {
        const at = c.getContext('2d').getImageData(c.width * x, c.height * y, 1, 1).data;
        return [...at];
    }"""
    lit, dim = (canvas.evaluate(pixel, place) for place in ([0.78, 0.16], [0.2, 0.8]))
    assert lit[3] == dim[3] == 255
    assert lit[0] - lit[2] > 60 > 0 > dim[0] - dim[2]  # orange, and blue
    red.click()
    expect(canvas).to_be_hidden()
    expect(red).to_have_attribute("aria-pressed", "false")


def test_three_genres_are_compared_on_one_scale_with_a_legend(page: Page) -> None:
    choose(page, spot_png=region())
    page.locator(".bar", has_text="Red").click()
    compared = page.locator(".compared button")
    expect(compared).to_have_count(3)
    expect(page.locator(".compared button[aria-pressed=true]")).to_contain_text("Red")
    expect(page.locator(".scale-end")).to_have_text(re.compile(r"\+\d+\.\d"))
    expect(page.locator(".meaning")).to_contain_text("if the whole poster looked like that place")
    warmest = """(c) => {
        const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const warmth = (red, at) => at % 4 ? 0 : Math.max(0, red - pixels[at + 2]);
        return pixels.map(warmth).reduce((one, other) => Math.max(one, other));
    }"""
    red, *others = (one.locator("canvas").evaluate(warmest) for one in compared.all())
    assert red > max(others)
    other = compared.nth(1)
    name = other.inner_text().split()[0]
    other.click()
    expect(page.locator(".caption")).to_contain_text(f"{name}:")
    expect(page.locator(f".bar:has-text('{name}')")).to_have_attribute("aria-pressed", "true")


def test_neighbours_are_shown_and_their_titles_are_text(page: Page) -> None:
    choose(page, red_jpg=RED)
    first = page.locator(".neighbours li").first
    expect(first).to_contain_text("<script>alert('Carrie')</script> (1976)")
    expect(first).to_contain_text("Red")
    expect(first.locator("img")).not_to_have_js_property("naturalWidth", 0)
    assert page.locator(".neighbours script").count() == 0


def test_a_file_name_is_text(page: Page) -> None:
    name = "<img src=x onerror=alert(1)>.jpg"
    file: Any = {"name": name, "mimeType": "image/jpeg", "buffer": RED}
    page.set_input_files("#file", file)
    expect(page.locator(".name")).to_have_text(name)
    expect(page.locator(".verdict")).to_have_text("Red")
    assert page.locator("img[src=x]").count() == 0


def test_a_genre_is_corrected_kept_and_not_overwritten_unasked(page: Page, url: str) -> None:
    data = encoded(plain((250, 10, 120)), "JPEG")
    sha256 = hashlib.sha256(data).hexdigest()
    choose(page, film_jpg=data)
    page.get_by_text("Wrong? Correct the genres").click()
    page.locator(".choices label", has_text="Red").click()
    page.get_by_role("button", name="Save the correction").click()
    expect(page.locator(".outcome")).to_have_text("Select at least one genre.")
    page.locator(".choices label", has_text="Blue").click()
    page.get_by_role("textbox", name="Film").fill("Pink")
    page.get_by_label("Your name").fill("Ada <b>")
    page.get_by_role("button", name="Save the correction").click()
    expect(page.locator(".corrected")).to_have_text("Corrected to Blue by Ada <b>")
    kept = httpx.get(f"{url}/v1/corrections/{sha256}", trust_env=False).json()["correction"]
    assert (kept["new_genres"], kept["title"], kept["old_genres"]) == (["Blue"], "Pink", ["Red"])

    page.locator(".choices label", has_text="Green").click()
    page.get_by_role("button", name="Save the correction").click()
    expect(page.locator(".outcome")).to_contain_text("already corrected this poster to Blue")
    page.get_by_role("button", name="Replace it").click()
    expect(page.locator(".corrected")).to_have_text("Corrected to Green and Blue by Ada <b>")

    page.reload()
    choose(page, film_jpg=data)
    expect(page.locator(".corrected")).to_have_text("Corrected to Green and Blue by Ada <b>")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    (row,) = csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8")))
    assert (row["genres"], row["corrected"]) == ("Red", "Green|Blue")


def test_downloads_hold_what_the_api_says(page: Page, url: str) -> None:
    posters = {"=1+1.jpg": RED, 'a "b", c.png': GREEN}
    files: list[Any] = [
        {"name": name, "mimeType": "image/jpeg", "buffer": data} for name, data in posters.items()
    ]
    page.set_input_files("#file", files)
    expect(page.locator(".genre")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "keyart.csv"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    head = ["title", "poster", "genres", "maybe", "unsure", "evidence", "reason"]
    assert list(rows[0]) == [*head, "Red", "Green", "Blue"]
    assert [row["poster"] for row in rows] == ["'=1+1.jpg", 'a "b", c.png']
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    records = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    for row, record, data in zip(rows, records, posters.values(), strict=True):
        answer = httpx.post(f"{url}/v1/predictions", content=data, trust_env=False).json()
        (expected,) = answer["predictions"]
        assert record["scores"] == expected["scores"]
        assert row["genres"] == "|".join(record["genres"]) == "|".join(expected["genres"])
        assert float(row["Red"]) == expected["scores"]["Red"]


def test_an_unreadable_poster_says_why_and_the_others_are_predicted(page: Page) -> None:
    choose(page, trap_jpg=b"PK\x03\x04 archive", red_jpg=RED)
    refused = page.locator(".card.refused")
    expect(refused.locator(".hint")).to_have_text("this is a ZIP archive; send JPEG, PNG or WebP")
    expect(page.locator(".card").nth(1).locator(".verdict")).to_have_text("Red")


@pytest.fixture(scope="module")
def titled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Predictor, str]]:
    """A model that learned titles, and where it is served."""
    folder = tmp_path_factory.mktemp("titled")
    model = Predictor(titled_bundle(folder / "model"))
    store = Corrections(f"sqlite:///{folder / 'corrections.sqlite'}")
    with running(create_app(model, corrections=store)) as address:
        yield model, address


def percents(scores: Mapping[str, float]) -> list[str]:
    return sorted(f"{round(100 * score)}%" for score in scores.values())


def bar(card: Locator, genre: str) -> Locator:
    return card.get_by_role("button", name=re.compile(f"^{genre} [0-9]"))


def shown(card: Locator) -> list[str]:
    expect(card.locator(".waiting")).to_have_count(0)
    return sorted(card.locator(".bar .score").all_inner_texts())


def test_a_title_in_the_name_of_a_file_is_evidence_and_may_be_corrected(
    context: BrowserContext, titled: tuple[Predictor, str]
) -> None:
    model, url = titled
    page = context.new_page()
    page.goto(url)
    names = ["Moon (1950).jpg", "poster (1950).jpg", "scan (1).jpg", "pic-a (2).jpg"]
    names.append("pic-a (1999).jpg")
    files: list[Any] = [{"name": n, "mimeType": "image/jpeg", "buffer": RED} for n in names]
    page.set_input_files("#file", files)
    expect(page.locator(".card")).to_have_count(5)
    moon, *others = page.locator(".card").all()
    film = model.predict(RED, title="Moon", year=1950)
    assert shown(moon) == percents(film.scores)
    expect(moon.locator(".evidence")).to_have_text("By the poster, the title, and the year.")
    expect(moon.locator(".bar", has_text="Blue")).to_contain_text("threshold 60%")
    expect(moon.get_by_label("Title")).to_have_value("Moon")
    for other in others:
        assert shown(other) == percents(model.predict(RED).scores)
        expect(other.get_by_label("Title")).to_have_value("")
        expect(other.locator(".bar", has_text="Blue")).to_contain_text("threshold 90%")

    again = moon.get_by_role("button", name="Predict again")
    expect(again).to_be_hidden()
    moon.get_by_label("Title").fill("Saw Love")
    moon.get_by_label("Year").fill("")
    again.click()
    expect(moon.locator(".evidence")).to_have_text("By the poster and the title.")
    film = model.predict(RED, title="Saw Love")
    assert shown(moon) == percents(film.scores)
    moon.get_by_label("Title").fill("Unheard of")
    moon.get_by_label("Title").press("Enter")
    expect(moon.locator(".evidence")).to_have_text(
        "By the poster. The model knows nothing of this title."
    )
    moon.get_by_label("Title").fill("Saw Love")
    moon.get_by_label("Title").press("Enter")
    expect(moon.locator(".evidence")).to_contain_text("and the title")
    moon.get_by_text("Wrong? Correct the genres").click()
    expect(moon.get_by_role("textbox", name="Film")).to_be_hidden()
    moon.locator(".choices label", has_text="Green").click()
    moon.get_by_role("button", name="Save the correction").click()
    expect(moon.locator(".corrected")).to_contain_text("Corrected to")
    sha256 = hashlib.sha256(RED).hexdigest()
    kept = httpx.get(f"{url}/v1/corrections/{sha256}", trust_env=False).json()["correction"]
    assert kept["title"] == "Saw Love"
    assert kept["scores"] == pytest.approx(dict(film.scores), abs=1e-6)


def test_a_title_is_asked_about_without_a_poster_or_stands_in_for_a_broken_one(
    context: BrowserContext, titled: tuple[Predictor, str]
) -> None:
    model, url = titled
    page = context.new_page()
    page.goto(url)
    asking = page.locator("#by-title")
    asking.get_by_label("Title").fill("Saw <b>Love</b>")
    asking.get_by_label("Year").fill("1950")
    page.keyboard.press("Enter")
    card = page.locator(".card")
    film = model.predict(title="Saw <b>Love</b>", year=1950)
    expect(card.locator(".evidence")).to_have_text("By the title and the year.")
    assert shown(card) == percents(film.scores)
    expect(card.locator(".title-card")).to_have_text("Saw <b>Love</b>1950")
    expect(card.locator(".correct")).to_be_hidden()
    bar(card, "Red").click()
    expect(card.locator(".heat")).to_be_hidden()
    expect(card.locator(".words li").first).to_have_text("saw+3.2")
    asking.get_by_label("Title").fill("Unheard of")
    asking.get_by_role("button").click()
    refused = page.locator(".card").nth(1)
    expect(refused.locator(".verdict")).to_have_text("Could not be predicted")
    expect(refused.locator(".hint")).to_contain_text("nothing in the title 'Unheard of' is known")
    choose(page, **{"Moon (1950)_jpg": b"PK\x03\x04 zip"})
    broken = page.locator(".card").nth(2)
    expect(broken.locator(".evidence")).to_have_text(
        "By the title and the year. The poster could not be read: this is a ZIP archive; send "
        "JPEG, PNG or WebP."
    )
    assert shown(broken) == percents(model.predict(title="Moon", year=1950).scores)
    bar(broken, "Blue").click()
    expect(broken.locator(".words li")).to_have_text(["moon+6.3"])
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = [
        (one["title"], one["poster"], one["evidence"]) for one in csv.DictReader(io.StringIO(text))
    ]
    assert rows == [
        ("Saw <b>Love</b>", "", "title|year"),
        ("Unheard of", "", ""),
        ("Moon", "Moon (1950).jpg", "title|year"),
    ]


def test_a_genre_shows_what_each_kind_of_evidence_moved(
    context: BrowserContext, titled: tuple[Predictor, str]
) -> None:
    model, url = titled
    page = context.new_page()
    page.goto(url)
    choose(page, **{"Saw Love (1950)_png": region()})
    page.locator(".bar", has_text="Green").click()
    expect(page.locator(".heat")).to_be_visible()
    (green,) = model.explain(region(), ["Green"], title="Saw Love", year=1950)
    steps = [f"{label}{green.steps[kind]:.0%}" for kind, label in STEPS.items()]
    expect(page.locator(".step")).to_have_text(steps)
    words = [f"{word}{part:+.1f}".replace("-", "\u2212") for word, part in green.telling.items()]
    expect(page.locator(".words li")).to_have_text(words)
    assert len(words) == 1
    assert page.evaluate(CONTRAST) == []
    page.locator(".bar", has_text="Green").click()
    expect(page.locator(".moved")).to_be_hidden()


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_posters_may_be_dropped_and_pasted(page: Page, event: str) -> None:
    page.evaluate(
        """([event, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "d.jpg", {type: "image/jpeg"}));
            const made = event === "drop"
                ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true})
                : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true});
            document.body.dispatchEvent(made);
        }""",
        [event, list(RED)],
    )
    expect(page.locator(".verdict")).to_have_text("Red")


def test_a_dropped_link_is_explained(page: Page) -> None:
    page.evaluate(
        """() => {
            const transfer = new DataTransfer();
            transfer.setData("text/uri-list", "https://elsewhere.example/poster.jpg");
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer}));
            document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer}));
        }"""
    )
    expect(page.locator("#notice")).to_contain_text("That was not a file")


def test_everything_can_be_done_by_keyboard(page: Page) -> None:
    def focused() -> str:
        found: str = page.evaluate(
            "(e => e.id || e.getAttribute('aria-label') || e.textContent)(document.activeElement)"
        )
        return " ".join(found.split())

    # Without this the dialog may open before Playwright waits for it, and is lost.
    page.on("filechooser", lambda chooser: None)
    page.keyboard.press("Tab")
    assert focused() == "Skip to the posters"
    page.keyboard.press("Tab")
    assert focused() == "file"
    outline = "getComputedStyle(document.querySelector('.ticket')).outlineStyle"
    assert page.evaluate(outline) == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chosen: Any = {"name": "k.png", "mimeType": "image/png", "buffer": region()}
    chooser.value.set_files(chosen)
    expect(page.locator(".neighbours li")).to_have_count(3)
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(focused())
        if "Red" in seen[-1]:
            page.keyboard.press("Enter")
            expect(page.locator(".caption")).to_contain_text("top right")
        if seen[-1].startswith("Wrong?"):
            page.keyboard.press("Enter")
            break
    assert [one for one in seen if one in ("csv", "json", "clear")] == ["csv", "json", "clear"]
    assert seen[-1].startswith("Wrong?")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(".choices input").nth(1)).to_be_checked()
    page.locator(".remove").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(0)
    assert focused() == "file"


def test_all_pictures_and_controls_have_names(page: Page) -> None:
    choose(page, spot_png=region())
    page.locator(".bar", has_text="Red").click()
    page.get_by_text("Wrong? Correct the genres").click()
    expect(page.locator(".heat")).to_be_visible()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("img, canvas, button, input, summary, section, a")]
            .filter((e) => e.checkVisibility() && e.ariaHidden !== "true")
            .filter((e) => !(e.hasAttribute("alt") || e.ariaLabel || e.textContent.trim()
                || e.labels?.length))
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    expect(page.locator(".poster")).to_have_attribute("alt", "The poster spot.png")
    expect(page.locator("#status")).to_have_text("spot.png: unsure")
    assert page.evaluate("document.documentElement.lang") == "en"


STEPS: dict[Kind, str] = {
    "poster": "the poster", "title": "with the title", "year": "with the year"
}  # fmt: skip
CONTRAST = """() => {
    const parse = (c) => c.match(/[\\d.]+/g).map(Number)
        .map((v, i) => c.startsWith("color(srgb") && i < 3 ? 255 * v : v);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const behind = (e) => {
        for (; e; e = e.parentElement) {
            const c = parse(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] === 1) return c;
        }
        return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const poor = [];
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        const text = walker.currentNode.data.trim();
        if (!text || !e.checkVisibility() || e.closest(".unseen")) continue;
        const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < 4.5) poor.push([e.className, text.slice(0, 20), ratio]);
    }
    return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_is_legible_by_day_by_night_and_on_a_phone(
    browser: Browser, url: str, scheme: Any, width: int
) -> None:
    opened = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = opened.new_page()
    page.goto(url)
    choose(page, red_jpg=RED, trap_jpg=b"PK\x03\x04")
    page.get_by_text("Wrong? Correct the genres").first.click()
    page.locator(".bar").first.click()
    expect(page.locator(".neighbours li")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in light[4:-1].split(","))
    assert brightness > 600 if scheme == "light" else brightness < 120
    if width == 360:
        heights = page.locator(".bar, #csv, .keep").evaluate_all(
            "all => all.map(e => e.offsetHeight).filter(h => h > 0)"
        )
        assert min(heights) >= 38
    opened.close()


def test_a_closed_service_asks_for_the_token_once(
    browser: Browser, tiny_predictor: Predictor, tmp_path: Path
) -> None:
    token, line = new_token("ada")
    (tmp_path / "tokens").write_text(line)
    app = create_app(tiny_predictor, tokens=Tokens.read(tmp_path / "tokens"))
    with running(app) as address:
        opened = browser.new_context()
        page = opened.new_page()
        page.goto(address)
        expect(page.locator("#sign-in")).to_be_visible()
        page.get_by_role("textbox", name="Token").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#sign-in-reason")).to_have_text("This token is not valid.")
        page.get_by_role("textbox", name="Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#about")).to_be_visible()
        choose(page, red_jpg=RED, green_png=GREEN)
        expect(page.locator(".genre")).to_have_count(2)
        expect(page.locator(".correct").first).to_be_hidden()
        assert page.evaluate("localStorage.length") == 0
        opened.close()


def test_a_busy_service_is_asked_again(page: Page) -> None:
    refusals: list[str] = []

    def refuse(route: Any) -> None:
        if len(refusals) < 2:
            refusals.append(route.request.url)
            route.fulfill(
                status=503,
                headers={"Retry-After": "0.1"},
                content_type="application/problem+json",
                body='{"type": "urn:keyart:problem:busy", "status": 503}',
            )
        else:
            route.continue_()

    page.route("**/v1/predictions", refuse)
    choose(page, red_jpg=RED)
    expect(page.locator(".verdict")).to_have_text("Red")
    assert len(refusals) == 2
