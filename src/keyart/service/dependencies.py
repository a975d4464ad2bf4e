"""What the routes depend on: the service's parts, the caller's name, the request's form."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from keyart.errors import BundleError, PosterError, UnknownGenreError
from keyart.prediction import Prediction, Query
from keyart.predictor import Predictor
from keyart.review.corrections import Corrections
from keyart.seen import Seen
from keyart.service import schemas
from keyart.service.batching import Batcher
from keyart.service.limits import Limits
from keyart.service.metrics import Metrics
from keyart.service.problems import Problem
from keyart.service.stored import StoreCalls
from keyart.service.tokens import Tokens
from keyart.service.uploads import Bodies, Upload, check_kind
from keyart.similar import Index

FormT = TypeVar("FormT", bound=schemas.Form)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Service:
    """What all requests share. index, corrections, tokens: None if it was started without."""

    predictor: Predictor
    limits: Limits
    metrics: Metrics
    bodies: Bodies
    batcher: Batcher
    index: Index | None
    corrections: Corrections | None
    stored: StoreCalls
    tokens: Tokens | None

    @property
    def model(self) -> str:
        """The bundle's fingerprint."""
        return self.predictor.bundle.fingerprint

    def genres(self, names: Sequence[str]) -> list[str]:
        """Names or aliases as genres of the vocabulary, in its order, each once. Raises Problem."""
        vocabulary = self.predictor.bundle.vocabulary
        try:
            places = {vocabulary.index(name) for name in names}
        except UnknownGenreError as error:
            raise Problem("invalid", str(error)) from error
        return [vocabulary.names[place] for place in sorted(places)]

    def deciding(self, precision: float | None, balanced: bool) -> Predictor:
        """The model with the thresholds that a request wants. Raises Problem."""
        try:
            return self.predictor.deciding(precision=precision, balanced=balanced)
        except (BundleError, ValueError) as error:
            raise Problem("invalid", str(error)) from error

    def admit(self) -> None:
        """Raise Problem 503 if there is no room for another request with posters."""
        try:
            self.batcher.admit()
        except Problem:
            self.metrics.posters.labels("refused").inc()
            raise

    async def predict(
        self,
        uploads: Sequence[Upload | None],
        films: Sequence[Query],
        predictor: Predictor | None = None,
    ) -> list[Prediction | Problem]:
        """The prediction for each film, or the problem with it.

        predictor: the service's own, perhaps with other thresholds. uploads: the posters, None for
        a film that has none. films: their titles and years. A title stands in for a poster that
        cannot be read. A file of another kind never enters the queue.
        """
        problems: dict[int, Problem] = {}
        good: dict[int, Upload] = {}
        for place, upload in enumerate(uploads):
            try:
                if upload is not None:
                    check_kind(upload.data)
                    good[place] = upload
            except Problem as problem:
                problems[place] = problem
        found = await self.batcher.see([one.data for one in good.values()]) if good else []
        posters: list[Seen | None] = [None] * len(uploads)
        for place, seen in zip(good, found, strict=True):
            if isinstance(seen, PosterError):
                problems[place] = Problem("unreadable", str(seen))
            elif isinstance(seen, Exception):
                raise seen  # a Problem of the service, or one that nobody expected
            else:
                posters[place] = seen
        known = [
            replace(
                film, poster=upload.name if upload else None, problem=_detail(problems.get(place))
            )
            for place, (upload, film) in enumerate(zip(uploads, films, strict=True))
        ]
        answers: list[Prediction | Problem] = []
        for place, answer in enumerate((predictor or self.predictor).answers(known, posters)):
            if isinstance(answer, Prediction):
                answers.append(answer)
            elif place in problems and not films[place].title:
                answers.append(problems[place])
            else:
                kind = problems[place].kind if place in problems else "no-evidence"
                answers.append(Problem(kind, answer.reason))
        answered = sum(isinstance(answer, Prediction) for answer in answers)
        self.metrics.posters.labels("unreadable").inc(len(answers) - answered)
        self.metrics.posters.labels("answered").inc(answered)
        return answers

    async def run(self, upload: Upload, work: Callable[[], Result]) -> Result:
        """What `work` returns for this poster, run in the queue of posters. Raises Problem."""
        check_kind(upload.data)
        try:
            return await self.batcher.run(upload.data, work)
        except PosterError as error:
            raise Problem("unreadable", str(error)) from error
        except BundleError as error:
            raise Problem("not-offered", str(error)) from error


def _detail(problem: Problem | None) -> str:
    return problem.document.detail if problem else ""


# All are coroutines: FastAPI would run plain functions in a thread each. They depend on the request
# alone: each further step costs 20 µs, also of a request that is refused.
def _of(request: HTTPConnection) -> Service:
    service: Service = request.state.service
    return service


async def _service(request: Request) -> Service:
    return _of(request)


class _TokenHolder(HTTPBearer):
    """The name of the caller's token, None if the service has no tokens. Raises Problem 401."""

    async def __call__(self, request: HTTPConnection) -> str | None:  # type: ignore[override]
        tokens: Tokens | None = request.state.service.tokens
        if tokens is None:
            return None
        credentials = await super().__call__(request)
        name = tokens.holder(credentials.credentials) if credentials else None
        if name is None:
            raise Problem("unauthorized", "send 'Authorization: Bearer TOKEN'")
        return name


async def _index(request: Request) -> Index:
    index = _of(request).index
    if index is None:
        raise Problem("not-offered", "start the service with --index to find similar posters")
    return index


async def _corrections(request: Request) -> Corrections:
    corrections = _of(request).corrections
    if corrections is None:
        raise Problem("not-offered", "start the service with --corrections to keep them")
    return corrections


needs_token = Depends(_TokenHolder(auto_error=False, description="If the service has tokens."))

Shared = Annotated[Service, Depends(_service)]
Holder = Annotated[str | None, needs_token]
KnownPosters = Annotated[Index, Depends(_index)]
Store = Annotated[Corrections, Depends(_corrections)]


def _form(kind: type[FormT]) -> Any:
    """A dependency: the request's form. If the queue is full, Guard has refused the request."""

    async def read(request: Request) -> AsyncIterator[FormT]:
        service = _of(request)
        try:
            async with service.bodies.read(request) as body:
                yield kind.of(body)
        except Problem as problem:
            if problem.kind == "busy":
                service.metrics.posters.labels("refused").inc()
            raise

    # "function": its bytes are free before the answer is sent, however slowly the client reads it.
    return Depends(read, scope="function")


FilmsForm = Annotated[schemas.FilmsForm, _form(schemas.FilmsForm)]
PosterForm = Annotated[schemas.PosterForm, _form(schemas.PosterForm)]
ExplanationForm = Annotated[schemas.ExplanationForm, _form(schemas.ExplanationForm)]
CorrectionForm = Annotated[schemas.CorrectionForm, _form(schemas.CorrectionForm)]
