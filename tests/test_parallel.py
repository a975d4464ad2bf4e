"""The pool of work: order, bounds, errors, and stopping early."""

import threading
import time
from collections.abc import Iterator

import pytest

from keyart.parallel import batches, ordered


def test_results_come_in_order_however_long_each_takes() -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 5))
        return item * item

    assert list(ordered(work, range(60), workers=4)) == [item * item for item in range(60)]


def test_items_are_read_no_faster_than_results_are_taken() -> None:
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        for item in range(1_000):
            read += 1
            yield item

    results = ordered(lambda item: item, items(), workers=3)
    for taken in range(1, 50):
        next(results)
        assert read <= taken + 6
    results.close()  # type: ignore[attr-defined]


def test_work_runs_on_several_threads_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    assert list(ordered(lambda _: both.wait() >= 0, range(2), workers=2)) == [True, True]


def test_an_error_is_raised_in_its_place() -> None:
    def work(item: int) -> int:
        if item == 5:
            raise KeyError(item)
        return item

    results = ordered(work, range(20), workers=2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError):
        next(results)


def test_an_error_of_the_items_is_raised_and_ends_the_threads() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    before = threading.active_count()
    with pytest.raises(OSError, match="the disk is gone"):
        list(ordered(lambda item: item, items(), workers=2))
    assert threading.active_count() == before


def test_stopping_early_drops_work_that_has_not_begun() -> None:
    done: list[int] = []
    lock = threading.Lock()

    def work(item: int) -> int:
        time.sleep(0.01)
        with lock:
            done.append(item)
        return item

    for _ in ordered(work, range(500), workers=2):
        break
    count = len(done)
    time.sleep(0.1)
    assert len(done) <= count + 1
    assert count < 10


def test_no_workers_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        list(ordered(lambda item: item, [1], workers=-1))


def test_batches_hold_every_item_once() -> None:
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches([], 3)) == []
