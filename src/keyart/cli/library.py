"""Commands for media libraries: plan what would be written, write it, undo it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from keyart.cli.options import AsJson, Model, Quiet

if TYPE_CHECKING:
    from keyart.library.plan import Plan

commands = typer.Typer(
    help="Add genres to media libraries: in NFO files, or in Jellyfin, Emby and Plex.",
    no_args_is_help=True,
)
PlanFile = Annotated[
    Path, typer.Argument(metavar="PLAN", help="The file that keyart library plan wrote.")
]
AsCsv = Annotated[
    Path | None, typer.Option("--csv", help="Also write the plan as CSV, a row for each film.")
]
AsHtml = Annotated[
    Path | None, typer.Option("--html", help="Also write the plan as an HTML page with posters.")
]


@commands.command("plan")
def library_plan(
    library: Annotated[
        str,
        typer.Argument(
            metavar="LIBRARY", help="Folder of a media library, or with --server its address."
        ),
    ],
    out: Annotated[Path, typer.Option(help="File of the plan, in JSON lines.")],
    server: Annotated[
        Literal["jellyfin", "emby", "plex"] | None,
        typer.Option(
            help="Kind of server. Its key is read from JELLYFIN_API_KEY, EMBY_API_KEY or "
            "PLEX_TOKEN."
        ),
    ] = None,
    model: Model = None,
    precision: Annotated[
        float | None,
        typer.Option(
            help="Precision that written genres keep: 0.5 to 0.95. Default: the model's own, "
            "usually 0.6."
        ),
    ] = None,
    writes: Annotated[
        Literal["genre", "tag"] | None,
        typer.Option(
            "--as",
            help="Write genres, or tags such as 'keyart: Sci-Fi'. Default: genre; for Plex tag, "
            "written as a label.",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="With --as tag: also films that have genres.")
    ] = False,
    existing: Annotated[
        bool, typer.Option("--existing", help="Only edit existing NFO files, and make no new ones.")
    ] = False,
    csv: AsCsv = None,
    html: AsHtml = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Plan genres for films that have none. Writes nothing in the library."""
    writes = writes or ("tag" if server == "plex" else "genre")
    if every and writes == "genre":
        raise typer.BadParameter("--all needs --as tag: existing genres are never changed")
    from keyart.library.library import Library
    from keyart.predictor import Predictor
    from keyart.terminal.library import show_plan
    from keyart.terminal.progress import progress

    _check_views(csv, html)
    with progress("films", quiet=quiet) as advance:
        if server is None:
            plan = Library.open(library).plan(
                Predictor.load(model, precision=precision),
                writes=writes,
                every=every,
                create=not existing,
                progress=advance,
            )
        else:
            from keyart.library.servers import MediaServer

            with MediaServer.open(server, library) as opened:
                plan = opened.plan(
                    Predictor.load(model, precision=precision),
                    writes=writes,
                    every=every,
                    progress=advance,
                )
    plan = plan.write(out)
    _write_views(plan, csv, html)
    if not quiet or as_json:
        show_plan(plan, as_json=as_json)


@commands.command("show")
def library_show(
    plan: PlanFile, csv: AsCsv = None, html: AsHtml = None, as_json: AsJson = False
) -> None:
    """Show a plan again, or write it as CSV or as a page."""
    from keyart.library.plan import read_plan
    from keyart.terminal.library import show_plan

    _check_views(csv, html)
    opened = read_plan(plan)
    _write_views(opened, csv, html)
    show_plan(opened, as_json=as_json)


@commands.command("apply")
def library_apply(
    plan: PlanFile,
    journal: Annotated[
        Path,
        typer.Option(help="File that records each change, for keyart library undo."),
    ],
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make the changes of a plan. Films that have changed since are skipped and listed."""
    from keyart.library.apply import apply_plan
    from keyart.terminal.library import show_outcome
    from keyart.terminal.progress import progress

    with progress("films", quiet=quiet) as advance:
        outcome = apply_plan(plan, journal, progress=advance)
    show_outcome(outcome, "written", quiet=quiet, as_json=as_json)
    if not outcome.whole:
        raise typer.Exit(1)


@commands.command("undo")
def library_undo(
    journal: Annotated[
        Path, typer.Argument(metavar="JOURNAL", help="The file that keyart library apply wrote.")
    ],
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Undo all changes in a journal. Films that have changed since are skipped and listed."""
    from keyart.library.apply import undo_changes
    from keyart.terminal.library import show_outcome
    from keyart.terminal.progress import progress

    with progress("changes", quiet=quiet) as advance:
        outcome = undo_changes(journal, progress=advance)
    show_outcome(outcome, "undone", quiet=quiet, as_json=as_json)
    if not outcome.whole:
        raise typer.Exit(1)


def _check_views(csv: Path | None, html: Path | None) -> None:
    from keyart.files import known_suffix

    if csv is not None:
        known_suffix(csv, (".csv",))
    if html is not None:
        known_suffix(html, (".html", ".htm"))


def _write_views(plan: "Plan", csv: Path | None, html: Path | None) -> None:
    from keyart.library.views import write_plan_csv, write_plan_page

    if csv is not None:
        write_plan_csv(plan, csv)
    if html is not None:
        write_plan_page(plan, html)
