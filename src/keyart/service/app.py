"""create_app: the routes of the page and the API, and what surrounds them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

import keyart
from keyart.explain import Method
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.service import handlers, schemas
from keyart.service.access import Tokens
from keyart.service.batching import Batcher
from keyart.service.guard import Guard
from keyart.service.handlers import MOST_SIMILAR, Service, json_response
from keyart.service.limits import Bodies, Limits
from keyart.service.metrics import CONTENT_TYPE, Metrics
from keyart.service.problems import MEDIA_TYPE, Problem
from keyart.similar import Index

_PAGE = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        ("app.js", "api.js", "card.js", "downloads.js", "heat.js"),
        "text/javascript; charset=utf-8",
    ),
}

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE = {"type": "string", "contentMediaType": "image/jpeg", "format": "binary"}


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
    """The service of one bundle.

    index, corrections: None leaves out similar posters, or the keeping of corrections. tokens:
    None lets everybody in. hosts: the host names it answers to, None for any. threads: None is one
    a core.
    """
    limits = limits or Limits()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher = Batcher(predictor, limits, metrics, threads=threads)
        app.state.service = Service(
            predictor,
            limits,
            Bodies(limits),
            metrics,
            index,
            corrections,
            tokens is not None,
            batcher,
        )
        try:
            yield
        finally:
            await batcher.close()
            if corrections:
                await asyncio.to_thread(corrections.close)

    app = FastAPI(
        title="keyart",
        version=keyart.__version__,
        summary="Predict a film's genres from its poster, and say how far to trust the answer.",
        lifespan=lifespan,
        # The usual pages of documentation load scripts from elsewhere; ours does not.
        docs_url=None,
        redoc_url=None,
    )
    document = app.openapi

    def openapi() -> dict[str, Any]:
        """The document, with the schema that all problems point to."""
        schemas_of = document().setdefault("components", {}).setdefault("schemas", {})
        schemas_of["ProblemDocument"] = schemas.ProblemDocument.model_json_schema()
        return document()

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_middleware(Guard, metrics=metrics, tokens=tokens, hosts=hosts)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    _add_page(app)
    _add_health(app, metrics)
    _add_api(app)
    return app


def _add_page(app: FastAPI) -> None:
    folder = files("keyart.service") / "page"
    contents = {name: (folder / name).read_bytes() for name in _PAGE}

    def serve(name: str) -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(contents[name], media_type=_PAGE[name], headers=headers)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return serve("index.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        if name not in _PAGE:
            raise Problem("not-found", "the page has no such file")
        return serve(name)


def _add_health(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/healthz", response_model=schemas.Health, summary="Whether the process lives")
    async def healthz() -> Response:
        return json_response({"status": "ok"})

    @app.get(
        "/readyz",
        response_model=schemas.Health,
        responses=_problems(503),
        summary="Whether posters are answered",
    )
    async def readyz(request: Request) -> Response:
        service = _service(request)
        if not service.batcher.alive:
            raise Problem("unavailable", "the service is stopping")
        return json_response({"status": "ok"})

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **_problems(401)},
        summary="Figures for Prometheus",
    )
    async def metrics_text() -> Response:
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _add_api(app: FastAPI) -> None:
    posting = _problems(400, 401, 403, 408, 413, 415, 421, 422, 503)

    @app.post(
        "/v1/predictions",
        response_model=schemas.Predictions,
        responses=posting,
        openapi_extra=_takes(many=True),
        summary="The genres of one or many posters",
    )
    async def predictions(request: Request) -> Response:
        return await handlers.predict(_service(request), request)

    @app.post(
        "/v1/explanations",
        response_model=schemas.Explanations,
        responses={200: {"content": {"image/png": _BINARY}}, **posting, **_problems(501)},
        openapi_extra=_takes(genre=True),
        summary="Where on a poster its genres come from",
    )
    async def explanations(
        request: Request,
        genre: Annotated[
            list[str] | None, Query(description="Default: all genres.", examples=["Drama"])
        ] = None,
        method: Annotated[
            Method, Query(description="'occlusion' hides parts instead: slower, trusts nothing.")
        ] = "activation",
    ) -> Response:
        return await handlers.explain_poster(_service(request), request, genre or (), method)

    @app.post(
        "/v1/similar",
        response_model=schemas.SimilarFilms,
        responses={**posting, **_problems(501)},
        openapi_extra=_takes(),
        summary="The known posters most alike",
    )
    async def similar(
        request: Request,
        count: Annotated[int, Query(ge=1, le=MOST_SIMILAR)] = 5,
    ) -> Response:
        return await handlers.find_similar(_service(request), request, count)

    @app.get(
        "/v1/similar/{place}.jpg",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": _BINARY}},
            **_problems(401, 404, 422, 501),
        },
        summary="A known poster, small",
    )
    async def thumbnail(
        request: Request, place: Annotated[int, Path(ge=0, le=10_000_000)]
    ) -> Response:
        return await handlers.thumbnail(_service(request), place)

    @app.post(
        "/v1/corrections",
        response_model=schemas.CorrectionKept,
        status_code=201,
        responses={
            200: {"model": schemas.CorrectionKept, "description": "It was said already"},
            **posting,
            **_problems(409, 501),
        },
        openapi_extra=_takes(correction=True),
        summary="Say what a poster's genres are",
    )
    async def corrections(request: Request) -> Response:
        return await handlers.correct(_service(request), request)

    @app.get(
        "/v1/corrections/{sha256}",
        response_model=schemas.StandingCorrection,
        responses=_problems(401, 422, 501, 503),
        summary="The correction that counts for a poster",
    )
    async def standing(
        request: Request, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
    ) -> Response:
        return await handlers.standing_correction(_service(request), sha256)

    @app.get(
        "/v1/model",
        response_model=schemas.ModelCard,
        responses=_problems(401),
        summary="The model: its genres, figures and card",
    )
    async def model(request: Request) -> Response:
        return json_response(handlers.describe_model(_service(request)))


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {
        status: {"description": "A problem document (RFC 9457)", "content": content}
        for status in statuses
    }


def _takes(*, many: bool = False, genre: bool = False, correction: bool = False) -> dict[str, Any]:
    """The request body as OpenAPI says it: a form with posters, or a poster alone."""
    properties: dict[str, Any] = {
        "poster": {"type": "array", "items": _FILE, "minItems": 1} if many else _FILE
    }
    required = ["poster"]
    names = {"type": "array", "items": {"type": "string"}}
    if genre:
        properties["genre"] = names
    if correction:
        required.append("genre")
        properties |= {
            "genre": {**names, "minItems": 1, "example": ["Drama", "Sci-Fi"]},
            "title": {"type": "string"},
            "author": {"type": "string"},
            "model": {"type": "string", "description": "Fingerprint of what was shown."},
            "replace": {"type": "boolean", "default": False},
        }
    form = {"type": "object", "properties": properties, "required": required}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if not correction:
        content |= {kind: _BINARY for kind in ("image/jpeg", "image/png", "image/webp")}
    return {"requestBody": {"required": True, "content": content}}


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = {404: "not-found", 405: "method"}.get(error.status_code, "malformed")
    detail = f"{request.method} {request.url.path}: see /openapi.json for what there is"
    response = Problem(kind, detail, early=True).response()
    if error.headers and "allow" in {name.lower() for name in error.headers}:
        response.headers["Allow"] = error.headers.get("Allow", "")
    return response


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return Problem("invalid", f"{where}: {first['msg']}", early=True).response()
