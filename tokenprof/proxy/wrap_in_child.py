"""Inside a Python program that `tokenprof run` has started: the clients of an SDK become recorded ones."""

from __future__ import annotations

import logging

from tokenprof.facts.adapters import load_adapter
from tokenprof.live.profile import SDK_ADAPTERS, WATCHED, record_as_environment_says

log = logging.getLogger("tokenprof")


def wrap(package: str) -> None:
    """Record the calls of a package's clients to where the environment says, until the program ends.

    Never raises; does nothing for a package that no adapter of this version knows.
    """
    if package not in WATCHED:
        return
    try:
        record_as_environment_says()
        load_adapter(SDK_ADAPTERS[package]).wrap_new_clients()
    except Exception:
        log.warning("tokenprof could not wrap the clients of %s", package, exc_info=True)
