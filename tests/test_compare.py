"""Two models compared: on the films that both were tested on, and never on anything else."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyart.__main__ import main
from keyart.errors import RunError
from keyart.evaluation.compare import Comparison, compare, joined_groups
from keyart.evaluation.scoring import compare_scores
from keyart.model_metrics import Difference
from keyart.run import Run


@pytest.fixture(scope="module")
def runs(
    make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A run and a better one, over the same films."""
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "plain"), make_run(folder / "better", skill=0.6, seed=1)


def mean_ap(found: Comparison) -> Difference:
    row = found["mean_average_precision"]
    assert row is not None
    return row


def test_a_better_run_is_better_and_the_other_way_round_worse(runs: tuple[Path, Path]) -> None:
    plain, better = runs
    found = compare(better, plain)
    expected = compare_scores(Run(better).predictions("test"), Run(plain).predictions("test"))
    assert found.differences == expected
    row = mean_ap(found)
    assert row.value == pytest.approx(row.model - row.other)
    stored = Run(better).metrics.split("test").model["mean_average_precision"]
    assert stored is not None
    assert row.model == pytest.approx(stored.value)
    assert row.verdict() == "better"
    back = mean_ap(compare(plain, better))
    assert back.value == pytest.approx(-row.value)
    assert back.verdict() == "worse"
    for side, path in ((found.model, better), (found.other, plain)):
        assert (side.name, side.left_out, side.split_method) == (str(path), 0, "catalog")
    plain_json = found.to_json()
    assert json.loads(json.dumps(plain_json, allow_nan=False)) == plain_json


def test_a_run_does_not_differ_from_itself(runs: tuple[Path, Path]) -> None:
    found = compare(runs[0], Run(runs[0]))
    for row in found.differences.metrics.values():
        assert row is not None
        assert not row.is_real


def changed(run: Path, folder: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """A copy of a run with other predictions of the test split."""
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
    found, expected = (compare(runs[1], run) for run in (shuffled, runs[0]))
    assert found.differences == expected.differences


def test_films_of_only_one_run_are_left_out_and_counted(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    fewer = changed(runs[0], tmp_path / "fewer", lambda table: table.slice(0, 50))
    found = compare(runs[1], fewer)
    assert found.differences.films == 50
    assert (found.model.left_out, found.other.left_out) == (10, 0)
    least = changed(runs[1], tmp_path / "least", lambda table: table.slice(0, 50))
    assert found.differences == compare(least, fewer).differences


def test_a_run_with_a_split_of_its_own_says_so(runs: tuple[Path, Path], tmp_path: Path) -> None:
    leaky = changed(runs[0], tmp_path / "leaky", lambda table: table)
    (leaky / "checkpoints").mkdir()
    origin = {"path": "gone", "fingerprint": "c0ffee", "split": "leaky"}
    (leaky / "checkpoints" / "catalog.json").write_text(json.dumps(origin))
    found = compare(leaky, runs[1])
    assert (found.model.split_method, found.other.split_method) == ("leaky", "catalog")


def renamed(table: pa.Table) -> pa.Table:
    ids = pa.array([f"elsewhere-{row}" for row in range(len(table))])
    return table.set_column(table.schema.get_field_index("film_id"), "film_id", ids)


def relabelled(table: pa.Table) -> pa.Table:
    truths = table["truth"].to_pylist()
    truths[3] = ["Western"]
    return table.set_column(table.schema.get_field_index("truth"), "truth", pa.array(truths))


def test_what_cannot_be_compared_is_named(
    make_run: Callable[..., Path], runs: tuple[Path, Path], tmp_path: Path
) -> None:
    plain = runs[0]
    unlike = changed(plain, tmp_path / "unlike", renamed)
    with pytest.raises(RunError, match=r"no film is in the test split of both.*--catalog"):
        compare(plain, unlike)
    other_truth = changed(plain, tmp_path / "relabelled", relabelled)
    with pytest.raises(RunError, match=r"1 of 60 films do not have the same.* film-3 \(.*Western"):
        compare(plain, other_truth)
    fewer = make_run(tmp_path / "genres", genres=("Action", "Comedy", "Drama", "War", "Western"))
    with pytest.raises(RunError, match=r"other genres .*Rock.*War"):
        compare(plain, fewer)
    with pytest.raises(RunError, match=r"keyart evaluate .*plain --split train"):
        compare(plain, plain, split="train")
    with pytest.raises(RunError, match="not a run; give a catalog"):
        compare(plain, tmp_path)


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
    assert "60 films of the test split" in out
    text = " ".join(out.split())
    assert f"{better} is better than {plain} in mAP by 0." in text
    code, out = run_cli([*words, "--json"], monkeypatch, capsys)
    assert json.loads(out)["metrics"]["mean_average_precision"]["real"] is True
    code, out = run_cli(["evaluate", str(plain), "--against", str(plain)], monkeypatch, capsys)
    text = " ".join(out.split())
    assert "There is no difference in mAP. 0 of 19 metrics differ by more than chance" in text
    code, _ = run_cli([*words, "--precision", "0.8"], monkeypatch, capsys)
    assert code == 2
