"""Files read for totals: every bill, time and place of a call, and none of the blocks of its prompt.

A reader with a function `read_bills(path)` skips the texts while it parses. It returns what its `read`
returns after `without_blocks`. Files of other formats are read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tokenprof.facts.types import Run, Turn
from tokenprof.reading.fetched_counts import with_fetched
from tokenprof.reading.files import AnyPath, find_logs, run_of, runs_of
from tokenprof.reading.formats import TranscriptReader, reader_named
from tokenprof.reading.garbage import no_search_for_cycles
from tokenprof.reading.merge import merge_complete
from tokenprof.reading.progress import Watcher, unwatched


def read_usage(
    paths: AnyPath | Sequence[AnyPath],
    *,
    jobs: int | None = 1,
    watch: Watcher = unwatched,
    keeps_part: bool = False,
) -> Run:
    """Return the turns of files and folders together as `tokenprof.reading.files.read` does, without blocks.

    Bills, times, ids, tags, notes, warnings and problems are the same; `added` and `output` are empty.
    The other parameters, and what is raised, are those of `read`.
    """
    warnings: list[str] = []
    with no_search_for_cycles():
        logs = find_logs(paths, warnings)
        runs = runs_of(logs, _bare_run, warnings, jobs, watch, keeps_part=keeps_part)
        return merge_complete(runs, warnings)


def _bare_run(path: Path, form: str) -> Run:
    return usage_of(path, reader_named(form))


def usage_of(path: Path, reader: TranscriptReader) -> Run:
    """Return the turns of a file of a known format, without blocks. Raises InputError as `read` does."""
    read_one: Callable[[Path], Run] | None = getattr(reader, "read_bills", None)
    if read_one is not None:
        return run_of(path, reader, read_one)
    return without_blocks(with_fetched(run_of(path, reader)))


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
