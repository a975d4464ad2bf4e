"""The door of the command line: an exit status, and for an error one line."""

import contextlib
import csv
import io
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from benchmarks.fuzz.campaign import Door, Refused, put
from benchmarks.fuzz.pictures import mutated_picture
from benchmarks.fuzz.tables import mutated_table, painted_films, painted_name
from keyart.__main__ import main
from tests.tiny import tiny_bundle
from tests.wire import RED


def commands(folder: Path, stack: ExitStack) -> Door:
    """Predict a poster, predict the films of a table, build a catalog of a table."""
    model = tiny_bundle(folder / "model").path
    posters = folder / "posters"
    posters.mkdir()
    for row in range(12):
        (posters / f"tt{1_000_000 + 7 * row}.jpg").write_bytes(RED)

    def check(number: int, data: bytes) -> object:
        name = "poster.jpg" if number % 3 == 0 else painted_name(number)
        file = folder / name
        put(file, data)
        catalog = folder / "catalog"
        shutil.rmtree(catalog, ignore_errors=True)
        if number % 3 == 1:
            command = ["catalog", "build", "--films", str(file), "--out", str(catalog), "--quiet"]
        else:
            command = ["predict", str(file), "--model", str(model), "--format", "csv"]
        if number % 3:
            command += ["--posters", str(posters)]
        status, out, err = _run(command)
        assert "Traceback" not in out + err, err
        if status == 0:
            if number % 3 == 2 and (films := painted_films(number, data)):
                rows = csv.DictReader(io.StringIO(out))
                found = [(row["film_id"], row["title"].strip()) for row in rows]
                assert found == films, f"rows are lost: {found} for {films}"
            return out
        assert status == 1, f"exit status {status}: {err}"
        assert err.strip(), "an error without a line"
        assert err.startswith("error: ") <= (err.count("\n") == 1), f"more than a line: {err}"
        raise Refused(err)

    return Door(
        lambda number: mutated_picture(number) if number % 3 == 0 else mutated_table(number), check
    )


def _run(arguments: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["keyart", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return status, out.getvalue(), err.getvalue()
