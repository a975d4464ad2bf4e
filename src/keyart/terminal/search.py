"""What `keyart tune` prints: the trial that trains, and in the end the best one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from keyart.terminal.progress import progress

if TYPE_CHECKING:
    from keyart.search.study import Search
    from keyart.training.callbacks import Callbacks, Step


@contextmanager
def watch_search(*, quiet: bool) -> Iterator["Callbacks"]:
    """Yield callbacks for all trials: a line for each, and on a terminal the current step."""
    from keyart.training.callbacks import Callbacks

    console = Console(stderr=True, highlight=False)

    def say(sentence: str) -> None:
        if not quiet:
            console.print(sentence, soft_wrap=True)

    with progress("posters", quiet=quiet) as pixels:
        if not console.is_terminal or quiet:
            yield Callbacks(pixels, lambda step: None, say)
            return
        with console.status("") as status:

            def steps(step: "Step") -> None:
                status.update(
                    f"epoch {step.epoch} of {step.epochs}, step {step.step} of {step.steps}, "
                    f"loss {step.loss:.4f}"
                )

            yield Callbacks(lambda done, total: None, steps, say)


def show_search(search: "Search") -> None:
    """Print what a search has found."""
    if search.best is None:
        print(f"no trial is complete yet; run the command again to continue: {search.folder}")
        return
    print(f"best: trial {search.best.number}, validation mAP {search.best.value:.4f}")
    print(f"recipe: {search.best_recipe_path}")
    print(f"report: {search.report_path}")
