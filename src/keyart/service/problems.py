"""Errors as clients see them: RFC 9457 problem documents."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

# kind: (status, title). The type of a problem is "urn:keyart:problem:" and its kind.
KINDS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "hung-up": (400, "The client closed the connection"),
    "unauthorized": (401, "A token is needed"),
    "forbidden": (403, "The request comes from another site"),
    "not-found": (404, "Not found"),
    "method": (405, "The method is not allowed here"),
    "too-slow": (408, "The request took too long to arrive"),
    "already-corrected": (409, "The poster already has another correction"),
    "other-model": (409, "The model has changed"),
    "too-large": (413, "The request is too large"),
    "too-many": (413, "The request has too many parts"),
    "unsupported": (415, "Not a JPEG, PNG or WebP poster"),
    "misdirected": (421, "The request is for another host"),
    "unreadable": (422, "The poster cannot be read"),
    "no-evidence": (422, "Nothing is known of the film that the model can use"),
    "invalid": (422, "The request has a wrong value"),
    "full": (429, "The store of corrections takes no more for now"),
    "headers": (431, "The headers of the request are too large"),
    "internal": (500, "The service has an internal error"),
    "not-offered": (501, "The service was started without this feature"),
    "busy": (503, "The service is busy"),
    "unavailable": (503, "The service cannot do this right now"),
}
_RETRY = {"Retry-After": "1"}
_HEADERS = {
    "unauthorized": {"WWW-Authenticate": 'Bearer realm="keyart"'},
    "full": {"Retry-After": "3600"},
    "unsupported": {"Accept-Post": "image/jpeg, image/png, image/webp, multipart/form-data"},
    "busy": _RETRY,
    "unavailable": _RETRY,
}


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 defines it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "urn:keyart:problem:unsupported",
                "title": "Not a JPEG, PNG or WebP poster",
                "status": 415,
                "detail": "this is a ZIP archive; send JPEG, PNG or WebP",
            }
        },
    )
    type: str
    title: str
    status: int
    detail: str


class Problem(HTTPException):
    """A request that is answered with a problem document.

    kind: a key of KINDS. detail: one line for people. more: further members of the document.
    """

    def __init__(self, kind: str, detail: str, **more: Any) -> None:
        status, title = KINDS[kind]
        super().__init__(status, detail, _HEADERS.get(kind))
        self.kind = kind
        self.document = ProblemDocument(
            type=f"urn:keyart:problem:{kind}", title=title, status=status, detail=detail, **more
        )

    def response(self) -> Response:
        """The answer to send."""
        content = self.document.model_dump_json()
        return Response(content, self.status_code, self.headers, media_type=MEDIA_TYPE)


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems with these statuses, for the `responses` of a route in OpenAPI."""
    # FastAPI's "model" would document them as application/json.
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    description = "A problem document (RFC 9457)"
    return {status: {"description": description, "content": content} for status in statuses}


def first_error(errors: list[Any], where: int = 0) -> str:
    """The first of Pydantic's errors as one line. where: parts of its location to leave out."""
    place = ".".join(str(part) for part in errors[0]["loc"][where:])
    return f"{place}: {errors[0]['msg']}"


def answer_with_problems(app: FastAPI) -> None:
    """Turn the errors of the framework, and our own, into problem documents."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_value)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        return error.response()
    kind = {404: "not-found", 405: "method"}.get(error.status_code, "malformed")
    problem = Problem(kind, f"{request.method} {request.url.path}: see /openapi.json for the API")
    problem.headers = error.headers
    return problem.response()


async def _invalid_value(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return Problem("invalid", first_error(list(error.errors()))).response()
