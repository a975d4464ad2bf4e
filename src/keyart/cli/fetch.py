"""Commands that fetch posters: from lists of films, politely, and on to a catalog."""

import re
from pathlib import Path
from typing import Annotated

import typer

from keyart.cli.options import (
    AsJson,
    IdColumn,
    Quiet,
    TitleColumn,
    Vocabulary_,
    YearColumn,
    columns,
)
from keyart.errors import counted

commands = typer.Typer(
    help="Fetch posters for lists of films: IMDb, MovieLens, TMDb, or your own table.",
    no_args_is_help=True,
)
FetchFolder = Annotated[
    Path, typer.Argument(metavar="FETCH", help="The folder that keyart fetch plan made.")
]


@commands.command("plan")
def fetch_plan(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="TABLE",
            help="IMDb's title.basics and title.ratings, MovieLens's movies and links, TMDb's "
            "daily export of ids, or your own tables. Optionally gzipped.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the manifest and the posters.")],
    url_column: Annotated[
        str | None, typer.Option(help="Fetch from the addresses in this column.")
    ] = None,
    url_template: Annotated[
        str | None,
        typer.Option(
            help="Fetch from this address, with {film_id}, {imdb_id}, {imdb_number} or {tmdb_id}."
        ),
    ] = None,
    mirror: Annotated[
        Path | None, typer.Option(help="Copy from this folder, with files named after ids.")
    ] = None,
    tmdb: Annotated[
        bool, typer.Option("--tmdb", help="Fetch from TMDb. The command shows TMDb's terms.")
    ] = False,
    size: Annotated[str, typer.Option(help="With --tmdb: size of the posters.")] = "w342",
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="titleType in IMDb; may be repeated. Default: movie."),
    ] = None,
    years: Annotated[
        str | None, typer.Option(help="Years of films: 1990-2020, 1990- or -2020.")
    ] = None,
    min_votes: Annotated[int, typer.Option(min=0, help="Least number of votes in IMDb.")] = 0,
    only: Annotated[
        str | None,
        typer.Option(
            help="Plan the films of one source: imdb, movielens, tmdb or table. The others add "
            "genres to them."
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option(
            help="Use only this source's genres if it has any for a film. Default: genres of all "
            "sources."
        ),
    ] = None,
    id: IdColumn = None,
    title: TitleColumn = None,
    year: YearColumn = None,
    genres: Annotated[str | None, typer.Option(help="The table's column of genres.")] = None,
    vocabulary: Vocabulary_ = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Plan which posters to fetch, or update the plan. Uses no network."""
    from keyart.sources.fetch import Fetch
    from keyart.terminal.fetch import show_notice, show_plan

    if tmdb and not quiet:
        show_notice()
    fetch = Fetch.plan(
        tables,
        out,
        url_column=url_column,
        url_template=url_template,
        mirror=mirror,
        tmdb=tmdb,
        size=size,
        vocabulary=vocabulary,
        types=types or ["movie"],
        years=_years(years),
        min_votes=min_votes,
        only=only,
        prefer=prefer,
        columns=columns(id=id, title=title, year=year, genres=genres),
    )
    if not quiet or as_json:
        show_plan(fetch, as_json=as_json)


@commands.command("run")
def fetch_run(
    fetch: FetchFolder,
    follow: Annotated[
        Path | None,
        typer.Option(help="Then add the films to this catalog. Make it if there is none."),
    ] = None,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Also check whether fetched posters have changed."),
    ] = False,
    rate: Annotated[
        float, typer.Option(min=0.01, max=20, help="Requests a second to one host.")
    ] = 20.0,
    connections: Annotated[int, typer.Option(min=1, max=8, help="Connections at once.")] = 8,
    tmdb_key_file: Annotated[
        Path | None,
        typer.Option(help="File with TMDb's API key. Default: TMDB_API_KEY."),
    ] = None,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(
            help="Allow a private network, such as 10.0.0.0/8. Redirects never lead there. "
            "Default: none, not even this machine."
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the planned posters. Run it again to resume."""
    from keyart.sources.fetch import Fetch
    from keyart.sources.pace import Limits
    from keyart.terminal.fetch import show_followed, show_notice, show_run
    from keyart.terminal.progress import progress

    opened = Fetch.open(fetch)
    if opened.needs_notice and not quiet:
        show_notice()
    with progress("posters", quiet=quiet) as advance:
        tally = opened.run(
            refresh=refresh,
            limits=Limits(rate=rate, connections=connections),
            allow_networks=allow_network or (),
            key_file=tmdb_key_file,
            progress=advance,
        )
    followed = None
    if follow is not None:
        with progress("catalog", quiet=quiet) as advance:
            followed = opened.follow(follow, progress=advance)
    if not quiet or as_json:
        show_run(opened, tally, followed, as_json=as_json)
        if followed is not None and not as_json:
            show_followed(followed, follow)


@commands.command("status")
def fetch_status(fetch: FetchFolder, as_json: AsJson = False) -> None:
    """Show the progress of a fetch, and why posters are missing."""
    from keyart.sources.fetch import Fetch
    from keyart.terminal.fetch import show_status

    show_status(Fetch.open(fetch).status(), as_json=as_json)


@commands.command("expire")
def fetch_expire(fetch: FetchFolder, quiet: Quiet = False) -> None:
    """Remove posters that have expired by the terms of their source."""
    from keyart.sources.fetch import Fetch

    removed = Fetch.open(fetch).expire()
    if not quiet:
        typer.echo(f"{fetch}: {counted(removed, 'poster')} removed")


def _years(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d{4})?(-)?(\d{4})?", text.strip())
    if not match or not (match[1] or match[3]):
        raise typer.BadParameter(
            f"{text!r} is not a range of years; write 1990-2020, 1990- or -2020"
        )
    first, dash, last = match.groups()
    return (int(first) if first else None, int(last or (0 if dash else first)) or None)
