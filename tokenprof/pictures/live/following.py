"""Follows files that grow, rotate or come and go, and never spends more than a few percent of a core on it.

A file is read again as a whole when it has changed, so a rotated, truncated or rewritten one needs no care,
and the sum is always that of a report. The time between two readings grows with the time that one takes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.pictures.live.live_detail import NO_DETAIL, DetailReader, LiveDetail
from tokenprof.pictures.live.live_state import LiveState, live_state
from tokenprof.pricing.book import PriceBook
from tokenprof.reading.usage_only import read_usage

SHARE_OF_A_CORE: Final = 0.03
"""The most that reading may take; looking at sizes comes on top of it."""

SHORTEST_WAIT_S: Final = 0.5

Clock = Callable[[], float]
Stamp = tuple[tuple[str, int, int, int], ...]


class Follower:
    """Reads files again when they have changed and enough time has passed.

    Parameters: `paths`, files and folders, or a function that finds them each time; `book`, the prices;
    `details` works out what takes longer than a bill (None leaves it out); `clock` and `cpu_clock` are in
    seconds.
    """

    def __init__(
        self,
        paths: Sequence[Path] | Callable[[], Sequence[Path]],
        book: PriceBook,
        details: DetailReader | None = None,
        *,
        clock: Clock = time.monotonic,
        cpu_clock: Clock = time.process_time,
    ) -> None:
        self._find = paths if callable(paths) else lambda: paths
        self._details = details
        self._book = book
        self._clock, self._cpu_clock = clock, cpu_clock
        self._stamp: Stamp | None = None
        self._not_before_s = 0.0
        self.state: LiveState | None = None
        self.problem: str | None = None

    @property
    def detail(self) -> LiveDetail:
        """The newest details; empty ones if none have been worked out."""
        return NO_DETAIL if self._details is None else self._details.detail

    def poll(self) -> bool:
        """Read what has changed and return whether there is a new state. Waits for a file that is missing."""
        if self._clock() < self._not_before_s:
            return False
        paths = list(self._find())
        stamp = stamp_of(paths)
        if self._details is not None and stamp:
            self._details.poll(paths, stamp)
        if stamp == self._stamp:
            self._not_before_s = self._clock() + SHORTEST_WAIT_S
            return False
        began_s = self._cpu_clock()
        try:
            run = read_usage(paths) if stamp else Run(())
            self.state, self.problem = live_state(run, self._book), None
        except InputError as error:
            self.problem = str(error)
        self._stamp = stamp
        spent_s = self._cpu_clock() - began_s
        self._not_before_s = self._clock() + max(SHORTEST_WAIT_S, spent_s / SHARE_OF_A_CORE)
        return True


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """Return what changes when one of the files, or a file in one of the folders, does."""
    return tuple(sorted(_stamps(paths)))


def _stamps(paths: Sequence[Path]) -> Iterator[tuple[str, int, int, int]]:
    for path in paths:
        beside = path.with_suffix("")
        for each in (path, beside) if path.suffix else (path,):
            if each.is_dir():
                for folder, _, names in os.walk(each):
                    for name in names:
                        yield from _stamp(Path(folder) / name)
            else:
                yield from _stamp(each)


def _stamp(path: Path) -> Iterator[tuple[str, int, int, int]]:
    try:
        found = path.stat()
    except OSError:
        return
    yield str(path), found.st_ino, found.st_size, found.st_mtime_ns
