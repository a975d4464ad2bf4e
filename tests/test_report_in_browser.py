"""The report as a browser shows it: nothing in the console, nothing wider than the screen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from keyart.report.page import write_report


@pytest.fixture(scope="module")
def report(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    long = "<script>document.title='taken'</script>" + "unbroken" * 20
    first = make_run(folder / "a-run-with-a-name-that-goes-on-and-on-and-on", titles=[long] * 60)
    second = make_run(folder / "second", skill=0.6, seed=1, recipe="epochs = 9\n")
    write_report([first, second], folder / "report.html")
    return folder / "report.html"


@pytest.fixture(params=[(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda asked: troubles.append(asked.url))
    page.goto(report.as_uri())
    yield page
    assert troubles == []
    context.close()


def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("window.innerWidth")
    spilled = page.evaluate(
        """() => [...document.querySelectorAll('h1, h2, h3, p, section, figure, article, .card')]
        .filter(e => !e.closest('.scroll') && !e.closest('.unseen, .skip'))
        .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert spilled == []


def test_wide_tables_scroll_in_a_box_that_the_keyboard_reaches(page: Page) -> None:
    boxes = page.locator(".scroll")
    assert boxes.count() >= 4
    for box in boxes.all():
        assert box.get_attribute("tabindex") == "0"
        assert box.get_attribute("aria-label")


def test_the_page_follows_dark_mode_and_its_words_stand_out(page: Page) -> None:
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")

    def lightness(selector: str, style: str) -> float:
        colour: list[float] = page.evaluate(
            "([s, p]) => getComputedStyle(document.querySelector(s))[p].match(/[0-9.]+/g)"
            ".slice(0, 3).map(Number)",
            [selector, style],
        )
        linear = [
            (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in colour
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    paper = lightness("body", "backgroundColor")
    assert (paper < 0.1) == dark
    inks = [(word, "color") for word in ("h1", ".billing", ".lede", ".caption", "td")]
    inks += [
        (".predicted .right", "color"),
        (".predicted .wrong", "color"),
        (".chart text", "fill"),
    ]
    for selector, style in inks:
        ink = lightness(selector, style)
        contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
        assert contrast >= 4.5, selector


def test_a_title_is_text_and_every_section_is_there(page: Page) -> None:
    assert page.title().endswith(": keyart report")
    headings = page.locator("h2").all_inner_texts()
    assert headings == [
        "Headline", "Side by side", "Learning", "Genre by genre", "When to trust it", "Curves",
        "Hits and misses", "How it was made",
    ]  # fmt: skip
    assert page.locator("article.film h5").first.inner_text().startswith("<script>")


def test_charts_have_room_and_are_drawn(page: Page) -> None:
    for chart in page.locator(".chart svg[role=img]").all():
        box = chart.bounding_box()
        assert box is not None
        assert box["width"] > 250
        assert box["height"] > 100
    assert page.locator(".smalls svg").count() == 8  # two for each genre that some film has
