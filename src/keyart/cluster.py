"""Ray clusters: how this process connects to one."""

import logging
import os
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
    if "ray" not in sys.modules:  # it reads these when it is imported
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address == "local":
            # Whoever reaches a cluster can run code on it: not without the token.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
    with extras():
        import ray

    if ray.is_initialized():
        return ray, True
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        quiet |= {"include_dashboard": False, "num_cpus": processors}
        quiet |= {"object_store_memory": _STORE}
    try:
        ray.init(address, **quiet)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, errors of gRPC
        raise JobError(
            f"no Ray cluster at {address} ({one_line(error)}); check its address, and that "
            "RAY_AUTH_MODE and the token are those of the cluster"
        ) from error
    return ray, False
