"""From what is known of films to their scores: what posters, titles and years each add.

The logits of a film's evidence are added up, scored together with the genres that films have
together, and calibrated for each combination of evidence. So
the score can be followed while the evidence comes in: the poster, then the title, then the year.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.bundle import Bundle
from keyart.calibration import log_odds
from keyart.evidence import KINDS, POSTER, Evidence, Fusion, Kind, best_evidence
from keyart.network import Logits
from keyart.prediction import NO_POSTER, Query
from keyart.scorer import Scores
from keyart.title_model import is_year

Floats = npt.NDArray[np.float64]


def fuse(
    bundle: Bundle,
    posters: Sequence[Logits | None],
    films: Sequence[Query],
    used: Collection[Kind] = KINDS,
) -> list[tuple[Evidence, Scores] | None]:
    """What each film's answer rests on, and its calibrated scores (genres,).

    posters: the logits (genres,) of each film's poster; None if it has none. used: what answers may
    rest on. A film gets None if nothing that is known of it says anything to this model.
    """
    by_title: Sequence[Floats | None] = [None] * len(films)
    fusions: Mapping[Evidence, Fusion] = {}
    if bundle.films is not None:
        fusions = bundle.films.fusions
        if "title" in used:
            by_title = bundle.films.titles.logits_of_titles([film.title for film in films])
    found = [
        _found(bundle, poster, film, title, used)
        for poster, film, title in zip(posters, films, by_title, strict=True)
    ]
    together: dict[Evidence, list[int]] = {}
    for place, known in enumerate(found):
        evidence = best_evidence(known, fusions)
        if evidence is not None:
            together.setdefault(evidence, []).append(place)
    fused: list[tuple[Evidence, Scores] | None] = [None] * len(films)
    for evidence, places in together.items():
        kinds = {kind: np.stack([found[place][kind] for place in places]) for kind in evidence}
        # A poster by itself is taken as it is, to the last bit.
        logits = kinds["poster"] if evidence == POSTER else fusions[evidence].logits(kinds)
        scores = bundle.decisions_for(evidence).calibration.apply(logits)
        for place, row in zip(places, scores, strict=True):
            fused[place] = evidence, row
    return fused


def steps(
    bundle: Bundle, poster: Logits | None, film: Query, evidence: Evidence
) -> dict[Kind, Scores]:
    """The scores (genres,) of a film as its evidence comes in, one kind after the other.

    Each is what the model answers if it knows no more than that; the last is the answer that rests
    on all of `evidence`.
    """
    found: dict[Kind, Scores] = {}
    for count in range(1, len(evidence) + 1):
        (answer,) = fuse(bundle, [poster], [film], evidence[:count])
        if answer is not None and answer[0] == evidence[:count]:
            found[evidence[count - 1]] = answer[1]
    return found


def word_parts(bundle: Bundle, title: str, by_step: Mapping[Kind, Scores]) -> dict[str, Floats]:
    """What each word of a title, or two in a row, adds to the log-odds of the genres (genres,).

    by_step: as `steps` gives them; without a step for the title there are no words. The words sum
    to what the title moves: what no single word adds, such as the effect of other genres, is shared
    by their weight in the title. A title that comes first moves the rates of the genres; the words
    of a model that does not know these are as they are.
    """
    if bundle.films is None or "title" not in by_step:
        return {}
    kinds = tuple(by_step)
    place = kinds.index("title")
    weight = bundle.films.fusions[kinds[: place + 1]].weights["title"]
    titles = bundle.films.titles
    parts = {word: weight * logits for word, logits in titles.word_logits(title).items()}
    before = by_step[kinds[place - 1]] if place else bundle.rates
    if before is None:
        return parts
    left = log_odds(by_step["title"]) - log_odds(before) - sum(parts.values())
    shares = titles.word_shares(title)
    return {word: part + left * shares[word] for word, part in parts.items()}


def _found(
    bundle: Bundle,
    poster: Logits | None,
    film: Query,
    by_title: Floats | None,
    used: Collection[Kind],
) -> dict[Kind, npt.NDArray[np.floating[Any]]]:
    """The logits (genres,) of each kind of evidence of a film that answers may rest on.

    by_title: what its title says, if answers may rest on it.
    """
    found: dict[Kind, npt.NDArray[np.floating[Any]]] = {}
    if poster is not None and "poster" in used:
        found["poster"] = poster
    if by_title is not None:
        found["title"] = by_title
    known, year = bundle.films, film.year
    if known is not None and "year" in used and year is not None and is_year(year):
        found["year"] = known.titles.year_logits(year)
    return found


def why_no_title(bundle: Bundle, film: Query, problem: str) -> str:
    """Why a film's title does not stand in for its poster. problem: why there is no poster."""
    films = bundle.films
    if not (film.title or "").strip():
        return " and no title" if problem == NO_POSTER else ""
    if films is None or not any("poster" not in one for one in films.fusions):
        return "; this model has learned no titles to do without"
    return f"; nothing in the title {film.title!r} is known to this model"
