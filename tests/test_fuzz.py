"""A few of the million inputs of `make fuzz`, and the campaign that tries them."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.fuzz.__main__ import DOORS
from benchmarks.fuzz.campaign import Campaign, Worker, minimised, table, tried
from benchmarks.fuzz.pictures import seeds
from keyart.images.spec import ImageSpec
from tests.hostile import hostile, mended, slow

FIRST = 1_000_000_000  # other inputs than a campaign's
INPUTS = {
    "pictures": 300,
    "tables": 100,
    "bundles": 60,
    "networks": 10,
    "recipes": 100,
    "requests": 100,
    "commands": 30,
}


@pytest.mark.parametrize("name", DOORS)
def test_random_input_is_answered_or_refused(name: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        door = DOORS[name](tmp_path, stack)
        numbers = range(FIRST, FIRST + INPUTS[name])
        outcomes = [tried(door, number, door.make(number)) for number in numbers]
    found = {number: one for number, one in zip(numbers, outcomes, strict=True) if one.found}
    assert found == {}
    assert {one.kind for one in outcomes} == {"answered", "refused"}


def test_an_input_follows_from_its_number() -> None:
    with ExitStack() as stack:
        make = DOORS["tables"](Path(), stack).make
        made = [make(number) for number in range(20)]
        assert [make(number) for number in reversed(range(20))] == made[::-1]
    assert len(set(made)) == 20


@pytest.mark.parametrize("number", range(24))
def test_every_seed_is_a_picture_before_it_is_mutated(number: int) -> None:
    assert len(seeds()) == 24
    ImageSpec().prepare(seeds()[number])


def test_a_crash_and_a_hang_are_findings_and_not_the_end(tmp_path: Path) -> None:
    campaign = Campaign("hostile", hostile, tmp_path, hang=2)
    campaign.run(100, 10)
    campaign.close()
    findings = {cause: finding.number for cause, finding in campaign.tally.findings.items()}
    assert findings == {
        "crash": 2,
        "hang": 3,
        "ValueError in hostile.py check": 4,
        "two answers": 5,
    }
    assert (campaign.tally.answered, campaign.tally.refused) == (3, 3)
    assert (tmp_path / "findings" / "hostile-2.input").read_bytes() == b"....!..."
    assert (tmp_path / "findings" / "hostile-2.small").read_bytes() == b"!"
    assert "SIGABRT" in (tmp_path / "findings" / "hostile-2.txt").read_text()
    assert re.search(r"\| hostile \| 10 \| 3 \| 3 \| 0\.\d\d \| 4 \| 0 \|", table([campaign]))


def test_a_campaign_continues_and_tries_its_findings_again(tmp_path: Path) -> None:
    first = Campaign("hostile", hostile, tmp_path, hang=2)
    first.run(100, 6)
    first.close()
    second = Campaign("hostile", mended, tmp_path, hang=2)
    second.again()
    second.run(100, 4)
    second.close()
    assert second.tally.next == 10
    assert {cause for cause, one in second.tally.findings.items() if not one.mended} == {"hang"}
    assert Campaign("hostile", mended, tmp_path).tally == second.tally
    assert not list(tmp_path.glob("work/*"))


def test_more_processor_time_than_allowed_is_a_finding(tmp_path: Path) -> None:
    worker = Worker(slow, tmp_path / "work", slowest=0.3)
    assert [worker.ask(number).kind for number in (0, 1)] == ["refused", "slow"]
    worker.close()


def test_minimising_leaves_what_fails() -> None:
    data = bytes(range(256)) * 4
    assert minimised(data, lambda part: b"\x07" in part and b"\xf0" in part) in (
        b"\x07\xf0",
        b"\xf0\x07",
    )
