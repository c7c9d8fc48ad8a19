"""Which format a file has, recognised by its beginning.

Our own recordings are read by `tokenprof.reading.recordings`, every other format by a module below
`harness_adapters/transcripts/` that has `FORMAT`, `recognises(first_lines)` and `read(path)`. Such a module
may also have `recognises_bytes(head)`, for a format that is not JSON; `SUFFIXES`, the endings of its files in
a folder, if not `.jsonl`; `companions(path)`, the further files that are read together with `path` and not
by themselves; and `follow(path, warnings)`, for logs that are read on where they stopped
(`store.ingest.followed_log`).
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

from tokenprof.facts.adapters import ADAPTERS, load_adapter
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.reading import recordings as own
from tokenprof.reading.json_documents import read_json_document
from tokenprof.reading.json_lines import read_json_lines, read_strict_lines
from tokenprof.reading.log_bytes import COMPRESSED_ENDINGS, DAMAGED_FILE, head_of
from tokenprof.record.background.unwritten_calls import unwritten_calls

TRANSCRIPTS = "transcripts"
FIRST_LINES = 40

_HAS_FORMAT = re.compile(rb"^FORMAT\b", re.M)


class TranscriptReader(Protocol):
    """What a module of `harness_adapters/transcripts/` must have to be the reader of a format."""

    FORMAT: str

    def recognises(self, first_lines: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a file that begins with these lines is of this format.

        If the file is one JSON value, these are that value, or the first objects of the list.
        """

    def read(self, path: Path) -> Run:
        """Return the run that a file holds."""


class UnknownFormatError(InputError):
    """The file exists and can be read, but its format is unknown."""


class _OwnReader:
    """Our own recordings, read without loading any adapter."""

    FORMAT = own.FORMAT

    def recognises(self, first_lines: Sequence[Mapping[str, Any]]) -> bool:
        return own.recognises(first_lines)

    def read(self, path: Path) -> Run:
        warnings: list[str] = []
        at = 0

        def lines() -> Iterator[dict[str, Any]]:
            nonlocal at
            for at, line in read_strict_lines(path, warnings):  # noqa: B007 - `at` is for the error below
                yield line

        try:
            run = own.read_lines(lines(), path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError.at(
                path,
                at,
                f"tokenprof did not write this line ({type(error).__name__}: {error}); delete it.",
            ) from error
        return replace(run, warnings=(*warnings, *run.warnings))

    def follow(self, path: Path, warnings: list[str]) -> own.FollowedRecording:
        """Return a recording to be read on as it grows."""
        return own.FollowedRecording(path)


def reader_of(path: Path) -> TranscriptReader:
    """Return the reader that recognises a file by its beginning.

    Raises UnknownFormatError if no reader does, and InputError if several do or the file cannot be read.
    """
    readers = _readers_of_bytes(path)
    first_lines: list[dict[str, Any]] = []
    if not readers:
        first_lines = _first_lines(path)
        mine: TranscriptReader = _OwnReader()
        if _recognises(mine, first_lines):
            return mine
        readers = [reader for reader in transcript_readers() if _recognises(reader, first_lines)]
    if len(readers) > 1:
        names = " and as ".join(reader.FORMAT for reader in readers)
        raise InputError(f"{path}:1: this can be read as {names}. Put each format into a file of its own.")
    if not readers:
        raise UnknownFormatError(
            f"{path}:1: tokenprof does not know this format. It reads {known_formats()}. "
            "Is this the right file?"
        )
    return readers[0]


def reader_named(form: str) -> TranscriptReader:
    """Return the reader of a format by its name. Raises KeyError if there is none."""
    if form == own.FORMAT:
        return _OwnReader()
    return {reader.FORMAT: reader for reader in transcript_readers()}[form]


def _recognises(reader: TranscriptReader, first_lines: Sequence[Mapping[str, Any]]) -> bool:
    try:
        return reader.recognises(first_lines)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        # A field of another type than any file of this format has.
        return False


def suffixes() -> frozenset[str]:
    """Return the endings of the files that are read in a folder, compressed ones included."""
    plain = {suffix for reader in transcript_readers() for suffix in getattr(reader, "SUFFIXES", (".jsonl",))}
    return frozenset(plain | {suffix + ending for suffix in plain for ending in COMPRESSED_ENDINGS})


def known_formats() -> str:
    """Return the names of all formats, for a message."""
    return ", ".join([f"{own.FORMAT} recordings", *(reader.FORMAT for reader in transcript_readers())])


@functools.cache
def transcript_readers() -> tuple[TranscriptReader, ...]:
    """Load the adapters that read transcripts, found by their source code; others may need an SDK.

    Raises AdapterError if one cannot be loaded.
    """
    spec = find_spec(f"{ADAPTERS}.{TRANSCRIPTS}")
    folders = (spec and spec.submodule_search_locations) or ()
    names = sorted(name for folder in folders for name in _modules_with_format(Path(folder), TRANSCRIPTS))
    return tuple(cast(TranscriptReader, load_adapter(name)) for name in names)


def _modules_with_format(folder: Path, package: str) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _modules_with_format(entry, f"{package}.{entry.name}")
        elif entry.name.endswith(".py") and _HAS_FORMAT.search(entry.read_bytes()):
            yield f"{package}.{entry.name.removesuffix('.py')}"


def _readers_of_bytes(path: Path) -> list[TranscriptReader]:
    head = head_of(path)
    if head.lstrip()[:1] in (b"{", b"["):
        return []
    by_bytes = [reader for reader in transcript_readers() if hasattr(reader, "recognises_bytes")]
    return [reader for reader in by_bytes if cast(Any, reader).recognises_bytes(head)]


def _first_lines(path: Path) -> list[dict[str, Any]]:
    """Return the first lines of a file that are JSON objects, enough to recognise its format."""
    # The reader of the format names the faulty lines.
    damage: list[str] = []
    lines = [line for _, line in islice(read_json_lines(path, damage), FIRST_LINES)]
    if not lines and damage and DAMAGED_FILE in damage[0]:
        raise InputError(f"{damage[0]} No line of it can be read; copy it again.")
    if not lines and not path.stat().st_size:
        lost = sum(calls for calls, _ in unwritten_calls(path))
        why = f"{lost} calls could not be written to it" if lost else "was the recording started and ended?"
        raise UnknownFormatError(f"{path}:1: the file is empty; {why}")
    return lines or _first_objects(path)


def _first_objects(path: Path) -> list[dict[str, Any]]:
    """Return the object that a whole file holds, or the first ones of a list; nothing for other files."""
    try:
        value = read_json_document(path, [])
    except InputError:
        return []
    values = value if isinstance(value, list) else [value]
    return [item for item in values[:FIRST_LINES] if isinstance(item, dict)]


class ForeignLines:
    """The lines of a log that its reader does not know and another one does. `own` is the log's format.

    A reader passes over lines that it does not know: newer versions write further kinds. A line that begins
    another format is something else, because what it bills is missing: files were joined, or several programs
    write to one.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._counts: Counter[str] = Counter()

    def add(self, line: Mapping[str, Any]) -> bool:
        """Add a line that the reader of the log does not know; return whether it is of another format."""
        form = _format_of_line(line, self._own)
        if form is not None:
            self._counts[form] += 1
        return form is not None

    def warnings(self, path: Path | str) -> list[str]:
        """Return a warning for each format that was met."""
        return [
            f"{path}: {'1 of its lines is' if count == 1 else f'{count} of its lines are'} of another format "
            f"({form}) and {'was' if count == 1 else 'were'} left out, with what they bill. Put each format "
            "into a file of its own."
            for form, count in sorted(self._counts.items())
        ]


def without_foreign(
    objects: Sequence[dict[str, Any]], own: str, path: Path, warnings: list[str]
) -> list[dict[str, Any]]:
    """Return the objects of a log without those of another format; warnings say how many there are."""
    foreign = ForeignLines(own)
    kept = [value for value in objects if not foreign.add(value)]
    warnings += foreign.warnings(path)
    return kept


def _format_of_line(line: Mapping[str, Any], own: str) -> str | None:
    """Return the format that a line of a log in format `own` is of, if only other readers recognise it."""
    found = [reader.FORMAT for reader in transcript_readers() if _recognises(reader, (line,))]
    if own in found or not found:
        return None
    return f"{_OwnReader.FORMAT} recording" if _recognises(_OwnReader(), (line,)) else found[0]
