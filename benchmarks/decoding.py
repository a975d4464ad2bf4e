"""What decoding takes: memory by kind of file, and the share that colour profiles cost.

python -m benchmarks.decoding memory             bytes a pixel, to compare with images/cost.py
python -m benchmarks.decoding profiles FOLDER    time with and without a profile, of JPEGs there
"""

import argparse
import io
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from keyart.images.codecs import MAX_PIXELS, decode_kind
from keyart.images.cost import cost_of
from keyart.images.kind import kind_of
from keyart.images.spec import ImageSpec
from tests.pictures import profile

WIDTH, HEIGHT = 6_000, 4_000
WAYS: dict[str, tuple[str, str, dict[str, object]]] = {
    "JPEG": ("RGB", "JPEG", {}),
    "JPEG, progressive": ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    "JPEG, CMYK": ("CMYK", "JPEG", {"progressive": True}),
    "PNG": ("RGB", "PNG", {"compress_level": 1}),
    "PNG, alpha": ("RGBA", "PNG", {"compress_level": 1}),
    "PNG, 16 bits": ("I;16", "PNG", {"compress_level": 1}),
    "WebP": ("RGB", "WEBP", {"method": 0}),
    "WebP, lossless": ("RGB", "WEBP", {"lossless": True, "method": 0}),
    "WebP, lossless, alpha": ("RGBA", "WEBP", {"lossless": True, "method": 0}),
    "GIF": ("P", "GIF", {}),
    "BMP": ("RGB", "BMP", {}),
    "TIFF": ("RGB", "TIFF", {}),
    "TIFF, CMYK": ("CMYK", "TIFF", {"compression": "tiff_lzw"}),
    "TIFF, 16 bits": ("I;16", "TIFF", {}),
    "AVIF": ("RGB", "AVIF", {"speed": 10}),
    "AVIF, alpha": ("RGBA", "AVIF", {"speed": 10}),
}


def paint(way: str) -> bytes:
    """A picture of 24 million pixels, encoded in one of the WAYS."""
    mode, format, options = WAYS[way]
    small = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    image = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def measure(path: Path, whole: bool) -> float:
    """Bytes that decoding a file takes at most, in this process, which must be a fresh one."""
    data = path.read_bytes()
    at_least = None if whole else ImageSpec().at_least
    before = _peak()
    kind = kind_of(data)
    assert kind is not None
    decode_kind(kind, data, at_least, MAX_PIXELS)
    return _peak() - before


def _peak() -> int:
    """The most bytes that this process had in memory; Linux alone. (ru_maxrss has its parent's.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def memory(folder: Path) -> None:
    """Print bytes a pixel, measured and estimated, of all kinds."""
    print("| kind | whole | reduced | estimate, whole | reduced |\n|---|---:|---:|---:|---:|")
    for number, way in enumerate(WAYS):
        path = folder / f"decoding-{number}"
        if not path.exists():
            path.write_bytes(paint(way))
        data = path.read_bytes()
        cells = []
        for size in ("whole", "reduced"):
            command = [sys.executable, "-m", "benchmarks.decoding", "measure", str(path), size]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            cells.append(f"{float(done.stdout) / WIDTH / HEIGHT:.1f}")
        kind = kind_of(data)
        assert kind is not None
        for at_least in (None, ImageSpec().at_least):
            cost = cost_of(kind, data, at_least, MAX_PIXELS)
            cells.append(f"{cost.memory / WIDTH / HEIGHT:.1f}")
        print(f"| {way} | {' | '.join(cells)} |")


def profiles(folder: Path) -> None:
    """Print how much longer JPEGs take with a profile: sRGB's and Adobe RGB's."""
    plain = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    adobe = profile()

    def marked(data: bytes) -> bytes:
        block = b"ICC_PROFILE\0\1\1" + adobe
        return data[:2] + b"\xff\xe2" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]

    sets = {"none": plain, "Adobe RGB": [marked(data) for data in plain]}
    best = dict.fromkeys(sets, float("inf"))
    spec = ImageSpec()
    for _ in range(7):
        for name, posters in sets.items():
            began = time.process_time()
            for data in posters:
                spec.prepare(data)
            best[name] = min(best[name], time.process_time() - began)
    for name, seconds in best.items():
        ratio = seconds / best["none"]
        print(f"{name}: {len(plain) / seconds:,.0f} posters/s of one core, {ratio:.2f} times")


def main() -> None:
    """Parse and run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("memory").add_argument("--folder", type=Path, default=Path("/tmp"))
    commands.add_parser("profiles").add_argument("folder", type=Path)
    one = commands.add_parser("measure")
    one.add_argument("path", type=Path)
    one.add_argument("size", choices=["whole", "reduced"])
    arguments = parser.parse_args()
    if arguments.command == "memory":
        memory(arguments.folder)
    elif arguments.command == "profiles":
        profiles(arguments.folder)
    else:
        print(measure(arguments.path, arguments.size == "whole"))


if __name__ == "__main__":
    main()
