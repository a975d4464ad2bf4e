"""Every error keyart raises, drawn as a tree.

    KeyartError
    ├── TableError          a films table cannot be read: no such file, column, encoding
    ├── VocabularyError     a vocabulary file is not one
    │   └── UnknownGenreError   a genre that the vocabulary does not have
    ├── PosterError         the bytes are not a poster we can use
    ├── CatalogError        a catalog is missing, damaged or already there
    ├── RecipeError         a recipe has an unknown key or an impossible value
    │   └── WeightsError        a backbone that is unknown, or weights that are not its own
    ├── TrainingError       training cannot start or go on
    ├── RunError            a run folder is missing, incomplete or already there
    ├── SearchError         a search cannot begin or go on in a folder
    ├── BundleError         a bundle is missing, damaged or too new
    ├── PosterIndexError    an index of known posters is missing, damaged or another model's
    ├── CorrectionsError    corrections cannot be read or kept
    │   └── AlreadyCorrectedError   a poster has a correction, and no one asked to replace it
    ├── ServiceError        the service cannot start as it was asked to
    └── MissingExtraError   a package that only an extra of the install brings

A message is one line that says what, where, and what to do.
"""

import difflib
from collections.abc import Iterable


class KeyartError(Exception):
    """The root: whatever a user can mend. The command line prints it without a traceback."""


class TableError(KeyartError):
    """A films table cannot be read."""


class VocabularyError(KeyartError):
    """A vocabulary file cannot be used."""


class UnknownGenreError(VocabularyError):
    """A genre was named that the vocabulary does not have."""


class PosterError(KeyartError):
    """The bytes at hand are not a poster that can be used."""


class CatalogError(KeyartError):
    """A catalog is missing, damaged, or already there."""


class RecipeError(KeyartError):
    """A recipe has an unknown key or an impossible value."""


class WeightsError(RecipeError):
    """A backbone that no one knows, or weights that are missing or another network's."""


class TrainingError(KeyartError):
    """Training cannot start or cannot go on."""


class RunError(KeyartError):
    """A run folder is missing, incomplete, or already there."""


class SearchError(KeyartError):
    """A search cannot begin, or cannot go on: another search's journal, or no trial that ends."""


class BundleError(KeyartError):
    """A bundle is missing, damaged, or of a newer format."""


class PosterIndexError(KeyartError):
    """An index of known posters is missing, damaged, or was made with another model."""


class CorrectionsError(KeyartError):
    """The store of corrections cannot be reached, or a correction cannot be kept."""


class AlreadyCorrectedError(CorrectionsError):
    """A poster has another correction already, which is not replaced without being asked."""


class ServiceError(KeyartError):
    """The service cannot start as it was asked to."""


class MissingExtraError(KeyartError, ImportError):
    """A package is missing that only an extra of the install brings."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'X'?`` for the known name nearest to `name`, or nothing."""
    folded = {candidate.casefold(): candidate for candidate in known}
    match = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[match[0]]!r}?" if match else ""
