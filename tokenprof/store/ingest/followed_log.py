"""Logs that are read on where they stopped, while a program watches them grow.

A reader that can do this has `follow(path, warnings)`, which returns what it has in hand while a log is read,
or None if this log cannot be followed. It is kept in memory and never written to disk, because it holds
texts. `warnings` are those of lines, to which the reader adds its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from tokenprof.facts.types import Run
from tokenprof.reading.formats import TranscriptReader
from tokenprof.reading.json_lines import CUT_SHORT, line_or_warning
from tokenprof.reading.lenient_json import RecordFinder

TAIL_BYTES: Final = 4096


class CannotFollowError(Exception):
    """The log is not the one that was read with lines appended, or holds a line that only a whole reading
    understands. Read it from its beginning."""


class FollowedReading(Protocol):
    """What a reader has in hand while a log is read."""

    def add(self, line: Mapping[str, Any], where: str) -> None:
        """Add one line. `where` is its file and number."""

    def run(self, warnings: list[str]) -> Run | None:
        """Return the run in the lines so far, as the reader's `read` would; `warnings` are about lines.

        None if the log has become one that must be read as a whole.
        """


class FollowedLog:
    """A plain log of JSON lines, and how far it has been read."""

    def __init__(self, path: Path, reading: FollowedReading, warnings: list[str]) -> None:
        self._path, self._reading, self._warnings = path, reading, warnings
        self._finder = RecordFinder()
        self.offset = 0
        """How many bytes have been read."""
        self._lines = 0
        self._tail = b""
        self._is_inside_a_line = False

    def read_on(self) -> Run:
        """Read what was appended and return the whole run, as a reading from the beginning would.

        Raises CannotFollowError if that is not certain, and OSError if the file cannot be read.
        """
        passing: list[str] = []
        with self._path.open("rb") as file:
            before = max(0, self.offset - TAIL_BYTES)
            file.seek(before)
            if _digest(file.read(self.offset - before)) != self._tail and self.offset:
                raise CannotFollowError(f"{self._path} is not as it was")
            for line in file:
                if not self._take(line):
                    passing.append(f"{self._path}:{self._lines + 1}: {CUT_SHORT}")
            before = max(0, self.offset - TAIL_BYTES)
            file.seek(before)
            self._tail = _digest(file.read(self.offset - before))
        run = self._reading.run([*self._warnings, *passing])
        if run is None:
            raise CannotFollowError(f"{self._path} must be read as a whole")
        return run

    def _take(self, line: bytes) -> bool:
        """Take a line; return whether it is whole. One without an end may still be written."""
        if self._is_inside_a_line:
            if line.strip():
                raise CannotFollowError(f"{self._path}:{self._lines}: this line has grown")
            self._is_inside_a_line = not line.endswith(b"\n")
            self.offset += len(line)
            return True
        is_ended = line.endswith(b"\n")
        if not line.isspace():
            record = self._finder.whole_record(line)
            if record is None and not is_ended and not self._finder.records_of(line)[0]:
                return False
            if record is None:
                raise CannotFollowError(f"{self._path}:{self._lines + 1}: this is not one JSON object")
            where = f"{self._path}:{self._lines + 1}"
            with line_or_warning(where, self._warnings):
                self._reading.add(record, where)
        self.offset += len(line)
        self._lines += 1
        self._is_inside_a_line = not is_ended
        return True


def follow(path: Path, reader: TranscriptReader) -> FollowedLog | None:
    """Return a log to be read on as it grows; None if its format, or this file, cannot be.

    Raises OSError if the file cannot be read.
    """
    begin = getattr(reader, "follow", None)
    if begin is None:
        return None
    with path.open("rb") as file:
        # Compressed files, and those in UTF-16, begin otherwise.
        if file.read(2) != b'{"':
            return None
    warnings: list[str] = []
    reading = begin(path, warnings)
    return None if reading is None else FollowedLog(path, reading, warnings)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest() if data else b""
