"""The terms of the sources of posters and genres, which a catalog keeps with them.

A folder of posters may have a file terms.json, as `keyart fetch` writes it. Its terms become the
catalog's, so that a training knows what it must not do, and what it must say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keyart.catalog.table import CatalogTable
from keyart.errors import CatalogError, TermsError, listed, why
from keyart.files import write_json
from keyart.reading import read_json

TERMS_FILE = "terms.json"
_MOST_BYTES = 100_000


@dataclass(frozen=True)
class SourceTerms:
    """What a source asks for. attribution: to be shown with what its content made; may be empty.

    agreement: whether its content may train a model only with a written agreement.
    """

    source: str
    attribution: str
    agreement: bool


def read_terms(posters: Path) -> list[SourceTerms]:
    """The terms of a folder of posters; empty if it has none. Raises CatalogError."""
    file = posters / TERMS_FILE
    try:
        return terms_from_json(read_json(file, _MOST_BYTES, links=True))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = why(error) if isinstance(error, OSError) else "not terms of keyart"
        raise CatalogError(f"{file}: {reason}; plan the fetch of these posters again") from error


def write_terms(posters: Path, terms: Iterable[SourceTerms]) -> None:
    """Write the terms of a folder of posters, together with those that it has."""
    write_json(posters / TERMS_FILE, terms_to_json(joined_terms(read_terms(posters), terms)))


def terms_of(catalog: CatalogTable) -> list[SourceTerms]:
    """The terms of a catalog's sources. Raises CatalogError."""
    try:
        return terms_from_json(catalog.facts.get("terms", []))
    except (KeyError, TypeError) as error:
        raise CatalogError(f"{catalog.path}: damaged terms; build the catalog again") from error


def check_agreement(catalog: CatalogTable, agreement: bool) -> None:
    """Raises TermsError if a source asks for an agreement before a training, and there is none."""
    asking = [one.source for one in terms_of(catalog) if one.agreement]
    if asking and not agreement:
        raise TermsError(
            f"{catalog.path}: has posters of {listed(asking)}; the terms ask for a written "
            "agreement before they train a model; if you have one, add --i-have-an-agreement"
        )


def joined_terms(*several: Iterable[SourceTerms]) -> list[SourceTerms]:
    """All terms, each source once; the last one counts."""
    return list({one.source: one for terms in several for one in terms}.values())


def terms_to_json(terms: Sequence[SourceTerms]) -> list[dict[str, Any]]:
    """As terms.json and catalog.json have them."""
    return [asdict(one) for one in terms]


def terms_lines(terms: Iterable[SourceTerms]) -> list[str]:
    """What is to be said wherever a model is described that learned from these sources."""
    asks = "its content trains a model only with a written agreement"
    return [
        f"{one.source}: " + "; ".join(filter(None, [one.attribution, asks * one.agreement]))
        for one in terms
        if one.attribution or one.agreement
    ]


def terms_from_json(value: Any) -> list[SourceTerms]:
    """The inverse of `terms_to_json`. Raises KeyError and TypeError."""
    found = [SourceTerms(one["source"], one["attribution"], one["agreement"]) for one in value]
    for one in found:
        if not (isinstance(one.source, str) and isinstance(one.attribution, str)):
            raise TypeError("a source and an attribution are text")
        if not isinstance(one.agreement, bool):
            raise TypeError("an agreement is needed or not")
    return found
