"""Hostile input by the hundred thousand: mutated pictures, and requests made from the OpenAPI.

python -m benchmarks.fuzz pictures --count 100000    no crash, no hang over 2 s, errors are ours
python -m benchmarks.fuzz api                        needs schemathesis on the path
"""

import argparse
import faulthandler
import io
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from keyart.errors import PosterError
from keyart.files import write_json
from keyart.images.decode import MAX_PIXELS
from keyart.images.spec import ImageSpec
from keyart.service.limits import Limits

BATCH = 2_000  # pictures a process: a crash is found in its batch, and the next goes on
SLOWEST = 2.0  # seconds of one picture
_HANG = 60.0  # seconds without an answer after which a batch is taken for hung

# A schema cannot say that a picture has 16 pixels a side, nor name this model's genres: what is
# valid by the schema may be refused. What is too large is refused with 413.
_SCHEMATHESIS = """
[checks]
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 413, 415, 421, 422, 501, 503]
"""

_SIZES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def seeds() -> list[bytes]:
    """Small pictures of every format and kind that posters come in."""
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (9, 6, 3), dtype=np.uint8)
    image = Image.fromarray(smooth).resize((60, 90), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = image.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    ways: list[tuple[Image.Image, str, dict[str, object]]] = [
        (image, "JPEG", {}),
        (image, "JPEG", {"progressive": True, "quality": 95}),
        (image, "JPEG", {"exif": exif, "subsampling": 0}),
        (image.convert("L"), "JPEG", {}),
        (image.convert("CMYK"), "JPEG", {}),
        (image, "PNG", {}),
        (alpha, "PNG", {}),
        (image.convert("P"), "PNG", {"transparency": 3}),
        (image.convert("I;16"), "PNG", {}),
        (image.convert("1"), "PNG", {}),
        (image, "WEBP", {}),
        (alpha, "WEBP", {"lossless": True}),
        (image, "WEBP", {"save_all": True, "append_images": [alpha]}),
        (image, "GIF", {}),
        (image, "BMP", {}),
        (image, "TIFF", {}),
        (image, "TIFF", {"compression": "tiff_lzw"}),
        (image, "TIFF", {"compression": "jpeg"}),
    ]
    found = []
    for picture, format, options in ways:
        file = io.BytesIO()
        picture.save(file, format, **options)
        found.append(file.getvalue())
    return found


def mutate(data: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """One to a few changes of the kinds that break decoders."""
    changed = bytearray(data)
    for _ in range(min(8, int(rng.geometric(0.5)))):
        if len(changed) < 8:
            break
        # Headers are short and matter most.
        reach = len(changed) if rng.random() < 0.7 else min(len(changed), 256)
        at = int(rng.integers(reach))
        kind = int(rng.integers(9))
        if kind == 0:
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[at] = int(rng.integers(256))
        elif kind == 2:
            size = int(rng.choice(_SIZES))
            order = ">" if rng.random() < 0.5 else "<"
            changed[at : at + 4] = struct.pack(f"{order}I", size)
        elif kind == 3:
            changed[at : at + 2] = struct.pack(">H", int(rng.choice(_SIZES)) & 0xFFFF)
        elif kind == 4:
            del changed[at:]
        elif kind == 5:
            del changed[at : at + int(rng.integers(1, 64))]
        elif kind == 6:
            length = int(rng.integers(1, 256))
            changed[at:at] = changed[at : at + length] * int(rng.integers(1, 9))
        elif kind == 7:
            changed[at:at] = rng.bytes(int(rng.integers(1, 64)))
        else:
            other = others[int(rng.integers(len(others)))]
            start = int(rng.integers(len(other)))
            changed[at:] = other[start:]
    # A PNG reader throws a chunk with a wrong checksum away: half of them get right ones.
    if changed.startswith(b"\x89PNG") and rng.random() < 0.5:
        _mend_checksums(changed)
    return bytes(changed)


def _mend_checksums(png: bytearray) -> None:
    at = 8
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(png):
            break
        png[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4


def work(start: int, count: int) -> None:
    """Decode the pictures numbered from `start`; print what became of each kind, and the slowest.

    Runs in a process of its own. A picture that raises anything but PosterError ends it.
    """
    faulthandler.enable()
    originals = seeds()
    outcomes: Counter[str] = Counter()
    slowest, which = 0.0, start
    for number in range(start, start + count):
        rng = np.random.default_rng(number)
        data = mutate(originals[number % len(originals)], originals, rng)
        limit = Limits().pixels if rng.random() < 0.9 else MAX_PIXELS
        spec = ImageSpec(fit="pad" if rng.random() < 0.5 else "squash")
        began = time.process_time()
        print(f"at {number}", flush=True)
        try:
            spec.prepare(data, limit)
            outcomes["decoded"] += 1
        except PosterError as error:
            reason = str(error).partition(":")[0].partition("(")[0].strip()
            outcomes["too small" if "needs at least" in reason else reason] += 1
        took = time.process_time() - began
        if took > slowest:
            slowest, which = took, number
    print(f"slowest {slowest:.3f} {which}")
    for what, times in outcomes.items():
        print(f"outcome {times} {what}")


def fuzz_pictures(count: int, first: int, out: Path) -> int:
    """Run all batches; print and write a table; how many pictures failed."""
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest, which = 0.0, first
    began = time.perf_counter()
    start = first
    while start < first + count:
        size = min(BATCH, first + count - start)
        command = [sys.executable, "-m", "benchmarks.fuzz", "work", str(start), str(size)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_HANG + size)
            output, status, errors = done.stdout, done.returncode, done.stderr.decode()
        except subprocess.TimeoutExpired as error:
            output, status, errors = error.stdout or b"", 1, "hung"
        lines = output.decode().splitlines()
        last = next((int(x.split()[1]) for x in reversed(lines) if x.startswith("at ")), start)
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "slowest":
                took, number = rest.split()
                if float(took) > slowest:
                    slowest, which = float(took), int(number)
            elif kind == "outcome":
                number, _, what = rest.partition(" ")
                outcomes[what] += int(number)
        if status:
            failures.append(f"picture {last}: status {status}: {errors.strip()[-300:]}")
            start = last + 1
        else:
            start += size
    seconds = time.perf_counter() - began
    print(
        f"{count:,} mutated pictures in {seconds:.0f} s; {len(failures)} crashes or foreign errors"
    )
    print(f"slowest: {slowest:.3f} s of processor time (picture {which}); allowed: {SLOWEST:g} s")
    print("\n| what became of them | pictures |\n|---|---:|")
    for what, total in outcomes.most_common():
        print(f"| {what} | {total:,} |")
    for failure in failures:
        print(failure)
    facts = {
        "pictures": count,
        "failures": failures,
        "slowest_seconds": slowest,
        "outcomes": dict(outcomes),
    }
    write_json(out, facts)
    return len(failures) + (slowest > SLOWEST)


def fuzz_api(examples: int, seed: int) -> int:
    """Let schemathesis ask a service of a tiny model everything its OpenAPI allows, and more."""
    from keyart.predictor import Predictor
    from keyart.review.corrections import Corrections
    from keyart.service.app import create_app
    from keyart.service.server import running
    from keyart.similar import Index
    from tests.conftest import index_known_posters
    from tests.tiny import tiny_bundle

    tool = shutil.which("schemathesis")
    if tool is None:
        print("schemathesis is not installed: pip install schemathesis", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        predictor = Predictor.load(tiny_bundle(Path(folder, "bundle")).path)
        index = Index.open(index_known_posters(Path(folder), predictor.bundle.path))
        store = Corrections(f"sqlite:///{folder}/corrections.sqlite")
        with running(create_app(predictor, index=index, corrections=store)) as url:
            config = Path(folder, "schemathesis.toml")
            config.write_text(_SCHEMATHESIS)
            options = ["--max-examples", str(examples), "--seed", str(seed), "--url", url]
            command = [tool, f"--config-file={config}", "run", f"{url}/openapi.json", *options]
            return subprocess.run(command, check=False).returncode


def main() -> None:
    """Parse and run one of the fuzzers."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pictures = commands.add_parser("pictures")
    pictures.add_argument("--count", type=int, default=100_000)
    pictures.add_argument("--first", type=int, default=0)
    pictures.add_argument("--out", type=Path, default=Path("benchmarks/results/fuzz.json"))
    batch = commands.add_parser("work")
    batch.add_argument("start", type=int)
    batch.add_argument("count", type=int)
    api = commands.add_parser("api")
    api.add_argument("--examples", type=int, default=200)
    api.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.command == "work":
        work(arguments.start, arguments.count)
    elif arguments.command == "pictures":
        sys.exit(fuzz_pictures(arguments.count, arguments.first, arguments.out) > 0)
    else:
        sys.exit(fuzz_api(arguments.examples, arguments.seed))


if __name__ == "__main__":
    main()
