"""Sums of sessions kept in a folder, so that a log that did not change is not read again.

A file holds the sums of one log and what they were made from: the log and its companions as the file system
shows them, the version of tokenprof, prices and assumptions. If any of that is another, the log is read
again. The sums name projects, agents, models, tools and blocks, and hold no text.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.kept_objects import NotKeptError, packed, unpacked
from tokenprof.facts.remembered import SUFFIX, keep, recall
from tokenprof.reading.files import LogFile, companions_of
from tokenprof.reading.remembered_counts import cache_file
from tokenprof.sessions.folder_sums import FolderSums
from tokenprof.sessions.session_sums import Member, SessionSums
from tokenprof.sessions.tried_changes import LargestSessions

LAYOUT: Final = 4
"""Counts up with each change of what is kept; what has another number is not used."""

FolderParts = tuple[FolderSums, tuple[str, ...], "LargestSessions | None", tuple[Member, ...]]
"""What the analysis of folders is made of: sums, warnings, what was tried, and the sessions."""

Stamp = tuple[tuple[str, int, int, int, int], ...]


@frozen
class _KeptSession:
    layout: int
    made_with: str
    stamp: Stamp
    sums: SessionSums


@frozen
class _KeptChanges:
    layout: int
    made_with: str
    stamp: Stamp
    found: LargestSessions


def folder_of_sums() -> Path | None:
    """Return where sums are kept, beside the counts of texts; None if nothing is kept for this user."""
    beside = cache_file()
    return None if beside is None else beside.with_name("sessions")


Kept = TypeVar("Kept", _KeptSession, _KeptChanges)


@frozen
class KeptFolder:
    """What is kept of whole folders: their sums, and what is said beside them."""

    made_with: str
    listing: bytes
    sums: FolderSums
    warnings: tuple[str, ...]
    largest: LargestSessions | None
    members: tuple[Member, ...]


class KeptSums:
    """The sums in a folder. Nothing is raised if it cannot be read or written: the logs are read instead."""

    def __init__(self, folder: Path, assumptions: Assumptions) -> None:
        self._folder = folder
        self._made_with = made_with(assumptions)

    def find(self, log: LogFile) -> SessionSums | None:
        """Return the sums of a log; None if they are not kept or the log is another by now."""
        kept = self._read(self._file_of([log.file]), _KeptSession)
        return kept.sums if kept is not None and self._is_current(kept, stamp_of([log])) else None

    def put(self, log: LogFile, sums: SessionSums) -> None:
        """Keep the sums of a log."""
        kept = _KeptSession(LAYOUT, self._made_with, stamp_of([log]), sums)
        self._write(self._file_of([log.file]), kept)

    def find_changes(self, logs: Sequence[LogFile]) -> LargestSessions | None:
        """Return what was tried on some logs."""
        kept = self._read(self._file_of([log.file for log in logs]), _KeptChanges)
        return kept.found if kept is not None and self._is_current(kept, stamp_of(logs)) else None

    def put_changes(self, logs: Sequence[LogFile], found: LargestSessions) -> None:
        """Keep what was tried on some logs."""
        kept = _KeptChanges(LAYOUT, self._made_with, stamp_of(logs), found)
        self._write(self._file_of([log.file for log in logs]), kept)

    def find_folders(self, paths: Sequence[Path]) -> KeptFolder | None:
        """Return what is kept of some folders; None if a file in them is another, or if one is a file."""
        listing = listing_of(paths)
        data = recall(self._place_of(paths)) if listing else None
        if data is None:
            return None
        try:
            kept = unpacked(data, KeptFolder)
        except NotKeptError:
            return None
        return kept if (kept.made_with, kept.listing) == (self._made_with, listing) else None

    def put_folders(self, paths: Sequence[Path], listing: bytes, found: FolderParts) -> None:
        """Keep what was found in folders, which had this `listing` before they were read."""
        if listing and listing == listing_of(paths):
            keep(self._place_of(paths), packed(KeptFolder(self._made_with, listing, *found)))

    def _place_of(self, paths: Sequence[Path]) -> Path:
        file = self._file_of(paths)
        return file.with_name(f"folder-{file.name}{SUFFIX}")

    def _is_current(self, kept: _KeptSession | _KeptChanges, stamp: Stamp) -> bool:
        return bool(stamp) and (kept.layout, kept.made_with, kept.stamp) == (LAYOUT, self._made_with, stamp)

    def _file_of(self, files: Sequence[Path]) -> Path:
        names = "\0".join(os.path.realpath(file) for file in files)
        return self._folder / blake2b(os.fsencode(names), digest_size=16).hexdigest()

    def _read(self, file: Path, kind: type[Kept]) -> Kept | None:
        try:
            return msgspec.msgpack.decode(file.read_bytes(), type=kind, dec_hook=_array_of)
        except (OSError, msgspec.MsgspecError, ValueError):
            return None

    def _write(self, file: Path, kept: _KeptSession | _KeptChanges) -> None:
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".")
            try:
                with os.fdopen(handle, "wb") as written:
                    written.write(msgspec.msgpack.encode(kept, enc_hook=_array_as_bytes))
                os.replace(name, file)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name)
                raise


def stamp_of(logs: Sequence[LogFile]) -> Stamp:
    """Return what the file system says about logs and their companions; empty if one is not there."""
    found = []
    try:
        for log in logs:
            for file in (log.file, *companions_of(log.reader, log.file)):
                status = file.stat()
                found.append((str(file), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    except OSError:
        return ()
    return tuple(found)


def listing_of(paths: Sequence[Path]) -> bytes:
    """Return a digest of the files below folders, as the file system shows them; empty if one is a file."""
    digest = blake2b(digest_size=16)
    for path in paths:
        if not path.is_dir():
            return b""
        for parent, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = os.path.join(parent, name)
                with suppress(OSError):
                    status = os.stat(file)
                    seen = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
                    digest.update(os.fsencode(file) + repr(seen).encode())
    return digest.digest()


def made_with(assumptions: Assumptions) -> str:
    """Return a digest of what sums follow from beside the logs: version, assumptions and prices."""
    try:
        installed = version("agent-tokenprof")
    except PackageNotFoundError:
        installed = ""
    digest = blake2b(digest_size=16)
    digest.update(repr((LAYOUT, installed, assumptions)).encode())
    digest.update(repr(price_book(assumptions).describe()).encode())
    for file in assumptions.prices:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _array_as_bytes(value: object) -> tuple[str, list[int], bytes]:
    if isinstance(value, np.ndarray):
        return value.dtype.str, list(value.shape), value.tobytes()
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _array_of(kind: type, value: Any) -> Any:
    dtype, shape, data = value
    return np.frombuffer(data, dtype).reshape(shape)
