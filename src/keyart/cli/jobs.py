"""Long jobs: what `keyart predict --out FOLDER/` calls, and `keyart job`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from keyart.cli.options import AsJson

commands = typer.Typer(help="Long jobs: keyart predict PATH --out FOLDER/.", no_args_is_help=True)


def is_job(out: str | None) -> bool:
    """Whether predictions go into a folder, as a job: its name ends in "/", or it is one."""
    return out is not None and out != "-" and (out.endswith("/") or Path(out).is_dir())


def predict_job(paths: Any, out: str, *, errors: Path | None, quiet: bool, **choices: Any) -> None:
    """Run a job and print its progress."""
    from keyart.jobs.run import run_job
    from keyart.jobs.status import JobStatus
    from keyart.terminal.jobs import finished_lines, job_progress, stopped_line

    done: list[JobStatus] = []
    try:
        with job_progress(quiet=quiet) as show:

            def follow(status: JobStatus) -> None:
                done[:] = [status]
                show(status)

            status = run_job(paths, out, errors=errors, progress=follow, **choices)
    except KeyboardInterrupt:
        if done and not quiet:
            typer.echo(stopped_line(done[0]), err=True)
        raise
    for line in finished_lines(status, errors):
        if not quiet:
            typer.echo(line, err=True)
    if status.failed == status.films:
        raise typer.Exit(1)


@commands.command("status")
def status(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a job.")],
    as_json: AsJson = False,
) -> None:
    """Show the progress of a job, even while another process runs it."""
    from keyart.jobs.status import job_status
    from keyart.terminal.jobs import show_status

    show_status(job_status(folder), as_json=as_json)
