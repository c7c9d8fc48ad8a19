"""The signals that this process is sent, noted until it comes to look at them.

Nothing of Python's runs when one comes. A handler that takes a lock waits for ever if the thread that it
interrupts holds it, as a `threading.Event` does for a moment at each wait; a handler that the next signal
interrupts, and that one's the next, fills the stack. `signal.set_wakeup_fd` would not do: under a flood of
signals, CPython's own handler takes a lock.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


class HeardSignals:
    """The signals that have come and are not taken yet."""

    def __init__(self, numbers: Sequence[int]):
        self._came: dict[int, list[FrameType | None]] = {number: [] for number in numbers}

    def note(self, number: int) -> None:
        """Have a signal noted from here on. The handler is a method of C, which has no frame to interrupt."""
        # It takes what a handler takes. Where it puts the frame does not matter, only that it is there.
        signal.signal(number, self._came[number].insert)

    def take(self) -> list[int]:
        """Return the number of each signal that has come since the last time, as often as it came."""
        taken = []
        for number, frames in self._came.items():
            times = len(frames)
            del frames[:times]
            taken += [number] * times
        return taken


@contextmanager
def heard_signals(names: Sequence[str]) -> Iterator[HeardSignals]:
    """Have the signals of these names noted within the block, and nothing else done. For the main thread.

    Those that this system does not have are left out, and those that whoever started this process has it
    ignore, as `nohup` does.
    """
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in heeded}
    heard = HeardSignals(heeded)
    try:
        for number in heeded:
            heard.note(number)
        yield heard
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
