"""serve_review: the page on which people decide doubtful genres, and its API."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from starlette.responses import Response

from keyart.errors import CorrectionsError
from keyart.files import StrPath
from keyart.review.corrections import DEFAULT_URL
from keyart.review.decisions import Decision, Decisions
from keyart.review.doubts import Doubts
from keyart.service.app import add_page, read_page
from keyart.service.dependencies import Holder, needs_token
from keyart.service.guard import Guard
from keyart.service.metrics import Metrics
from keyart.service.problems import Problem, answer_with_problems
from keyart.service.reviewing import Reviewing
from keyart.service.server import address, answered_hosts, config, is_loopback, listen
from keyart.service.tokens import Tokens
from keyart.version import __version__

if TYPE_CHECKING:
    from keyart.catalog.catalog import Catalog

_log = logging.getLogger("keyart.service")
_HEIGHTS = (240, 720)
_OPEN_TO_ALL = "anybody who reaches it may decide; set --tokens FILE or $KEYART_TOKEN"


def serve_review(
    catalog: "Catalog",
    doubts: Doubts,
    *,
    corrections: str = DEFAULT_URL,
    host: str = "127.0.0.1",
    port: int = 8001,
    tokens: StrPath | None = None,
    allowed_hosts: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve the review page until SIGINT or SIGTERM.

    doubts: of this catalog, as `find_doubts` gives them. corrections: an SQLite or PostgreSQL URL;
    decisions are kept there, next to the corrections of `serve`. port: 0 takes a free one. tokens,
    allowed_hosts, say: as for `serve`. Raises DoubtsError, ServiceError, CorrectionsError.
    """
    known = Tokens.read(tokens)
    hosts = answered_hosts(host, allowed_hosts, open_to_all=known is None)
    reviewing = Reviewing(catalog, doubts, Decisions(corrections), known)
    app = create_review_app(reviewing, hosts=hosts)
    listener = listen(host, port)
    bound = listener.getsockname()[1]
    if known is None and not is_loopback(host):
        (say or _log.warning)(f"warning: {host}:{bound}: {_OPEN_TO_ALL}")
    (say or _log.info)(
        f"keyart shows {len(doubts):,} doubts of {catalog.path} at {address(host, bound)} "
        "(Ctrl-C stops it; every decision is saved at once)"
    )
    uvicorn.Server(config(lambda: app)).run(sockets=[listener])


def create_review_app(reviewing: Reviewing, *, hosts: frozenset[str] | None = None) -> FastAPI:
    """The review page and its API, as an ASGI application.

    hosts: the host names it answers to, besides localhost and IP addresses; None for any.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Reviewing]]:
        try:
            yield {"service": reviewing}
        finally:
            await asyncio.to_thread(reviewing.close)

    app = FastAPI(
        title="keyart review", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.add_middleware(Guard, metrics=Metrics(), hosts=hosts)
    answer_with_problems(app)
    app.include_router(_router)
    add_page(app, read_page("page", "review_page"), "review.html")
    return app


_Name = Annotated[str, Query(pattern="^[A-Za-z0-9-]{8,64}$")]
_Kind = Annotated[Literal["", "wrong", "missing"], Query()]


async def _reviewing(request: Request) -> Reviewing:
    found: Reviewing = request.state.service
    return found


_Review = Annotated[Reviewing, Depends(_reviewing)]
_router = APIRouter(prefix="/v1/review", dependencies=[needs_token])


# Plain functions: each call waits for the store or a file, in a thread of its own.
@_router.get("/next", summary="The case to decide, and the one after it")
def following(review: _Review, reviewer: _Name, kind: _Kind = "", genre: str = "") -> Any:
    """Also how far the review is, and the genres with open cases."""
    with _store_errors():
        places = review.next(reviewer, kind, genre)
        return {
            "cases": [_case(review, place) for place in places],
            "progress": _progress(review, reviewer, kind, genre),
            "genres": review.genres(reviewer, kind),
        }


@_router.get("/state", summary="What others decided on a case while it is shown")
def state(review: _Review, reviewer: _Name, place: int, kind: _Kind = "", genre: str = "") -> Any:
    """A page asks now and then; so others get other cases."""
    with _store_errors():
        taken = review.look(reviewer, place)
        return {
            "taken": list(map(_shown, taken)),
            "progress": _progress(review, reviewer, kind, genre),
        }


@_router.post("/decisions", summary="Decide a case")
def decide(
    review: _Review,
    holder: Holder,
    reviewer: _Name,
    key: _Name,
    place: int,
    verdict: Literal["accept", "reject", "skip"],
    author: Annotated[str, Query(max_length=300)] = "",
) -> Any:
    """It is kept when this answers. A key that was sent before is kept once."""
    with _store_errors():
        others = review.decide(place, verdict, reviewer, holder or author, key)
    return {
        "others": list(map(_shown, others)),
        "conflict": any(one.verdict != verdict for one in others) and verdict != "skip",
    }


@_router.post("/undo", summary="Undo your last decision")
def undo(
    review: _Review,
    holder: Holder,
    reviewer: _Name,
    key: _Name,
    author: Annotated[str, Query(max_length=300)] = "",
) -> Any:
    """The case comes back; place: null if there is nothing to take back."""
    with _store_errors():
        place = review.undo(reviewer, holder or author, key)
    return {"place": place, "case": None if place is None else _case(review, place)}


@_router.post("/again", summary="Show the skipped cases again")
def again(
    review: _Review,
    holder: Holder,
    reviewer: _Name,
    author: Annotated[str, Query(max_length=300)] = "",
) -> Any:
    """cases: how many they are."""
    with _store_errors():
        return {"cases": review.again(reviewer, holder or author)}


@_router.get("/posters/{row}", response_class=Response, summary="The poster of a film")
def poster(review: _Review, row: int, height: int = _HEIGHTS[0]) -> Response:
    """As JPEG, 240 or 720 pixels high."""
    if height not in _HEIGHTS:
        raise Problem("invalid", f"height: expected one of {_HEIGHTS}")
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(review.picture(row, height), media_type="image/jpeg", headers=headers)


@contextmanager
def _store_errors() -> Iterator[None]:
    """An error of the store becomes a problem that a page waits out."""
    try:
        yield
    except CorrectionsError as error:
        raise Problem("unavailable", "the store of decisions cannot be reached") from error


def _case(review: Reviewing, place: int) -> dict[str, Any]:
    one = review.doubt(place)
    return {
        "place": place,
        "of": len(review.doubts),
        **{key: value for key, value in asdict(one).items() if key != "poster_sha256"},
    }


def _progress(review: Reviewing, reviewer: str, kind: str, genre: str) -> dict[str, int]:
    found = review.progress(reviewer, kind, genre)
    return {**asdict(found), "decided": found.decided}


def _shown(one: Decision) -> dict[str, str]:
    return {"author": one.author, "verdict": one.verdict, "time": one.time.isoformat()}
