"""Threads and clocks of the system, also in a program that has put something else in their place.

A recorder that runs as a greenlet stops the whole program while it reads a prompt. Under gevent it gets what
gevent has replaced, and whoever waits for it lets other greenlets run. The tests of a host have clocks that
stand still, run backwards or raise.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from tokenprof.facts.imported import imported

LATEST_NS: Final = 253_402_300_799 * 10**9
"""The last second of the year 9999, the latest that a datetime can hold."""


class _System:
    """The system's functions as they were when tokenprof was loaded.

    A class holds them, because libraries that stop time search modules for them.
    """

    process_id: Final = staticmethod(os.getpid)
    monotonic_s: Final = staticmethod(time.monotonic)
    wall_ns: Final = staticmethod(time.time_ns)
    current_thread: Final = staticmethod(threading.current_thread)


SYSTEM: Final = _System()


def now_ns() -> int:
    """Return the wall clock in nanoseconds since the epoch, as near as a recording can hold it.

    The clock of a machine may be unset.
    """
    return min(max(SYSTEM.wall_ns(), 1), LATEST_NS)


def is_gevent() -> bool:
    """Whether gevent has replaced the threads of this process."""
    monkey = imported("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("_thread"))


def unpatched(module: Any, name: str) -> Any:
    """Return what a module of the standard library holds by a name, before gevent replaced it."""
    monkey = imported("gevent.monkey")
    return getattr(module, name) if monkey is None else monkey.get_original(module.__name__, name)


def start_thread(run: Callable[[], None]) -> None:
    """Run a function on a thread of the system. Raises RuntimeError if none can be started."""
    # Not threading.Thread, whose `start` waits for the new thread.
    unpatched(_thread, "start_new_thread")(run, ())


def held_lock() -> _thread.LockType:
    """Return a lock of the system that is held, until whoever is waited for releases it."""
    lock: _thread.LockType = unpatched(_thread, "allocate_lock")()
    lock.acquire()
    return lock


def run_within(seconds: float, work: Callable[[], None]) -> None:
    """Run a function that may never return, such as one that writes to a disk, and wait for it so long.

    It runs here if no thread can be started, as at the end of a program.
    """
    is_done = held_lock()

    def work_and_tell() -> None:
        try:
            work()
        finally:
            is_done.release()

    try:
        if sys.is_finalizing():
            raise RuntimeError("threads that are started now do not run")
        start_thread(work_and_tell)
    except RuntimeError:
        work()
    else:
        is_done.acquire(timeout=seconds)


def wait_for(lock: _thread.LockType, seconds: float) -> bool:
    """Acquire a lock, and return whether that was possible in time. Greenlets go on meanwhile."""
    if not is_gevent():
        return lock.acquire(timeout=seconds)
    until = SYSTEM.monotonic_s() + seconds
    while not lock.acquire(blocking=False):
        if SYSTEM.monotonic_s() >= until:
            return False
        time.sleep(0.002)
    return True
