"""A PostgreSQL server of our own for the time of the tests: a private cluster on a free port."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def server_folder() -> Path | None:
    """Where initdb and pg_ctl are, None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def server(binaries: Path) -> Iterator[str]:
    """Start a cluster, yield the URL of its empty database, stop it and remove it."""
    # initdb refuses root: Debian's package brings the user postgres.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="keyart-postgres-"))
    if prefix:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: object) -> None:
        done = subprocess.run(
            [*prefix, *map(str, command)], capture_output=True, text=True, cwd=folder, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")

    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    try:
        run(binaries / "initdb", "-D", data, "-A", "trust", "-U", "keyart", "-E", "UTF8", "-N")
        control = (binaries / "pg_ctl", "-D", data, "-w", "-t", "60")
        # The server must not hold this process's pipes open.
        run(*control, "-o", options, "-l", folder / "log", "start")
        try:
            yield f"postgresql://keyart@127.0.0.1:{port}/postgres"
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
