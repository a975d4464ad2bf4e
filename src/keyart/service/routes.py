"""The API: posters and titles in; genres, explanations, similar films and corrections out."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from keyart.errors import PosterError
from keyart.evidence import POSTER
from keyart.explain import Explanation, Method
from keyart.lit_poster import glow_png
from keyart.prediction import Prediction
from keyart.review.corrections import Correction, pixels_sha256
from keyart.service import schemas
from keyart.service.dependencies import (
    CorrectionForm,
    ExplanationForm,
    FilmsForm,
    Holder,
    KnownPosters,
    PosterForm,
    Service,
    Shared,
    Store,
    needs_token,
)
from keyart.service.problems import Problem, describe
from keyart.service.uploads import Upload
from keyart.similar import Similar
from keyart.version import __version__

MOST_SIMILAR = 50
POSTING = ("predictions", "explanations", "similar", "corrections")

_POSTING = describe(400, 403, 408, 413, 415, 421, 422, 503)
_BINARY = {"schema": schemas.BINARY}

router = APIRouter(prefix="/v1", dependencies=[needs_token], responses=describe(401))


@router.post(
    "/predictions",
    summary="Predict the genres of one or many films",
    responses=_POSTING,
    openapi_extra=schemas.FilmsForm.openapi(),
)
async def predict(
    service: Shared,
    form: FilmsForm,
    precision: Annotated[
        float | None,
        Query(description="Share of the predicted genres that should be right.", examples=[0.8]),
    ] = None,
    balanced: Annotated[
        bool, Query(description="Predict more genres, of which fewer are right.")
    ] = False,
) -> schemas.Predictions:
    """Each film gets a prediction, or the problem with it; a single one raises its problem.

    A title and a year are evidence too: one for each poster, in the same order, or none. Empty
    means unknown. Titles may come without posters.
    """
    uploads, films = form.films()
    outcomes = await service.predict(uploads, films, service.deciding(precision, balanced))
    problems = [one for one in outcomes if isinstance(one, Problem)]
    if len(problems) == len(outcomes) == 1:
        raise problems[0]
    answers = [
        schemas.Unread(
            poster=upload.name if upload else None, title=film.title, problem=outcome.document
        )
        if isinstance(outcome, Problem)
        else _prediction(upload, outcome)
        for upload, film, outcome in zip(uploads, films, outcomes, strict=True)
    ]
    if len(problems) == len(outcomes):
        raise Problem("unreadable", "none of the films can be predicted", predictions=answers)
    return schemas.Predictions(model=service.model, predictions=answers)


@router.post(
    "/explanations",
    summary="Show what changed the scores of a film's genres, and where on its poster",
    response_model=schemas.Explanations,
    responses={200: {"content": {"image/png": _BINARY}}, **_POSTING, **describe(501)},
    openapi_extra=schemas.ExplanationForm.openapi(),
)
async def explain_poster(
    service: Shared,
    form: ExplanationForm,
    genre: Annotated[list[str], Query(description="Default: all genres.", examples=["Drama"])] = [],  # noqa: B006 - FastAPI copies it
    method: Annotated[
        Method, Query(description="'occlusion' hides parts of the poster: slow, any model.")
    ] = "activation",
    accept: Annotated[str, Header()] = "",
) -> Any:
    """What each kind of evidence moved, the words of the title, and heat maps as numbers.

    The poster with a heat map instead, if image/png is accepted.
    """
    upload, film = form.poster, form.film()
    genres = service.genres([*genre, *form.genre])
    picture = "image/png" in accept
    if picture and (len(genres) != 1 or upload is None):
        raise Problem("invalid", "a picture shows one genre of a poster; give it: ?genre=Drama")
    limit = service.limits.pixels

    def work() -> list[Explanation]:
        poster = upload.data if upload else None
        return service.predictor.explain(
            poster,
            genres or service.predictor.genres,
            method,
            title=film.title,
            year=film.year,
            max_pixels=limit,
        )

    if upload is None:
        try:
            found = await asyncio.to_thread(work)
        except PosterError as error:  # there is no poster, and the title says nothing
            raise Problem("no-evidence", str(error)) from error
    elif picture:
        content = await service.run(
            upload, lambda: glow_png(upload.data, work()[0], max_pixels=limit)
        )
        return Response(content, media_type="image/png")
    else:
        found = await service.run(upload, work)
    return schemas.Explanations(
        **_about(service, upload),
        method=method if upload else None,
        explanations=[_explanation(one) for one in found],
    )


@router.post(
    "/similar",
    summary="Find the known posters that are most similar",
    responses={**_POSTING, **describe(501)},
    openapi_extra=schemas.PosterForm.openapi(),
)
async def find_similar(
    service: Shared,
    index: KnownPosters,
    form: PosterForm,
    count: Annotated[int, Query(ge=1, le=MOST_SIMILAR)] = 5,
) -> schemas.SimilarFilms:
    """Most similar first, with genres and the paths of thumbnails."""
    upload = form.poster

    def work() -> list[Similar]:
        prepared = service.predictor.prepare(upload.data, service.limits.pixels)
        return index.nearest(service.predictor.embed_prepared([prepared])[0], count)

    found = await service.run(upload, work)
    about = _about(service, upload)
    films = [
        schemas.KnownFilm(
            film_id=film.film_id,
            title=film.title,
            year=film.year,
            genres=list(film.genres),
            similarity=round(film.similarity, 6),
            same=film.poster_sha256 == about["sha256"],
            thumbnail=f"{router.prefix}/similar/{film.place}.jpg",
        )
        for film in found
    ]
    return schemas.SimilarFilms(**about, similar=films)


@router.get(
    "/similar/{place}.jpg",
    summary="A known poster, small",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": _BINARY}}, **describe(404, 422, 501)},
)
async def thumbnail(
    index: KnownPosters, place: Annotated[int, Path(ge=0, le=10_000_000)]
) -> Response:
    """place: the poster's row in the index."""
    try:
        content = await asyncio.to_thread(index.thumbnail, place)
    except IndexError as error:
        raise Problem("not-found", f"the index has no poster {place}") from error
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(content, media_type="image/jpeg", headers=headers)


@router.post(
    "/corrections",
    summary="Say what the genres of a poster are",
    status_code=201,
    responses={
        200: {"model": Correction, "description": "The same correction is already kept"},
        **_POSTING,
        **describe(409, 429, 501),
    },
    openapi_extra=schemas.CorrectionForm.openapi(),
)
async def correct(
    service: Shared, store: Store, form: CorrectionForm, holder: Holder, response: Response
) -> Correction:
    """The correction is kept with the scores that this model gives the poster."""
    upload = form.poster
    genres = service.genres(form.genre)
    if not genres:
        raise Problem("invalid", "give the genres: one or more fields 'genre'")
    if form.model and form.model != service.model:
        raise Problem("other-model", "the service has another model now; look at its genres first")
    (outcome,) = await service.predict([upload], [form.film()])
    if isinstance(outcome, Problem):
        raise outcome
    if outcome.problem:
        raise Problem("unreadable", outcome.problem)
    correction = Correction(
        poster_sha256=upload.sha256,
        title=form.title or upload.name,
        model=service.model,
        scores=_rounded(outcome.scores),
        old_genres=outcome.genres,
        new_genres=tuple(genres),
        # The holder of a token cannot speak in the name of another.
        author=holder or form.author,
    )
    pixels = await service.run(upload, lambda: pixels_sha256(upload.data))
    kept, new = await service.stored.run(
        lambda: store.add(correction, upload.data, pixels=pixels, replace=form.replace)
    )
    response.status_code = 201 if new else 200
    return kept


@router.get(
    "/corrections/{sha256}",
    summary="The correction that counts for a poster",
    responses=describe(422, 501, 503),
)
async def standing_correction(
    service: Shared, store: Store, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> schemas.StandingCorrection:
    """sha256: of the poster's file."""
    found = await service.stored.run(lambda: store.latest(sha256))
    return schemas.StandingCorrection(correction=found)


@router.get("/model", summary="The model: its genres, metrics and card")
async def model(service: Shared) -> schemas.ModelCard:
    """And what this service offers."""
    bundle = service.predictor.bundle
    provenance = bundle.provenance
    limits = service.limits
    network = service.predictor.scorer.network
    return schemas.ModelCard(
        model=bundle.fingerprint,
        name=str(provenance.get("name", "")),
        source=bundle.source,
        keyart=__version__,
        genres=[
            schemas.Genre(name=name, threshold=threshold)
            for name, threshold in service.predictor.thresholds.items()
        ],
        image=bundle.image_to_json(),
        metrics=dict(provenance.get("metrics", {})),
        films=dict(provenance.get("films", {})),
        card=bundle.card,
        offers=schemas.Offers(
            evidence=[list(POSTER), *map(list, bundle.films.fusions if bundle.films else ())],
            explanations=network is not None and network.has("maps"),
            similar=len(service.index) if service.index else 0,
            corrections=service.corrections is not None,
            token=service.tokens is not None,
        ),
        limits=schemas.Bounds(body_bytes=limits.body, posters=limits.posters, pixels=limits.pixels),
    )


def _about(service: Service, upload: Upload | None) -> dict[str, Any]:
    poster, sha256 = (upload.name, upload.sha256) if upload else (None, None)
    return {"model": service.model, "poster": poster, "sha256": sha256}


def _prediction(upload: Upload | None, answer: Prediction) -> schemas.Prediction:
    return schemas.Prediction(
        poster=upload.name if upload else None,
        sha256=upload.sha256 if upload else None,
        title=answer.title,
        year=answer.year,
        genres=list(answer.genres),
        maybe=list(answer.maybe),
        warning=answer.warning or None,
        unsure=answer.unsure,
        evidence=list(answer.evidence),
        reason=answer.problem or None,
        scores=_rounded(answer.scores),
        thresholds=dict(answer.thresholds),
    )


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(score, 6) for name, score in scores.items()}


def _explanation(one: Explanation) -> schemas.Explanation:
    return schemas.Explanation(
        genre=one.genre,
        score=round(one.score, 6),
        threshold=one.threshold,
        rate=one.rate,
        steps={kind: round(score, 6) for kind, score in one.steps.items()},
        parts={kind: round(part, 4) for kind, part in one.parts.items()},
        words={word: round(part, 4) for word, part in one.words.items()},
        where=one.where or None,
        map=one.map.round(4).tolist(),
        heat=one.heat.round(3).tolist(),
        peak=one.peak,
    )
