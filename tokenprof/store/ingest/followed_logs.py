"""Logs that grew, read on where they stopped: from what this process has in hand, or an earlier one kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from tokenprof.facts.types import Run
from tokenprof.reading.formats import TranscriptReader
from tokenprof.store.ingest.followed_log import CannotFollowError, FollowedLog, follow
from tokenprof.store.ingest.kept_readings import keep_reading, kept_reading

MOST_LOGS: Final = 16
"""How many are in hand at most: those that grew last. Each takes about as much memory as its blocks."""


WRITTEN_LATELY_S: Final = 3600.0
"""A log that was written to since then may grow."""


def is_being_written(path: Path) -> bool:
    """Return whether a log may be growing. Raises OSError if it is not there."""
    return time.time() - path.stat().st_mtime < WRITTEN_LATELY_S


class FollowedLogs:
    """Reads logs from their beginning once, and then only what is appended to them.

    `most` logs are in hand; with 0, what was kept on disk is all that is used.
    """

    def __init__(self, most: int = MOST_LOGS) -> None:
        self._most = most
        self._logs: dict[Path, FollowedLog] = {}
        self._refused: set[Path] = set()
        self.read_bytes = 0
        """How much of a file the last reading read."""

    def read(self, path: Path, reader: TranscriptReader) -> Run:
        """Return the run of a log, as `reader.read` would. Raises what that raises."""
        log = self._logs.pop(path, None)
        if log is None and path not in self._refused:
            log = kept_reading(path) or follow(path, reader)
        if log is not None:
            before = log.offset
            try:
                log.read_lines()
                keep_reading(path, log)
                run = log.run()
            except CannotFollowError:
                self._refused.add(path)
            else:
                self.read_bytes = log.offset - before
                if not log.is_spent and self._most:
                    self._logs[path] = log
                    if len(self._logs) > self._most:
                        del self._logs[next(iter(self._logs))]
                return run
        self.read_bytes = path.stat().st_size
        return reader.read(path)
