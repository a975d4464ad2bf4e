"""A network of unknown origin first answers in a process that can be ended.

A network is a program: it can take hours or all memory, while it is loaded or when it answers. So
before this process loads a network that it does not know, another one does, with bounds on time and
memory. Networks that pass are remembered in the user's cache.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from keyart import bundle as bundles
from keyart.bundle import Bundle, read_bundle
from keyart.errors import BundleError, KeyartError
from keyart.known_networks import is_known, remember
from keyart.network import Device, Network
from keyart.probe import check_probe, check_text_probe
from keyart.title_model import TextHead

_SECONDS = 1.0  # of a processor, for any bundle, and one more for each:
_BYTES_A_SECOND = 20_000_000
_MEMORY = 2 << 30  # for any bundle, and on top four times its networks
_WAIT = 20.0  # a busy machine gives a process few of the processor's seconds
_REFUSED = 3  # the exit status, with the reason in one line


def try_out(bundle: Bundle) -> None:
    """Load and probe a bundle in another process, unless its networks are known.

    Raises BundleError.
    """
    networks = list(networks_of(bundle))
    files = [one.onnx for one in networks]
    hashes = [one.onnx_sha256 for one in networks]
    if (text := text_of(bundle)) is not None:
        files += [text.encoder.onnx, text.encoder.tokenizer]
        hashes.append(text.encoder.fingerprint)
    if bundle.path == bundles.BOX or all(map(is_known, hashes)):
        return
    if not sys.executable:  # Python is part of another program: there is nothing to start
        return
    size = sum(file.stat().st_size for file in files)
    seconds, memory = _SECONDS + size / _BYTES_A_SECOND, _MEMORY + 4 * size
    # Its modules come from where this process found them, whatever the environment says.
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
    command = [sys.executable, "-I", "-c", code, str(bundle.path.resolve())]
    try:
        done = subprocess.run(
            [*command, str(seconds), str(memory)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_WAIT + 10 * seconds,
        )
        status, said = done.returncode, done.stderr.decode("utf-8", "replace").strip()
    except subprocess.TimeoutExpired:
        status, said = -1, ""
    except OSError as error:
        raise BundleError(f"{bundle.path}: cannot be tried out ({error}); try again") from error
    if status == _REFUSED and said:
        raise BundleError(said.splitlines()[-1])
    if status != 0:
        raise BundleError(
            f"{bundle.path}: its network takes more than {seconds:.1f} s or {memory >> 20:,} MiB "
            "for two posters, or brings the runtime down; use a smaller one"
        )
    for known in hashes:
        remember(known)


def networks_of(bundle: Bundle) -> Iterator[Bundle]:
    """The bundles that have a network of their own: this one, or those in its members."""
    if bundle.spec is not None:
        yield bundle
    for member in bundle.members:
        yield from networks_of(member.bundle)


def text_of(bundle: Bundle) -> TextHead | None:
    """What reads titles by a sentence encoder, if a bundle has one."""
    return None if bundle.films is None else bundle.films.titles.text


def open_text(bundle: Bundle) -> None:
    """Probe the sentence encoder of a bundle, if it has one.

    Raises BundleError, and MissingExtraError without keyart[text].
    """
    if (text := text_of(bundle)) is not None:
        try:
            check_text_probe(text, bundle.text_probe)
        except BundleError as error:
            raise BundleError(f"{bundle.path}: {error}; export the bundle again") from error


def open_network(bundle: Bundle, device: Device = "cpu") -> Network:
    """The network of a bundle, probed. Raises BundleError."""
    assert bundle.spec is not None
    network = Network(bundle.onnx, device)
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


def main() -> None:
    """Load and probe all networks of the bundle that the command line names: the other process."""
    folder, seconds, memory = sys.argv[1:]
    _bound(float(seconds), int(memory))
    try:
        bundle = read_bundle(Path(folder))
        for one in networks_of(bundle):
            open_network(one)
        open_text(bundle)
    except KeyartError as error:
        print(error, file=sys.stderr)
        sys.exit(_REFUSED)
