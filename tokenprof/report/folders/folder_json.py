"""The JSON report of a folder, written in parts: its turns and blocks are never all in memory.

The sums come first, as for the text. Then each session is read once more, and what the report lists of its
turns and blocks goes into a file of this process, from which all turns are taken in time order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import IO, Final

import numpy as np
import orjson

from tokenprof.analysis.analysis import Analysis
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.inert_text import inert_json
from tokenprof.reading.progress import Watcher, unwatched
from tokenprof.report.document import MOST_TURNS_WITH_ENTRIES, EntriesOmitted
from tokenprof.report.folders.folder_document import FolderReport
from tokenprof.report.report_json import block_json, last_time_json, report_json, turn_json
from tokenprof.sessions.folder_analysis import FolderAnalysis
from tokenprof.sessions.look_again import look_again

PART_BYTES: Final = 2**20
"""How much is written at a time, about."""


@frozen
class SessionRows:
    """The turns of a session as JSON with their numbers among all, its blocks, and how many entries."""

    numbers: Sequence[int]
    turns: Sequence[bytes]
    blocks: Sequence[bytes]
    entries: int


def folder_json(
    folder: FolderReport,
    analysis: FolderAnalysis,
    *,
    with_entries: bool = False,
    jobs: int | None = None,
    watch: Watcher = unwatched,
) -> Iterator[bytes]:
    """Yield the parts of a folder's report as JSON, each session's turns with their entries if asked for.

    Raises InputError if a log has changed since the folder was summed.
    """
    turns = folder.report.rows.totals.turns
    lists_entries = with_entries or turns <= MOST_TURNS_WITH_ENTRIES
    with tempfile.TemporaryFile(prefix="tokenprof-") as file:
        rows = _RowFile(file, turns)
        entries: dict[int, int] = {}
        see = partial(rows_of, with_entries=lists_entries)
        for place, found in look_again(analysis, see, jobs=jobs, watch=watch):
            rows.put(place, found)
            entries[place] = found.entries
        omitted = None if lists_entries else EntriesOmitted(sum(entries.values()), _why_omitted(turns))
        report = replace(
            folder.report,
            sources=tuple(source for member in analysis.members for source in member.sources),
            rows=replace(folder.report.rows, turns=(), blocks=()),
            entries_omitted=omitted,
        )
        before = folder.sums.latest_days()
        made = report_json(report) | ({} if before is None else last_time_json(before))
        yield from _in_parts(_written(made, {"turns": rows.turns(), "blocks": rows.blocks()}))


def rows_of(analysis: Analysis, numbers: Sequence[int], *, with_entries: bool) -> SessionRows:
    """Return what a report lists of a session whose turns have these numbers among all."""
    turns = (replace(row, index=numbers[row.index]) for row in analysis.turns)
    blocks = (
        replace(
            row,
            born_turn=None if row.born_turn is None else numbers[row.born_turn],
            last_turn=None if row.last_turn is None else numbers[row.last_turn],
        )
        for row in analysis.blocks
    )
    return SessionRows(
        numbers,
        [_line(turn_json(row, with_entries=with_entries)) for row in turns],
        [_line(block_json(row)) for row in blocks],
        analysis.ledger.spans.shares.entry_count,
    )


def _line(value: object) -> bytes:
    return inert_json(orjson.dumps(value))


class _RowFile:
    """Rows of JSON in a file of this process alone."""

    def __init__(self, file: IO[bytes], turns: int) -> None:
        self._file = file
        self._starts = np.zeros(turns, np.int64)
        self._ends = np.zeros(turns, np.int64)
        self._blocks: dict[int, tuple[int, int]] = {}
        self._end = 0

    def put(self, place: int, found: SessionRows) -> None:
        """Put the rows of the session at a place among all, instead of those that were put there before."""
        for number, turn in zip(found.numbers, found.turns, strict=True):
            self._starts[number], self._ends[number] = self._append(turn)
        if found.blocks:
            self._blocks[place] = self._append(b",\n".join(found.blocks))

    def turns(self) -> Iterator[bytes]:
        """Yield the turns in their order."""
        return map(self._take, self._starts.tolist(), self._ends.tolist())

    def blocks(self) -> Iterator[bytes]:
        """Yield the blocks, those of a session together, in the order of the sessions."""
        return (self._take(*found) for _, found in sorted(self._blocks.items()))

    def _append(self, data: bytes) -> tuple[int, int]:
        start, self._end = self._end, self._end + len(data)
        self._file.write(data)
        return start, self._end

    def _take(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)


def _written(report: dict[str, object], lists: dict[str, Iterator[bytes]]) -> Iterator[bytes]:
    """Yield a JSON object, a member a line; of `lists`, an item a line."""
    before = b"{\n"
    for key, value in report.items():
        yield before + orjson.dumps(key) + b": "
        before = b",\n"
        if key not in lists:
            yield _line(value)
            continue
        between = b"[\n"
        for item in lists[key]:
            yield between + item
            between = b",\n"
        yield b"[]" if between == b"[\n" else b"\n]"
    yield b"\n}\n"


def _in_parts(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces put together to parts of about `PART_BYTES`."""
    part, size = [], 0
    for piece in pieces:
        part.append(piece)
        size += len(piece)
        if size >= PART_BYTES:
            yield b"".join(part)
            part, size = [], 0
    yield b"".join(part)


def _why_omitted(turns: int) -> str:
    return (
        f"The folder has {turns:,} turns; above {MOST_TURNS_WITH_ENTRIES}, the tokens of each block in each "
        "turn are left out. All sums are complete. --entries writes them."
    )
