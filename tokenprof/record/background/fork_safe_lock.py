"""A lock that no fork, finaliser or signal handler can wait for for ever."""

from __future__ import annotations

import _thread

from tokenprof.record.background.system_threads import SYSTEM, unpatched


class ForkSafeLock:
    """A lock that is open in a child process, even if another thread held it when the process forked.

    A thread that holds it may take it again, as a finaliser or a signal handler on that thread would.
    """

    def __init__(self) -> None:
        self._process = SYSTEM.process_id()
        self._lock = unpatched(_thread, "RLock")()

    def __enter__(self) -> None:
        if self._process != SYSTEM.process_id():
            self._process, self._lock = SYSTEM.process_id(), unpatched(_thread, "RLock")()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
