"""Evaluation: a model's scores on the splits of a catalog, and the metrics they get."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.bundle import Bundle
from keyart.catalog.catalog import Catalog
from keyart.catalog.split import SPLITS
from keyart.catalog.terms import terms_lines, terms_of
from keyart.decisions import Films
from keyart.errors import CatalogError
from keyart.evaluation.baselines import fit_baselines
from keyart.evaluation.box import box_metrics, is_box
from keyart.evaluation.decide import Decision, decide_again
from keyart.evaluation.fusing import Found, Known, decide_films_again, fit_films, rows_with
from keyart.evaluation.scoring import score_split
from keyart.evaluation.thresholds import Criterion
from keyart.evaluation.title_vectors import keep_vectors
from keyart.evidence import Evidence
from keyart.genre_sets import GenreSets
from keyart.images.spec import ImageSpec
from keyart.metric_table import MetricTable, SplitMetrics
from keyart.network import BATCH, Logits
from keyart.parallel import batches, ordered
from keyart.predictor import Predictor
from keyart.run import ScoredFilms
from keyart.scorer import Scores
from keyart.text_encoder import TextEncoder
from keyart.title_model import TitleModel, is_year
from keyart.typical import FEWEST_FILMS, Typical, fit_typical, summary

Rows = npt.NDArray[np.int64]
START_CATALOG = "start_catalog"
"""In a bundle's provenance: the catalog of the model that it started from, if it is another one."""
_MOST_TYPICAL = 4_000  # films of a split that tell what posters look like
_BLOCK = 256


def evaluate_model(
    predictor: Predictor,
    catalog: Catalog,
    splits: Sequence[str],
    criterion: Criterion | float | None = None,
) -> tuple[Decision, Films | None, MetricTable, dict[str, ScoredFilms]]:
    """Score a model on splits of a catalog with the same genres.

    criterion: choose thresholds for it on the catalog's validation split (see
    `choose_thresholds`), or the precision that predicted genres keep; None keeps the model's.
    Returns the thresholds with what they are for, those for films with titles, the metrics, and the
    scored films of each split. Raises CatalogError for other genres and for an empty split.
    """
    bundle = predictor.bundle
    _check_genres(bundle, catalog)
    decision = Decision.of(bundle)
    needed = dict.fromkeys([*splits, *(["validation"] if criterion is not None else [])])
    logits = {
        split: catalog_logits(predictor, catalog, _films(catalog, split, catalog.rows(split)))
        for split in needed
    }
    films = bundle.films
    if films is not None:
        own = {evidence: bundle.decisions_for(evidence) for evidence in films.decisions}
        films = replace(films, decisions=own)
    if criterion is not None:
        rows = catalog.rows("validation")
        scores, truth = bundle.calibration.apply(logits["validation"]), catalog.truth[rows]
        groups = catalog.groups[rows]
        # It started from a model whose films are not these: what that one proved still counts.
        leaning = (
            bundle.provenance.get("catalog") == catalog.fingerprint
            and START_CATALOG in bundle.provenance
        )
        if films is not None:
            found = evidence_of_rows(films.titles, catalog, logits["validation"], rows)
            films = decide_films_again(
                films, found, truth, groups, bundle.vocabulary, decision, criterion, leaning=leaning
            )
        decision = decide_again(
            decision, scores, truth, groups, bundle.vocabulary, criterion, leaning=leaning
        )
    name = str(bundle.provenance.get("name", bundle.path.name))
    wanted = {split: logits[split] for split in splits}
    table, scored = evaluate_logits(
        decision, catalog, wanted, name=name, films=films, is_box=is_box(bundle)
    )
    return decision, films, table, scored


def evaluate_logits(
    decision: Decision,
    catalog: Catalog,
    logits: Mapping[str, Logits],
    *,
    name: str,
    rows: Mapping[str, Rows] | None = None,
    films: Films | None = None,
    is_box: bool = False,
) -> tuple[MetricTable, dict[str, ScoredFilms]]:
    """Score splits of a catalog, next to constant guesses that know its training films.

    The model that comes with keyart is scored next to the model on the test split, or on the only
    one.

    logits: of the splits to score, (films, genres) each. name: of the model. rows: the films of
    each split; None takes the splits of the catalog. films: what the model knows of titles; its
    answers are scored on the test split, for each evidence by itself. is_box: whether the model is
    itself the one that comes with keyart. Raises CatalogError for an empty split.
    """
    known = rows or {split: catalog.rows(split) for split in SPLITS}
    baselines = fit_baselines(catalog.truth[known["train"]])
    splits, scored = {}, {}
    for split in logits:
        chosen = _films(catalog, split, known[split])
        scores = decision.calibration.apply(logits[split])
        scored[split] = _scored_films(catalog, chosen, scores, decision)
        splits[split] = score_split(
            scores,
            catalog.truth[chosen],
            decision.thresholds,
            catalog.groups[chosen],
            catalog.vocabulary,
            baselines,
            predicted=decision.decisions.predicted(scores),
        )
    shown = "test" if "test" in logits else next(iter(logits))
    if not is_box:
        found = box_metrics(catalog, known[shown], scored[shown])
        splits[shown] = replace(splits[shown], box=found)
    table = MetricTable(
        name,
        catalog.fingerprint,
        catalog.vocabulary.names,
        {split: len(known[split]) for split in SPLITS},
        decision.criterion,
        with_terms(decision.notes, catalog),
        splits,
        score_evidence(films, catalog, logits["test"], known["test"])
        if films is not None and "test" in logits
        else {},
        score_never_seen(decision, films, catalog, logits["test"], known["test"])
        if films is not None and "test" in logits
        else {},
        decision.precision,
    )
    return table, scored


def with_terms(notes: Sequence[str], catalog: Catalog) -> tuple[str, ...]:
    """Notes, and what the sources of the catalog ask to be said wherever a model is described."""
    lines = terms_lines(terms_of(catalog))
    return (*(note for note in notes if note not in lines), *lines)


def fuse_titles(
    titles: TitleModel | None,
    catalog: Catalog,
    posters: Logits,
    rows: Mapping[str, Rows],
    criterion: Criterion | float,
    known: Mapping[Evidence, Known] | None = None,
) -> Films | None:
    """How a model of posters uses titles and years, fitted on validation films.

    titles: None if the model learned no titles. posters: the logits (films, genres) of the
    validation films. rows: of the training films, which show which genres go together, and of the
    validation films. known: as in `fit_films`.
    """
    if titles is None:
        return None
    return fit_films(
        titles,
        evidence_of_rows(titles, catalog, posters, rows["validation"]),
        catalog.truth[rows["validation"]],
        catalog.groups[rows["validation"]],
        catalog.vocabulary,
        criterion,
        known,
        GenreSets.from_labels(catalog.truth[rows["train"]]),
    )


def learn_typical(
    catalog: Catalog,
    spec: ImageSpec,
    score: Callable[[Rows], Logits],
    rows: Mapping[str, Rows],
) -> Typical | None:
    """What a model's posters look like, see typical.py; None if there are too few.

    score: the model's logits (rows, genres) of these rows of the catalog. rows: of the train and
    validation splits.
    """
    pixels, table = catalog.pixels(spec), catalog.to_table()
    width, height = (table[column].to_numpy() for column in ("width", "height"))

    def numbers(part: Rows) -> npt.NDArray[np.float64]:
        logits = score(part)
        blocks = (slice(start, start + _BLOCK) for start in range(0, len(part), _BLOCK))
        return np.concatenate([summary(logits[block], pixels[part[block]]) for block in blocks])

    training, validation = (_spread(rows[split], _MOST_TYPICAL) for split in SPLITS[:2])
    if len(training) < FEWEST_FILMS or not len(validation):
        return None
    both = np.concatenate([training, validation])
    return fit_typical(numbers(training), numbers(validation), width[both] / height[both])


def _spread(rows: Rows, most: int) -> Rows:
    """All of the rows, or so many of them at even distances."""
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]


def score_evidence(
    films: Films, catalog: Catalog, posters: Logits, rows: Rows
) -> dict[str, SplitMetrics]:
    """The metrics of each evidence besides the poster by itself, on the films that have it.

    posters: the logits (films, genres) of the films of these rows of the catalog.
    """
    found = evidence_of_rows(films.titles, catalog, posters, rows)
    scored = {}
    for evidence, fusion in films.fusions.items():
        having = rows_with(found, evidence)
        if not len(having):
            continue
        logits = fusion.logits({kind: found[kind][having] for kind in evidence})
        decisions = films.decisions[evidence]
        scores = decisions.calibration.apply(logits)
        scored["+".join(evidence)] = score_split(
            scores,
            catalog.truth[rows[having]],
            decisions.thresholds,
            catalog.groups[rows[having]],
            catalog.vocabulary,
            {},
            predicted=decisions.predicted(scores),
        )
    return scored


def score_never_seen(
    decision: Decision, films: Films, catalog: Catalog, posters: Logits, rows: Rows
) -> dict[str, SplitMetrics]:
    """The metrics of each evidence on the films of no series that the model learned from.

    decision, posters: for posters by themselves; the rest is as for `score_evidence`. Empty if the
    model does not know what it learned from, or there are no such films.
    """
    stems = [catalog.stems[row] for row in rows]
    never = np.flatnonzero(films.titles.never_seen(stems))
    if not len(films.titles.series) or not len(never):
        return {}
    chosen = rows[never]
    scores = decision.calibration.apply(posters[never])
    alone = score_split(
        scores,
        catalog.truth[chosen],
        decision.thresholds,
        catalog.groups[chosen],
        catalog.vocabulary,
        {},
        predicted=decision.decisions.predicted(scores),
    )
    return {"poster": alone, **score_evidence(films, catalog, posters[never], chosen)}


def evidence_of_rows(titles: TitleModel, catalog: Catalog, posters: Logits, rows: Rows) -> Found:
    """The logits (films, genres) of each kind of evidence; NaN for films without it."""
    table = catalog.to_table()
    names, years = (table[column].take(rows).to_pylist() for column in ("title", "year"))
    if titles.text is not None and isinstance(titles.text.encoder, TextEncoder):
        keep_vectors(titles.text.encoder, names, catalog.folder)
    nothing = np.full(posters.shape[1], np.nan)
    by_title = titles.logits_of_titles(names)
    by_year = (titles.year_logits(year) if year and is_year(year) else nothing for year in years)
    return {
        "poster": posters.astype(np.float64),
        "title": np.stack([nothing if one is None else one for one in by_title]),
        "year": np.stack(list(by_year)),
    }


def catalog_logits(predictor: Predictor, catalog: Catalog, rows: Rows) -> Logits:
    """A model's logits (rows, genres) of these films of a catalog, on all cores."""
    stores = [catalog.pixels(spec) for spec in predictor.scorer.specs]

    def work(chosen: list[int]) -> Logits:
        return predictor.logits([store[np.array(chosen)] for store in stores])

    return np.concatenate(list(ordered(work, batches(rows.tolist(), BATCH))))


def _films(catalog: Catalog, split: str, rows: Rows) -> Rows:
    if len(rows) == 0:
        raise CatalogError(f"{catalog.path}: its {split} split has no films")
    return rows


def _scored_films(catalog: Catalog, rows: Rows, scores: Scores, decision: Decision) -> ScoredFilms:
    films = catalog.to_table()

    def texts(column: str) -> list[str]:
        values: list[Any] = films[column].take(rows).to_pylist()
        return [str(value) for value in values]

    return ScoredFilms(
        catalog.vocabulary,
        texts("film_id"),
        texts("title"),
        texts("group"),
        catalog.truth[rows],
        scores >= decision.thresholds,
        scores,
    )


def _check_genres(bundle: Bundle, catalog: Catalog) -> None:
    """Raise CatalogError if a catalog has other genres than the model."""
    ours, theirs = bundle.vocabulary.names, catalog.vocabulary.names
    if ours != theirs:
        raise CatalogError(
            f"{catalog.path}: its genres ({', '.join(theirs)}) are not the model's "
            f"({', '.join(ours)}); build it with the model's vocabulary"
        )
