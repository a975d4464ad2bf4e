"""service/batching.py: small fair batches, a bound, and an answer for all that was accepted."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from keyart.errors import PosterError
from keyart.network import Logits
from keyart.predictor import Predictor
from keyart.seen import Prepared
from keyart.service.batching import Batcher
from keyart.service.limits import Limits
from keyart.service.metrics import Metrics
from keyart.service.problems import Problem
from tests.wire import DARK, GREEN, RED, encoded


class Gate:
    """Holds the network up until it is opened, and counts the posters of each run."""

    def __init__(self, tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.sizes: list[int] = []
        self._held = 0
        score = tiny_predictor.poster_logits

        def gated(posters: Sequence[Prepared]) -> Logits:
            self._held += 1
            self.open.wait(10)
            self.sizes.append(len(posters))
            return score(posters)

        monkeypatch.setattr(tiny_predictor, "poster_logits", gated)

    async def holds(self, runs: int) -> None:
        """Wait until the network was asked for this many runs: a busy machine takes a while."""
        await until(lambda: self._held >= runs)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def settled() -> None:
    await asyncio.sleep(0.15)


def test_posters_that_wait_are_scored_together_and_each_gets_its_own(
    tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(tiny_predictor, monkeypatch)

    async def ask() -> list[Any]:
        batcher = Batcher(tiny_predictor, Limits(batch=4), Metrics(), threads=1)
        first = asyncio.create_task(batcher.see([RED]))
        await gate.holds(1)
        rest = asyncio.create_task(batcher.see([GREEN, b"broken", RED, GREEN, DARK]))
        await settled()
        gate.open.set()
        answers = [*await first, *await rest]
        await batcher.close()
        return answers

    red, green, broken, red_again, green_again, dark = asyncio.run(ask())
    assert gate.sizes == [1, 3, 1]  # the broken one took a place of the batch of four
    assert isinstance(broken, PosterError)
    assert (red.logits == red_again.logits).all()
    assert (green.logits == green_again.logits).all()
    assert [int(np.argmax(one.logits)) for one in (red, green)] == [0, 1]
    assert dark.logits.max() < 0.01


def test_a_batch_leaves_other_threads_their_share(
    tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(tiny_predictor, monkeypatch)

    async def ask() -> None:
        batcher = Batcher(tiny_predictor, Limits(batch=8), Metrics(), threads=2)
        blockers = [asyncio.create_task(batcher.see([RED])) for _ in range(2)]
        await gate.holds(2)
        waiting = asyncio.create_task(batcher.see([RED] * 8))
        await settled()
        gate.open.set()
        await asyncio.gather(waiting, *blockers)
        await batcher.close()

    asyncio.run(ask())
    assert sorted(gate.sizes)[-1] <= 4


def test_a_full_queue_refuses_at_once_and_opens_again(
    tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(tiny_predictor, monkeypatch)

    async def ask() -> None:
        batcher = Batcher(tiny_predictor, Limits(waiting=3), Metrics(), threads=1)
        accepted = [asyncio.create_task(batcher.see([RED])) for _ in range(3)]
        await settled()
        with pytest.raises(Problem, match="3 posters are waiting"):
            await batcher.see([RED])
        with pytest.raises(Problem):
            await batcher.run(RED, lambda: 1)
        gate.open.set()
        await asyncio.gather(*accepted)
        assert batcher.waiting == 0
        assert await batcher.run(RED, lambda: 1) == 1
        await batcher.close()

    asyncio.run(ask())


def test_closing_answers_accepted_requests_and_nothing_more(
    tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(tiny_predictor, monkeypatch)

    async def ask() -> list[Any]:
        batcher = Batcher(tiny_predictor, Limits(), Metrics(), threads=2)
        accepted = [asyncio.create_task(batcher.see([RED])) for _ in range(10)]
        await settled()
        closing = asyncio.create_task(batcher.close())
        await settled()
        assert not batcher.alive
        with pytest.raises(Problem, match="stopping"):
            await batcher.see([RED])
        gate.open.set()
        answers = await asyncio.gather(*accepted)
        await closing
        return answers

    assert len(asyncio.run(ask())) == 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("keyart-")]


def test_other_jobs_keep_their_place_and_their_errors(tiny_predictor: Predictor) -> None:
    def broken() -> None:
        raise PosterError("no")

    async def ask() -> list[Any]:
        batcher = Batcher(tiny_predictor, Limits(), Metrics(), threads=1)
        tasks = [
            asyncio.create_task(batcher.see([RED])),
            asyncio.create_task(batcher.run(RED, lambda: "work")),
            asyncio.create_task(batcher.run(RED, broken)),
            asyncio.create_task(batcher.see([GREEN, RED])),
        ]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.close()
        return results

    red, work, error, (green, red_again) = asyncio.run(ask())
    assert work == "work"
    assert isinstance(error, PosterError)
    assert (red[0].logits == red_again.logits).all()
    assert int(np.argmax(green.logits)) == 1


def test_a_network_that_breaks_is_an_error_of_all_in_its_batch(
    tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(posters: Sequence[Prepared]) -> Logits:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(tiny_predictor, "poster_logits", broken)

    async def ask() -> list[Any]:
        batcher = Batcher(tiny_predictor, Limits(), Metrics(), threads=1)
        answers = await batcher.see([RED, GREEN])
        assert batcher.alive
        await batcher.close()
        return answers

    assert [type(one) for one in asyncio.run(ask())] == [RuntimeError, RuntimeError]


def ready(batcher: Batcher) -> bool:
    return batcher.alive


def test_a_thread_that_is_stuck_is_replaced_and_meanwhile_the_service_is_not_ready(
    tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    prepare = tiny_predictor.prepare

    def stuck(poster: bytes, max_pixels: int) -> Prepared:
        if poster == GREEN:
            release.wait(20)
        return prepare(poster, max_pixels)

    monkeypatch.setattr(tiny_predictor, "prepare", stuck)

    async def ask() -> None:
        limits = Limits(late=0.1, stuck=0.6)
        batcher = Batcher(tiny_predictor, limits, Metrics(), threads=1)
        assert ready(batcher)
        held = asyncio.create_task(batcher.see([GREEN]))
        await until(lambda: not ready(batcher))
        behind = asyncio.create_task(batcher.see([RED]))
        (problem,) = await held
        assert isinstance(problem, Problem)
        assert problem.kind == "unavailable"
        (red,) = await behind
        assert not isinstance(red, Exception)
        assert int(np.argmax(red.logits)) == 0
        assert not ready(batcher)
        assert batcher.waiting == 0
        await asyncio.wait_for(batcher.close(), 10)  # a stuck thread is not waited for
        release.set()

    asyncio.run(ask())


def test_the_service_is_ready_again_when_a_stuck_thread_comes_back(
    tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(tiny_predictor, monkeypatch)

    async def ask() -> None:
        batcher = Batcher(tiny_predictor, Limits(late=0.1, stuck=0.4), Metrics(), threads=1)
        (problem,) = await batcher.see([RED])
        assert isinstance(problem, Problem)
        assert not ready(batcher)
        gate.open.set()
        await until(lambda: ready(batcher))
        assert not isinstance((await batcher.see([RED]))[0], Exception)
        assert batcher.waiting == 0
        await batcher.close()

    asyncio.run(ask())


def test_small_posters_pass_large_ones_and_few_large_ones_wait(
    tiny_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    large = encoded(np.zeros((1500, 1500, 3), np.uint8), "TIFF")
    prepare = tiny_predictor.prepare

    def slow(poster: bytes, max_pixels: int) -> Prepared:
        if poster == large:
            release.wait(20)
        return prepare(poster, max_pixels)

    monkeypatch.setattr(tiny_predictor, "prepare", slow)

    async def ask() -> None:
        batcher = Batcher(tiny_predictor, Limits(large=2), Metrics(), threads=1)
        first = asyncio.create_task(batcher.see([large]))
        await settled()
        rest = [asyncio.create_task(batcher.see([large])) for _ in range(3)]
        await settled()
        assert not isinstance((await batcher.see([RED]))[0], Exception)
        assert [task.done() for task in rest] == [False, False, True]
        (busy,) = await rest[2]
        assert isinstance(busy, Problem)
        assert busy.kind == "busy"
        release.set()
        for task in (first, *rest[:2]):
            assert not isinstance((await task)[0], Exception)
        await batcher.close()

    asyncio.run(ask())
