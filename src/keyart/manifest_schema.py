"""The schema of a manifest's parts: what they may hold, checked before anything is made of them.

Each check raises ValueError or a KeyartError for the first fault, with its place in the manifest.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from keyart.calibration import Calibration
from keyart.errors import shown
from keyart.evidence import FUSED, Evidence
from keyart.genre_sets import MOST_SETS
from keyart.json_values import (
    check_integer,
    check_list,
    check_number,
    check_object,
    check_text,
)
from keyart.title_model import DECADES
from keyart.typical import NUMBERS, NUMBERS_BEFORE

PROBES = 2
MOST_GENRES = 1_000
_LARGEST_SIDE = 2_048  # pixels
_MOST_NGRAMS = 10_000_000
_WIDEST = 16_384  # numbers of a title's vector
_EVIDENCE_KEYS = {
    "weights", "intercept", "sets_weight",
    "thresholds", "precision_thresholds", "calibration",
}  # fmt: skip


def check_decisions(plain: Mapping[str, Any], before: str, names: Sequence[str]) -> None:
    """before: how messages begin."""
    _check_thresholds(plain["thresholds"], f"{before}thresholds", names)
    for precision, cuts in check_object(
        plain["precision_thresholds"], f"{before}precision_thresholds", most=1_000
    ).items():
        where = f"{before}precision_thresholds {precision[:20]!r}"
        if not re.fullmatch(r"0?\.\d{1,12}|1|1\.0", precision) or float(precision) <= 0:
            raise ValueError(f"{where}: expected a precision above 0, up to 1")
        _check_thresholds(cuts, where, names)
    _check_calibration(plain["calibration"], len(names), before)


def check_typical(typical: Any, genres: int) -> None:
    check_object(typical, "typical", {"mean", "whitening", "limit", "narrowest", "widest"})
    for name in ("limit", "narrowest", "widest"):
        check_number(typical[name], f"typical {name}", 0, 1e9)
    before, numbers = genres + NUMBERS_BEFORE, genres + NUMBERS
    whitening = check_list(typical["whitening"], "typical whitening", before, numbers)
    numbers = before if len(whitening) == before else numbers
    check_list(whitening, "typical whitening", numbers, numbers)
    for row, where in ((typical["mean"], "mean"), *((row, "whitening") for row in whitening)):
        for number in check_list(row, f"typical {where}", numbers, numbers):
            check_number(number, f"typical {where}", -1e9, 1e9)


def check_titles(titles: Any, genres: int) -> None:
    optional = {"series", "text"} & set(titles if isinstance(titles, dict) else ())
    check_object(titles, "titles", {"ngrams", "scale", "years"} | optional)
    if "text" in optional:
        text = check_object(titles["text"], "titles text", {"width", "prompt", "probe"})
        check_integer(text["width"], "titles text width", 1, _WIDEST)
        if text["prompt"] != "":
            check_text(text["prompt"], "titles text prompt")
        for row in check_list(text["probe"], "titles text probe", PROBES, PROBES):
            for logit in check_list(row, "titles text probe", genres, genres):
                check_number(logit, "titles text probe", -1e30, 1e30)
    check_integer(titles["ngrams"], "titles ngrams", 1, _MOST_NGRAMS)
    check_integer(titles.get("series", 0), "titles series", 0, _MOST_NGRAMS)
    rows = check_list(titles["years"], "titles years", DECADES, DECADES)
    for row, where in ((titles["scale"], "scale"), *((row, "years") for row in rows)):
        for number in check_list(row, f"titles {where}", genres, genres):
            check_number(number, f"titles {where}", -1e6, 1e6)


def check_evidence(manifest: Mapping[str, Any], names: Sequence[str]) -> None:
    precisions = manifest["precision_thresholds"].keys()
    for name, plain in check_object(manifest["evidence"], "evidence", most=len(FUSED)).items():
        evidence, where = evidence_of(name), f"evidence {name[:30]!r}"
        check_object(plain, where, _EVIDENCE_KEYS)
        for weight in check_object(plain["weights"], f"{where} weights", set(evidence)).values():
            check_number(weight, f"{where} weights", 0, 1e6)
        for number in check_list(plain["intercept"], f"{where} intercept", len(names), len(names)):
            check_number(number, f"{where} intercept", -1e6, 1e6)
        if plain["sets_weight"] is not None:
            check_number(plain["sets_weight"], f"{where} sets_weight", 0, 1e3)
            if manifest["genre_sets"] is None:
                raise ValueError(f"{where} sets_weight: there are no genre_sets")
        check_decisions(plain, f"{where} ", names)
        if plain["precision_thresholds"].keys() != precisions:
            raise ValueError(f"{where}: has thresholds for other precisions than the poster")


def check_genre_sets(sets: Any, genres: int) -> None:
    check_object(sets, "genre_sets", {"genres", "films", "others"})
    check_integer(sets["others"], "genre_sets others", 0, 10**12)
    members = check_list(sets["genres"], "genre_sets genres", 1, MOST_SETS)
    for places in members:
        for place in check_list(places, "genre_sets genres", 1, genres):
            check_integer(place, "genre_sets genres", 0, genres - 1)
        if any(after <= before for before, after in pairwise(places)):
            raise ValueError("genre_sets genres: expected places that rise")
    if len(set(map(tuple, members))) < len(members):
        raise ValueError("genre_sets genres: a set is listed twice")
    for films in check_list(sets["films"], "genre_sets films", len(members), len(members)):
        check_integer(films, "genre_sets films", 1, 10**12)


def evidence_of(name: str) -> Evidence:
    """The evidence that a manifest calls "poster+title". Raises ValueError for any other name."""
    for evidence in FUSED:
        if name == "+".join(evidence):
            return evidence
    raise ValueError(f"evidence: no kind of evidence is {shown(name)}")


def check_image(image: Any) -> None:
    check_object(image, "image", {"height", "width", "fit", "mean", "std"})
    for side in ("height", "width"):
        check_integer(image[side], f"image {side}", 1, _LARGEST_SIDE)
    if image["fit"] not in ("squash", "pad"):
        raise ValueError("image fit: expected 'squash' or 'pad'")
    for channel in check_list(image["mean"], "image mean", 3, 3):
        check_number(channel, "image mean", -1e6, 1e6)
    for channel in check_list(image["std"], "image std", 3, 3):
        check_number(channel, "image std", 1e-6, 1e6)


def _check_thresholds(cuts: Any, where: str, names: Sequence[str]) -> None:
    check_object(cuts, where, set(names))
    for name in names:
        check_number(cuts[name], f"{where} {name}", 0, 1)


def _check_calibration(curves: Any, genres: int, before: str) -> None:
    for place, curve in enumerate(check_list(curves, f"{before}calibration", genres, genres)):
        where = f"{before}calibration {place}"
        keys = {"method", "slope", "intercept"}
        check_object(
            curve, where, keys | ({"knots"} & set(curve) if isinstance(curve, dict) else set())
        )
        for key in ("slope", "intercept"):
            check_number(curve[key], f"{where} {key}", -1e9, 1e9)
        knots = check_list(curve.get("knots", []), f"{where} knots", 0, 100_000)
        for knot in knots:
            for number in check_list(knot, f"{where} knots", 2, 2):
                check_number(number, f"{where} knots", -1e9, 1e9)
        for (at, value), (to, above) in pairwise(knots):
            if abs(above - value) > 1e12 * abs(to - at):
                raise ValueError(f"{where} knots: rises too steeply to compute")
    Calibration.from_json(curves)


def check_provenance(facts: Any) -> None:
    """What is read of it again; more may be there."""
    check_object(facts, "provenance", most=1_000)
    for key in ("name", "recipe", "catalog"):
        if key in facts and not isinstance(facts[key], str):
            raise ValueError(f"provenance {key}: expected text")
    for rate in check_object(facts.get("rates", {}), "provenance rates", most=MOST_GENRES).values():
        check_number(rate, "provenance rates", 0, 1)
    for key in ("metrics", "films"):
        for inner in check_object(facts.get(key, {}), f"provenance {key}", most=1_000).values():
            if key == "films":
                check_integer(inner, "provenance films", 0, 10**12)
            elif inner is not None:
                check_object(inner, "provenance metrics", {"value", "low", "high"})
                for bound in inner.values():
                    check_number(bound, "provenance metrics", -1e12, 1e12)
    for terms in check_list(facts.get("terms", []), "provenance terms", 0, 100):
        check_object(terms, "provenance terms", {"source", "attribution", "agreement"})
        texts = (terms["source"], terms["attribution"])
        if not all(isinstance(one, str) and len(one) <= 2_000 for one in texts):
            raise ValueError("provenance terms: expected texts")
        if not isinstance(terms["agreement"], bool):
            raise ValueError("provenance terms agreement: expected true or false")
    for note in check_list(facts.get("notes", []), "provenance notes", 0, 10_000):
        if not isinstance(note, str):
            raise ValueError("provenance notes: expected text")
    aim = facts.get("thresholds", "f1")
    if aim not in ("f1", "micro_f1", "hamming"):
        check_number(aim, "provenance thresholds", 0, 1)
