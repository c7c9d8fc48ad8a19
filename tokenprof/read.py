"""Recordings and transcripts of any known format into one `Run`.

The format of a file is told by its first lines. Our own recordings are read by `tokenprof.record`;
every other format by the module of `harness_adapters/` that has `FORMAT`, `recognises(first_lines)` and
`read(path)`, and optionally `companions(path)`: further files that are read with `path` and are
therefore no recordings of their own.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, cast

from tokenprof.errors import InputError
from tokenprof.json_lines import read_json_lines
from tokenprof.record import reader as own
from tokenprof.types import Run, Turn

ADAPTERS = "tokenprof.harness_adapters"
FIRST_LINES = 40
LISTED_FILES = 5

_HAS_FORMAT = re.compile(rb"^FORMAT\b", re.M)


class TranscriptReader(Protocol):
    """What a module of `harness_adapters/` offers to be found as the reader of a format."""

    FORMAT: str

    def recognises(self, first_lines: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a file that begins with these lines is of this format."""

    def read(self, path: Path) -> Run:
        """Return the run that a file holds."""


def read(paths: Sequence[Path]) -> Run:
    """Return the turns of files and folders together, in time order, each billed response once.

    Of a folder, every `*.jsonl` file below it that is of a known format is read; the others are named
    in a warning. Raises InputError for what is missing, empty, malformed or of no known format.
    """
    warnings: list[str] = []
    chosen: dict[Path, tuple[Path, TranscriptReader]] = {}
    for path in paths:
        found = _files_below(path, warnings) if path.is_dir() else [(path, _reader_of(path))]
        for file, reader in found:
            chosen.setdefault(file.resolve(), (file, reader))
    companions = {other.resolve() for file, reader in chosen.values() for other in _companions(reader, file)}
    runs = [reader.read(file) for real, (file, reader) in chosen.items() if real not in companions]
    return merge(runs, warnings)


def merge(runs: Sequence[Run], warnings: Iterable[str] = ()) -> Run:
    """Return several runs as one. A response that a second file repeats is counted once.

    Transcripts of resumed and forked sessions hold earlier responses again, under their provider's ids.
    """
    turns: list[Turn] = []
    notes = list(warnings)
    known: set[object] = set()
    for run in runs:
        identities = [_identity(run, turn) for turn in run.turns]
        repeated = {index for index, identity in enumerate(identities) if identity in known}
        known.update(identities)
        turns += _without(run, repeated, offset=len(turns))
        if repeated:
            notes.append(
                f"{run.sources[0].file}: {len(repeated)} of its responses are in another file too; "
                "each is counted once."
            )
    notes += [warning for run in runs for warning in run.warnings]
    return Run(
        own.in_time_order(turns), tuple(source for run in runs for source in run.sources), tuple(notes)
    )


def _identity(run: Run, turn: Turn) -> object:
    """Return what tells a response from all others.

    A recording of ours may hold a test provider's ids, which start anew in every run; the time tells
    those apart. A transcript's time is when a line was written, and may change in a copy.
    """
    recorded = any(source.format == own.FORMAT for source in run.sources)
    return (turn.provider, turn.id, turn.usage, turn.started_at if recorded else None)


def _without(run: Run, repeated: set[int], offset: int) -> list[Turn]:
    """Return a run's turns less some, with bases as indices of a list in which the first is at `offset`."""
    place: dict[int, int] = {}
    for index in range(len(run.turns)):
        if index not in repeated:
            place[index] = offset + len(place)
    prompts = run.prompts() if repeated else []
    kept = []
    for index in place:
        turn = run.turns[index]
        if turn.base is not None and turn.base in place:
            turn = replace(turn, base=place[turn.base])
        elif turn.base is not None:
            turn = replace(turn, base=None, kept=0, added=tuple(prompts[index]))
        kept.append(turn)
    return kept


class _OwnReader:
    """Our own recordings, read without a look at any adapter."""

    FORMAT = own.FORMAT

    def recognises(self, first_lines: Sequence[Mapping[str, Any]]) -> bool:
        return own.recognises(first_lines)

    def read(self, path: Path) -> Run:
        warnings: list[str] = []
        at = 0

        def lines() -> Iterator[dict[str, Any]]:
            nonlocal at
            for at, line in read_json_lines(path, warnings):  # noqa: B007 - `at` is for the error below
                yield line

        try:
            run = own.read_lines(lines(), path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError.at(
                path,
                at,
                f"this is no line that tokenprof wrote ({type(error).__name__}: {error}); delete it.",
            ) from error
        return replace(run, warnings=(*warnings, *run.warnings))


def _files_below(folder: Path, warnings: list[str]) -> list[tuple[Path, TranscriptReader]]:
    """Return the files below a folder that are of a known format; the others go into a warning."""
    found, others = [], []
    for path in sorted(folder.rglob("*.jsonl")):
        try:
            found.append((path, _reader_of(path)))
        except _UnknownFormatError:
            others.append(path)
    if not found:
        raise InputError(
            f"{folder} holds no *.jsonl file that tokenprof can read. It reads {_known_formats()}."
        )
    if others:
        named = ", ".join(str(path.relative_to(folder)) for path in others[:LISTED_FILES])
        more = f" and {len(others) - LISTED_FILES} more" if len(others) > LISTED_FILES else ""
        warnings.append(f"{folder}: of no known format and left out: {named}{more}.")
    return found


def _companions(reader: TranscriptReader, path: Path) -> Sequence[Path]:
    of: Callable[[Path], Sequence[Path]] | None = getattr(reader, "companions", None)
    return of(path) if of else ()


class _UnknownFormatError(InputError):
    """The file exists and can be read, but nothing reads its format."""


def _reader_of(path: Path) -> TranscriptReader:
    """Return the one reader that recognises a file by its first lines."""
    first_lines = _first_lines(path)
    mine: TranscriptReader = _OwnReader()
    if mine.recognises(first_lines):
        return mine
    readers = [reader for reader in _transcript_readers() if reader.recognises(first_lines)]
    if len(readers) > 1:
        names = " and as ".join(reader.FORMAT for reader in readers)
        raise InputError(f"{path}:1: this can be read as {names}; split what was put together in it.")
    if not readers:
        raise _UnknownFormatError(
            f"{path}:1: of no format that tokenprof knows. It reads {_known_formats()}; "
            "was the right file named?"
        )
    return readers[0]


def _first_lines(path: Path) -> list[dict[str, Any]]:
    """Return the leading lines of a file that are JSON objects, as many as its format is told by."""
    lines: list[dict[str, Any]] = []
    try:
        for _, line in read_json_lines(path, []):
            lines.append(line)
            if len(lines) == FIRST_LINES:
                break
    except InputError:
        # Where the file begins as something known, its reader names the line and its fault.
        if not path.exists():
            raise
    if not lines and not path.stat().st_size:
        raise _UnknownFormatError(f"{path}:1: the file is empty; was the recording started and ended?")
    return lines


@functools.cache
def _transcript_readers() -> tuple[TranscriptReader, ...]:
    """Import the adapters that read transcripts, known by their source; the others may need an SDK."""
    modules = [
        file.name.removesuffix(".py")
        for file in resources.files(ADAPTERS).iterdir()
        if file.name.endswith(".py") and _HAS_FORMAT.search(file.read_bytes())
    ]
    return tuple(
        cast(TranscriptReader, importlib.import_module(f"{ADAPTERS}.{name}")) for name in sorted(modules)
    )


def _known_formats() -> str:
    return ", ".join([f"{own.FORMAT} recordings", *(reader.FORMAT for reader in _transcript_readers())])
