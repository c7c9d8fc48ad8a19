"""A file to which whole records are appended, by any number of processes."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import stat
from pathlib import Path

try:
    import resource
except ImportError:  # Windows, where files have no such limit
    resource = None  # type: ignore[assignment]

_Identity = tuple[int, int]


class AppendedFile:
    """The only owner of a descriptor of a file; used by one thread at a time.

    A record is one write at the end of the file, so those of several processes do not mix. Nothing is ever
    truncated: a half record that a killed process or a full disk left gets a line of its own. `replaced`
    counts how often the file was found deleted, moved or cut, and begun again. Raises OSError if the file
    cannot be opened, or is a pipe or a socket, which would keep nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replaced = 0
        self._name = os.fspath(path)
        self._end_of_ours = 0
        self._descriptor, self._identity = self._open()

    def append(self, record: bytes) -> None:
        """Append a record, which ends with a newline. Raises OSError if it could not be written whole."""
        found = self._follow_the_path()
        if stat.S_ISREG(found.st_mode) and found.st_size < self._end_of_ours:
            # The host, or a rotation of logs, has cut it.
            self.replaced += 1
        rest = record if self._ends_with_newline(found) else b"\n" + record
        end = found.st_size + len(rest)
        if stat.S_ISREG(found.st_mode) and end > _largest_file_bytes():
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), self._name)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._end_of_ours = end

    def close(self) -> None:
        """Close the file. It is safe to call twice."""
        if self._ours() is not None:
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> tuple[int, _Identity]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_APPEND
        try:
            descriptor = os.open(self.path, os.O_RDWR | flags, 0o600)
        except PermissionError:
            descriptor = os.open(self.path, os.O_WRONLY | flags, 0o600)
        found = os.fstat(descriptor)
        if stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode):
            os.close(descriptor)
            raise FileExistsError(errno.EEXIST, "it is not a file", self._name)
        self._end_of_ours = 0
        return descriptor, _identity(found)

    def _ours(self) -> os.stat_result | None:
        """Return what the descriptor is if it is still our file; a program may close all and open its own."""
        if self._descriptor < 0:
            return None
        try:
            found = os.fstat(self._descriptor)
        except OSError:
            return None
        return found if _identity(found) == self._identity else None

    def _follow_the_path(self) -> os.stat_result:
        """Return what the file at the path is, which is opened again if it is another one."""
        try:
            is_there = _identity(os.stat(self._name)) == self._identity
        except FileNotFoundError:
            is_there = False
        found = self._ours()
        if found is not None and is_there:
            return found
        before = self._identity
        if found is not None:
            self.close()
        self._descriptor, self._identity = self._open()
        self.replaced += found is not None or self._identity != before
        return os.fstat(self._descriptor)

    def _ends_with_newline(self, found: os.stat_result) -> bool:
        if found.st_size == self._end_of_ours:
            # Nobody has written since.
            return True
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            return True
        try:
            # Where it is read from matters not to where it is written to, which is always its end.
            os.lseek(self._descriptor, -1, os.SEEK_END)
            return os.read(self._descriptor, 1) == b"\n"
        except OSError:
            # A file that may not be read.
            return True


def _largest_file_bytes() -> float:
    """Return how large the host lets files be: a write beyond that may end the process by a signal."""
    limit = math.inf if resource is None else resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return limit if limit >= 0 else math.inf


def append_once(path: Path, record: bytes) -> None:
    """Append a record to a file that is opened for it, as far as the disk allows."""
    with contextlib.suppress(OSError):
        file = AppendedFile(path)
        file.append(record)
        file.close()


def _identity(found: os.stat_result) -> _Identity:
    return found.st_dev, found.st_ino
