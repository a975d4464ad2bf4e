"""Predictions of many posters, written down: a table for people, the rest for programs."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keyart.bundle import Bundle
from keyart.catalog.poster_paths import find_posters
from keyart.errors import KeyartError
from keyart.files import replacing, write_csv
from keyart.genres import Vocabulary
from keyart.predictor import Failure, Prediction, Predictor
from keyart.terminal.progress import Advance, progress

Format = Literal["table", "csv", "json", "parquet"]

_BLOCK = 4_096  # rows a Parquet row group
_SHOWN = 5  # genres a poster in the table
_DETAILED = 12  # posters up to which the table draws bars
_LISTED = 10  # unreadable posters on standard error
_BAR = 24  # characters of a full bar


def predict_posters(
    paths: Sequence[Path],
    model: Path,
    format: Format,
    out: Path | None,
    errors: Path | None,
    *,
    precision: float | None = None,
    quiet: bool,
) -> int:
    """Predict all posters that `paths` name and write the answers; how many there were.

    model: a run or a bundle. errors: where a CSV (poster, reason) of those that could not be read
    goes; standard error tells their number, and the reasons if there is no such file.
    precision: how often a genre that is answered is to be right; None for the model's own choice.
    """
    predictor = Predictor.load(model, precision)
    if precision is not None and not quiet:
        print(_promise(predictor.bundle), file=sys.stderr)
    posters = list(find_posters(paths))
    failures: list[Failure] = []
    answered = 0

    def answers(advance: Advance) -> Iterator[Prediction]:
        nonlocal answered
        for done, answer in enumerate(predictor.predict(posters), start=1):
            advance(done, len(posters))
            if isinstance(answer, Failure):
                failures.append(answer)
            else:
                answered += 1
                yield answer

    # Where answers go to the screen, a bar would run through them.
    with progress("posters", quiet=quiet or out is None) as advance:
        detailed = len(posters) <= _DETAILED
        write_answers(answers(advance), predictor, format, out, detailed=detailed)
    if errors:
        write_csv(errors, ("poster", "reason"), [(f.poster, f.reason) for f in failures])
    if failures:
        count = f"{len(failures):,} of {len(posters):,} posters could not be read"
        print(f"{count}; see {errors}" if errors else count, file=sys.stderr)
        for failure in failures[: 0 if errors else _LISTED]:
            print(f"  {failure.poster}: {failure.reason}", file=sys.stderr)
        if not errors and len(failures) > _LISTED:
            print("  ... and more; --errors FILE lists them all", file=sys.stderr)
    return answered


def write_answers(
    predictions: Iterable[Prediction],
    predictor: Predictor,
    format: Format,
    out: Path | None,
    *,
    detailed: bool,
) -> None:
    """Write predictions as they come: to `out`, whole or not at all, or to standard output.

    format: 'csv', 'json' and 'parquet' have one record a poster: poster, genres, then a score a
    genre. 'table' draws bars where `detailed`, and is one line a poster otherwise.
    """
    names = predictor.bundle.vocabulary
    if format == "parquet":
        if out is None:
            raise KeyartError("--format parquet: name a file with --out; it is not text")
        with replacing(out) as beside:
            _write_parquet(predictions, names, beside)
    elif format == "table":
        with _text(out) as file:
            console = Console(file=file, highlight=False)
            draw = _draw_bars if detailed else _draw_lines
            draw(predictions, predictor, console)
    else:
        with _text(out) as file:
            write = _write_csv if format == "csv" else _write_json
            write(predictions, names, file)


def _promise(bundle: Bundle) -> str:
    """What thresholds for a wanted precision mean, in a line."""
    at = bundle.thresholds
    silent = [name for name, cut in zip(bundle.vocabulary.names, at, strict=True) if cut >= 1]
    never = f"; never reached, and so never said: {', '.join(silent)}" if silent else ""
    return f"thresholds for a precision of {bundle.precision:.2f} on validation films{never}"


@contextmanager
def _text(out: Path | None) -> Iterator[IO[str]]:
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
    else:
        with replacing(out) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            yield file


def _write_csv(predictions: Iterable[Prediction], names: Vocabulary, file: IO[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["poster", "genres", *names.names])
    for answer in predictions:
        scores = [f"{score:.6f}" for score in answer.scores]
        writer.writerow([answer.poster, "|".join(answer.genres), *scores])


def _write_json(predictions: Iterable[Prediction], names: Vocabulary, file: IO[str]) -> None:
    file.write("[")
    for number, answer in enumerate(predictions):
        scores = [round(float(score), 6) for score in answer.scores]
        record = {
            "poster": answer.poster,
            "genres": list(answer.genres),
            "scores": dict(zip(names.names, scores, strict=True)),
        }
        file.write(",\n " if number else "\n ")
        file.write(json.dumps(record, ensure_ascii=False))
    file.write("\n]\n")


def _write_parquet(predictions: Iterable[Prediction], names: Vocabulary, path: Path) -> None:
    # Imported before the first poster is read; the base install goes without it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [("poster", pa.string()), ("genres", pa.string())]
        + [(name, pa.float32()) for name in names.names]
    )
    block: list[Prediction] = []
    with pq.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            columns: dict[str, list[object]] = {
                "poster": [answer.poster for answer in block],
                "genres": ["|".join(answer.genres) for answer in block],
            }
            for index, name in enumerate(names.names):
                columns[name] = [answer.scores[index] for answer in block]
            writer.write_table(pa.table(columns, schema))
            block.clear()

        for answer in predictions:
            block.append(answer)
            if len(block) == _BLOCK:
                flush()
        if block:
            flush()


def _draw_bars(predictions: Iterable[Prediction], predictor: Predictor, console: Console) -> None:
    thresholds = predictor.bundle.thresholds
    names = predictor.bundle.vocabulary.names
    for answer in predictions:
        console.print(
            Text.assemble((Path(answer.poster).name, "bold"), "  ", _verdict(answer.genres))
        )
        table = Table.grid(padding=(0, 1))
        for index in (-answer.scores).argsort(kind="stable")[:_SHOWN]:
            score, threshold = float(answer.scores[index]), float(thresholds[index])
            chosen = score >= threshold
            table.add_row(
                Text("  ●" if chosen else "   ", "green"),
                Text(names[index], "bold" if chosen else "dim"),
                _bar(score, threshold, chosen),
                Text(f"{score:4.0%}", "bold" if chosen else "dim"),
            )
        console.print(table)
        console.print()


def _bar(score: float, threshold: float, chosen: bool) -> Text:
    """A bar as long as the score, with a mark where the genre's threshold is."""
    filled = round(score * _BAR)
    bar = Text("━" * filled, "green" if chosen else "blue")
    bar.append("─" * (_BAR - filled), "bright_black")
    mark = min(_BAR - 1, int(threshold * _BAR))
    plain = bar.plain
    bar.plain = plain[:mark] + "┃" + plain[mark + 1 :]
    return bar


def _draw_lines(predictions: Iterable[Prediction], predictor: Predictor, console: Console) -> None:
    for answer in predictions:
        console.print(Text.assemble(answer.poster, "  ", _verdict(answer.genres)), soft_wrap=True)


def _verdict(genres: tuple[str, ...]) -> Text:
    return Text(" · ".join(genres), "green") if genres else Text("unsure", "yellow")
