"""ONNX Runtime against OpenVINO on one network: speed, drift of scores, drift of mAP, size.

python -m benchmarks.runtimes MODEL CATALOG    needs openvino and nncf, and keyart[train]

Prints the tables of docs/benchmarks.md. All variants take turns within one run; rates are told
against ONNX Runtime in fp32 at the same batch and threads. ONNX Runtime has no bf16 on x86: its
CPU provider refuses convolutions of that type.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from keyart.catalog.catalog import Catalog
from keyart.evaluation.metrics import average_precision
from keyart.files import write_json
from keyart.images.decode import Pixels
from keyart.images.pixels import prepare_all
from keyart.predictor import Predictor

Run = Callable[[Pixels], npt.NDArray[np.float32]]

ROUNDS = 5
SECONDS = 0.6  # a variant, a round
BATCHES, THREADS = (1, 16), (1, 2)
_BASE = "ONNX Runtime fp32"
_CALIBRATION = 256  # posters that int8 learns its ranges from


def onnx_runtime(network: Path, threads: int) -> Run:
    """A network under ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

    def run(pixels: Pixels) -> npt.NDArray[np.float32]:
        logits: npt.NDArray[np.float32] = session.run(["logits"], {"pixels": pixels})[0]
        return logits

    return run


def openvino(model: Any, threads: int, precision: str) -> Run:
    """A network under OpenVINO. precision: 'f32' or 'bf16', of what is not quantised."""
    import openvino as ov

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    compiled = ov.Core().compile_model(model, "CPU", settings)
    output = compiled.output("logits")

    def run(pixels: Pixels) -> npt.NDArray[np.float32]:
        logits: npt.NDArray[np.float32] = compiled(pixels)[output]
        return logits

    return run


def logits_only(network: Path, folder: Path) -> Path:
    """The network without its other outputs, as both runtimes are to see it."""
    import onnx
    from onnx.utils import Extractor

    model = Extractor(onnx.load(network)).extract_model(["pixels"], ["logits"])
    onnx.save(model, folder / "logits.onnx")
    return folder / "logits.onnx"


def quantised_onnx(network: Path, pixels: Pixels, folder: Path) -> Path:
    """int8 by ONNX Runtime's own tool, static ranges, a scale a channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(np.array_split(pixels, max(1, len(pixels) // 16)))

        def get_next(self) -> dict[str, Pixels] | None:
            block = next(self.left, None)
            return None if block is None else {"pixels": block}

    quant_pre_process(network, folder / "shaped.onnx", skip_symbolic_shape=True)
    quantize_static(
        folder / "shaped.onnx",
        folder / "int8.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=["Conv", "Gemm", "MatMul", "Add"],
    )
    return folder / "int8.onnx"


def quantised_openvino(network: Path, pixels: Pixels) -> Any:
    """int8 by NNCF, OpenVINO's own tool."""
    import nncf
    import openvino as ov

    blocks = np.array_split(pixels, len(pixels))
    return nncf.quantize(ov.Core().read_model(network), nncf.Dataset(blocks))


def installed(package: str) -> float:
    """MB that a package takes on disk, without what it depends on."""
    files = metadata.files(package) or ()
    return sum(file.size or 0 for file in files) / 1e6


def rates(variants: dict[str, Run], pixels: Pixels, batch: int) -> dict[str, float]:
    """Posters a second of each variant: the median of rounds in which all take turns."""
    block = np.ascontiguousarray(np.resize(pixels, (batch, *pixels.shape[1:])))
    found: dict[str, list[float]] = {name: [] for name in variants}
    for run in variants.values():
        run(block)
    for _ in range(ROUNDS):
        for name, run in variants.items():
            done, began = 0, time.perf_counter()
            while (took := time.perf_counter() - began) < SECONDS:
                run(block)
                done += batch
            found[name].append(done / took)
    return {name: float(np.median(values)) for name, values in found.items()}


def main() -> None:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--posters", type=int, default=5_000, help="of the test split, at most")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/runtimes.json"))
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    predictor, catalog = Predictor.load(arguments.model), Catalog.open(arguments.catalog)
    pixels = np.concatenate(list(prepare_all(catalog.posters(), predictor.image_specs[0])))
    calibration = pixels[catalog.rows("validation")[:_CALIBRATION]]
    rows = catalog.rows("test")[: arguments.posters]
    test, truth = pixels[rows], catalog.truth[rows]
    with tempfile.TemporaryDirectory() as folder:
        network = logits_only(predictor.bundle.onnx, Path(folder))
        int8_onnx = quantised_onnx(network, calibration, Path(folder))
        int8_openvino = quantised_openvino(network, calibration)
        sizes = {
            "fp32": network.stat().st_size / 1e6,
            "int8": int8_onnx.stat().st_size / 1e6,
            **{package: installed(package) for package in ("onnxruntime", "openvino")},
        }

        def variants(threads: int) -> dict[str, Run]:
            return {
                _BASE: onnx_runtime(network, threads),
                "ONNX Runtime int8": onnx_runtime(int8_onnx, threads),
                "OpenVINO fp32": openvino(network, threads, "f32"),
                "OpenVINO bf16": openvino(network, threads, "bf16"),
                "OpenVINO int8": openvino(int8_openvino, threads, "f32"),
                "OpenVINO int8 and bf16": openvino(int8_openvino, threads, "bf16"),
            }

        speeds = {
            (batch, threads): rates(variants(threads), test, batch)
            for threads in THREADS
            for batch in BATCHES
        }
        drifts = _drifts(predictor, variants(1), test, truth)
    _print_speeds(speeds)
    _print_drifts(drifts, len(test))
    print("\nMB: " + ", ".join(f"{what} {size:,.0f}" for what, size in sizes.items()))
    facts = {
        "posters": len(test),
        "sizes": sizes,
        "rates": {f"batch {b}, {t} threads": found for (b, t), found in speeds.items()},
        "drifts": drifts,
    }
    write_json(arguments.out, facts)


def _drifts(
    predictor: Predictor, variants: dict[str, Run], pixels: Pixels, truth: npt.NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Of each variant: largest and mean change of a calibrated score, changed answers, mAP."""
    thresholds = predictor.bundle.thresholds
    found = {}
    expected = None
    for name, run in variants.items():
        blocks = np.array_split(pixels, max(1, len(pixels) // 16))
        logits = np.concatenate([run(np.ascontiguousarray(block)) for block in blocks])
        scores = predictor.bundle.calibration.apply(logits)
        expected = scores if expected is None else expected
        found[name] = {
            "largest": float(np.abs(scores - expected).max()),
            "mean": float(np.abs(scores - expected).mean()),
            "answers": float(((scores >= thresholds) != (expected >= thresholds)).mean()),
            "mAP": float(np.nanmean(average_precision(scores, truth))),
        }
    return found


def _print_speeds(speeds: dict[tuple[int, int], dict[str, float]]) -> None:
    columns = [f"batch {batch}, {threads} thread{'s' * (threads > 1)}" for batch, threads in speeds]
    print("| posters a second |", " | ".join(columns), "|")
    print("|---" + "|---:" * len(columns) + "|")
    for name in next(iter(speeds.values())):
        cells = [
            f"{found[name]:,.0f} ({found[name] / found[_BASE]:.2f}x)" for found in speeds.values()
        ]
        print(f"| {name} |", " | ".join(cells), "|")


def _print_drifts(drifts: dict[str, dict[str, float]], posters: int) -> None:
    print(
        f"\n| {posters:,} test posters | largest drift of a score | mean drift | answers changed "
        "| mAP | its drift |\n|---|---:|---:|---:|---:|---:|"
    )
    for name, drift in drifts.items():
        change = drift["mAP"] - drifts[_BASE]["mAP"]
        cells = [f"{drift['largest']:.4f}", f"{drift['mean']:.5f}", f"{drift['answers']:.2%}"]
        print(f"| {name} |", " | ".join(cells), f"| {drift['mAP']:.4f} | {change:+.4f} |")


if __name__ == "__main__":
    main()
