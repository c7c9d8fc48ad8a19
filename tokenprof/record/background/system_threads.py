"""Threads of the system, also in a program in which gevent has put greenlets in their place.

A recorder that runs as a greenlet stops the whole program while it reads a prompt. Under gevent it gets what
gevent has replaced, and whoever waits for it lets other greenlets run.
"""

from __future__ import annotations

import _thread
import sys
import time
from collections.abc import Callable
from typing import Any


def is_gevent() -> bool:
    """Whether gevent has replaced the threads of this process."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("_thread"))


def unpatched(module: Any, name: str) -> Any:
    """Return what a module of the standard library holds by a name, before gevent replaced it."""
    monkey = sys.modules.get("gevent.monkey")
    return getattr(module, name) if monkey is None else monkey.get_original(module.__name__, name)


def start_thread(run: Callable[[], None]) -> None:
    """Run a function on a thread of the system. Raises RuntimeError if none can be started."""
    # Not threading.Thread, whose `start` waits for the new thread.
    unpatched(_thread, "start_new_thread")(run, ())


def new_lock() -> _thread.LockType:
    """Return a lock of the system."""
    lock: _thread.LockType = unpatched(_thread, "allocate_lock")()
    return lock


def wait_for(lock: _thread.LockType, seconds: float) -> bool:
    """Acquire a lock, and return whether that was possible in time. Greenlets go on meanwhile."""
    if not is_gevent():
        return lock.acquire(timeout=seconds)
    until = time.monotonic() + seconds
    while not lock.acquire(blocking=False):
        if time.monotonic() >= until:
            return False
        time.sleep(0.002)
    return True
