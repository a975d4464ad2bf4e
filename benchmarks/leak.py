"""The measured pair of docs/study.md, from what `keyart milestone` left.

python -m benchmarks.leak DIR
"""

import argparse
import json
from pathlib import Path
from typing import Any

from keyart.errors import KeyartError
from keyart.files import write_text
from keyart.milestone.metrics import STUDY_METRICS

PAGE = Path("docs/study.md")
BEGIN, END = "<!-- leak:begin -->", "<!-- leak:end -->"


def leak_table(results: dict[str, Any], asked: dict[str, Any]) -> str:
    """The pair as Markdown. results: results.json; asked: milestone.json. Raises KeyartError."""
    rows = {row["name"]: row for row in results["rows"]}
    leaky, honest = rows["scratch-leak"], rows["scratch"]
    if "metrics" not in leaky or "metrics" not in honest:
        raise KeyartError("scratch-leak and scratch must both be run")
    lines = ["| test split | with the leak | without |", "|---|---:|---:|"]
    for name, metric in STUDY_METRICS.items():
        found = (f"{row['metrics'][name]:.4f}" for row in (leaky, honest))
        lines.append(f"| {metric.label} | " + " | ".join(found) + " |")
        if name == "top_class":
            guesses = (f"{row['top_class_of_most_frequent_genre']:.4f}" for row in (leaky, honest))
            lines.append("| Top class of the most frequent genre | " + " | ".join(guesses) + " |")
    for name in ("train", "validation", "test"):
        counts = (row["films"][name] for row in (leaky, honest))
        lines.append(f"| {name} images | " + " | ".join(f"{count:,}" for count in counts) + " |")
    lines.append(f"| epochs | {leaky['epochs']} | {honest['epochs']} |")
    seconds = (row["seconds"] / row["epochs"] for row in (leaky, honest))
    lines.append("| seconds per epoch | " + " | ".join(f"{value:.1f}" for value in seconds) + " |")
    films = "" if asked["films"] is None else f" --films {asked['films']}"
    epochs = "" if asked["epochs"] is None else f" --epochs {asked['epochs']}"
    full = " --full" if asked["full"] else ""
    settings = asked["settings"].get("scratch", [])
    scratch = "".join(f" --set scratch.{setting}" for setting in settings)
    command = f"keyart milestone CATALOG --out DIR{films}{epochs}{full}{scratch}"
    how = f"`{command}`, on a catalog of {results['films']:,} films."
    return "\n".join([how, "", *lines, "", " ".join(results["leak"])])


def main() -> None:
    """Put the table between its marks in docs/study.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of keyart milestone")
    folder = parser.parse_args().folder
    results, asked = (
        json.loads((folder / name).read_bytes()) for name in ("results.json", "milestone.json")
    )
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    table = leak_table(results, asked)
    write_text(PAGE, f"{before}{BEGIN}\n{table}\n{END}{after}")
    print(table)


if __name__ == "__main__":
    main()
