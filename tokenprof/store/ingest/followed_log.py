"""Logs that are read on where they stopped.

A reader that can do this has `follow(path, warnings)`, which returns what it has in hand while a log is read.
It may hold texts, and is written to disk without them (`kept_readings`). `warnings` are those of lines, to
which the reader adds its own.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.reading.formats import TranscriptReader
from tokenprof.reading.json_lines import CUT_SHORT, line_or_warning
from tokenprof.reading.lenient_json import RecordFinder

CHUNK_BYTES = 2**20


class CannotFollowError(Exception):
    """The log is not the one that was read with lines appended, or holds a line that only a whole reading
    understands. Read it from its beginning."""


class FollowedReading(Protocol):
    """What a reader has in hand while a log is read. Nothing can be added once it `is_spent`."""

    @property
    def is_spent(self) -> bool:
        """Whether nothing can be added any more."""

    def add(self, line: Mapping[str, Any], where: str) -> None:
        """Add one line. `where` is its file and number."""

    def run(self, warnings: list[str]) -> Run | None:
        """Return the run in the lines so far, as the reader's `read` would; `warnings` are about lines.

        None if the log has become one that must be read as a whole.
        """

    def let_go(self) -> set[int] | None:
        """Forget all texts. Return the numbers of the lines that hold those still needed.

        `take_back` must be given these lines, in order, before anything else. None if more is needed than
        such lines.
        """

    def take_back(self, number: int, line: Mapping[str, Any]) -> None:
        """Take the texts of a line again."""


@frozen
class Condensed:
    """A log as it is remembered: what was read of it, without texts.

    `digest` is that of its first `offset` bytes, `lines` their number. `held` are the places of the lines
    whose texts are needed: number and offset.
    """

    offset: int
    digest: bytes
    lines: int
    is_inside_a_line: bool
    warnings: list[str]
    reading: FollowedReading
    held: tuple[tuple[int, int], ...]


class FollowedLog:
    """A plain log of JSON lines, and how far it has been read."""

    def __init__(self, path: Path, reading: FollowedReading, warnings: list[str]) -> None:
        self._path, self._reading, self._warnings = path, reading, warnings
        self._finder = RecordFinder()
        self.offset = 0
        """How many bytes have been read."""
        self._lines = 0
        self._places = array("q")
        self._held: dict[int, int] = {}
        self._digest = _new_digest()
        self._is_inside_a_line = False
        self._passing: list[str] = []
        self.kept_at = 0
        """How many bytes had been read when it was last remembered."""

    @property
    def is_spent(self) -> bool:
        """Whether it cannot be read on any more."""
        return self._reading.is_spent

    def read_lines(self) -> None:
        """Read what was appended.

        Raises CannotFollowError unless what was read before is in place, byte for byte, and OSError if the
        file cannot be read.
        """
        self._passing = []
        with self._path.open("rb") as file:
            if _digest_of(file, self.offset).digest() != self._digest.digest():
                raise CannotFollowError(f"{self._path} is not as it was")
            for line in file:
                if not self._take(line):
                    self._passing.append(f"{self._path}:{self._lines + 1}: {CUT_SHORT}")

    def run(self) -> Run:
        """Return the whole run, as a reading from the beginning would. Raises CannotFollowError."""
        run = self._reading.run([*self._warnings, *self._passing])
        if run is None:
            raise CannotFollowError(f"{self._path} must be read as a whole")
        return run

    def _take(self, line: bytes) -> bool:
        """Take a line; return whether it is whole. One without an end may still be written."""
        if self._is_inside_a_line:
            if line.strip():
                raise CannotFollowError(f"{self._path}:{self._lines}: this line has grown")
            self._is_inside_a_line = not line.endswith(b"\n")
            self._pass(line)
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
        self._places.append(self.offset)
        self._pass(line)
        self._lines += 1
        self._is_inside_a_line = not is_ended
        return True

    def _pass(self, line: bytes) -> None:
        self.offset += len(line)
        self._digest.update(line)

    def let_go(self) -> Condensed | None:
        """Return what was read, without texts; None if it cannot do without. Call `take_back` to go on."""
        numbers = self._reading.let_go()
        if numbers is None:
            return None
        first = self._lines - len(self._places) + 1
        self._held = {
            number: self._places[number - first] if number >= first else self._held[number]
            for number in sorted(numbers)
        }
        self.kept_at = self.offset
        return Condensed(
            self.offset,
            self._digest.digest(),
            self._lines,
            self._is_inside_a_line,
            self._warnings,
            self._reading,
            tuple(self._held.items()),
        )

    def take_back(self) -> None:
        """Read the lines again whose texts are needed. Raises CannotFollowError if one is not an object."""
        with self._path.open("rb") as file:
            for number, place in self._held.items():
                file.seek(place)
                record = self._finder.whole_record(file.readline())
                if record is None:
                    raise CannotFollowError(f"{self._path}:{number}: this is not one JSON object")
                self._reading.take_back(number, record)


def resumed(path: Path, condensed: Condensed) -> FollowedLog:
    """Return a log to be read on from where it was remembered.

    Raises CannotFollowError unless the file begins with what was read, and OSError if it cannot be read.
    """
    log = FollowedLog(path, condensed.reading, condensed.warnings)
    log.offset = log.kept_at = condensed.offset
    log._lines = condensed.lines
    log._is_inside_a_line, log._held = condensed.is_inside_a_line, dict(condensed.held)
    with path.open("rb") as file:
        log._digest = _digest_of(file, condensed.offset)
    if log._digest.digest() != condensed.digest:
        raise CannotFollowError(f"{path} is not as it was")
    log.take_back()
    return log


def follow(path: Path, reader: TranscriptReader) -> FollowedLog | None:
    """Return a log to be read on as it grows; None if its format, or this file, cannot be.

    Raises OSError if the file cannot be read.
    """
    if not can_follow(path, reader):
        return None
    warnings: list[str] = []
    return FollowedLog(path, reader.follow(path, warnings), warnings)  # type: ignore[attr-defined]


def can_follow(path: Path, reader: TranscriptReader) -> bool:
    """Return whether the format of a log, and this file, can be read on. Raises OSError."""
    if not hasattr(reader, "follow"):
        return False
    with path.open("rb") as file:
        # Compressed files, and those in UTF-16, begin otherwise.
        return file.read(2) == b'{"'


def _new_digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def _digest_of(file: BinaryIO, size: int) -> hashlib.blake2b:
    """Return the digest of the next bytes of a file, to which more can be added."""
    digest = _new_digest()
    left = size
    while left and (chunk := file.read(min(left, CHUNK_BYTES))):
        digest.update(chunk)
        left -= len(chunk)
    return digest
