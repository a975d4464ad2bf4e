"""The page's pictures in docs/assets/, from painted posters: python -m benchmarks.screenshots DEMO

DEMO: a folder with catalog/ and run/, as `keyart demo` leaves it. Needs Chromium.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_new_posters
from keyart.doubts.find import find_doubts
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.review.decisions import Decisions
from keyart.service.app import create_app
from keyart.service.review import create_review_app
from keyart.service.reviewing import Reviewing
from keyart.service.server import running
from keyart.similar import Index

SHOTS = (
    ("desktop", 1280, 1200, "light"),
    ("dark", 1280, 1200, "dark"),
    ("phone", 390, 844, "light"),
)


def shoot(browser: Browser, url: str, posters: list[Path], folder: Path) -> None:
    """Take all pictures: the first poster with its first genre lit."""
    for name, width, height, scheme in SHOTS:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=2 if name == "phone" else 1,
        )
        page = context.new_page()
        page.goto(url)
        page.set_input_files("#file", [str(poster) for poster in posters])
        thumbnail = page.locator(".card").first.locator(".neighbours img").first
        expect(thumbnail).not_to_have_js_property("naturalWidth", 0, timeout=20_000)
        page.locator(".card").first.locator(".bar").first.click()
        page.wait_for_selector(".moved:not([hidden])")
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(1_000)
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.convert("RGB").save(folder / f"page-{name}.png", optimize=True)
        context.close()


def shoot_review(browser: Browser, catalog: Catalog, predictor: Predictor, folder: Path) -> None:
    """Take the pictures of the review page, with the first doubt of the catalog."""
    doubts = find_doubts(catalog, predictor, most=100)
    with tempfile.TemporaryDirectory() as work:
        store = Decisions(f"sqlite:///{Path(work) / 'decisions.sqlite'}")
        with running(create_review_app(Reviewing(catalog, doubts, store))) as url:
            for name, width, height, scheme in SHOTS:
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                page = context.new_page()
                page.goto(url)
                page.fill("#author", "Ann")
                expect(page.locator("#poster")).not_to_have_js_property("naturalWidth", 0)
                page.wait_for_timeout(1_000)
                picture = Image.open(io.BytesIO(page.screenshot()))
                picture.convert("RGB").save(folder / f"review-{name}.png", optimize=True)
                context.close()


def _named(poster: Path) -> Path:
    """The poster under the name of its film, which gives the page its title and a year."""
    return poster.rename(poster.with_name(f"{poster.stem.replace('-', ' ').title()} (1992).jpg"))


def main() -> None:
    """Serve the demo's model with an index of its catalog, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--first", default="the-wedding", help="stem of the poster on top")
    parser.add_argument("--out", type=Path, default=Path("docs/assets"))
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.demo / "run")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        catalog = Catalog.open(arguments.demo / "catalog")
        index = Index.build(catalog, out=work / "index", model=predictor.bundle.path)
        posters = paint_new_posters(24, work / "new")
        posters.sort(key=lambda poster: poster.stem != arguments.first)
        posters = [_named(poster) for poster in posters[:3]]
        store = Corrections(f"sqlite:///{work / 'corrections.sqlite'}")
        app = create_app(predictor, index=index, corrections=store)
        with running(app) as url, sync_playwright() as playwright:
            chromium = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            shoot(browser, url, posters, arguments.out)
            shoot_review(browser, catalog, predictor, arguments.out)
            browser.close()


if __name__ == "__main__":
    main()
