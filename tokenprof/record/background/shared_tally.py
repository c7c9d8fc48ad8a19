"""How many answered calls each process still has to write, in memory that the processes of a program share.

A process that is killed, or leaves with `os._exit`, cannot say what it has not written. Whichever process of
the recording ends later finds it here. All that a host's thread does is to put a number into memory.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import struct
from collections.abc import Collection
from typing import Final

from tokenprof.record.background.system_threads import SYSTEM

_ENTRY: Final = struct.Struct("=QQQQ")
"""A process, how many calls it was given to write, how many of them are dealt with, and its root.

The root is the spawned process that it is, or comes from by forks; 0 if the program itself began the tally.
"""

_COUNT: Final = struct.Struct("=Q")
_GIVEN_AT: Final = 8
_DONE_AT: Final = 16

MOST_PROCESSES: Final = 1024
"""Beyond that, processes are not counted."""

_BYTES: Final = MOST_PROCESSES * _ENTRY.size
_TALLY_NAME: Final = "tokenprof-tally"


class SharedTally:
    """Shared by a process and those that it forks after this was made. Takes no lock.

    `address` is where another process has lent a tally, which a spawned process shares. `given` may be called
    on any thread, `done` and `take_abandoned` on the recorder's. `spawned` are processes with a lent tally.
    """

    def __init__(self, address: str | None = None) -> None:
        self._memory = _mapped(address)
        self.spawned: set[int] = set()
        self._root = 0 if address is None else SYSTEM.process_id()
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
        """Return how many calls forked and spawned processes that have ended did not write; forget them."""
        return self.take_calls_of({self._root}) + LENT_TALLY.take_calls_of(self.spawned)

    def take_calls_of(self, roots: Collection[int]) -> int:
        """Return how many calls processes with these roots that have ended did not write; forget them."""
        calls = 0
        for place in range(0, len(self._memory), _ENTRY.size):
            process, given, done, root = _ENTRY.unpack_from(self._memory, place)
            is_another = process not in (0, SYSTEM.process_id())
            if is_another and root in roots and given > done and _has_ended(process):
                _ENTRY.pack_into(self._memory, place, process, 0, 0, root)
                calls += given - done
        return calls

    def _place_here(self) -> int | None:
        process = SYSTEM.process_id()
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
            holder, given, done, _ = _ENTRY.unpack_from(self._memory, place)
            if holder in (0, process) or (given <= done and _has_ended(holder)):
                _ENTRY.pack_into(self._memory, place, process, 0, 0, self._root)
                return place
        return None


class LentTally:
    """A tally that the processes which this one spawns find in its memory; one is made when it is first lent.

    Its descriptors stay open: a host that has closed them may have given their numbers to files of its own.
    """

    def __init__(self) -> None:
        self._descriptor = -1
        self._tally: SharedTally | None = None

    def address(self) -> str | None:
        """Return the address of the tally, for a process that is about to be spawned; None without one."""
        if self._tally is None and hasattr(os, "memfd_create"):
            self._descriptor = os.memfd_create(_TALLY_NAME)
            os.truncate(self._descriptor, _BYTES)
            self._tally = SharedTally(self._path())
        return self._path() if self._tally is not None else None

    def take_calls_of(self, spawned: Collection[int]) -> int:
        """Return how many calls spawned processes that have ended did not write; forget them."""
        return self._tally.take_calls_of(spawned) if self._tally is not None else 0

    def _path(self) -> str:
        return f"/proc/{SYSTEM.process_id()}/fd/{self._descriptor}"


LENT_TALLY: Final = LentTally()


def _mapped(address: str | None) -> mmap.mmap:
    """Map the memory at an address; without it, some that only forked processes will have."""
    with contextlib.suppress(OSError):
        # The host may have opened a file of its own under the number of our descriptor.
        if address is not None and _TALLY_NAME in os.readlink(address):
            descriptor = os.open(address, os.O_RDWR)
            try:
                return mmap.mmap(descriptor, _BYTES)
            finally:
                os.close(descriptor)
    return mmap.mmap(-1, _BYTES)


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
