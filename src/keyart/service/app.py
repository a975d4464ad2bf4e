"""create_app: the API, the page, health and metrics as one application."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import PurePath

from fastapi import FastAPI
from starlette.responses import Response

from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service import routes, schemas
from keyart.service.batching import Batcher
from keyart.service.dependencies import Service, Shared, needs_token
from keyart.service.guard import Guard
from keyart.service.limits import Limits
from keyart.service.metrics import CONTENT_TYPE, Metrics
from keyart.service.problems import Problem, answer_with_problems, describe
from keyart.service.stored import StoreCalls
from keyart.service.tokens import Tokens
from keyart.service.uploads import Bodies
from keyart.similar import Index
from keyart.version import __version__

# Starlette's StaticFiles asks the machine for these; some Windows call .js plain text, and browsers
# do not run that.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def create_app(
    predictor: Predictor,
    *,
    limits: Limits | None = None,
    index: Index | None = None,
    corrections: Corrections | None = None,
    tokens: Tokens | None = None,
    hosts: frozenset[str] | None = None,
    threads: int | None = None,
) -> FastAPI:
    """The service of one model, as an ASGI application.

    index, corrections: without them there are no similar posters, and corrections are not kept.
    tokens: None lets everybody in. hosts: the host names it answers to, besides localhost and IP
    addresses; None for any. threads: None means one for each core.
    """
    limits = limits or Limits()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Service]]:
        batcher = Batcher(predictor, limits, metrics, threads=threads)
        bodies = Bodies(limits)
        stored = StoreCalls()
        service = Service(
            predictor, limits, metrics, bodies, batcher, index, corrections, stored, tokens
        )
        try:
            yield {"service": service}
        finally:
            await batcher.close()
            stored.close()
            if corrections:
                await asyncio.to_thread(corrections.close)

    app = FastAPI(
        title="keyart",
        version=__version__,
        summary="Predict a film's genres from its poster, with calibrated scores.",
        lifespan=lifespan,
        # The usual documentation pages load scripts from other sites.
        docs_url=None,
        redoc_url=None,
    )
    posting = frozenset(f"{routes.router.prefix}/{name}" for name in routes.POSTING)
    app.add_middleware(Guard, metrics=metrics, hosts=hosts, posting=posting)
    answer_with_problems(app)
    app.include_router(routes.router)
    _add_health(app)
    add_page(app, read_page("page"), "index.html")
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", summary="Whether the process is alive")
    async def healthz() -> schemas.Health:
        return schemas.Health()

    @app.get("/readyz", responses=describe(503), summary="Whether posters are accepted")
    async def readyz(service: Shared) -> schemas.Health:
        if not service.batcher.alive:
            raise Problem("unavailable", "the service is stopping, or a poster holds it up")
        return schemas.Health()

    @app.get(
        "/metrics",
        dependencies=[needs_token],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **describe(401)},
        summary="Metrics for Prometheus",
    )
    async def metrics(service: Shared) -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def read_page(*folders: str) -> dict[str, tuple[bytes, str]]:
    """The files of the page in these folders of this package: content and media type by name."""
    return {
        file.name: (file.read_bytes(), _TYPES[PurePath(file.name).suffix])
        for folder in folders
        for file in (files("keyart.service") / folder).iterdir()
    }


def add_page(app: FastAPI, page: Mapping[str, tuple[bytes, str]], start: str) -> None:
    """Serve files at /page/, and `start` of them at /."""

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return await file(start)

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in page:
            raise Problem("not-found", "the page has no such file")
        content, kind = page[name]
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})
