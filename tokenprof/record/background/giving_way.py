"""Lets the host's threads run in the middle of long work of ours.

A thread that waits for the interpreter's lock asks for it only after `sys.getswitchinterval()` (5 ms), and
that setting is the host's. So between pieces of work on large texts the recorder's threads let the lock go,
long enough for another thread to take it.
"""

from __future__ import annotations

import _thread
import time
from typing import Final

from tokenprof.record.background.system_threads import unpatched

PAUSE_S: Final = 0.000_02

LARGE_BYTES: Final = 65_536
"""Work on less is over before anybody has to wait."""

_sleep: Final = unpatched(time, "sleep")
"""Taken now, because a test of the host's may have another one in its place later."""

_ours: set[int] = set()


def _here() -> int:
    found: int = unpatched(_thread, "get_ident")()
    return found


def thread_gives_way() -> None:
    """Note that the calling thread is one of the recorder's."""
    _ours.add(_here())


def thread_ends() -> None:
    """Note that the calling thread is over."""
    _ours.discard(_here())


def give_way() -> None:
    """Let other threads run, if this is a thread of the recorder; a reader of files goes on."""
    if _here() in _ours:
        _sleep(PAUSE_S)
