"""The review page in a real browser: a hundred cases by keyboard, two people, a kill."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from keyart.catalog.catalog import Catalog
from keyart.doubts.find import find_doubts
from keyart.errors import DoubtsError
from keyart.predictor import Predictor
from keyart.review.decisions import Case, Decisions, standing, verdict_of
from keyart.review.doubts import Doubts
from keyart.service.review import create_review_app
from keyart.service.reviewing import Reviewing
from keyart.service.server import running
from keyart.service.tokens import Tokens, new_token
from tests.tiny_doubts import doubtful_catalog

ANN, BOB = "ann-00000001", "bob-00000001"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return doubtful_catalog(tmp_path_factory.mktemp("doubtful"))


@pytest.fixture(scope="module")
def doubts(catalog: Catalog, tiny_predictor: Predictor) -> Doubts:
    return find_doubts(catalog, tiny_predictor, most=60)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
def reviewing(catalog: Catalog, doubts: Doubts, store: str) -> Reviewing:
    return Reviewing(catalog, doubts, Decisions(store))


@pytest.fixture
def url(reviewing: Reviewing) -> Iterator[str]:
    with running(create_review_app(reviewing)) as address:
        yield address


def opened(browser: Browser, url: str, name: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(url)
    expect(page.locator("#case")).to_be_visible()
    page.fill("#author", name)
    page.keyboard.press("Enter")
    return page


def shown(page: Page) -> str | None:
    return page.locator("#case").get_attribute("data-place")


def press(page: Page, key: str) -> None:
    """Press a key and wait until another case, or none, is shown."""
    before = shown(page)
    page.keyboard.press(key)
    page.wait_for_function(
        "before => document.getElementById('case').dataset.place != before", arg=before
    )


def kept(store: str) -> list[tuple[str, str, str]]:
    decisions = Decisions(store)
    found: list[tuple[str, str, str]] = [
        (one.author, one.case.film_id, one.verdict) for _, one in decisions.since()
    ]
    decisions.close()
    return found


def cases_of(store: str) -> list[Case]:
    decisions = Decisions(store)
    found = [one.case for _, one in decisions.since()]
    decisions.close()
    return found


def serve(catalog: Catalog, doubts: Path, store: str, port: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "keyart", "review", str(catalog.path), "--doubts", str(doubts)]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--corrections", store],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "keyart shows" in process.stderr.readline()
    return process


def test_a_hundred_cases_by_keyboard_and_a_kill_in_the_middle_lose_no_decision(
    browser: Browser, catalog: Catalog, doubts: Doubts, store: str, tmp_path: Path
) -> None:
    doubts.write(tmp_path / "doubts.json")
    port = _free_port()
    process = serve(catalog, tmp_path / "doubts.json", store, port)
    try:
        page = opened(browser, f"http://127.0.0.1:{port}", "Ann")
        for number in range(50):
            press(page, "ar"[number % 2])
        assert len(kept(store)) == 50
        process.send_signal(signal.SIGKILL)
        _end(process)
        before = shown(page)
        page.keyboard.press("a")  # nobody hears it yet
        expect(page.locator("#notice")).to_contain_text("Not saved yet")
        assert shown(page) == before
        process = serve(catalog, tmp_path / "doubts.json", store, port)
        page.wait_for_function(
            "before => document.getElementById('case').dataset.place != before", arg=before
        )
        page.reload()  # progress is the store's, not the page's
        expect(page.locator("#count")).to_contain_text("51 of 120 decided")
        for number in range(51, 100):
            press(page, "ar"[number % 2])
        assert len(kept(store)) == 100
        assert len(set(cases_of(store))) == 100
    finally:
        process.kill()
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def _free_port() -> int:
    from keyart.service.server import listen

    with listen("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


def test_what_one_person_decided_is_taken_for_the_other_and_a_conflict_keeps_both(
    browser: Browser, url: str, store: str, doubts: Doubts
) -> None:
    ann, bob = opened(browser, url, "Ann"), opened(browser, url, "Bob")
    assert shown(ann) != shown(bob)  # nobody works on the other's case
    first = shown(ann)
    press(ann, "a")
    press(bob, "r")
    assert first not in (shown(ann), shown(bob))
    expect(ann.locator("#count")).to_contain_text("decided")
    # Ann decides what Bob looks at: he sees it, decides otherwise, and both stay.
    case = shown(bob)
    assert case is not None
    key = "f" * 8
    with httpx.Client(base_url=url) as client:
        taken = {"reviewer": ANN, "author": "Ann", "key": key, "place": case, "verdict": "accept"}
        assert client.post("/v1/review/decisions", params=taken).json()["conflict"] is False
    expect(bob.locator("#taken")).to_contain_text("Ann accepted this", timeout=8_000)
    press(bob, "r")
    expect(bob.locator("#last")).to_contain_text("decided differently; both are saved")
    expect(bob.locator("#count")).to_contain_text("1 in conflict")
    decisions = Decisions(store)
    found = standing(one for _, one in decisions.since())
    decisions.close()
    both = found[doubts.cases[int(case)].case]
    assert {one.author for one in both.values()} == {"Ann", "Bob"}
    assert verdict_of(both) == "conflict"


def test_undo_skip_and_next_genre_work_by_keyboard(browser: Browser, url: str, store: str) -> None:
    page = opened(browser, url, "Ann")
    first = shown(page)
    press(page, "s")
    press(page, "u")
    assert shown(page) == first
    press(page, "a")
    press(page, "u")
    assert shown(page) == first
    assert [verdict for _, _, verdict in kept(store)] == ["skip", "undo", "accept", "undo"]
    genres = []
    for _ in range(4):
        page.keyboard.press("g")
        page.wait_for_timeout(300)
        genres.append(page.locator("#genre").input_value())
        if genres[-1]:
            expect(page.locator("#question")).to_contain_text(genres[-1])
    assert genres == ["Red", "Green", "Blue", ""]


def test_keys_in_the_name_field_decide_nothing(browser: Browser, url: str, store: str) -> None:
    page = opened(browser, url, "Ann")
    page.focus("#author")
    page.keyboard.type("aars")
    page.wait_for_timeout(300)
    assert kept(store) == []


def test_the_page_shows_what_contradicts_and_fits_a_phone(
    browser: Browser, url: str, doubts: Doubts
) -> None:
    page = opened(browser, url, "Ann")
    one = doubts.cases[int(shown(page) or 0)]
    expect(page.locator("#title")).to_have_text(one.title)
    expect(page.locator("#question")).to_contain_text(one.genre)
    assert page.locator("#evidence tr").count() == len(one.evidence) + 1
    assert page.locator("#similar li").count() == len(one.similar)
    heights = page.locator("#evidence tr").evaluate_all("rows => rows.map(r => r.offsetHeight)")
    assert max(heights) < 40  # one line each
    poster = page.locator("#poster")
    expect(poster).not_to_have_js_property("naturalWidth", 0)
    phone = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
    phone.goto(url)
    expect(phone.locator("#case")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_end_offers_the_skipped_cases_again(
    browser: Browser, catalog: Catalog, doubts: Doubts, store: str
) -> None:
    few = Doubts(doubts.catalog, doubts.model, doubts.films, (), doubts.cases[:2])
    with running(create_review_app(Reviewing(catalog, few, Decisions(store)))) as url:
        page = opened(browser, url, "Ann")
        press(page, "s")
        press(page, "r")
        expect(page.locator("#end-title")).to_have_text("Only skipped cases are left")
        page.click("#again")
        expect(page.locator("#case")).to_be_visible()
        press(page, "a")
        expect(page.locator("#end-title")).to_have_text("All decided")


def test_a_decision_sent_again_is_kept_once_and_bad_requests_are_refused(
    url: str, store: str
) -> None:
    wanted: dict[str, str | int] = {
        "reviewer": ANN,
        "key": "k" * 8,
        "place": 0,
        "verdict": "accept",
    }
    with httpx.Client(base_url=url) as client:
        for _ in range(2):
            assert client.post("/v1/review/decisions", params=wanted).status_code == 200
        assert len(kept(store)) == 1
        bad: list[dict[str, str | int]] = [
            {"place": 9_999},
            {"verdict": "undo"},
            {"reviewer": "x"},
            {"key": ""},
        ]
        for changed in bad:
            answer = client.post("/v1/review/decisions", params={**wanted, **changed})
            assert answer.status_code in (404, 422)
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.get("/v1/review/posters/99999").status_code == 404
        evil = {"Origin": "https://evil.example"}
        assert client.post("/v1/review/undo", params=wanted, headers=evil).status_code == 403
        undone = {"reviewer": ANN, "key": "u" * 8}
        assert client.post("/v1/review/undo", params=undone).json()["place"] == 0
        assert client.post("/v1/review/undo", params=undone).json()["place"] == 0
        undone["key"] = "v" * 8
        assert client.post("/v1/review/undo", params=undone).json()["place"] is None
    assert [verdict for _, _, verdict in kept(store)] == ["accept", "undo"]


def test_with_tokens_the_holders_name_is_the_author(
    catalog: Catalog, doubts: Doubts, store: str, tmp_path: Path
) -> None:
    secret, line = new_token("carol")
    (tmp_path / "tokens").write_text(line)
    tokens = Tokens.read(tmp_path / "tokens")
    app = create_review_app(Reviewing(catalog, doubts, Decisions(store), tokens))
    wanted: dict[str, str | int] = {
        "reviewer": BOB,
        "key": "k" * 8,
        "place": 0,
        "verdict": "accept",
        "author": "x",
    }
    with running(app) as url, httpx.Client(base_url=url) as client:
        assert client.post("/v1/review/decisions", params=wanted).status_code == 401
        headers = {"Authorization": f"Bearer {secret}"}
        assert client.post("/v1/review/decisions", params=wanted, headers=headers).is_success
    assert [author for author, _, _ in kept(store)] == ["carol"]


def test_doubts_of_another_catalog_are_refused(
    catalog: Catalog, doubts: Doubts, store: str
) -> None:
    other = Doubts("another", doubts.model, doubts.films, (), doubts.cases)
    with pytest.raises(DoubtsError, match="another catalog or an older version"):
        Reviewing(catalog, other, Decisions(store))
