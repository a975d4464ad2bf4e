"""A few of the kills of `python -m benchmarks.kills`, and the moment that is hardest to hit."""

from pathlib import Path

import pytest

from benchmarks.kills import JOBS, campaign
from keyart.catalog.catalog import Catalog
from keyart.errors import RunError
from keyart.run import Run
from keyart.training.finish import start_run
from keyart.training.recipe import load_recipe
from tests.tiny_catalog import tiny_films


def test_killed_commands_leave_the_old_or_the_new_and_run_again(tiny_model: Path) -> None:
    # The quickest ones. Trainings are killed in test_loop; an export needs one.
    jobs = [job for job in JOBS if job.name.endswith(("--grow", "--out", "corrections export"))]
    assert len(jobs) == 3
    *_, tallies = campaign(len(jobs), seed=3, films=40, jobs=jobs, model=tiny_model)
    assert [line for one in tallies.values() for line in one.lost] == []
    assert [one.kills for one in tallies.values()] == [1] * len(jobs)
    assert [one.recovered for one in tallies.values()] == [1] * len(jobs)


@pytest.mark.parametrize("resume", [False, True])
def test_a_training_that_was_killed_while_it_started_starts_again(
    tmp_path: Path, resume: bool
) -> None:
    catalog = Catalog.build(*tiny_films(tmp_path, range(12)), tmp_path / "catalog")
    recipe, run = load_recipe("demo"), Run(tmp_path / "run")
    run.write_recipe("killed after this")
    run.checkpoints.mkdir()
    start_run(run, catalog, recipe, resume=resume)
    assert run.has_origin
    assert run.recipe["data"]["height"] == recipe.data.height


def test_a_folder_with_something_else_in_it_is_not_started_as_a_run(tmp_path: Path) -> None:
    catalog = Catalog.build(*tiny_films(tmp_path, range(12)), tmp_path / "catalog")
    run = Run(tmp_path / "run")
    run.write_recipe("mine")
    (run.path / "notes.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(RunError, match="choose another folder"):
            start_run(run, catalog, load_recipe("demo"), resume=resume)
