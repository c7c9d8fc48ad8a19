"""Lines on their way to a file: what a full disk refuses waits for the next time, up to a bound."""

from __future__ import annotations

from collections import deque

from tokenprof.data_classes.frozen import frozen
from tokenprof.record.background.appended_file import AppendedFile
from tokenprof.record.background.harmless_log import log

MOST_WAITING_BYTES = 16 * 1024 * 1024


@frozen
class _Line:
    data: bytes
    calls: int


class WaitingLines:
    """The lines that a file has not taken yet. Beyond the bound the oldest are dropped."""

    def __init__(self, file: AppendedFile) -> None:
        self._file = file
        self._lines: deque[_Line] = deque()
        self._bytes = 0
        self._dropped_calls = 0
        self._is_refused = False

    def write(self, data: bytes = b"", calls: int = 0) -> bool:
        """Write a line after those that wait; return whether the file has taken all of them.

        `calls` is how many would be missing from the recording without this line.
        """
        try:
            while self._lines:
                self._file.append(self._lines[0].data)
                self._bytes -= len(self._lines.popleft().data)
            if data:
                self._file.append(data)
        except OSError as error:
            if data:
                self._lines.append(_Line(data, calls))
                self._bytes += len(data)
            if not self._is_refused:
                log.warning("tokenprof cannot write to %s: %s", self._file.path, error.strerror or error)
            while self._bytes > MOST_WAITING_BYTES:
                dropped = self._lines.popleft()
                self._bytes -= len(dropped.data)
                self._dropped_calls += dropped.calls
            self._is_refused = True
            return False
        self._is_refused = False
        return True

    def take_dropped_calls(self) -> int:
        """Return how many calls were dropped since the last time that this was asked."""
        calls, self._dropped_calls = self._dropped_calls, 0
        return calls

    def missing_calls(self) -> int:
        """Return how many calls would be missing if nothing more were written."""
        return self._dropped_calls + sum(line.calls for line in self._lines)
