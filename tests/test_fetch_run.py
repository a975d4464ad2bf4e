"""Fetching posters from a server that throttles, cuts, lies, redirects and changes its mind."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from keyart.errors import FetchError
from keyart.sources.fetch import Fetch
from keyart.sources.manifest import Manifest
from keyart.sources.pace import Limits
from tests.poster_server import PAGE, Answer, Route, Server, picture, posters, serving, unreliable

HERE = ("127.0.0.1",)
FAST = Limits(rate=5_000, backoff=0.02, seconds=5, tries=4)
# The whole test of an unreliable server takes 5,000 posters, which is too long for every day.
MANY = int(os.environ.get("KEYART_FETCH_POSTERS", "150"))


def planned(folder: Path, server: Server, films: Iterable[int], ending: str = "jpg") -> Fetch:
    """A fetch of the posters of these films, /N.jpg of a server."""
    lines = [f"f{n:04},Film {n},1990,Drama,{server.url}/{n}.{ending}\n" for n in films]
    table = folder / "films.csv"
    table.write_text("film_id,title,year,genres,url\n" + "".join(lines))
    return Fetch.plan([table], folder / "fetch", url_column="url")


def rows(fetch: Fetch) -> list[dict[str, object]]:
    return [row for _, row in Manifest(fetch.path).rows()]


def files(fetch: Fetch) -> dict[str, bytes]:
    """All files of a fetch's folder but the manifest, by name."""
    found = (file for file in fetch.path.rglob("*") if file.is_file())
    return {file.name: file.read_bytes() for file in found if file.suffix != ".parquet"}


def reasons(fetch: Fetch) -> list[object]:
    return [row["reason"] for row in rows(fetch)]


def test_an_unreliable_server_is_asked_little_and_every_poster_arrives_whole(
    tmp_path: Path,
) -> None:
    with serving(unreliable(7, throttled=0.05, busy=0.02, cut=0.01)) as server:
        fetch = planned(tmp_path, server, range(MANY))
        tally = fetch.run(limits=FAST, allow_networks=HERE)
    assert tally.posters == {"fetched": MANY}
    assert tally.requests == len(server.asked) <= 1.15 * MANY
    assert server.answered[429] > 0
    assert files(fetch) == {f"f{n:04}.jpg": picture(n) for n in range(MANY)}
    for number, row in enumerate(rows(fetch)):
        assert row["sha256"] == hashlib.sha256(picture(number)).hexdigest()
        assert row["attempts"] == Counter(server.asked)[f"/{number}.jpg"]


# Runs a fetch in a process of its own, which gets kill -9.
KILLED = """
import sys
from keyart.sources.fetch import Fetch
from keyart.sources.pace import Limits
Fetch.open(sys.argv[1]).run(limits=Limits(rate=5_000), allow_networks=["127.0.0.1"])
"""


def test_after_a_kill_at_most_eight_requests_are_repeated_and_nothing_is_half_written(
    tmp_path: Path,
) -> None:
    process: list[subprocess.Popen[bytes]] = []

    def route(server: Server, path: str) -> Answer:
        answer = posters(server, path)
        if len(server.asked) in (25, 60):  # in the middle of an answer
            answer.body, answer.length = answer.body[:100], len(answer.body)
            process[-1].send_signal(signal.SIGKILL)
        return answer

    with serving(route) as server:
        fetch = planned(tmp_path, server, range(80))
        for kill in range(3):
            process.append(subprocess.Popen([sys.executable, "-c", KILLED, str(fetch.path)]))
            process[-1].wait()
            assert process[-1].returncode == (0 if kill == 2 else -signal.SIGKILL)
            here = {name: body for name, body in files(fetch).items() if name.endswith(".jpg")}
            assert all(body == picture(int(name[1:5])) for name, body in here.items())
    repeated = Counter(path for path in server.asked) - Counter(set(server.asked))
    assert sum(repeated.values()) <= 2 * 8
    assert files(fetch) == {f"f{n:04}.jpg": picture(n) for n in range(80)}


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_one_pause_that_a_server_asks_for_holds_for_all_connections(
    tmp_path: Path, form: str
) -> None:
    def route(server: Server, path: str) -> Answer:
        if len(server.asked) == 9:
            at = time.time() + 2.0
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at))
            return Answer(429, b"", {"Retry-After": "1" if form == "seconds" else date})
        return posters(server, path)

    with serving(route) as server:
        fetch = planned(tmp_path, server, range(40))
        tally = fetch.run(limits=Limits(rate=200), allow_networks=HERE)
    assert tally.posters == {"fetched": 40}
    gaps = [later - one for one, later in zip(server.times, server.times[1:], strict=False)]
    # A date has whole seconds, so one of two seconds from now is at least one away.
    assert max(gaps) >= 0.85
    before = sum(moment < server.times[8] + 0.8 for moment in server.times)
    assert before <= 9 + 7, "what was in flight already, and nothing after it"


def test_a_host_is_asked_no_more_often_and_by_no_more_connections_than_the_limits_say(
    tmp_path: Path,
) -> None:
    def slow(server: Server, path: str) -> Answer:
        time.sleep(0.1)
        return posters(server, path)

    with serving(slow) as server:
        fetch = planned(tmp_path, server, range(30))
        fetch.run(limits=Limits(rate=40, connections=3), allow_networks=HERE)
    assert 2 <= server.busiest <= 3
    assert server.times[-1] - server.times[0] >= 29 / 40 - 0.05


def test_a_pause_longer_than_a_run_waits_ends_the_run_and_leaves_the_rest(tmp_path: Path) -> None:
    with serving(lambda server, path: Answer(503, b"", {"Retry-After": "86400"})) as server:
        fetch = planned(tmp_path, server, range(40))
        tally = fetch.run(limits=FAST, allow_networks=HERE)
        assert len(server.asked) <= 8
    assert tally.left == 40
    (why,) = tally.stopped
    assert why.startswith(f"127.0.0.1:{server.port} asks to wait for 86,400 s")
    assert fetch.status().posters["planned"] == 40


def test_a_host_that_never_answers_is_left_alone_after_a_few_pauses(tmp_path: Path) -> None:
    with serving(posters) as server:
        pass
    fetch = planned(tmp_path, server, range(300))
    tally = fetch.run(limits=Limits(rate=5_000, backoff=0.001, tries=50), allow_networks=HERE)
    assert tally.requests < 300
    assert "gives no answer" in tally.stopped[0]


WRONG: dict[str, tuple[Route, str]] = {
    "a page with 200": (lambda s, p: Answer(200, PAGE), "HTML"),
    "no bytes": (lambda s, p: Answer(200, b""), "the file is empty"),
    "less than it announces": (
        lambda s, p: Answer(200, picture(1), length=len(picture(1)) + 99, cut=True),
        "connection failed",
    ),
    "more than it announces": (
        lambda s, p: Answer(200, picture(1), length=len(picture(1)) // 2),
        "damaged",
    ),
    "half, without a length": (
        lambda s, p: Answer(200, picture(1)[: len(picture(1)) // 2], length=-1),
        "damaged",
    ),
    "too many bytes": (lambda s, p: Answer(200, b"", length=10**9), "more than"),
    "too many, unannounced": (lambda s, p: Answer(200, bytes(300_000), length=-1), "more than"),
    "a byte now and then": (lambda s, p: Answer(200, picture(1), seconds=0.05), "took over"),
    "it is compressed": (
        lambda s, p: Answer(200, picture(1), {"Content-Encoding": "gzip"}),
        "is compressed",
    ),
    "forbidden": (lambda s, p: Answer(403), "403"),
    "it fails": (lambda s, p: Answer(500), "500"),
    "a circle": (lambda s, p: Answer(302, headers={"Location": p}), "redirects more than"),
    "another scheme": (
        lambda s, p: Answer(302, headers={"Location": "https://127.0.0.1/1.jpg"}),
        "another scheme",
    ),
    "a file": (lambda s, p: Answer(302, headers={"Location": "file:///etc/passwd"}), "not an http"),
    "another port here": (
        lambda s, p: Answer(302, headers={"Location": "http://127.0.0.1:9/1.jpg"}),
        "private address",
    ),
    "a private network": (
        lambda s, p: Answer(302, headers={"Location": "http://169.254.169.254/latest"}),
        "private address",
    ),
    "a number for this machine": (
        lambda s, p: Answer(302, headers={"Location": "http://2130706433/1.jpg"}),
        "private address",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_nothing_but_a_whole_picture_is_taken_for_a_poster(tmp_path: Path, what: str) -> None:
    route, reason = WRONG[what]
    with serving(route) as server:
        fetch = planned(tmp_path, server, [1])
        limits = Limits(rate=5_000, backoff=0.001, tries=3, seconds=0.5, bytes=200_000)
        tally = fetch.run(limits=limits, allow_networks=HERE)
    assert tally.posters["fetched"] == 0
    assert tally.posters["refused"] + tally.posters["failed"] == 1
    (found,) = reasons(fetch)
    assert reason in str(found)
    assert files(fetch) == {}


def test_a_redirect_within_the_host_is_followed(tmp_path: Path) -> None:
    def route(server: Server, path: str) -> Answer:
        if path.startswith("/old"):
            return Answer(301, headers={"Location": "/" + path.removeprefix("/old")})
        return posters(server, path)

    with serving(route) as server:
        table = tmp_path / "films.csv"
        table.write_text(f"film_id,genres,url\na,Drama,{server.url}/old7.jpg\n")
        fetch = Fetch.plan([table], tmp_path / "fetch", url_column="url")
        assert fetch.run(limits=FAST, allow_networks=HERE).posters == {"fetched": 1}
    assert files(fetch) == {"a.jpg": picture(7)}


def test_this_machine_is_not_asked_unless_the_user_allows_it(tmp_path: Path) -> None:
    with serving(posters) as server:
        fetch = planned(tmp_path, server, range(3))
        assert fetch.run(limits=FAST).posters == {"refused": 3}
        assert server.asked == []
    assert set(reasons(fetch)) == {"is at a private address (127.0.0.1)"}


def test_a_name_that_leads_to_a_private_address_is_not_asked(tmp_path: Path) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        await asyncio.sleep(0)
        return ["127.0.0.1"]

    with serving(posters) as server:
        table = tmp_path / "films.csv"
        table.write_text(
            f"film_id,genres,url\na,Drama,http://posters.example:{server.port}/1.jpg\n"
        )
        fetch = Fetch.plan([table], tmp_path / "fetch", url_column="url")
        assert fetch.run(limits=FAST, resolver=resolver).posters == {"refused": 1}
        assert server.asked == []
        # With the option, the name is asked at that address, under its own name.
        os.utime(fetch.path)
        again = Fetch.plan([table], tmp_path / "again", url_column="url")
        tally = again.run(limits=FAST, resolver=resolver, allow_networks=HERE)
        assert tally.posters == {"fetched": 1}
        assert server.headers[0]["host"] == f"posters.example:{server.port}"
        assert server.headers[0]["user-agent"].startswith("keyart/")


@pytest.mark.parametrize(("status", "days"), [(404, 30), (410, 30), (403, 7)])
def test_what_is_not_there_is_not_asked_for_again_before_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, days: int
) -> None:
    with serving(lambda server, path: Answer(status)) as server:
        fetch = planned(tmp_path, server, range(4))
        fetch.run(limits=FAST, allow_networks=HERE)
        assert len(server.asked) == 4
        fetch.run(limits=FAST, allow_networks=HERE, refresh=True)
        assert len(server.asked) == 4
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + days * 86_400 - 100)
        fetch.run(limits=FAST, allow_networks=HERE)
        assert len(server.asked) == 4
        monkeypatch.setattr(time, "time", lambda: now + days * 86_400 + 100)
        fetch.run(limits=FAST, allow_networks=HERE)
        assert len(server.asked) == 8


def test_a_refresh_asks_by_etag_and_takes_what_has_changed(tmp_path: Path) -> None:
    changed: set[str] = set()

    def route(server: Server, path: str) -> Answer:
        return posters(server, "/9.jpg" if path in changed else path)

    with serving(route) as server:
        fetch = planned(tmp_path, server, range(3))
        fetch.run(limits=FAST, allow_networks=HERE)
        before = rows(fetch)
        assert fetch.run(limits=FAST, allow_networks=HERE).requests == 0
        assert fetch.run(limits=FAST, allow_networks=HERE, refresh=True).unchanged == 3
        assert server.answered == {200: 3, 304: 3}
        assert [row["sha256"] for row in rows(fetch)] == [row["sha256"] for row in before]
        changed.add("/1.jpg")
        tally = fetch.run(limits=FAST, allow_networks=HERE, refresh=True)
        assert (tally.unchanged, tally.posters) == (2, {"fetched": 1})
    assert files(fetch) == {n: picture(i) for n, i in zip(
        ("f0000.jpg", "f0001.jpg", "f0002.jpg"), (0, 9, 2), strict=True)}  # fmt: skip
    assert rows(fetch)[1]["etag"] != before[1]["etag"]


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with serving(posters) as server:
        fetch = planned(tmp_path, server, [1])

        def route(_: Server, path: str) -> Answer:
            with pytest.raises(FetchError, match="another process is fetching into it"):
                fetch.run(limits=FAST, allow_networks=HERE)
            return posters(server, path)

        server.route = route
        assert fetch.run(limits=FAST, allow_networks=HERE).posters == {"fetched": 1}
