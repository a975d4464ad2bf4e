"""Convert the model that comes with keyart from bundle format 1 to format 2.

    python -m scripts.convert_box src/keyart/box

The bytes of the network stay the same. The recipe gets its tables and today's keys, and the card
today's words; its numbers stay the same.
"""

import hashlib
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.box import ORIGIN
from keyart.metric_table import HEADLINE, METRICS
from keyart.training.recipe import Recipe

KEYS = {
    "views": "feature_views",
    "frozen_statistics": "freeze_batch_norm",
    "minimum_change": "min_delta",
    "teacher_share": "teacher_weight",
    "teacher_features": "feature_weight",
    "average_decay": "ema_decay",
    "test_crops": "tta",
    "precision": "dtype",
}


def convert_recipe(text: str) -> str:
    """A recipe of flat keys, in tables."""
    flat: dict[str, Any] = tomllib.loads(text)
    settings = {KEYS.get(key, key): value for key, value in flat.items()}
    return Recipe().with_settings(**settings).to_toml()


def convert_card(card: str, manifest: dict[str, Any], recipe: str) -> str:
    """The card in the words of `keyart.report.card`, with the numbers of the old one."""
    provenance, films = manifest["provenance"], manifest["provenance"]["films"]
    figures, genres = (
        match.group(0).splitlines()[2:] for match in re.finditer(r"(?:^\|.*\n)+", card, re.M)
    )
    unsure = _found(r"It is unsure of (\d+) of", card)
    top, precision = _found(r"surest genre is right with (.*?), and (.*?) of", card, 2)
    nothing = _found(r"predicting nothing scores ([\d.]+)\.", card)
    weak = _found(r"may be: (.*?)\.$", card)
    meanings = "\n".join(f"- {METRICS[name].label}: {METRICS[name].meaning}." for name in HEADLINE)
    return f"""# {provenance["name"]}

Predicts the genres of a film from its poster, with calibrated scores.

## Data

{ORIGIN}

The model was trained on {films["train"]:,} films. Its calibration and thresholds were chosen on \
{films["validation"]:,} validation films. The metrics below are from {films["test"]:,} test films \
that were used for neither. Films with near-duplicate posters are in the same split. Catalog \
fingerprint: `{provenance["catalog"]}`.

## Metrics on the test split

The 95% intervals are from a bootstrap over groups of near-duplicates. A constant guess gives \
every film the same answer: nothing, the rate of each genre, or the most frequent genres. The \
table has the guess that is best at each metric.

| metric | model | 95% interval | best constant guess |
|---|---:|---:|---:|
{_lines(figures)}

{meanings}

Label accuracy means little by itself: predicting nothing scores {nothing}.

A genre is predicted if its score reaches its threshold. Thresholds were chosen on validation \
films for the best F1 of each genre.

The model is unsure about {unsure} of {films["test"]:,} films: no score reaches its threshold. For \
the other films, the top genre is right for {top}, and {precision} of the predicted genres are \
right.

## Genres

The baseline is the average precision of ranking films at random, which is the rate of the genre.

| genre | AP | 95% interval | baseline | F1 | threshold | predicted | true |
|---|---:|---:|---:|---:|---:|---:|---:|
{_lines(genres)}

## Limits

- These genres may be little better than the baseline (less than 1.5 times its AP): {weak}.
- A poster shows how a film was sold, not what it is. Genres differ between databases, and this \
limits every metric.
- The model may be worse on films from other times, countries and styles than the training films.

## Not for

Deciding what people may see, buy or be paid for; age ratings; judging people on posters. Scores \
help a person who checks them.

## Recipe

```toml
{recipe.strip()}
```
"""


def _found(pattern: str, text: str, group: int = 1) -> Any:
    match = re.search(pattern, text, re.M)
    if match is None:
        sys.exit(f"the card has no text like {pattern!r}")
    return match.group(1) if group == 1 else match.groups()


def _lines(rows: list[str]) -> str:
    labels = {
        "mAP (mean average precision)": METRICS["mean_average_precision"].label,
        "micro AP": METRICS["micro_average_precision"].label,
        "mean ROC AUC": METRICS["mean_roc_auc"].label,
        "top class is right": METRICS["top_class"].label,
        "one of the top three is right": METRICS["top_three"].label,
        "micro F1": METRICS["f1_micro"].label,
        "macro F1": METRICS["f1_macro"].label,
        "expected calibration error": METRICS["expected_calibration_error"].label,
        "label accuracy": METRICS["label_accuracy"].label,
    }
    for old, new in labels.items():
        rows = [row.replace(f"| {old} |", f"| {new} |") for row in rows]
    return "\n".join(rows)


def main(folder: Path) -> None:
    """Rewrite keyart.json and MODEL_CARD.md in place."""
    manifest = json.loads((folder / "keyart.json").read_bytes())
    if manifest["format"] != 1:
        sys.exit(f"{folder}: format {manifest['format']}; only format 1 needs this")
    provenance = manifest["provenance"]
    provenance["metrics"] = provenance.pop("figures")
    provenance["recipe"] = convert_recipe(provenance["recipe"])
    old = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    card = convert_card(old, manifest, provenance["recipe"]).encode("utf-8")
    (folder / "MODEL_CARD.md").write_bytes(card)
    identity = {"size": len(card), "sha256": hashlib.sha256(card).hexdigest()}
    manifest["files"]["MODEL_CARD.md"] = identity
    manifest["format"] = 2
    del manifest["digest"]
    canonical = json.dumps(manifest, sort_keys=True, ensure_ascii=False, allow_nan=False)
    manifest["digest"] = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "keyart.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
