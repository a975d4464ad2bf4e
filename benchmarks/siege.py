"""The service in 512 MB under bombs, slow clients and real posters.

python -m benchmarks.siege [--minutes 10] [--memory 512] [--model BUNDLE]

The service runs under RLIMIT_AS, so that no allocation beyond the limit succeeds, whatever the
machine has. $KEYART_REAL_POSTERS names a folder with images/; painted posters elsewhere.
"""

import argparse
import asyncio
import io
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from benchmarks.load import requests_for
from benchmarks.measure import Row, print_rows
from benchmarks.service import memory, posters
from keyart.files import write_json

MEGABYTE = 1_000_000
_CROWD = 300  # requests a second
_SCRIPT = """
import sys
from keyart.service.server import serve
def say(line):
    print(line, file=sys.stderr, flush=True)
if __name__ == "__main__":
    serve(sys.argv[1] or None, port=0, corrections="sqlite:///" + sys.argv[2], say=say)
"""


class Siege:
    """What all clients got, by kind of client."""

    def __init__(self, url: str, seconds: float) -> None:
        where = urlsplit(url)
        self.host, self.port = str(where.hostname), int(where.port or 0)
        self.url = url
        self.end = time.monotonic() + seconds
        self.statuses: dict[str, Counter[str]] = defaultdict(Counter)
        self.refusals: list[float] = []

    async def ask(self, kind: str, request: bytes, patience: float = 90) -> int:
        """Send a request on a connection of its own; the status of its answer, 0 for none."""
        try:
            async with asyncio.timeout(patience):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    asked = time.perf_counter()
                    writer.write(request)
                    line = await reader.readline()
                    status = int(line.split()[1]) if line else 0
                    if status == 503 and kind == "crowd":
                        self.refusals.append(time.perf_counter() - asked)
                    await reader.read(65_536)
                finally:
                    writer.close()
        except TimeoutError:
            self.statuses[kind]["no answer"] += 1
            return 0
        except OSError:
            self.statuses[kind]["connection broken"] += 1
            return 0
        self.statuses[kind][str(status or "connection broken")] += 1
        return status

    def on(self) -> bool:
        """Whether the siege continues."""
        return time.monotonic() < self.end


def bombs() -> list[bytes]:
    """Small files that take much memory or time, and others that are large or broken."""
    rng = np.random.default_rng(0)

    def encoded(size: tuple[int, int], format: str, **options: object) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", size, (200, 30, 30)).save(file, format, **options)
        return file.getvalue()

    noise = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (1500, 2000, 3), dtype=np.uint8)).save(noise, "PNG")
    jpeg = encoded((300, 444), "JPEG")
    progressive = encoded((1800, 2600), "JPEG", progressive=True)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    return [
        encoded((4900, 5000), "WEBP", lossless=True, method=0),
        encoded((1900, 2000), "WEBP", lossless=True),
        encoded((4900, 5000), "PNG"),
        encoded((2800, 3600), "PNG"),
        encoded((4900, 5000), "JPEG", progressive=True),
        encoded((5000, 4900), "JPEG"),
        progressive[:-2] + scan * 60 + b"\xff\xd9",
        progressive[:-2] + scan * 9_000 + b"\xff\xd9",
        jpeg + bytes(30 * MEGABYTE),
        jpeg[:2] + (b"\xff\xfe\xff\xff" + bytes(65_533)) * 200 + jpeg[2:],
        noise.getvalue(),
        noise.getvalue()[: noise.tell() // 2],
        jpeg[: len(jpeg) // 2],
        b"\xff\xd8\xff" + rng.bytes(2 * MEGABYTE),
    ]


def real_posters() -> list[bytes]:
    """Up to 200 real posters, painted ones without $KEYART_REAL_POSTERS."""
    folder = os.environ.get("KEYART_REAL_POSTERS")
    files = sorted(Path(folder, "images").rglob("*.jpg"))[:200] if folder else []
    return [file.read_bytes() for file in files] or posters(64)


@contextmanager
def besieged(model: str, limit: int, store: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service with so many bytes of address space; yields its URL and process."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    command = [sys.executable, "-c", _SCRIPT, model, str(store)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=bound)
    try:
        assert process.stderr
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                break
        else:
            raise RuntimeError("the service did not start")
        time.sleep(1)
        yield found[0], process
    finally:
        process.terminate()
        process.wait(90)


async def _posts(siege: Siege, kind: str, requests: list[bytes], pause: float) -> None:
    chosen = random.Random(kind)
    while siege.on():
        await siege.ask(kind, chosen.choice(requests))
        await asyncio.sleep(pause)


async def _drips(siege: Siege) -> None:
    """A body that comes by single bytes and never ends."""
    head = b"POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50000\r\n\r\n"
    while siege.on():
        try:
            reader, writer = await asyncio.open_connection(siege.host, siege.port)
        except OSError:
            siege.statuses["slow bodies"]["connection broken"] += 1
            continue
        try:
            writer.write(head + b"\xff\xd8\xff")
            for _ in range(60):
                if not siege.on():
                    return
                writer.write(b"a")
                try:
                    async with asyncio.timeout(1):
                        line = await reader.readline()
                    status = line.split()[1].decode() if line else "connection closed"
                    siege.statuses["slow bodies"][status] += 1
                    break
                except TimeoutError:
                    continue
        except OSError:
            siege.statuses["slow bodies"]["connection closed"] += 1
        finally:
            writer.close()


async def _idles(siege: Siege) -> None:
    """A connection that says nothing until it is closed."""
    while siege.on():
        try:
            reader, writer = await asyncio.open_connection(siege.host, siege.port)
            async with asyncio.timeout(max(0.1, min(60, siege.end - time.monotonic()))):
                await reader.read(1)
            siege.statuses["idle"]["connection closed"] += 1
            writer.close()
        except TimeoutError:
            return
        except OSError:
            siege.statuses["idle"]["connection closed"] += 1


async def _crowd(siege: Siege, requests: list[bytes]) -> None:
    """Every ten seconds, for two seconds, more posters than it can serve: refusals count."""
    while siege.on():
        async with asyncio.TaskGroup() as group:
            for number in range(2 * _CROWD):
                group.create_task(siege.ask("crowd", requests[number % len(requests)]))
                await asyncio.sleep(1 / _CROWD)
        await asyncio.sleep(8)


async def _watch(siege: Siege, pid: int, found: list[tuple[float, int]]) -> None:
    began = time.monotonic()
    while siege.on():
        try:
            found.append((time.monotonic() - began, memory(pid)))
        except (FileNotFoundError, StopIteration):
            return
        await siege.ask("health", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await siege.ask("ready", b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await asyncio.sleep(1)


async def lay_siege(siege: Siege, pid: int) -> list[tuple[float, int]]:
    """Run all clients until the end. Returns seconds and private memory in kB."""
    good = requests_for(siege.url, real_posters())
    bad = [
        request
        for path in ("/v1/predictions", "/v1/explanations?genre=Drama")
        for request in requests_for(siege.url, bombs(), path)
    ]
    found: list[tuple[float, int]] = []
    clients: list[Awaitable[None]] = [
        *(_posts(siege, "posters", good, 0.05) for _ in range(4)),
        *(_posts(siege, "bombs", bad, 0.2) for _ in range(6)),
        *(_drips(siege) for _ in range(50)),
        *(_idles(siege) for _ in range(100)),
        _crowd(siege, good),
        _watch(siege, pid, found),
    ]
    await asyncio.gather(*clients)
    return found


def main() -> None:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--memory", type=int, default=512, help="MiB of the service")
    parser.add_argument("--model", default="", help="a run or a bundle")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/siege.json"))
    arguments = parser.parse_args()
    run(arguments.minutes, arguments.memory, arguments.model, arguments.out)


def run(minutes: float, limit: int, model: str, out: Path) -> list[Row]:
    """The siege, its table and its JSON."""
    with (
        tempfile.TemporaryDirectory() as folder,
        besieged(model, limit << 20, Path(folder, "c.sqlite")) as (url, process),
    ):
        started = memory(process.pid)
        siege = Siege(url, 60 * minutes)
        found = asyncio.run(lay_siege(siege, process.pid))
        alive = process.poll() is None
        time.sleep(2)
        ended = memory(process.pid) if alive else 0
    rows = []
    for kind, counts in sorted(siege.statuses.items()):
        said = ", ".join(f"{status}: {count:,}" for status, count in sorted(counts.items()))
        rows.append(Row(f"{kind}, by status", said, "", float(sum(counts.values()))))
    server_errors = sum(
        count
        for counts in siege.statuses.values()
        for status, count in counts.items()
        if status.startswith("5") and status != "503"
    )
    refusals = siege.refusals
    p99 = float(np.quantile(refusals, 0.99)) if refusals else float("nan")
    median = float(np.median(refusals)) if refusals else float("nan")
    peak = max((kilobytes for _, kilobytes in found), default=0)
    early = [kilobytes for seconds, kilobytes in found if seconds < 60 * minutes / 5]
    rows += [
        Row("5xx other than 503", f"{server_errors}", "0", server_errors),
        Row("the service still runs", "yes" if alive else "no", "yes", float(alive)),
        Row("p50 of the crowd's refusals", f"{1000 * median:.0f} ms", "", median),
        Row("p99 of the crowd's refusals", f"{1000 * p99:.0f} ms", "< 20 ms", p99),
        Row("private memory at the start", f"{started / 1000:.0f} MB", "", started / 1000),
        Row("... highest in the first fifth", f"{max(early, default=0) / 1000:.0f} MB", "", 0.0),
        Row("... highest", f"{peak / 1000:.0f} MB", f"< {limit}", peak / 1000),
        Row("... at the end", f"{ended / 1000:.0f} MB", "", ended / 1000),
    ]
    print(f"{minutes:g} minutes with {limit} MiB\n")
    print_rows(rows)
    write_json(out, [row.to_json() for row in rows])
    return rows


if __name__ == "__main__":
    main()
