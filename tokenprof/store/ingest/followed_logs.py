"""The logs that a watching ingest has in hand, so that a log that grew is read on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tokenprof.facts.types import Run
from tokenprof.reading.formats import TranscriptReader
from tokenprof.store.ingest.followed_log import CannotFollowError, FollowedLog, follow

MOST_LOGS: Final = 16
"""How many are in hand at most: those that grew last. Each takes about as much memory as its blocks."""


class FollowedLogs:
    """Reads logs from their beginning once, and then only what is appended to them."""

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
            log = follow(path, reader)
        if log is not None:
            before = log.offset
            try:
                run = log.read_on()
            except CannotFollowError:
                self._refused.add(path)
            else:
                self._logs[path] = log
                if len(self._logs) > self._most:
                    del self._logs[next(iter(self._logs))]
                self.read_bytes = log.offset - before
                return run
        self.read_bytes = path.stat().st_size
        return reader.read(path)
