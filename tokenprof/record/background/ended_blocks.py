"""Blocks that were left before their recording was complete, and waiting for what is still to be written.

A block is left after a second or two, whatever there is to do; the last turns and the counts of their tokens
are written when they come. Whoever reads the recording in the same process, or ends it, waits for them here.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

from tokenprof.facts.imported import imported
from tokenprof.record.background.end_waits import EndWaits
from tokenprof.record.background.system_threads import SYSTEM


class EndedBlock(Protocol):
    """What is left of a block: a recording to which its threads still write."""

    path: Path | None
    waits: EndWaits
    waits_for_counts: bool
    """Whether the end of the program waits for it; a worker process does not."""

    def wait_to_the_end(self, until: float) -> None:
        """Wait until everything is written and counted, or `time.monotonic()` is `until`."""
        ...

    def is_complete(self) -> bool:
        """Whether everything is written and counted."""
        ...


_incomplete: list[EndedBlock] = []
_program_ends: list[bool] = []


def has_program_ended() -> bool:
    """Whether the program no longer waits for what is recorded: its last functions and finalisers run."""
    return bool(_program_ends)


def add_ended_block(block: EndedBlock) -> None:
    """Remember a block that was left before its recording was complete."""
    _incomplete.append(block)


def wait_for_recordings(paths: Iterable[Path]) -> None:
    """Wait until the recordings that this process made at `paths`, or in folders at them, are complete.

    Returns when their `EndWaits` are over, and at once for a recording whose block is still open.
    """
    _incomplete[:] = [block for block in _incomplete if not block.is_complete()]
    if not _incomplete:
        return
    wanted, began_s = [path.resolve() for path in paths], SYSTEM.monotonic_s()
    for block in list(_incomplete):
        if block.path is not None and any(block.path.resolve().is_relative_to(path) for path in wanted):
            block.wait_to_the_end(began_s + block.waits.reading_s)


def at_end_of_process(close: Callable[[], None]) -> None:
    """Call a function when this process ends, also if it is a worker, which runs nothing that `atexit` knows.

    It may be called twice.
    """
    atexit.register(close)
    for library in _LIBRARIES_OF_WORKERS:
        ends = imported(library)
        if ends is not None:
            ends.Finalize(None, close, exitpriority=100)


_LIBRARIES_OF_WORKERS: Final = ("multiprocessing.util", "billiard.util")
"""What starts worker processes, and ends them with `os._exit`."""


@atexit.register
def _wait_at_exit() -> None:
    """Let a program end with its calls written, and its tokens counted, even if it was short or busy."""
    began_s = SYSTEM.monotonic_s()
    _program_ends.append(True)
    while _incomplete:
        block = _incomplete.pop()
        if block.waits_for_counts:
            block.wait_to_the_end(began_s + block.waits.program_s)
