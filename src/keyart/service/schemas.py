"""What the API answers, for its OpenAPI document. The tests hold every answer to it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Score = Annotated[float, Field(ge=0, le=1)]
Fingerprint = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_MODEL = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 has it."""

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


class Prediction(BaseModel):
    """A poster's genres: those whose calibrated score reaches their threshold."""

    poster: str
    sha256: Fingerprint
    genres: list[str]
    unsure: bool
    scores: dict[str, Score]


class Unread(BaseModel):
    """A poster among several that could not be read, and why."""

    poster: str
    problem: ProblemDocument


class Predictions(BaseModel):
    """The answers, in the order of the posters."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": _MODEL,
                "predictions": [
                    {
                        "poster": "the-silent-orbit.jpg",
                        "sha256": _SHA256,
                        "genres": ["Sci-Fi", "Thriller"],
                        "unsure": False,
                        "scores": {"Drama": 0.31, "Sci-Fi": 0.82, "Thriller": 0.55},
                    }
                ],
            }
        }
    )
    model: Fingerprint
    predictions: list[Prediction | Unread]


class Place(BaseModel):
    """Where one genre comes from.

    map: rows over the poster, from its top; what each place adds to the genre's logit. heat: the
    same from 0 to 1, to be shown.
    """

    genre: str
    score: Score
    threshold: float
    where: str
    map: list[list[float]]
    heat: list[list[Score]]


class Explanations(BaseModel):
    """Where genres come from on one poster."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": _MODEL,
                "poster": "the-silent-orbit.jpg",
                "sha256": _SHA256,
                "method": "activation",
                "explanations": [
                    {
                        "genre": "Sci-Fi",
                        "score": 0.82,
                        "threshold": 0.4,
                        "where": "top right",
                        "map": [[0.1, 2.4], [-0.3, 0.2]],
                        "heat": [[0.0, 1.0], [0.0, 0.0]],
                    }
                ],
            }
        }
    )
    model: Fingerprint
    poster: str
    sha256: Fingerprint
    method: Literal["activation", "occlusion"]
    explanations: list[Place]


class KnownFilm(BaseModel):
    """A film of the index. thumbnail: path of its poster, small. same: it is the very same file."""

    film_id: str
    title: str
    year: int | None
    genres: list[str]
    similarity: float
    same: bool
    thumbnail: str


class SimilarFilms(BaseModel):
    """Known films whose posters look most alike, most alike first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": _MODEL,
                "poster": "the-silent-orbit.jpg",
                "sha256": _SHA256,
                "similar": [
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
            }
        }
    )
    model: Fingerprint
    poster: str
    sha256: Fingerprint
    similar: list[KnownFilm]


class CorrectionKept(BaseModel):
    """A correction, with what was shown when it was made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "poster_sha256": _SHA256,
                "title": "The Silent Orbit",
                "model": _MODEL,
                "scores": {"Drama": 0.31, "Sci-Fi": 0.82, "Thriller": 0.55},
                "old_genres": ["Sci-Fi", "Thriller"],
                "new_genres": ["Drama", "Sci-Fi"],
                "author": "ada",
                "time": "2025-01-31T12:00:00+00:00",
            }
        }
    )
    poster_sha256: Fingerprint
    title: str
    model: Fingerprint
    scores: dict[str, Score]
    old_genres: list[str]
    new_genres: list[str]
    author: str
    time: str


class StandingCorrection(BaseModel):
    """The correction that counts for a poster, null where there is none."""

    correction: CorrectionKept | None


class Genre(BaseModel):
    """A genre of the model, and the score from which it is answered."""

    name: str
    threshold: float


class Offers(BaseModel):
    """What this service was started with."""

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
    """The model that answers."""

    model_config = ConfigDict(protected_namespaces=())
    model: Fingerprint
    name: str
    keyart: str
    genres: list[Genre]
    image: dict[str, Any]
    figures: dict[str, Any]
    films: dict[str, Any]
    card: str
    offers: Offers
    limits: Bounds


class Health(BaseModel):
    """'ok'."""

    status: Literal["ok"]
