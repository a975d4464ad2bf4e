"""Requests made from the service's own OpenAPI document; needs schemathesis on the path.

python -m benchmarks.openapi --examples 200
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fuzz.requests import listening

# A schema cannot say that a picture has 16 pixels a side, nor name this model's genres: what is
# valid by the schema may be refused. What is too large is refused with 413.
_SCHEMATHESIS = """
[checks]
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 413, 415, 421, 422, 501, 503]
"""


def main() -> None:
    """Let schemathesis ask a service of a tiny model everything its OpenAPI allows, and more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tool = shutil.which("schemathesis")
    if tool is None:
        sys.exit("schemathesis is not installed: pip install schemathesis")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = listening(Path(folder), stack)
        config = Path(folder, "schemathesis.toml")
        config.write_text(_SCHEMATHESIS)
        options = [f"--max-examples={arguments.examples}", f"--seed={arguments.seed}"]
        command = [tool, f"--config-file={config}", "run", f"{url}/openapi.json", f"--url={url}"]
        sys.exit(subprocess.run([*command, *options], check=False).returncode)


if __name__ == "__main__":
    main()
