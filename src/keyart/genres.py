"""The ordered vocabulary of genres, and the names that other databases use for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keyart.errors import UnknownGenreError, VocabularyError, nearest, why
from keyart.reading import read_bytes

_MOST_BYTES = 1_000_000  # of a vocabulary's file


def _key(name: str) -> str:
    """Spelling without case, spaces and punctuation: 'Sci-Fi', 'sci fi' and 'SCIFI' are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@dataclass(frozen=True)
class Vocabulary:
    """The genres that a model knows, in column order, with aliases.

    An alias may stand for several genres (TMDb's 'Action & Adventure').
    """

    names: tuple[str, ...]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _lookup: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lookup: dict[str, tuple[str, ...]] = {}
        for name in self.names:
            if not _key(name) or "|" in name:
                raise VocabularyError(f"{name!r} cannot be a genre: use letters, and no '|'")
            if _key(name) in lookup:
                raise VocabularyError(f"the genre {name!r} is listed twice; remove one")
            lookup[_key(name)] = (name,)
        if not lookup:
            raise VocabularyError("a vocabulary needs at least one genre")
        for alias, targets in self.aliases.items():
            for target in targets:
                if target not in self.names:
                    raise VocabularyError(
                        f"the alias {alias!r} points to {target!r}, which is not a genre"
                        f"{nearest(target, self.names)}"
                    )
            lookup.setdefault(_key(alias), targets)
        object.__setattr__(self, "_lookup", lookup)

    def __len__(self) -> int:
        return len(self.names)

    def resolve(self, name: str) -> tuple[str, ...]:
        """The genres that `name` stands for; empty if it stands for none."""
        return self._lookup.get(_key(name), ())

    def index(self, name: str) -> int:
        """The column of the genre `name` (or of an alias of one genre).

        Raises UnknownGenreError, with the nearest genre.
        """
        resolved = self.resolve(name)
        if len(resolved) != 1:
            raise UnknownGenreError(
                f"no genre {name!r}{nearest(name, self.names) or '.'} The genres are: "
                f"{', '.join(self.names)}"
            )
        return self.names.index(resolved[0])

    def encode(self, films: Sequence[Iterable[str]]) -> npt.NDArray[np.bool_]:
        """Multi-hot rows. `films`: the genres of each film. Returns (films, genres)."""
        column = {name: index for index, name in enumerate(self.names)}
        rows = np.zeros((len(films), len(self.names)), dtype=np.bool_)
        for row, genres in enumerate(films):
            for genre in genres:
                rows[row, column[genre]] = True
        return rows

    def decode(self, row: npt.NDArray[np.bool_]) -> tuple[str, ...]:
        """The genres of one multi-hot row, in vocabulary order. `row`: (genres,)."""
        return tuple(name for name, chosen in zip(self.names, row, strict=True) if chosen)

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read a vocabulary: one genre per line, aliases after '=', '#' starts a comment.

            Sci-Fi = Science Fiction, SF
            Drama

        Raises VocabularyError with the line number.
        """
        names: list[str] = []
        aliases: dict[str, tuple[str, ...]] = {}
        try:
            text = read_bytes(path, _MOST_BYTES, links=True).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise VocabularyError(f"{path}: not UTF-8 text ({error})") from error
        except (OSError, ValueError) as error:
            raise VocabularyError(f"{path}: {why(error)}; give a text file") from error
        for number, line in enumerate(text.splitlines(), start=1):
            name, _, others = line.partition("#")[0].partition("=")
            if not name.strip():
                if others.strip():
                    raise VocabularyError(f"{path} line {number}: no genre before '='")
                continue
            names.append(name.strip())
            aliases |= {
                alias.strip(): (name.strip(),) for alias in others.split(",") if alias.strip()
            }
        try:
            return cls(tuple(names), aliases)
        except VocabularyError as error:
            raise VocabularyError(f"{path}: {error}") from error


STUDY_GENRES = (
    "Action", "Adventure", "Animation", "Comedy", "Crime", "Documentary", "Drama", "Family",
    "Fantasy", "History", "Horror", "Music", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip

# Names of IMDb, TMDb and MovieLens. Biography, Film-Noir, Sport, Short, News and others have no
# counterpart among the 19: they are counted as unmapped, as the study did.
DEFAULT_VOCABULARY = Vocabulary(
    STUDY_GENRES,
    {
        "Science Fiction": ("Sci-Fi",),
        "Sci-Fi & Fantasy": ("Fantasy", "Sci-Fi"),
        "Action & Adventure": ("Action", "Adventure"),
        "War & Politics": ("War",),
        "Children's": ("Family",),
        "Children": ("Family",),
        "Kids": ("Family",),
        "Animated": ("Animation",),
        "Documentaries": ("Documentary",),
        "Historical": ("History",),
        "Suspense": ("Thriller",),
        "Romantic": ("Romance",),
    },
)
