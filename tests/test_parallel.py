"""The pool of work: order, bounds, errors, and stopping early."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyart.parallel import batches, ordered, usable_memory


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


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_is_an_error(workers: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        list(ordered(lambda item: item, [1], workers=workers))


def test_batches_hold_every_item_once() -> None:
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches([], 3)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no limits of resources")
def test_a_limit_on_this_process_bounds_the_memory_that_it_may_use() -> None:
    script = (
        "import resource; from keyart.parallel import usable_memory; before = usable_memory();"
        "resource.setrlimit(resource.RLIMIT_AS, (500_000_000, 600_000_000));"
        "print(before, usable_memory())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > after == 500_000_000


def test_the_least_limit_of_the_cgroups_around_this_process_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, outer, absent = tmp_path / "inner", tmp_path / "outer", tmp_path / "absent"
    inner.write_text("max\n")
    outer.write_text("100000000\n")
    monkeypatch.setattr("keyart.parallel._cgroup_files", lambda: iter([absent, inner, outer]))
    assert usable_memory() == 100_000_000
