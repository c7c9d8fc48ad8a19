"""Imports on a thread of ours, and the forks that must not fall into the middle of one.

A child that is forked while another thread imports a module is left with half of it and with a lock that
nobody will open. So a fork waits for our imports, which take a fraction of a second once in a process.

During that wait, no other thread may import a module that registers functions to run around forks: its
functions for the end would run without those for the beginning. In the standard library this matters only
for thread pools (they would release a lock that they do not hold), so that module is imported here.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - see above
import contextlib
import os
import time
from collections.abc import Iterator

from tokenprof.record.background.system_threads import SYSTEM, unpatched

LONGEST_WAIT_S = 2.0

_sleep = unpatched(time, "sleep")

_importing: list[int] = []
"""The processes that are importing: in a forked child, also its parent, if the wait was too short."""

_forking: list[int] = []


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Hold up forks while the block imports modules, and the imports while another thread forks."""
    here = SYSTEM.process_id()
    until = SYSTEM.monotonic_s() + LONGEST_WAIT_S
    _importing.append(here)
    while _forking and SYSTEM.monotonic_s() < until:
        _importing.remove(here)
        _sleep(0.001)
        _importing.append(here)
    try:
        yield
    finally:
        _importing.remove(here)


def _before_fork() -> None:
    _forking.append(SYSTEM.process_id())
    until = SYSTEM.monotonic_s() + LONGEST_WAIT_S
    while SYSTEM.process_id() in _importing and SYSTEM.monotonic_s() < until:
        _sleep(0.001)


def _after_fork() -> None:
    _forking.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
