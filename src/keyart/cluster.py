"""Ray clusters: how this process connects to one."""

import logging
import os
import re
import socket
import sys
from typing import Any

from keyart.errors import JobError, one_line
from keyart.extras import extras

_STORE = 256_000_000  # bytes of the object store of a cluster that is started here


def connect(address: str, processors: int | None) -> tuple[Any, bool]:
    """Connect this process to a Ray cluster, unless it is connected already.

    address: of a cluster, 'auto' for the one of this machine, or 'local' to start one here, with
    this many processors (None: those of the machine), which ends with the connection. Returns the
    module ray, and whether there was a connection already. Raises JobError without a cluster, and
    MissingExtraError without Ray.
    """
    if "ray" not in sys.modules:  # it reads them when it is imported
        for name, value in settings(address).items():
            os.environ.setdefault(name, value)
    with extras():
        import ray

    if ray.is_initialized():
        return ray, True
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        quiet |= {"include_dashboard": False, "num_cpus": processors}
        quiet |= {"object_store_memory": _STORE}
    try:
        _reach(address)
        ray.init(address, **quiet)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, errors of gRPC
        raise JobError(
            f"no Ray cluster at {address} ({one_line(error)}); check its address, and that "
            "RAY_AUTH_MODE and the token are those of the cluster"
        ) from error
    return ray, False


def settings(address: str) -> dict[str, str]:
    """Variables of Ray's for a cluster, if the user has not set them."""
    quiet = {"RAY_USAGE_STATS_ENABLED": "0"}
    # Whoever reaches a cluster can run code on it: not without the token.
    return quiet | ({"RAY_AUTH_MODE": "token"} if address == "local" else {})


def _reach(address: str) -> None:
    """Raise OSError if nobody listens at host:port, for which Ray would wait some minutes."""
    match = re.fullmatch(r"(?:ray://)?\[?(.+?)\]?:([0-9]+)", address)
    if match:
        socket.create_connection((match[1], int(match[2])), timeout=10).close()
