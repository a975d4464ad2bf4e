"""What each request does: posters in, scores, places, neighbours and corrections out."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

import keyart
from keyart.errors import (
    AlreadyCorrectedError,
    BundleError,
    CorrectionsError,
    PosterError,
    UnknownGenreError,
)
from keyart.explain import Explanation, Method, glow_png
from keyart.predictor import Predictor
from keyart.review.corrections import Correction, Corrections
from keyart.scorer import Scores
from keyart.service.batching import Batcher
from keyart.service.limits import Bodies, Limits
from keyart.service.metrics import Metrics
from keyart.service.problems import Problem
from keyart.service.uploads import Form, Upload, check_kind, read_form
from keyart.similar import Index

MOST_SIMILAR = 50


@dataclass
class Service:
    """All that the handlers share. batcher: there from the application's start to its end."""

    predictor: Predictor
    limits: Limits
    bodies: Bodies
    metrics: Metrics
    index: Index | None
    corrections: Corrections | None
    token: bool
    batcher: Batcher

    @property
    def model(self) -> str:
        """The bundle's fingerprint."""
        return self.predictor.bundle.fingerprint

    @asynccontextmanager
    async def form(self, request: Request) -> AsyncIterator[Form]:
        """Read a request's form; where the queue is full it is refused before it is read."""
        try:
            self.batcher.admit()
            async with self.bodies.read(request) as body:
                yield read_form(body, request.headers.get("content-type", ""), self.limits)
        except Problem as problem:
            if problem.kind == "busy":
                self.metrics.posters.labels("refused").inc()
            raise


def json_response(content: Any, status: int = 200) -> Response:
    """JSON as it is, without a detour through models: the tests hold it to the schemas."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")


async def predict(service: Service, request: Request) -> Response:
    """Answer every poster of the request; one alone that cannot be read is a problem itself."""
    async with service.form(request) as form:
        outcomes = await _score(service, form.posters)
    problems = [one for one in outcomes if isinstance(one, Problem)]
    if len(problems) == len(outcomes) == 1:
        raise problems[0]
    answers = [
        {"poster": upload.name, "problem": outcome.document()}
        if isinstance(outcome, Problem)
        else _prediction(service, upload, outcome)
        for upload, outcome in zip(form.posters, outcomes, strict=True)
    ]
    if len(problems) == len(outcomes):
        raise Problem("unreadable", "none of the posters can be read", predictions=answers)
    return json_response({"model": service.model, "predictions": answers})


async def explain_poster(
    service: Service, request: Request, genres: Sequence[str], method: Method
) -> Response:
    """Where genres come from, as numbers; as a lit poster where image/png is asked for."""
    async with service.form(request) as form:
        upload = form.one()
        named = _genres(service, [*genres, *form.fields.get("genre", ())])
        wanted = named or list(service.predictor.genres)
        picture = "image/png" in request.headers.get("accept", "")
        if picture and len(named) != 1:
            raise Problem("invalid", "a picture shows one genre; name it: ?genre=Drama")

        def work() -> bytes | list[Explanation]:
            limit = service.limits.pixels
            found = service.predictor.explain(upload.data, wanted, method, max_pixels=limit)
            return glow_png(upload.data, found[0], max_pixels=limit) if picture else found

        result = await _run(service, upload, work)
    if isinstance(result, bytes):
        return Response(result, media_type="image/png")
    return json_response(
        {
            **_about(service, upload),
            "method": method,
            "explanations": [
                {
                    "genre": one.genre,
                    "score": round(one.score, 6),
                    "threshold": one.threshold,
                    "where": one.where,
                    "map": one.map.round(4).tolist(),
                    "heat": one.heat.round(3).tolist(),
                }
                for one in result
            ],
        }
    )


async def find_similar(service: Service, request: Request, count: int) -> Response:
    """The known posters most alike."""
    index = _index(service)
    async with service.form(request) as form:
        upload = form.one()

        def work() -> list[dict[str, Any]]:
            prepared = service.predictor.prepare(upload.data, service.limits.pixels)
            embedding = service.predictor.embed_prepared([prepared])[0]
            return [asdict(one) for one in index.nearest(embedding, count)]

        found = await _run(service, upload, work)
    about = _about(service, upload)
    for film in found:
        film["similarity"] = round(film["similarity"], 6)
        film["same"] = film.pop("poster_sha256") == about["sha256"]
        film["thumbnail"] = f"/v1/similar/{film.pop('place')}.jpg"
    return json_response({**about, "similar": found})


async def thumbnail(service: Service, place: int) -> Response:
    """A known poster, small."""
    try:
        content = await asyncio.to_thread(_index(service).thumbnail, place)
    except IndexError as error:
        raise Problem("not-found", f"the index has no poster {place}") from error
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(content, media_type="image/jpeg", headers=headers)


async def correct(service: Service, request: Request) -> Response:
    """Keep a correction, with the scores that this model gives the poster."""
    store = _corrections(service)
    async with service.form(request) as form:
        upload = form.one()
        genres = _genres(service, form.fields.get("genre", ()))
        if not genres:
            raise Problem("invalid", "name the genres: one or more fields 'genre'")
        shown = form.value("model")
        if shown and shown != service.model:
            raise Problem("other-model", "another model answers by now; look at its genres first")
        (outcome,) = await _score(service, [upload])
        if isinstance(outcome, Problem):
            raise outcome
        answer = _prediction(service, upload, outcome)
        correction = Correction(
            poster_sha256=answer["sha256"],
            title=form.value("title") or upload.name,
            model=service.model,
            scores=answer["scores"],
            old_genres=tuple(answer["genres"]),
            new_genres=tuple(genres),
            # A token's holder cannot speak in another's name.
            author=request.scope.get("keyart.holder") or form.value("author"),
        )
        replace = form.value("replace").casefold() in ("true", "1", "yes", "on")
        try:
            kept, new = await asyncio.to_thread(store.add, correction, upload.data, replace=replace)
        except AlreadyCorrectedError as error:
            raise Problem("already-corrected", str(error)) from error
        except CorrectionsError as error:
            raise Problem("unavailable", "the store of corrections cannot be reached") from error
    return json_response(_correction(kept), 201 if new else 200)


async def standing_correction(service: Service, sha256: str) -> Response:
    """The correction that counts for a poster, if any."""
    try:
        found = await asyncio.to_thread(_corrections(service).latest, sha256)
    except CorrectionsError as error:
        raise Problem("unavailable", "the store of corrections cannot be reached") from error
    return json_response({"correction": _correction(found) if found else None})


def describe_model(service: Service) -> dict[str, Any]:
    """The model's card, its genres and what this service offers."""
    bundle = service.predictor.bundle
    provenance = bundle.provenance
    return {
        "model": bundle.fingerprint,
        "name": str(provenance.get("name", "")),
        "keyart": keyart.__version__,
        "genres": [
            {"name": name, "threshold": float(threshold)}
            for name, threshold in zip(bundle.vocabulary.names, bundle.thresholds, strict=True)
        ],
        "image": bundle.image_to_json(),
        "figures": dict(provenance.get("metrics", {})),
        "films": dict(provenance.get("films", {})),
        "card": bundle.card,
        "offers": {
            "explanations": _has_maps(service.predictor),
            "similar": len(service.index) if service.index else 0,
            "corrections": service.corrections is not None,
            "token": service.token,
        },
        "limits": {
            "body_bytes": service.limits.body,
            "posters": service.limits.posters,
            "pixels": service.limits.pixels,
        },
    }


def _has_maps(predictor: Predictor) -> bool:
    network = predictor.scorer.network
    return network is not None and network.has("maps")


async def _score(service: Service, uploads: Sequence[Upload]) -> list[Scores | Problem]:
    """Scores of each poster, or the problem with it. What is no poster never enters the queue."""
    outcomes: list[Scores | Problem | None] = []
    for upload in uploads:
        try:
            check_kind(upload.data)
            outcomes.append(None)
        except Problem as problem:
            outcomes.append(problem)
    good = [place for place, outcome in enumerate(outcomes) if outcome is None]
    answers = await service.batcher.scores([uploads[place].data for place in good]) if good else []
    for place, answer in zip(good, answers, strict=True):
        if isinstance(answer, PosterError):
            outcomes[place] = Problem("unreadable", str(answer))
        elif isinstance(answer, Exception):
            raise answer
        else:
            outcomes[place] = answer
    done = [outcome for outcome in outcomes if outcome is not None]
    unread = sum(isinstance(outcome, Problem) for outcome in done)
    service.metrics.posters.labels("unreadable").inc(unread)
    service.metrics.posters.labels("answered").inc(len(done) - unread)
    return done


async def _run(service: Service, upload: Upload, work: Any) -> Any:
    check_kind(upload.data)
    try:
        return await service.batcher.run(work)
    except PosterError as error:
        raise Problem("unreadable", str(error)) from error
    except BundleError as error:
        raise Problem("not-offered", str(error)) from error


def _about(service: Service, upload: Upload) -> dict[str, Any]:
    sha256 = hashlib.sha256(upload.data).hexdigest()
    return {"model": service.model, "poster": upload.name, "sha256": sha256}


def _prediction(service: Service, upload: Upload, scores: Scores) -> dict[str, Any]:
    answer = service.predictor.answer(upload.name, scores)
    names = service.predictor.bundle.vocabulary.names
    return {
        "poster": upload.name,
        "sha256": hashlib.sha256(upload.data).hexdigest(),
        "genres": list(answer.genres),
        "unsure": not answer.genres,
        "scores": dict(zip(names, scores.round(6).tolist(), strict=True)),
    }


def _genres(service: Service, names: Sequence[str]) -> list[str]:
    """Names or aliases as genres of the vocabulary, in its order, each once."""
    vocabulary = service.predictor.bundle.vocabulary
    try:
        places = {vocabulary.index(name) for name in names}
    except UnknownGenreError as error:
        raise Problem("invalid", str(error)) from error
    return [vocabulary.names[place] for place in sorted(places)]


def _correction(correction: Correction) -> dict[str, Any]:
    return {**asdict(correction), "time": correction.time.isoformat(timespec="seconds")}


def _index(service: Service) -> Index:
    if service.index is None:
        raise Problem("not-offered", "start it with --index to find similar posters", early=True)
    return service.index


def _corrections(service: Service) -> Corrections:
    if service.corrections is None:
        raise Problem("not-offered", "start it with --corrections to keep them", early=True)
    return service.corrections
