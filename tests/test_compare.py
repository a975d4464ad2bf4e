"""Two models compared: on the films that both were tested on, and never on anything else."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart.__main__ import main
from keyart.errors import RunError
from keyart.evaluation.compare import compare_models, joined_groups
from keyart.evaluation.scoring import compare_scores
from keyart.genres import Vocabulary
from keyart.report.findings import read_predictions
from tests.runs import GENRES, make_run

CUTS = np.full(len(GENRES), 0.45)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run and a better one, over the same films."""
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "plain"), make_run(folder / "better", skill=0.6, seed=1)


def test_a_better_run_is_really_better_and_the_other_way_round_worse(
    runs: tuple[Path, Path],
) -> None:
    plain, better = runs
    found = compare_models(better, plain, "test")
    one, two = (
        read_predictions(run / "predictions-test.parquet", Vocabulary(GENRES)) for run in runs
    )
    expected = compare_scores(
        one.scores, CUTS, two.scores, CUTS, one.truth, one.groups, Vocabulary(GENRES)
    )
    row = found["figures"]["mean_average_precision"]
    assert row["value"] == pytest.approx(row["run"] - row["against"])
    assert {"run": row["run"], "against": row["against"]} | expected["figures"][
        "mean_average_precision"
    ] == row
    stored = json.loads((better / "metrics.json").read_text())["splits"]["test"]["model"]
    assert row["run"] == pytest.approx(stored["figures"]["mean_average_precision"]["value"])
    assert row["real"] is True
    assert row["value"] > 0
    back = compare_models(plain, better, "test")["figures"]["mean_average_precision"]
    assert back["value"] == pytest.approx(-row["value"])
    assert found["left_out"] == {"run": 0, "against": 0}
    assert found["splits"] == {"run": "catalog", "against": "catalog"}
    json.dumps(found, allow_nan=False)


def test_a_run_does_not_differ_from_itself(runs: tuple[Path, Path]) -> None:
    found = compare_models(runs[0], runs[0], "test")
    assert not any(row["real"] for row in found["figures"].values())


def changed(run: Path, folder: Path, change) -> Path:  # type: ignore[no-untyped-def]
    """A copy of a run whose predictions of the test part are another table."""
    folder.mkdir()
    (folder / "metrics.json").write_bytes((run / "metrics.json").read_bytes())
    pq.write_table(
        change(pq.read_table(run / "predictions-test.parquet")),
        folder / "predictions-test.parquet",
    )
    return folder


def test_films_in_another_order_are_the_same_films(runs: tuple[Path, Path], tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(60)
    shuffled = changed(runs[0], tmp_path / "shuffled", lambda table: table.take(pa.array(order)))
    found, expected = (compare_models(runs[1], run, "test") for run in (shuffled, runs[0]))
    assert found["figures"] == expected["figures"]


def test_films_of_one_run_alone_are_left_out_and_counted(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    fewer = changed(runs[0], tmp_path / "fewer", lambda table: table.slice(0, 50))
    found = compare_models(runs[1], fewer, "test")
    assert found["films"] == 50
    assert found["left_out"] == {"run": 10, "against": 0}
    least = changed(runs[1], tmp_path / "least", lambda table: table.slice(0, 50))
    assert found["figures"] == compare_models(least, fewer, "test")["figures"]


def renamed(table: pa.Table) -> pa.Table:
    ids = pa.array([f"elsewhere-{row}" for row in range(len(table))])
    return table.set_column(table.schema.get_field_index("film_id"), "film_id", ids)


def emptied(table: pa.Table) -> pa.Table:
    truths = table["truth"].to_pylist()
    truths[3] = ["Western"]
    return table.set_column(table.schema.get_field_index("truth"), "truth", pa.array(truths))


def test_what_cannot_be_compared_is_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    plain = runs[0]
    unlike = changed(plain, tmp_path / "unlike", renamed)
    with pytest.raises(RunError, match=r"no film is in the test part of both.*--catalog"):
        compare_models(plain, unlike, "test")
    relabelled = changed(plain, tmp_path / "relabelled", emptied)
    with pytest.raises(RunError, match=r"1 of 60 films do not have the same.* film-3 \(.*Western"):
        compare_models(plain, relabelled, "test")
    fewer = make_run(tmp_path / "genres", genres=("Action", "Comedy", "Drama", "War", "Western"))
    with pytest.raises(RunError, match=r"other genres .*Rock.*War"):
        compare_models(plain, fewer, "test")
    with pytest.raises(RunError, match=r"keyart evaluate .*plain --split train"):
        compare_models(plain, plain, "train")
    with pytest.raises(RunError, match="not a run; name a catalog"):
        compare_models(plain, tmp_path, "test")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=15))
def test_films_that_share_a_group_in_either_catalog_are_drawn_together(
    pairs: list[tuple[int, int]],
) -> None:
    first, second = ([str(pair[side]) for pair in pairs] for side in (0, 1))
    found = joined_groups(first, second)
    # By walking from film to film.
    for start in range(len(pairs)):
        reached, waiting = {start}, [start]
        while waiting:
            film = waiting.pop()
            for other in range(len(pairs)):
                near = first[film] == first[other] or second[film] == second[other]
                if near and other not in reached:
                    reached.add(other)
                    waiting.append(other)
        assert reached == set(np.flatnonzero(found == found[start]).tolist())


def run_cli(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    monkeypatch.setattr(sys, "argv", ["keyart", *words])
    monkeypatch.setenv("COLUMNS", "90")
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().out


def test_the_command_says_whether_the_difference_is_real(
    runs: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain, better = runs
    words = ["evaluate", str(better), "--against", str(plain)]
    code, out = run_cli(words, monkeypatch, capsys)
    assert not code
    assert "60 films of the test part" in out
    assert "real, better" in out
    said = " ".join(out.split())
    assert f"{better} is really better in mAP than {plain}, by 0." in said
    code, out = run_cli([*words, "--json"], monkeypatch, capsys)
    assert json.loads(out)["figures"]["mean_average_precision"]["real"] is True
    code, out = run_cli(["evaluate", str(plain), "--against", str(plain)], monkeypatch, capsys)
    assert "In mAP they do not differ. 0 of 17 figures differ really" in " ".join(out.split())
    code, _ = run_cli([*words, "--precision", "0.8"], monkeypatch, capsys)
    assert code == 2
