"""The model card: its numbers are those of the table, and it names what the model is bad at."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from keyart.metric_table import MetricTable
from keyart.model_metrics import METRICS
from keyart.report.card import model_card
from keyart.run import Run


@pytest.fixture(scope="module")
def table(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> MetricTable:
    return Run(make_run(tmp_path_factory.mktemp("runs") / "first")).metrics


def row_of(card: str, start: str) -> list[str]:
    """The cells of the first table row that starts with a text."""
    line = next(line for line in card.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_next_to_its_interval_and_the_best_guess(
    table: MetricTable, name: str
) -> None:
    split, metric = table.split("test"), METRICS[name]
    found = split.model[name]
    assert found is not None
    guesses = [guess[name] for guess in split.baselines.values()]
    values = [guess.value for guess in guesses if guess is not None]
    best = min(values) if metric.lower_is_better else max(values)
    cells = row_of(model_card(table, ""), metric.label)
    assert cells[1:3] == [f"{found.value:.3f}", f"{found.low:.3f} to {found.high:.3f}"]
    assert float(cells[3]) == pytest.approx(best, abs=5e-4)


def test_every_genre_has_a_row_and_an_undefined_metric_is_not_zero(table: MetricTable) -> None:
    card = model_card(table, "")
    for name, genre in table.split("test").model.genres.items():
        cells = row_of(card, f"{name} |")
        assert cells[5:] == ["0.45", f"{genre.predicted:,}", f"{genre.true:,}"]
    assert row_of(card, "Western |")[1:5] == ["-"] * 4


def test_limits_name_the_weak_genres_and_the_notes(table: MetricTable) -> None:
    card = model_card(table, "")
    assert "less than 1.5 times its AP): Western.\n" in card
    assert "- Western: threshold: none of 60 films has it\n" in card


def test_a_genre_is_weak_if_its_interval_reaches_one_and_a_half_times_the_baseline(
    table: MetricTable,
) -> None:
    plain = json.loads(json.dumps(table.to_json()))
    test = plain["splits"]["test"]
    guess = test["baselines"]["genre_rates"]["genres"]["Action"]["average_precision"]["value"]
    found = test["model"]["genres"]["Action"]["average_precision"]
    for low, weak in ((1.4 * guess, "Action, Western."), (1.6 * guess, "Western.")):
        found["low"] = low
        assert f"times its AP): {weak}\n" in model_card(MetricTable.from_json(plain), "")


def test_the_recipe_and_the_thresholds_are_in_it(table: MetricTable) -> None:
    card = model_card(table, "epochs = 8\n")
    assert "```toml\nepochs = 8\n```" in card
    assert "balanced thresholds, chosen on validation films for each genre's F1." in card


def test_it_says_what_predicted_genres_are_worth_and_how_many_films_have_none(
    table: MetricTable,
) -> None:
    unsure = table.split("test").model.unsure
    assert unsure is not None
    assert unsure.films > 0
    assert unsure.precision is not None
    assert "## Predicted genres" not in model_card(table, "")
    promised = model_card(replace(table, precision=0.6), "").partition("## Predicted genres")[2]
    assert "at least 60% are right" in promised
    _, precision, *_, without = row_of(promised, "poster")
    assert precision.startswith(f"{unsure.precision.value:.1%}")
    assert without.startswith(f"{unsure.films / 60:.1%}")
