"""One line on the terminal that says how far a reading has come; nothing if nobody would see it."""

from __future__ import annotations

import sys
import time

from tokenprof.reading.progress import Progress

SHOWN_AFTER_S = 1.0
"""A reading that is over sooner needs no line."""

REDRAWN_EVERY_S = 0.2
ERASE_LINE = "\r\x1b[K"


class ProgressLine:
    """Draws progress on standard error, if that is a terminal, and takes the line away at the end."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._drawn_at: float | None = None

    def __call__(self, progress: Progress) -> None:
        """Draw the line, at most a few times a second."""
        at = time.monotonic()
        is_early = progress.seconds < SHOWN_AFTER_S
        if not self._is_seen or is_early or (self._drawn_at and at - self._drawn_at < REDRAWN_EVERY_S):
            return
        self._drawn_at = at
        sys.stderr.write(f"{ERASE_LINE}{line_of(progress)}")
        sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._drawn_at is not None:
            sys.stderr.write(ERASE_LINE)
            sys.stderr.flush()
            self._drawn_at = None


def line_of(progress: Progress) -> str:
    """Return the line: how much is read, how fast, and how long the rest takes."""
    parts = [f"reading {progress.files:,} of {progress.all_files:,} files"]
    if progress.all_bytes:
        parts.append(f"{100 * progress.bytes // progress.all_bytes} %")
    rate, left = progress.bytes_per_s, progress.seconds_left
    if rate is not None and left is not None:
        parts += [f"{rate / 1e6:.1f} MB/s", f"{left:.0f} s left"]
    return " · ".join(parts)
