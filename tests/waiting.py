"""How tests wait: for something to happen, and never for a time; a time is only when a test gives up.

No machine is too slow for a test that waits so, and on a fast one nobody waits longer than it takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

WATCHDOG_S: Final = 180.0
"""A wait that lasts longer will never end: far more than the slowest machine needs for anything in a test."""

STEP_S: Final = 0.01


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds. Raises AssertionError, naming `what` was waited for, if it never does."""
    gives_up = time.monotonic() + WATCHDOG_S
    while not happened():
        assert time.monotonic() < gives_up, f"waited {WATCHDOG_S:.0f} s in vain until {what}"
        time.sleep(STEP_S)


def wait_for_the_recorder() -> None:
    """Wait until the open recording has written every call that has ended, and told its listeners."""
    from tokenprof.record.session import active_recorder

    recorder = active_recorder()
    assert recorder is not None, "nothing is being recorded"
    wait_until(recorder.is_settled, "every call that has ended is written")
