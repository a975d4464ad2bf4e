"""The service under load, on the cores that it shares with its clients.

python -m benchmarks.service [--model BUNDLE] [--requests 2000] [--soak 50000]

Speed is a ratio within one run: bare runtime and service take turns.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.load import Outcome, closed_loop, open_loop, requests_for
from benchmarks.measure import Clock, Row, print_rows
from keyart.demo.painted import design, paint_poster
from keyart.files import write_json
from keyart.predictor import Predictor

CLIENTS = 8
_POSTER = (300, 444)  # width and height of the posters sent
_SCRIPT = """
import sys
from keyart.service.server import serve
def say(line):
    print(line, file=sys.stderr, flush=True)
if __name__ == "__main__":
    serve(sys.argv[1], port=0, workers=int(sys.argv[2]), say=say)
"""


def posters(count: int) -> list[bytes]:
    """Painted posters as JPEGs of 300x444."""
    found = []
    for number in range(count):
        file = io.BytesIO()
        paint_poster(design(number), _POSTER).save(file, "JPEG", quality=85)
        found.append(file.getvalue())
    return found


def fresh_bundle(folder: Path) -> Path:
    """The default network with fresh weights: speed asks no more."""
    import torch

    from keyart.bundle import Content, NetworkFiles, write_bundle
    from keyart.calibration import Calibration
    from keyart.decisions import Decisions
    from keyart.genres import DEFAULT_VOCABULARY
    from keyart.models.classifier import build_classifier
    from keyart.training.onnx_export import export_onnx
    from keyart.training.recipe import load_recipe

    torch.manual_seed(0)
    recipe = load_recipe("posternet")
    genres = len(DEFAULT_VOCABULARY)
    model = build_classifier(recipe.network.backbone, recipe.spec, genres, recipe.network.dropout)
    shape = (2, recipe.spec.height, recipe.spec.width, 3)
    samples = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    decisions = Decisions(Calibration.identity(genres), np.full(genres, 0.3))
    network = NetworkFiles(export_onnx(model, samples), recipe.spec)
    content = Content(network, DEFAULT_VOCABULARY, decisions, card="", provenance={})
    return write_bundle(folder / "bundle", content).path


@contextmanager
def serving(model: Path, workers: int = 1) -> Iterator[tuple[str, int]]:
    """A service in a process of its own; yields its URL and process id."""
    command = [sys.executable, "-c", _SCRIPT, str(model), str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                break
        else:
            raise RuntimeError("the service did not start")
        time.sleep(1 if workers == 1 else 5)
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait(30)


def bare_rate(predictor: Predictor, files: Sequence[bytes], count: int) -> float:
    """Posters a second of decode, resize and network in a tight loop, one thread a core."""
    threads = os.cpu_count() or 1

    def loop(start: int) -> None:
        for number in range(start, count, threads):
            (pixels,) = predictor.prepare(files[number % len(files)])
            predictor.logits([pixels[None]])

    with ThreadPoolExecutor(threads) as pool, Clock() as clock:
        list(pool.map(loop, range(threads)))
    return count / clock.seconds


def memory(pid: int) -> int:
    """Private memory of a process in kB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon"))


def bench_speed(model: Path, files: list[bytes], count: int, workers: int) -> list[Row]:
    """Bare loop and service in turns; then twice the load that it can serve."""
    predictor = Predictor.load(model)
    bare_rate(predictor, files, 64)
    ratios, rates, bare, p99s = [], [], [], []
    with serving(model, workers) as (url, _):
        requests = requests_for(url, files)
        closed_loop(url, requests, CLIENTS, 200)
        for _ in range(3):
            bare.append(bare_rate(predictor, files, count))
            outcome = closed_loop(url, requests, CLIENTS, count)
            assert outcome.count(200) == count, {k: len(v) for k, v in outcome.seconds.items()}
            rates.append(count / outcome.took)
            ratios.append(rates[-1] / bare[-1])
            p99s.append(outcome.quantile(200, 0.99))
        rate, p99 = sorted(rates)[1], sorted(p99s)[1]
        crowd = open_loop(url, requests, 2 * rate, 10)
    ratio = sorted(ratios)[1]
    rows = [
        Row("bare loop: decode, resize, network", f"{sorted(bare)[1]:,.0f} posters/s", "", bare[1]),
        Row(f"service, {CLIENTS} clients", f"{rate:,.0f} posters/s", "", rate),
        Row("... of the bare loop", f"{ratio:.0%}", ">= 65%", ratio),
        Row(f"p99 at {CLIENTS} clients", f"{1000 * p99:.0f} ms", "< 100 ms", p99),
    ]
    return rows + _crowd_rows(crowd, p99, rate)


def _crowd_rows(crowd: Outcome, p99: float, rate: float) -> list[Row]:
    accepted, refused = crowd.count(200), crowd.count(503)
    slow, refusal = crowd.quantile(200, 0.99), crowd.quantile(503, 0.99)
    total = accepted + refused + crowd.failed
    goodput = accepted / crowd.took
    return [
        Row(
            f"twice that load, {total / crowd.took:,.0f} requests/s: predicted",
            f"{goodput:,.0f} posters/s",
            "",
            goodput / rate,
        ),
        Row("... refused", f"{refused / total:.0%}", "", refused / total),
        Row("... p99 of predictions", f"{1000 * slow:.0f} ms", f"< {2000 * p99:.0f} ms", slow),
        Row("... p99 of refusals", f"{1000 * refusal:.0f} ms", "< 20 ms", refusal),
        Row("... broken connections", f"{crowd.failed}", "0", crowd.failed),
    ]


def bench_soak(model: Path, files: list[bytes], count: int) -> list[Row]:
    """Memory over many requests, measured after the first twentieth and at the end."""
    with serving(model) as (url, pid):
        requests = requests_for(url, files)
        closed_loop(url, requests, CLIENTS, max(1, count // 20))
        before = memory(pid)
        peak = before
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.5):
                peak = max(peak, memory(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        outcome = closed_loop(url, requests, CLIENTS, count)
        done.set()
        watcher.join()
        after = memory(pid)
    assert outcome.count(200) == count
    growth = after / before - 1
    what = f"memory, {count:,} requests: {before / 1000:.0f} MB to {after / 1000:.0f} MB"
    return [
        Row(what, f"{growth:+.1%}", "< +5%", growth),
        Row("... peak", f"{peak / 1000:.0f} MB", "", peak / 1000),
    ]


def main() -> None:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a run or a bundle; default: fresh weights")
    parser.add_argument("--requests", type=int, default=2_000, help="a round")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--soak", type=int, default=0, help="requests; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/service.json"))
    arguments = parser.parse_args()
    files = posters(64)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or fresh_bundle(Path(folder))
        rows = bench_speed(model, files, arguments.requests, arguments.workers)
        if arguments.soak:
            rows += bench_soak(model, files, arguments.soak)
    print_rows(rows)
    write_json(arguments.out, [row.to_json() for row in rows])


if __name__ == "__main__":
    main()
