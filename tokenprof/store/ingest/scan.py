"""Which logs must be read: the files below some paths, compared with those that a store has read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import LINES, companions_of, holds_counts, plain_files_below
from tokenprof.reading.formats import (
    TranscriptReader,
    UnknownFormatError,
    reader_of,
    suffixes,
    transcript_readers,
)
from tokenprof.reading.log_bytes import log_name
from tokenprof.store.ingest.file_identity import change_of, identify
from tokenprof.store.ingest.known_logs import KnownLog, KnownLogs

Why = Literal["new", "grown", "cut_short", "rewritten", "replaced", "asked_for"]


@frozen
class LogToRead:
    """A log to read: its main file and the others, why, and the version of it that a store holds."""

    file: Path
    companions: tuple[Path, ...]
    format: str
    why: Why
    root: Path
    before: KnownLog | None = None

    @property
    def bytes(self) -> int:
        """Return the size of its files."""
        return sum(_size(each) for each in (self.file, *self.companions))


@dataclass(slots=True)
class Scan:
    """What was found: logs to read, logs that are as they were, files that are not logs or cannot be read.

    `may_hold_bills` are files of unknown formats that count tokens. `gone` are logs whose file is no more.
    """

    to_read: list[LogToRead] = field(default_factory=list)
    unchanged: list[KnownLog] = field(default_factory=list)
    not_logs: list[Path] = field(default_factory=list)
    may_hold_bills: set[Path] = field(default_factory=set)
    unreadable: dict[Path, str] = field(default_factory=dict)
    gone: list[KnownLog] = field(default_factory=list)


def scan(paths: Sequence[Path], known: KnownLogs, *, again: bool = False) -> Scan:
    """Compare the files below some paths with what a store knows. Files that did not change are not opened.

    `again` reads all logs. Raises InputError for a path that does not exist, and for a named file that is of
    an unknown format or cannot be read.
    """
    found = Scan()
    by_source = known.by_source()
    readers = {reader.FORMAT: reader for reader in transcript_readers() if hasattr(reader, "companions")}
    files = dict(_files(paths, found))
    waiting: list[tuple[Path, Path, TranscriptReader]] = []
    mains: list[tuple[Path, Path, TranscriptReader | None, KnownLog | None]] = []
    companions: dict[Path, tuple[Path, ...]] = {}
    of_known = {each.file for log in by_source.values() if log.state == "present" for each in log.files[1:]}
    for file, root in files.items():
        before = by_source.get(str(file))
        if before is not None and before.state != "gone" and before.is_untouched() and not again:
            if before.state == "not_a_log":
                continue
            if before.state == "unreadable":
                found.unreadable[file] = before.error or ""
            else:
                mains.append((file, root, readers.get(before.format), before))
        elif str(file) not in of_known:
            waiting += _recognised(file, root, found, is_named=file in map(_real, paths))
    mains += [(file, root, reader, by_source.get(str(file))) for file, root, reader in waiting]
    for file, _, reader, _ in mains:
        if reader is not None and hasattr(reader, "companions"):
            companions[file] = tuple(_real(each) for each in companions_of(reader, file))
    claimed = {each for others in companions.values() for each in others}
    unclaimed = sorted({Path(each) for each in of_known} & files.keys() - claimed)
    for file in unclaimed:
        for _, root, reader in _recognised(file, files[file], found, is_named=False):
            mains.append((file, root, reader, by_source.get(str(file))))
    for file, root, reader, before in mains:
        if file not in claimed:
            _sort_in(found, file, root, reader, companions.get(file, ()), before, again=again)
    seen = {str(file) for file in (*files, *found.unreadable)}
    roots = [str(_real(path)) for path in paths]
    found.gone = [
        log
        for log in by_source.values()
        if log.state not in ("gone", "not_a_log") and log.source not in seen and _is_below(log.source, roots)
    ]
    return found


def _sort_in(
    found: Scan,
    file: Path,
    root: Path,
    reader: TranscriptReader | None,
    companions: tuple[Path, ...],
    before: KnownLog | None,
    *,
    again: bool,
) -> None:
    """Put a log among those to read or those that are as they were."""
    format_ = reader.FORMAT if reader is not None else before.format if before else ""
    if before is None or before.state in ("unreadable", "not_a_log"):
        found.to_read.append(LogToRead(file, companions, format_, "new", root, before))
        return
    why: Why = "asked_for"
    if not again:
        listed = [each.file for each in before.files] == [str(each) for each in (file, *companions)]
        if before.state == "present" and listed and before.is_untouched():
            found.unchanged.append(before)
            return
        change = change_of(before.files[0], file, identify(file))
        why = "grown" if change == "same" else change
    found.to_read.append(LogToRead(file, companions, format_, why, root, before))


def _recognised(
    file: Path, root: Path, found: Scan, *, is_named: bool
) -> Iterator[tuple[Path, Path, TranscriptReader]]:
    """Yield a file with its reader; one without a reader is noted, or raised if the user named it."""
    try:
        yield file, root, reader_of(file)
    except UnknownFormatError:
        if is_named:
            raise
        found.not_logs.append(file)
        if log_name(file).endswith(LINES) or holds_counts(file):
            found.may_hold_bills.add(file)
    except InputError as error:
        if is_named:
            raise
        found.unreadable[file] = str(error)


def _files(paths: Sequence[Path], found: Scan) -> Iterator[tuple[Path, Path]]:
    """Yield the files below paths that may be logs, each with the folder (or file) that the user named.

    What may not be looked into is noted in `found`.
    """
    endings = tuple(suffixes())
    for path in paths:
        if path.is_dir():
            refused: dict[Path, InputError] = {}
            for file in plain_files_below(path, refused):
                if file.name.endswith(endings):
                    yield _real(file), path
            found.unreadable |= {_real(each): str(error) for each, error in refused.items()}
        elif path.exists():
            yield _real(path), path
        else:
            raise InputError(f"{path} does not exist. Check the name.")


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_below(source: str, roots: Sequence[str]) -> bool:
    return any(source == root or source.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
