"""Build wheel and sdist, install the wheel in an empty environment, and predict with it."""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

DIST = Path("dist")
_PREDICT = """
import sys
from pathlib import Path
import keyart
from keyart.demo.painted import paint_new_posters

(poster,) = paint_new_posters(1, Path(sys.argv[1]))
print(repr(keyart.load().predict(poster)))
"""


def main() -> None:
    """Raises CalledProcessError at the first step that fails."""
    shutil.rmtree(DIST, ignore_errors=True)
    # The wheel is built from the sdist, so a file that the sdist lacks is noticed here.
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST))
    (wheel,) = DIST.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        venv.create(environment, with_pip=True)
        programs = environment / ("Scripts" if os.name == "nt" else "bin")
        install = (str(programs / "python"), "-m", "pip", "--disable-pip-version-check", "install")
        _run(*install, "--quiet", "--require-hashes", "-r", "requirements/base.txt")
        _run(*install, "--quiet", "--no-deps", str(wheel.resolve()))
        # Elsewhere, so that nothing of this checkout can be imported.
        _run(str(programs / "python"), "-c", _PREDICT, "posters", folder=folder)
        _run(str(programs / "keyart"), "predict", "posters", folder=folder)
    for file in sorted(DIST.iterdir()):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def _run(*command: str, folder: str | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, cwd=folder, env=environment)


if __name__ == "__main__":
    main()
