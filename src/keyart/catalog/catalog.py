"""The catalog: films with their posters, genres and splits, in Parquet that any tool can read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Self

from keyart.catalog.build import build_catalog, grow_catalog
from keyart.catalog.check import check_catalog
from keyart.catalog.corrected import write_corrected
from keyart.catalog.rejections import Rejection, read_rejections
from keyart.catalog.remote import growing_catalog, new_catalog, sweep_catalog
from keyart.catalog.sample import sample_catalog
from keyart.catalog.show import Summary, draw_sheet, html, summarise
from keyart.catalog.split import parse_fractions
from keyart.catalog.table import CatalogTable
from keyart.copies import local_file
from keyart.files import StrPath
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
from keyart.parallel import Progress
from keyart.stores.paths import place


class Catalog(CatalogTable):
    """Films with their posters, genres and splits, in a folder of Parquet files.

    Make one with `Catalog.build` or open one with `Catalog.open`. It has a length and iterates
    over its `Film`s. An opened catalog never changes: `grow` returns the catalog after growing.
    """

    @classmethod
    def build(
        cls,
        films: StrPath,
        posters: StrPath,
        out: StrPath,
        *,
        columns: Mapping[str, str] | None = None,
        vocabulary: Vocabulary | StrPath | None = None,
        split: str | Sequence[float] = "60/20/20",
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Self:
        """Make a catalog from a table of films and a folder of their posters.

        films: CSV, TSV, Parquet, JSON or Excel, also gzipped, with one row per film. posters: the
        files that the table names, as paths from its folder or from this one; those of films
        without such a name are named after film ids. out: the new folder. columns: the names of
        the table's columns for id, title, year, genres and poster, if their names are not the
        usual ones. vocabulary: the genres, or a file of them; None means the 19 genres of the 2017
        study. split: train, validation and test, in per cent ("60/20/20") or as fractions that sum
        to 1. Films with near-duplicate posters get the same split, and so do films of one series,
        which have titles with the same stem. seed: of the split. progress: called with (posters
        examined, posters).

        Each row of the table is a film of the catalog, or has a reason in `rejections`.

        Raises TableError if the table or the folder cannot be read, VocabularyError, and
        CatalogError if `out` exists, the split is impossible or no film is left.
        """
        if vocabulary is None:
            vocabulary = DEFAULT_VOCABULARY
        elif not isinstance(vocabulary, Vocabulary):
            vocabulary = Vocabulary.read(local_file(vocabulary))
        fractions = parse_fractions(split)
        with new_catalog(place(out)) as folder:
            build_catalog(
                local_file(films),
                place(posters),
                folder,
                vocabulary=vocabulary,
                columns=columns,
                fractions=fractions,
                seed=seed,
                progress=progress,
            )
        return cls.open(out)

    def grow(
        self,
        films: StrPath,
        posters: StrPath,
        *,
        columns: Mapping[str, str] | None = None,
        replace_genres: bool = False,
        progress: Progress | None = None,
    ) -> Self:
        """Add the films of a table to this catalog; returns the grown catalog.

        No film of the catalog changes its split or its group. A new film with a near-duplicate of
        an old film's poster, or of an old film's series, gets that film's split. A film with
        near-duplicates in two splits, or in a split that its series is not in, is rejected. A film
        that is in the catalog already is a rejection. If the table has other
        genres for it, it keeps its own, or takes the table's with `replace_genres`; a note counts
        such films. The catalog is whole at every moment: catalog.json changes last, in one step.

        films, posters, columns, progress: as in `build`. Raises TableError, and CatalogError if the
        catalog is damaged or another process is growing it.
        """
        with growing_catalog(self.path) as folder:
            grow_catalog(
                folder,
                local_file(films),
                place(posters),
                columns=columns,
                replace_genres=replace_genres,
                progress=progress,
            )
        return type(self).open(self.path)

    def corrected(
        self,
        genres: Mapping[str, Sequence[str]],
        changes: Iterable[Sequence[object]],
        *,
        out: StrPath,
        provenance: Mapping[str, Any],
    ) -> Self:
        """Write a new version of this catalog to the new folder `out`, with these genres.

        genres: by film id; every other film keeps its own. Films keep their splits and groups, and
        this catalog stays as it is. changes: rows of CHANGES, what changed and why, for the file
        that goes with the new version. provenance: more facts about the corrections, which
        catalog.json keeps. Raises CatalogError if `out` exists, or for a film that is not here or
        a genre that the vocabulary does not have.
        """
        with new_catalog(place(out)) as folder:
            write_corrected(self, genres, changes, folder, provenance)
        return type(self).open(out)

    def sample(self, films: int, *, out: StrPath, seed: int = 0) -> Self:
        """Write a smaller catalog of about `films` of these films to the new folder `out`.

        About, because groups stay whole and rare genres are kept. Films keep
        their split. Raises CatalogError if `out` exists, this catalog has fewer films, or a split
        would have no film.
        """
        with new_catalog(place(out)) as folder:
            sample_catalog(self, films, folder, seed=seed)
        return type(self).open(out)

    def rejections(self) -> list[Rejection]:
        """The films that are not in the catalog, each with its reason. Raises CatalogError."""
        return read_rejections(self)

    def summary(self) -> Summary:
        """Counts of films by genre, split, year, group and reason of rejection."""
        return summarise(self)

    def check(self, progress: Progress | None = None) -> list[str]:
        """Everything that is wrong with the files, one line each; empty if the catalog is sound.

        progress: called with (posters checked, posters).
        """
        return check_catalog(self.path, progress)

    @staticmethod
    def sweep(path: StrPath, older_than: timedelta = timedelta(days=1)) -> list[str]:
        """Remove what stopped writers have left in a catalog, or where one was to be.

        older_than: since it was written; what is younger may be of a writer that is still at work.
        Returns the names of the files. Raises CatalogError and StoreError.
        """
        return sweep_catalog(place(path), older_than)

    def contact_sheet(self, path: StrPath, *, across: int = 10) -> None:
        """Draw a PNG, JPEG or WebP with one row per genre and up to `across` of its posters.

        Raises OutputError for another suffix.
        """
        draw_sheet(self, place(path), across=across)

    def _repr_html_(self) -> str:
        return html(self)
