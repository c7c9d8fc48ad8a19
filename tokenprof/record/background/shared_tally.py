"""How many answered calls each process still has to write, in memory that forked processes share.

A process that is killed, or leaves with `os._exit`, cannot say what it has not written. Whichever process of
the recording ends later finds it here. All that a host's thread does is to put a number into memory.
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
from typing import Final

_ENTRY: Final = struct.Struct("=QQQ")
"""A process, how many calls it was given to write, and how many of them are dealt with."""

_COUNT: Final = struct.Struct("=Q")
_GIVEN_AT: Final = 8
_DONE_AT: Final = 16

MOST_PROCESSES: Final = 1024
"""Beyond that, processes are not counted."""


class SharedTally:
    """Shared by a process and those that it forks after this was made. Takes no lock.

    `given` may be called on any thread, `done` and `take_abandoned` on the recorder's.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, MOST_PROCESSES * _ENTRY.size)
        self._process = 0
        self._place: int | None = None
        self._given = itertools.count(1)
        self._done = 0

    def given(self) -> None:
        """Note a call that this process has to write."""
        place = self._place_here()
        if place is not None:
            _COUNT.pack_into(self._memory, place + _GIVEN_AT, next(self._given))

    def done(self) -> None:
        """Note that a call is written, or that the recording says that it is missing."""
        place = self._place_here()
        if place is not None:
            self._done += 1
            _COUNT.pack_into(self._memory, place + _DONE_AT, self._done)

    def take_abandoned(self) -> int:
        """Return how many calls processes that have ended did not write, and forget them."""
        calls = 0
        for place in range(0, len(self._memory), _ENTRY.size):
            process, given, done = _ENTRY.unpack_from(self._memory, place)
            if process not in (0, os.getpid()) and given > done and _has_ended(process):
                _ENTRY.pack_into(self._memory, place, process, 0, 0)
                calls += given - done
        return calls

    def _place_here(self) -> int | None:
        process = os.getpid()
        if process != self._process:
            self._place = self._free_place(process)
            self._given, self._done = itertools.count(1), 0
            # Last, because other threads look at it first, and the place was that of the parent.
            self._process = process
        return self._place

    def _free_place(self, process: int) -> int | None:
        # Numbers of processes that are started together follow each other, so they begin to look apart.
        for offset in range(MOST_PROCESSES):
            place = (process + offset) % MOST_PROCESSES * _ENTRY.size
            holder, given, done = _ENTRY.unpack_from(self._memory, place)
            if holder in (0, process) or (given <= done and _has_ended(holder)):
                _ENTRY.pack_into(self._memory, place, process, 0, 0)
                return place
        return None


def _has_ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        # A child that nobody has waited for; it is left for its parent to wait for.
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except (AttributeError, OSError):
        # A system without that, or no child of this process.
        return False
