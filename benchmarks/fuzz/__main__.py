"""The command of the campaign: see __init__.py."""

import argparse
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fuzz.campaign import Campaign, OpenDoor, table
from benchmarks.fuzz.commands import commands
from benchmarks.fuzz.models import bundles, networks
from benchmarks.fuzz.pictures import pictures
from benchmarks.fuzz.recipes import recipes
from benchmarks.fuzz.requests import requests
from benchmarks.fuzz.tables import tables

DOORS: dict[str, OpenDoor] = {
    "pictures": pictures,
    "tables": tables,
    "bundles": bundles,
    "networks": networks,
    "recipes": recipes,
    "requests": requests,
    "commands": commands,
}
_TURN = 20.0  # seconds of one door before the next one has its turn


def main() -> None:
    """Go on with a campaign, or print one input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--doors", nargs="+", choices=DOORS, default=list(DOORS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/fuzz"))
    parser.add_argument("--input", nargs=2, metavar=("DOOR", "NUMBER"))
    arguments = parser.parse_args()
    if arguments.input:
        name, number = arguments.input
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            sys.stdout.buffer.write(DOORS[name](Path(folder), stack).make(int(number)))
        return
    campaigns = [Campaign(name, DOORS[name], arguments.out) for name in arguments.doors]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    end = time.monotonic() + arguments.hours * 3600
    try:
        for campaign in campaigns:
            campaign.again()
        while (left := end - time.monotonic()) > 0:
            for campaign in campaigns:
                campaign.run(min(_TURN, left / len(campaigns)))
                (arguments.out / "table.md").write_text(table(campaigns), encoding="utf-8")
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
    finally:
        for campaign in campaigns:
            campaign.close()
    print(table(campaigns))
    sys.exit(any(not one.mended for each in campaigns for one in each.tally.findings.values()))


if __name__ == "__main__":
    main()
