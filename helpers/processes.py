"""Ray, started here or joined, without a word in the outputs, and ended whatever comes.

The only file that starts or joins it. Ray's own logs are in its folder, /tmp/ray.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from helpers import quiet

MISSING = (
    "More than one process needs Ray: make scale, or "
    "pip install -r requirements-scale.txt -c constraints.txt."
)
LOCAL = "local"  # address of a Ray of our own
STORE = 2**28  # bytes of shared memory for what processes hand over; more goes to disk
QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


def ray() -> ModuleType:
    """The module. Raises ImportError that says what to install."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would ask the network
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or it warns
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # or it warns on stderr
    try:
        import ray
    except ImportError as error:
        raise ImportError(MISSING) from error
    return ray


@contextlib.contextmanager
def started(address: str | None = None, cpus: int = 2) -> Iterator[ModuleType]:
    """Ray for what is inside: the module, once its processes run.

    address: of a cluster, host:port or "auto"; where None, or LOCAL, Ray is started
        here. Where this process has Ray already, that one is used, and left as it is.
        A cluster may want a token of Ray's: RAY_AUTH_MODE=token and RAY_AUTH_TOKEN.
    cpus: how many processes will run at a time, each on a processor

    Raises ValueError for a cluster with fewer processors, ConnectionError for one that
    is not there, ImportError without Ray.
    """
    module = ray()
    own = not module.is_initialized()
    if own:
        how = {"num_cpus": cpus, "include_dashboard": False}
        how["object_store_memory"] = STORE
        if address not in (None, LOCAL):  # helpers/ goes to all machines
            how = {"runtime_env": {"py_modules": [str(Path(__file__).parent)]}}
        with quiet.no_stderr():  # it would say that it logs no more
            module.init(address or LOCAL, **how, **QUIET)
    try:
        there = int(module.cluster_resources().get("CPU", 0))
        if there < cpus:
            raise ValueError(
                f"{cpus} workers need a processor each, and this Ray has {there}."
            )
        yield module
    finally:
        if own:
            module.shutdown()
