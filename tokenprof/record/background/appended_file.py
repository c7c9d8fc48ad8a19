"""A file to which whole records are appended, by any number of processes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_Identity = tuple[int, int]


class AppendedFile:
    """The only owner of a descriptor of a file; used by one thread at a time.

    A record is one write at the end of the file, so those of several processes do not mix. Nothing is ever
    truncated: a half record that a killed process or a full disk left gets a line of its own. `replaced`
    counts how often the file was found deleted or moved, and begun again. Raises OSError if the file cannot
    be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replaced = 0
        self._descriptor, self._identity = self._open()

    def append(self, record: bytes) -> None:
        """Append a record, which ends with a newline. Raises OSError if it could not be written whole."""
        self._follow_the_path()
        rest = record if self._ends_with_newline() else b"\n" + record
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def close(self) -> None:
        """Close the file. It is safe to call twice."""
        if self._is_ours():
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> tuple[int, _Identity]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_APPEND
        try:
            descriptor = os.open(self.path, os.O_RDWR | flags, 0o600)
        except PermissionError:
            descriptor = os.open(self.path, os.O_WRONLY | flags, 0o600)
        return descriptor, _identity(os.fstat(descriptor))

    def _is_ours(self) -> bool:
        """Whether the number is still our file: a program may close all descriptors and open its own."""
        try:
            return self._descriptor >= 0 and _identity(os.fstat(self._descriptor)) == self._identity
        except OSError:
            return False

    def _follow_the_path(self) -> None:
        try:
            is_there = _identity(self.path.stat()) == self._identity
        except FileNotFoundError:
            is_there = False
        if not self._is_ours():
            self._descriptor, identity = self._open()
            self.replaced += identity != self._identity
            self._identity = identity
        elif not is_there:
            self.close()
            self._descriptor, self._identity = self._open()
            self.replaced += 1

    def _ends_with_newline(self) -> bool:
        try:
            found = os.fstat(self._descriptor)
            if not stat.S_ISREG(found.st_mode) or not found.st_size:
                return True
            return os.pread(self._descriptor, 1, found.st_size - 1) == b"\n"
        except (OSError, AttributeError):
            # A file that cannot be read, or a system without pread.
            return True


def _identity(found: os.stat_result) -> _Identity:
    return found.st_dev, found.st_ino
