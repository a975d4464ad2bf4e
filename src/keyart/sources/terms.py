"""The terms of the sources, in short. They bind whoever fetches; docs/sources.md has more."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Terms:
    """What a source asks for.

    attribution: the line to show wherever its content is used. keep: how long its content may be
    kept; None if there is no limit. agreement: whether it asks for a written agreement before its
    content trains a model.
    """

    name: str
    summary: str
    attribution: str = ""
    keep: timedelta | None = None
    agreement: bool = False


TERMS = {
    "imdb": Terms(
        "IMDb",
        "its files are for personal and non-commercial use",
        "Information courtesy of IMDb (https://www.imdb.com). Used with permission.",
    ),
    "movielens": Terms(
        "MovieLens",
        "its files are for research, to be cited, and not to be redistributed without permission",
        'F. Maxwell Harper and Joseph A. Konstan. 2015. "The MovieLens Datasets: History and '
        'Context." ACM TiiS 5, 4: 19.',
    ),
    "tmdb": Terms(
        "TMDb",
        "its content trains a model only with a written agreement, is attributed, and is kept for "
        "at most six months",
        "This product uses TMDB and the TMDB APIs but is not endorsed, certified, or otherwise "
        "approved by TMDB.",
        keep=timedelta(days=180),
        agreement=True,
    ),
}
