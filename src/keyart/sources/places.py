"""Where posters are: a column of addresses, a template of them, a folder, or TMDb."""

import re
import string
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from keyart.catalog.poster_folder import PosterFolder
from keyart.errors import FetchError
from keyart.sources.tmdb import check_size
from keyart.sources.unite import United

_FIELDS = ("film_id", "imdb_id", "imdb_number", "tmdb_id")


@dataclass(frozen=True)
class Spot:
    """Where one poster is, or why it cannot be fetched. url: empty if TMDb is to be asked."""

    url: str = ""
    problem: str = ""


class Column:
    """The table has a column of addresses."""

    name, source = "url", "url"

    def find(self, film: United) -> Spot:
        """Where the poster of a film is."""
        if not film.place:
            return Spot(problem="no address in the table")
        return Spot(film.place, address_problem(film.place))


class Template:
    """Addresses follow from ids, as in https://posters.example/{imdb_id}.jpg."""

    name, source = "url", "url"

    def __init__(self, template: str) -> None:
        """Raises FetchError for a template that names no id, or something else."""
        self.template = template
        try:
            self.fields = [field for _, field, *_ in string.Formatter().parse(template) if field]
            unknown = [field for field in self.fields if field not in _FIELDS]
        except ValueError as error:
            raise FetchError(f"{template}: {error}; write ids as {{film_id}}") from error
        if unknown or not self.fields:
            named = f"{{{unknown[0]}}} is none of" if unknown else "names none of"
            listed = ", ".join(f"{{{field}}}" for field in _FIELDS)
            raise FetchError(f"{template}: {named} {listed}")
        if problem := address_problem(re.sub(r"\{[a-z_]+\}", "1", template)):
            raise FetchError(f"{template}: {problem}")

    def find(self, film: United) -> Spot:
        """Where the poster of a film is."""
        ids = {
            "film_id": film.film_id,
            "imdb_id": film.imdb_id,
            "imdb_number": film.imdb_id.removeprefix("tt"),
            "tmdb_id": film.tmdb_id,
        }
        if missing := [field for field in self.fields if not ids[field]]:
            return Spot(problem=f"has no {missing[0]}, which the address needs")
        url = self.template.format(**{name: quote(text, safe="") for name, text in ids.items()})
        return Spot(url, address_problem(url))


class Mirror:
    """A folder of this machine has the posters, named as the table says or after the ids."""

    name, source = "mirror", "mirror"

    def __init__(self, folder: Path) -> None:
        """Raises TableError if there is no such folder."""
        self._folder = PosterFolder(folder)

    def find(self, film: United) -> Spot:
        """Where the poster of a film is."""
        for film_id in filter(None, (film.film_id, film.imdb_id, film.tmdb_id)):
            found = self._folder.find(film_id, film.place or None)
            if isinstance(found, Path):
                return Spot(found.absolute().as_uri())
        return Spot(problem=str(found))


class AtTmdb:
    """TMDb has them. Its answer for each film says where."""

    source = "tmdb"

    def __init__(self, size: str = "w342") -> None:
        """Raises FetchError for a size that TMDb does not have."""
        check_size(size)
        self.name = f"tmdb {size}"

    def find(self, film: United) -> Spot:
        """Where the poster of a film is: TMDb says so later."""
        return Spot() if film.tmdb_id or film.imdb_id else Spot(problem="no id of TMDb or of IMDb")


Place = Column | Template | Mirror | AtTmdb


def address_problem(url: str) -> str:
    """What is wrong with the address of a poster; empty if it can be asked for."""
    if len(url) > 2_000 or not url.isascii() or not url.isprintable() or " " in url:
        return "not an address: letters beyond ASCII are written as %C3%A9"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "not an address"
    if parts.scheme not in ("http", "https"):
        return "not an http or https address"
    if parts.username is not None or parts.password is not None:
        return "an address with a password in it"
    return "" if parts.hostname and port != 0 else "an address without a host"
