"""What requests bring and what the API answers: the records, which also make its OpenAPI."""

import re
from typing import Annotated, Any, Literal, Self, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from keyart.evidence import Kind
from keyart.explain import Method
from keyart.film import EARLIEST, LATEST
from keyart.prediction import Query
from keyart.review.corrections import Correction
from keyart.service.problems import Problem, ProblemDocument, first_error
from keyart.service.uploads import Body, Upload
from keyart.title_model import is_year

Score = Annotated[float, Field(ge=0, le=1)]
Fingerprint = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_MODEL = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
_POSTER = {"model": _MODEL, "poster": "the-silent-orbit.jpg", "sha256": _SHA256}
_YEAR = re.compile("[0-9]{4}")
BINARY = {"type": "string", "format": "binary"}

Title = Annotated[str, Field(max_length=1_000)]
# `_film` checks it: Pydantic would say that it does not match a pattern.
Year = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^([0-9]{4})?$"})]
Poster = Annotated[Upload, WithJsonSchema({**BINARY, "contentMediaType": "image/jpeg"})]


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(protected_namespaces=(), json_schema_extra={"example": values})


class Form(BaseModel):
    """The form of a request."""

    @classmethod
    def of(cls, body: Body) -> Self:
        """Fill it from a request's body. Raises Problem."""
        values: dict[str, Any] = {}
        for name, info in cls.model_fields.items():
            found = body.posters if name == "poster" else body.fields.get(name, ())
            if get_origin(info.annotation) is list:
                values[name] = list(found)
            elif name == "poster" and len(found) > 1:
                raise Problem("too-many", f"send one poster at a time, not {len(found)}")
            elif found:
                values[name] = found[0]
        if not body.posters and cls.model_fields["poster"].is_required():
            raise Problem("invalid", "there is no poster in the request")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise Problem("invalid", first_error(list(error.errors()))) from error

    @classmethod
    def openapi(cls) -> dict[str, Any]:
        """The request body in OpenAPI: this form, or a poster alone if nothing else is required."""
        schema = cls.model_json_schema()
        content: dict[str, Any] = {"multipart/form-data": {"schema": schema}}
        if schema.get("required", ["poster"]) == ["poster"]:
            pictures = ("image/jpeg", "image/png", "image/webp")
            content |= {kind: {"schema": BINARY} for kind in pictures}
        return {"requestBody": {"required": True, "content": content}}


class FilmsForm(Form):
    """Films to predict: their posters, with the titles and years that are known, or titles alone.

    title, year: one for each poster, in the same order, or none. Empty means unknown. Without a
    poster, each title is a film, and there is a year for each, or none.
    """

    poster: list[Poster] = []
    title: list[Title] = []
    year: list[Year] = []

    def films(self) -> tuple[list[Upload | None], list[Query]]:
        """The poster of each film, None if it has none, and its title and year. Raises Problem."""
        count = len(self.poster or self.title)
        if not count:
            raise Problem("invalid", "there is no poster and no title in the request")
        for name, values in (("title", self.title), ("year", self.year)):
            if len(values) not in (0, count):
                films = "posters" if self.poster else "titles"
                raise Problem(
                    "invalid",
                    f"{len(values)} fields '{name}' for {count} {films}; send one for each, empty "
                    "if it is unknown, or none",
                )
        titles, years = self.title or [""] * count, self.year or [""] * count
        return (
            [*self.poster] or [None] * count,
            [_film(title, year) for title, year in zip(titles, years, strict=True)],
        )


def _film(title: str, year: str) -> Query:
    """What the fields of a form say of a film. Raises Problem."""
    if year and not (_YEAR.fullmatch(year) and is_year(int(year))):
        raise Problem("invalid", f"year: expected {EARLIEST} to {LATEST}, got {year[:20]!r}")
    return Query(None, None, title or None, int(year) if year else None)


class PosterForm(Form):
    """One poster."""

    poster: Poster


class ExplanationForm(Form):
    """A film as it was sent for a prediction, and genres to explain. Default: all genres."""

    poster: Poster | None = None
    title: Title = ""
    year: Year = ""
    genre: list[str] = []

    def film(self) -> Query:
        """Its title and year. Raises Problem."""
        if self.poster is None and not self.title:
            raise Problem("invalid", "there is no poster and no title in the request")
        return _film(self.title, self.year)


class CorrectionForm(PosterForm):
    """A poster, and what its genres are.

    title, year: as they were sent for the prediction. model: fingerprint of the model whose genres
    were shown.
    """

    genre: list[str] = Field(examples=[["Drama", "Sci-Fi"]], json_schema_extra={"minItems": 1})
    title: Title = ""
    year: Year = ""
    author: str = ""
    model: str = ""
    replace: bool = False

    def film(self) -> Query:
        """Its title and year. Raises Problem."""
        return _film(self.title, self.year)


class Prediction(BaseModel):
    """A film's genres: those with a calibrated score of at least their threshold.

    They keep the wanted precision. maybe: genres that do not, but reach a balanced threshold.
    evidence: what the scores rest on; thresholds are of this evidence. poster, sha256: null if no
    poster was sent. reason: why the poster was not used, if the title had to do without it.
    warning: that the picture does not look like a poster; only a title gives it genres then.
    """

    poster: str | None
    sha256: Fingerprint | None
    title: str | None
    year: int | None
    genres: list[str]
    maybe: list[str]
    unsure: bool
    evidence: list[Kind]
    reason: str | None = None
    warning: str | None = None
    scores: dict[str, Score]
    thresholds: dict[str, float]


class Unread(BaseModel):
    """One of several films that could not be predicted, and why."""

    poster: str | None
    title: str | None
    problem: ProblemDocument


class Predictions(BaseModel):
    """The predictions, in the order of the films."""

    model_config = _example(
        model=_MODEL,
        predictions=[
            {
                "poster": "the-silent-orbit.jpg",
                "sha256": _SHA256,
                "title": "The Silent Orbit",
                "year": 1979,
                "genres": ["Sci-Fi"],
                "maybe": ["Thriller"],
                "unsure": False,
                "evidence": ["poster", "title", "year"],
                "scores": {"Drama": 0.31, "Sci-Fi": 0.82, "Thriller": 0.35},
                "thresholds": {"Drama": 0.42, "Sci-Fi": 0.42, "Thriller": 1.0},
            }
        ],
    )
    model: Fingerprint
    predictions: list[Prediction | Unread]


class Explanation(BaseModel):
    """What moved the score of one genre.

    rate: the share of all films that have it; null if the model does not say. steps: the score by
    the poster, then with the title, then with the year. parts: what each of them adds to the
    log-odds, from those of the rate, or from 0; the sum is the log-odds of the score. words: what
    each word of the title, or two in a row, adds to them. map: rows over the poster, from its top;
    what each place adds to the genre's logit. heat: how much it speaks for the genre, from 0 to 1,
    for display; 1 stands for a rise of `peak` in log-odds. Without a poster, the maps are empty and
    where is null.
    """

    genre: str
    score: Score
    threshold: float
    rate: Score | None = None
    steps: dict[Kind, Score]
    parts: dict[Kind, float]
    words: dict[str, float]
    where: str | None = None
    map: list[list[float]]
    heat: list[list[Score]]
    peak: float


class Explanations(BaseModel):
    """What moved the genres of one film."""

    model_config = _example(
        **_POSTER,
        method="activation",
        explanations=[
            {
                "genre": "Sci-Fi",
                "score": 0.82,
                "threshold": 0.4,
                "rate": 0.05,
                "steps": {"poster": 0.62, "title": 0.78, "year": 0.82},
                "parts": {"poster": 3.434, "title": 0.776, "year": 0.251},
                "words": {"orbit": 0.71, "silent": 0.09, "the": -0.02},
                "where": "top right",
                "map": [[0.1, 2.4], [-0.3, 0.2]],
                "heat": [[0.0, 1.0], [0.0, 0.0]],
                "peak": 1.8,
            }
        ],
    )
    model: Fingerprint
    poster: str | None
    sha256: Fingerprint | None
    method: Method | None = None
    explanations: list[Explanation]


class KnownFilm(BaseModel):
    """A film of the index. thumbnail: path of its small poster. same: it is the same file."""

    film_id: str
    title: str
    year: int | None
    genres: list[str]
    similarity: float
    same: bool
    thumbnail: str


class SimilarFilms(BaseModel):
    """Known films with the most similar posters, most similar first."""

    model_config = _example(
        **_POSTER,
        similar=[
            {
                "film_id": "tt0000001",
                "title": "Orbit of Silence",
                "year": 1979,
                "genres": ["Sci-Fi"],
                "similarity": 0.91,
                "same": False,
                "thumbnail": "/v1/similar/17.jpg",
            }
        ],
    )
    model: Fingerprint
    poster: str
    sha256: Fingerprint
    similar: list[KnownFilm]


class StandingCorrection(BaseModel):
    """The correction that counts for a poster, null if there is none."""

    model_config = _example(
        correction={
            "poster_sha256": _SHA256,
            "title": "The Silent Orbit",
            "model": _MODEL,
            "scores": {"Drama": 0.31, "Sci-Fi": 0.82, "Thriller": 0.55},
            "old_genres": ["Sci-Fi", "Thriller"],
            "new_genres": ["Drama", "Sci-Fi"],
            "author": "ada",
            "time": "2025-01-31T12:00:00Z",
        }
    )
    correction: Correction | None


class Genre(BaseModel):
    """A genre of the model, and the score from which a poster by itself gets it."""

    name: str
    threshold: float


class Offers(BaseModel):
    """What this service was started with.

    evidence: what its predictions can rest on. similar: films in its index.
    """

    evidence: list[list[Kind]]
    explanations: bool
    similar: int
    corrections: bool
    token: bool


class Bounds(BaseModel):
    """What a request may be."""

    body_bytes: int
    posters: int
    pixels: int


class ModelCard(BaseModel):
    """The model of this service. source: where it was fetched, with its commit or hash, or ""."""

    model_config = ConfigDict(protected_namespaces=())
    model: Fingerprint
    name: str
    source: str
    keyart: str
    genres: list[Genre]
    image: dict[str, Any]
    metrics: dict[str, Any]
    films: dict[str, Any]
    card: str
    offers: Offers
    limits: Bounds


class Health(BaseModel):
    """'ok'."""

    status: Literal["ok"] = "ok"
