"""Every error keyart raises.

    KeyartError
    ├── TableError              a films table cannot be read: no such file, column, encoding
    ├── VocabularyError         a vocabulary file cannot be used
    │   └── UnknownGenreError   a genre that the vocabulary does not have
    ├── PosterError             a poster that cannot be read
    ├── PosterWaitsError        no memory is free to decode a poster; try again later
    ├── CatalogError            a catalog is missing, damaged or already exists
    ├── StoreError              an object store cannot be reached, read or written
    │   └── StoreChangedError   another writer was there before
    ├── FetchError              posters cannot be planned or fetched
    ├── LibraryError            a media library, a plan or a journal of changes cannot be used
    │   └── NfoError                an NFO file is broken, hostile or of no film
    ├── RecipeError             a recipe has an unknown key or an impossible value
    │   └── WeightsError        an unknown backbone, or weights that do not fit it
    ├── TermsError              the terms of a source do not allow this
    ├── TrainingError           training cannot start or continue
    ├── RunError                a run folder is missing, incomplete or already exists
    ├── SearchError             a search cannot start or continue in a folder
    ├── BundleError             a bundle is missing, damaged or of another format
    │   └── HubError                a model cannot be had from a hub or an address, or published
    ├── PosterIndexError        an index is missing, damaged or of another model
    ├── CorrectionsError        corrections cannot be read or stored
    │   ├── AlreadyCorrectedError   the poster has another correction already
    │   └── CorrectionsFullError    the store takes no more corrections, or none today
    ├── DoubtsError             doubtful genres cannot be found, or read from a file
    ├── ServiceError            the service cannot start with these options
    ├── JobError                a long job cannot start or continue in a folder
    ├── OutputError             a file cannot be written there: a device, a pipe or a folder
    └── MissingExtraError       a package that only an extra of the install brings

A message is one line: what happened, where, what to do.
"""

import difflib
import errno
from collections.abc import Iterable, Sequence
from pathlib import Path

from keyart.version import __version__


class KeyartError(Exception):
    """Base class of all errors: what a user can fix. The command line prints it as one line."""


class TableError(KeyartError):
    """A films table cannot be read."""


class VocabularyError(KeyartError):
    """A vocabulary file cannot be used."""


class UnknownGenreError(VocabularyError):
    """The vocabulary does not have this genre."""


class PosterError(KeyartError):
    """A poster cannot be read."""


class PosterWaitsError(KeyartError):
    """No memory is free to decode a poster: others are being decoded. Try again later."""


class CatalogError(KeyartError):
    """A catalog is missing, damaged, or exists already."""


class StoreError(KeyartError):
    """An object store cannot be reached, read or written."""


class StoreChangedError(StoreError):
    """Another writer was there before: the object is there already, or is another one by now."""


class FetchError(KeyartError):
    """Posters cannot be planned or fetched: a manifest, a key or a server has a problem."""


class LibraryError(KeyartError):
    """A media library, a plan of changes or their journal cannot be used."""


class NfoError(LibraryError):
    """An NFO file is broken, hostile or of no film. The message is the reason alone."""


class RecipeError(KeyartError):
    """A recipe has an unknown key or an impossible value."""


class WeightsError(RecipeError):
    """A backbone is unknown, or weights are missing or do not fit."""


class TermsError(KeyartError):
    """The terms of a source of posters do not allow this without an agreement."""


class TrainingError(KeyartError):
    """Training cannot start or continue."""


class RunError(KeyartError):
    """A run folder is missing, incomplete, or exists already."""


class SearchError(KeyartError):
    """A search cannot start or continue: another search's folder, or no trial finishes."""


class BundleError(KeyartError):
    """A bundle is missing, damaged, or of another format."""


class HubError(BundleError):
    """A model cannot be loaded from a hub or an address, or cannot be published."""


class PosterIndexError(KeyartError):
    """An index of posters is missing, damaged, or made with another model."""


class CorrectionsError(KeyartError):
    """The store of corrections cannot be reached, or a correction cannot be stored."""


class AlreadyCorrectedError(CorrectionsError):
    """The poster has another correction already, and replacing it was not requested."""


class CorrectionsFullError(CorrectionsError):
    """The store takes no more corrections, or none today."""


class DoubtsError(KeyartError):
    """Doubtful genres cannot be found in this catalog, or read from this file."""


class ServiceError(KeyartError):
    """The service cannot start with these options."""


class JobError(KeyartError):
    """A long job cannot start or continue: its input or its folder is not as its plan says."""


class OutputError(KeyartError):
    """A file cannot be written there: it is a device, a pipe or a folder."""


class MissingExtraError(KeyartError, ImportError):
    """A package is missing; an extra installs it."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'X'?`` with the known name that is most like `name`, or nothing."""
    folded = {candidate.casefold(): candidate for candidate in known}
    match = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[match[0]]!r}?" if match else ""


def shown(value: object) -> str:
    """A value in a message: in one line, not too long."""
    if isinstance(value, dict | list | tuple) and len(value) > 20:
        return f"{type(value).__name__} of {len(value):,}"
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(error: Exception | str) -> str:
    """An error's message in one line, not too long; the error's kind if it has none."""
    return " ".join(str(error).split())[:200] or type(error).__name__


_OF_FILES = {
    "ENOENT": ("no such file or folder", "check the name"),
    "EACCES": ("permission denied", "change the permissions, or choose another place"),
    "EPERM": ("the system does not permit this", "change the permissions, or choose another place"),
    "ENOTDIR": ("a part of this path is a file, not a folder", "check the name"),
    "EISDIR": ("is a folder, not a file", "give a file"),
    "EEXIST": ("already exists", "remove it, or choose another place"),
    "ELOOP": ("its symbolic links lead in a circle", "fix them, or choose another place"),
    "ENAMETOOLONG": ("the name is too long for this disk", "choose a shorter one"),
    "ENOSPC": ("the disk is full", "free some space and run the command again"),
    "EDQUOT": (
        "your quota on this disk is used up",
        "free some space and run the command again",
    ),
    "EFBIG": ("the file is too large for this disk", "write to another one"),
    "EROFS": ("the disk is read-only", "write to another one"),
    "EIO": ("the disk failed to read or write", "check it, or use another one"),
    "EMFILE": ("too many open files", "raise the limit (ulimit -n)"),
}
"""What errors of files mean and what to do about them, by their names in errno."""


def why(error: Exception) -> str:
    """What is wrong, in plain words: of a file, what the system says about it."""
    if not isinstance(error, OSError):
        return " ".join(str(error).split())[:300]
    words, _ = _OF_FILES.get(errno.errorcode.get(error.errno or 0, ""), ("", ""))
    return words or error.strerror or str(error)


def advice(error: OSError) -> str:
    """What to do about an error of a file; empty if it is a rare one."""
    return _OF_FILES.get(errno.errorcode.get(error.errno or 0, ""), ("", ""))[1]


def counted(number: int, noun: str) -> str:
    """A number of things as in a sentence: '1 film', '2,451 films'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: 'poster, title and year'."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def other_format(path: Path, version: object, *, reads: int, remedy: str) -> str:
    """The message that a file has another format than the one that this keyart reads.

    remedy: what to do about one of an older keyart. A newer one asks for an upgrade.
    """
    if isinstance(version, int) and version < reads:
        return f"{path}: format {version}, {remedy}"
    return (
        f"{path}: format {version}, written by a newer keyart; this {__version__} reads "
        f"format {reads}: upgrade keyart"
    )
