"""The model card: what a model was trained on, how good it is, and what it must not be used for."""

from keyart.evaluation.decide import NOT_PROVEN
from keyart.metric_table import MetricTable, SplitMetrics
from keyart.model_metrics import HEADLINE, METRICS, GenreMetrics
from keyart.report.numbers import interval_text, share_text, value_text


def model_card(table: MetricTable, recipe: str) -> str:
    """The card as Markdown. table: with metrics on the test split. recipe: TOML."""
    test, films = table.split("test"), table.films
    also = ", and from its title and year if they are known" if table.evidence else ""
    lines = [
        f"# {table.name}",
        "",
        f"Predicts the genres of a film from its poster{also}, with calibrated scores.",
        "",
        "## Data",
        "",
        f"The model was trained on {films['train']:,} films. Its calibration and thresholds were "
        f"chosen on {films['validation']:,} validation films. The metrics below are from "
        f"{films['test']:,} test films that were used for neither. Films with near-duplicate "
        f"posters are in the same split. Catalog fingerprint: `{table.catalog}`.",
        "",
        "## Metrics on the test split",
        "",
        "The 95% intervals are from a bootstrap over groups: near-duplicate posters, and films of "
        "one series. A constant guess gives every film the same answer: nothing, the rate of "
        "each genre, or the most frequent genres. The table has the guess that is best at each "
        "metric.",
        "",
        *_metrics(test),
        "",
        *(f"- {METRICS[name].label}: {METRICS[name].meaning}." for name in HEADLINE),
        "",
        "Label accuracy means little by itself: predicting nothing scores "
        f"{value_text(test.baselines['nothing']['label_accuracy'])}.",
        "",
        *_box(test),
        f"These metrics are for balanced thresholds, chosen on validation films {table.aim}. What "
        "reaches them without keeping the promised precision is listed as `maybe`.",
        "",
        *_promise(table),
        *_evidence(table),
        "## Genres",
        "",
        "The baseline is the average precision of ranking films at random, which is the rate of "
        "the genre.",
        "",
        *_genres(test),
        "",
        "## Limits",
        "",
        *_weak_genres(test),
        *(f"- {note}" for note in table.notes),
        "- A poster shows how a film was sold, not what it is. Genres differ between databases, "
        "and this limits every metric.",
        "- The model may be worse on films from other times, countries and styles than the "
        "training films.",
        "",
        "## Not for",
        "",
        "Deciding what people may see, buy or be paid for; age ratings; judging people on "
        "posters. Scores help a person who checks them.",
        "",
        "## Recipe",
        "",
        "```toml",
        recipe.strip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _metrics(test: SplitMetrics) -> list[str]:
    lines = ["| metric | model | 95% interval | best constant guess |", "|---|---:|---:|---:|"]
    for row in test.rows():
        lower = " (lower is better)" if row.metric.lower_is_better else ""
        lines.append(
            f"| {row.metric.label}{lower} | {value_text(row.found)} | {interval_text(row.found)} "
            f"| {value_text(row.best_guess)} |"
        )
    return lines


def _box(test: SplitMetrics) -> list[str]:
    """The model next to the one that comes with keyart, if they were compared."""
    if test.box is None:
        return []
    return [f"The box is the model that comes with keyart. {test.box.verdict}", ""]


def _evidence(table: MetricTable) -> list[str]:
    """The metrics by what a prediction rests on, if the model learned titles."""
    if not table.evidence:
        return []
    shown = ("mean_average_precision", "top_class", "top_three", "expected_calibration_error")
    heads = [METRICS[name].label for name in shown]
    lines = [f"| evidence | films | {' | '.join(heads)} |", f"|---|---:|{'---:|' * len(shown)}"]
    for evidence, films, split in table.by_evidence():
        found = [split.model[metric] for metric in shown]
        cells = [f"{value_text(one)} ({interval_text(one)})" for one in found]
        name = evidence if films == "all" else f"... {films}"
        lines.append(f"| {name} | {split.films:,} | {' | '.join(cells)} |")
    test = table.split("test")
    guesses = " | ".join(value_text(test.row(metric).best_guess) for metric in shown)
    lines.append(f"| best constant guess | {test.films:,} | {guesses} |")
    return [
        "## With titles and years",
        "",
        "The model also takes a film's title and year, if they are known. Each row is the test "
        "films that have this evidence; each evidence has its own calibration and thresholds. A "
        "series was seen if a title with the same stem was among those that the model learned "
        "from. "
        "The other tables are for posters by themselves.",
        "",
        *lines,
        "",
    ]


def _genres(test: SplitMetrics) -> list[str]:
    guesses = test.baselines["genre_rates"].genres
    lines = [
        "| genre | AP | 95% interval | baseline | F1 | threshold | predicted | true |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, genre in test.model.genres.items():
        threshold = "-" if genre.threshold is None else f"{genre.threshold:.2f}"
        lines.append(
            f"| {name} | {value_text(genre.average_precision)} "
            f"| {interval_text(genre.average_precision)} "
            f"| {value_text(guesses[name].average_precision)} | {value_text(genre.f1)} "
            f"| {threshold} | {genre.predicted:,} | {genre.true:,} |"
        )
    return lines


def _promise(table: MetricTable) -> list[str]:
    """What the predicted genres are worth, by what they rest on."""
    if table.precision is None:
        return []
    rows = {"poster": table.split("test"), **table.evidence}
    counts = ""
    if any(NOT_PROVEN in note for note in table.notes):
        counts = (
            "; these films are few, so what the model that it started from has proven counts in "
            "the test too"
        )
    lines = [
        "## Predicted genres",
        "",
        f"Of all predicted genres together, at least {table.precision:.0%} are right: their "
        "thresholds keep this precision on the validation films by a test with a margin for "
        f"chance{counts}. A genre that cannot keep it is never predicted. A film without a "
        "predicted genre is unsure. On the test films:",
        "",
        "| evidence | precision | recall | genres a film | films without any |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, split in rows.items():
        if (found := split.model.unsure) is None:
            continue
        genres = f"{found.genres.value:.2f}" if found.genres else "-"
        cells = (share_text(one) for one in (found.precision, found.recall))
        lines.append(
            f"| {name.replace('+', ' + ')} | {' | '.join(cells)} | {genres} "
            f"| {share_text(found.share)} |"
        )
    return [*lines, ""]


def _weak_genres(test: SplitMetrics) -> list[str]:
    """The genres that may be hardly better than a guess: their interval reaches down to it."""
    weak = [
        name
        for name, genre in test.model.genres.items()
        if _is_weak(genre, test.baselines["genre_rates"].genres[name])
    ]
    if not weak:
        return []
    return [
        "- These genres may be little better than the baseline (less than 1.5 times its AP): "
        f"{', '.join(weak)}."
    ]


def _is_weak(genre: GenreMetrics, guess: GenreMetrics) -> bool:
    found, base = genre.average_precision, guess.average_precision
    return found is None or base is None or found.low <= 1.5 * base.value
