"""A bundle of unknown origin answers its first posters in a process that can be ended.

A network is a program: it can take hours or all memory, while it is loaded or when it answers. So
before this process loads a bundle that it does not know, another one does, with bounds on time and
memory. The verdict is remembered by the bundle's digest, in the user's cache.

    python -m keyart.trial FOLDER    exits with 1 and one line if the bundle cannot be used
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from keyart import bundle as bundles
from keyart.bundle import Bundle, read_bundle
from keyart.errors import BundleError, KeyartError
from keyart.network import Network
from keyart.probe import check_probe
from keyart.verdicts import is_known, remember

_SECONDS = 1.0  # of a processor, for any bundle, and one more for each:
_BYTES_A_SECOND = 20_000_000
_MEMORY = 2 << 30  # for any bundle, and on top four times its networks
_WAIT = 20.0  # a busy machine gives a process few of the processor's seconds


def try_out(bundle: Bundle) -> None:
    """Load and probe a bundle in another process, unless it is known. Raises BundleError."""
    if bundle.path == bundles.BOX or is_known(bundle.fingerprint):
        return
    size = sum(one.onnx.stat().st_size for one in networks_of(bundle))
    seconds = _SECONDS + size / _BYTES_A_SECOND
    memory = _MEMORY + 4 * size
    if not sys.executable:  # Python is part of another program; nothing to start
        return
    command = [sys.executable, "-P", "-m", "keyart.trial", str(bundle.path.resolve())]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        done = subprocess.run(
            [*command, str(seconds), str(memory)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            timeout=_WAIT + 10 * seconds,
        )
        code, said = done.returncode, done.stderr.decode("utf-8", "replace").strip()
    except subprocess.TimeoutExpired:
        code, said = -1, ""
    except OSError as error:
        raise BundleError(f"{bundle.path}: cannot be tried out ({error}); try again") from error
    if code == 0:
        remember(bundle.fingerprint)
    elif code == 1 and said:
        raise BundleError(said.splitlines()[-1])
    else:
        raise BundleError(
            f"{bundle.path}: its network takes more than {seconds:.1f} s or {memory >> 20:,} MiB "
            "for two posters, or brings the runtime down; use a smaller one"
        )


def networks_of(bundle: Bundle) -> Iterator[Bundle]:
    """The bundles that have a network of their own: this one, or those in its members."""
    if bundle.spec is not None:
        yield bundle
    for member in bundle.members:
        yield from networks_of(member.bundle)


def open_network(bundle: Bundle) -> Network:
    """The network of a bundle, probed. Raises BundleError."""
    assert bundle.spec is not None
    network = Network(bundle.onnx)
    try:
        check_probe(network, bundle.spec, bundle.probe)
    except BundleError as error:
        raise BundleError(f"{bundle.onnx}: {error}; export the bundle again") from error
    return network


def _bound(seconds: float, memory: int) -> None:
    """End this process if it takes more than that, from now on."""
    try:
        import resource
    except ImportError:  # Windows: the other process's patience is all there is
        return
    used = 0
    with suppress(OSError, ValueError, IndexError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Of the processor's time, so that a busy machine is no fault of the bundle.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def main(folder: str, seconds: str, memory: str) -> int:
    """Load and probe all networks of a bundle."""
    _bound(float(seconds), int(memory))
    try:
        for one in networks_of(read_bundle(Path(folder))):
            open_network(one)
    except KeyartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
