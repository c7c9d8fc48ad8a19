"""Files read for totals: every bill, time and place of a call, and none of the blocks of its prompt.

A reader with a function `read_bills(path)` skips the texts while it parses. It returns what its `read`
returns after `without_blocks`. Files of other formats are read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tokenprof.facts.types import Run, Turn
from tokenprof.reading.files import AnyPath, LogFile, find_logs, run_of, runs_of
from tokenprof.reading.garbage import no_search_for_cycles
from tokenprof.reading.merge import merge_complete, with_fetched


def read_usage(paths: AnyPath | Sequence[AnyPath]) -> Run:
    """Return the turns of files and folders together as `tokenprof.reading.files.read` does, without blocks.

    Bills, times, ids, tags, notes, warnings and problems are the same; `added` and `output` are empty.
    Raises InputError as `read` does.
    """
    warnings: list[str] = []
    with no_search_for_cycles():
        return merge_complete(runs_of(find_logs(paths, warnings), usage_of_log, warnings), warnings)


def usage_of_log(log: LogFile) -> Run:
    """Return the turns of one file and its companions, without blocks. Raises InputError as `read` does."""
    read_one: Callable[[Path], Run] | None = getattr(log.reader, "read_bills", None)
    if read_one is not None:
        return run_of(log.file, log.reader, read_one)
    return without_blocks(with_fetched(run_of(log.file, log.reader)))


def without_blocks(run: Run) -> Run:
    """Return a run whose turns have no prompts and no outputs, and all else."""
    return replace(run, turns=tuple(map(_without_blocks, run.turns)))


def _without_blocks(turn: Turn) -> Turn:
    if not (
        turn.added or turn.output or turn.kept or turn.breakpoints or turn.settings or turn.hidden_prefix
    ):
        return turn
    return replace(
        turn, added=(), output=(), base=None, kept=0, breakpoints=(), settings={}, hidden_prefix=False
    )
