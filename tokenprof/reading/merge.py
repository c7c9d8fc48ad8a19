"""Several runs as one, each response counted once however many files hold it."""

from __future__ import annotations

import functools
import itertools
import re
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import NamedTuple

from tokenprof.facts.types import Run, Turn
from tokenprof.reading import recordings as own
from tokenprof.reading.fetched_counts import (
    COMPARED,
    counted_in_other_files,
    with_counts_of_other_files,
    with_fetched,
    without_turns,
)

WRITTEN_WITHIN_S = 60.0
"""How soon after the end of a call its line in a transcript is written, at the latest."""


def merge(runs: Sequence[Run], warnings: Iterable[str] = ()) -> Run:
    """Return several runs as one. A response that a second file repeats is counted once.

    Transcripts of resumed and forked sessions repeat earlier responses under their provider's ids, and a
    recording and a transcript of one run hold the same ones. `warnings` come before those of the runs.
    """
    joined = with_counts_of_other_files([with_fetched(run) for run in runs])
    return _merged(repeated_responses(joined, are_joined=True), joined, warnings)


def merge_complete(runs: Sequence[Run], warnings: Iterable[str] = ()) -> Run:
    """Return several runs as one, as `merge` does; fetched counts are in their calls already."""
    return _merged(repeated_responses(runs), runs, warnings)


def _merged(found: Iterable[tuple[Run, set[int]]], runs: Sequence[Run], warnings: Iterable[str]) -> Run:
    turns: list[Turn] = []
    notes = list(warnings)
    for run, repeated in found:
        turns += without_turns(run, repeated, offset=len(turns))
        if repeated:
            notes.append(
                f"{run.sources[0].file}: {len(repeated)} of its responses are in another file too; "
                "each is counted once."
            )
    notes += [warning for run in runs for warning in (*run.warnings, *notes_of(run))]
    return Run(
        own.in_time_order(turns),
        tuple(source for run in runs for source in run.sources),
        tuple(notes),
        tuple(problem for run in runs for problem in run.problems),
    )


def repeated_responses(runs: Sequence[Run], *, are_joined: bool = False) -> Iterator[tuple[Run, set[int]]]:
    """Yield the runs, those that show more first, each with the indices of its turns that an earlier one has.

    The blocks of the turns do not matter. If the runs `are_joined`, calls have the counts that other runs
    hold; otherwise such a call is one of those that another run has.
    """
    known: defaultdict[object, _CountedAlike] = defaultdict(_CountedAlike)
    counted_elsewhere = {} if are_joined else counted_in_other_files(runs)
    new_call = itertools.count()
    for run in sorted(runs, key=_shows_less):
        recorded, format_ = _is_recording(run), run.sources[0].format if run.sources else ""
        ids = Counter(turn.id for turn in run.turns)
        here = [_Counted(turn, recorded, format_, ids[turn.id] == 1, next(new_call)) for turn in run.turns]
        calls = _known_calls(here, counted_elsewhere.get(id(run), set()), known)
        repeated = counted_elsewhere.get(id(run), set()) | calls.keys()
        repeated |= _rests_of(run, repeated)
        for index, counted in enumerate(here):
            shown = counted._replace(call=calls.get(index, counted.call))
            known[identity_of(counted.turn)].add(shown)
            if (counts := counts_of(counted.turn)) is not None:
                known[counts].add(shown)
        yield run, repeated


def _known_calls(
    here: Sequence[_Counted], repeated: Set[int], known: Mapping[object, _CountedAlike]
) -> dict[int, int]:
    """Return the calls that earlier files have too, by the index in this file; each stands for one here.

    A proxy's recording and a harness's own log of the same calls need not share ids, so what has no call
    under its id is looked for by its counts, among files in other formats.
    """
    calls: dict[int, int] = {}
    taken: set[int] = set()

    def take(index: int, same: _Counted | None) -> None:
        if same is not None:
            calls[index] = same.call
            taken.add(same.call)

    for index, counted in enumerate(here):
        alike = known.get(identity_of(counted.turn))
        take(index, None if alike is None else alike.same(counted, taken))
    for index, counted in enumerate(here):
        if index not in calls and index not in repeated and counted.turn.usage is not None:
            alike = known.get(counts_of(counted.turn))
            take(index, None if alike is None else alike.seen_at_another_layer(counted, taken))
    return calls


class _Counted(NamedTuple):
    """A response that is counted already.

    `recorded` says whether it is from a recording of ours, `is_only_one` whether its file uses its id once.
    All that show one call have one `call`.
    """

    turn: Turn
    recorded: bool
    format: str
    is_only_one: bool
    call: int


def _started_at(counted: _Counted) -> datetime:
    return counted.turn.started_at


class _CountedAlike:
    """The responses with one key that are counted already, in the order of their times.

    A test provider or a relay gives thousands of responses one id: only those near in time are compared.
    """

    __slots__ = ("_in_time", "_is_in_a_log", "_longest_s", "_only_ones")

    def __init__(self) -> None:
        self._in_time: list[_Counted] = []
        self._longest_s = 0.0
        self._is_in_a_log = False
        self._only_ones: dict[str, dict[object, _Counted]] | None = None

    def add(self, counted: _Counted) -> None:
        """Add a response, whose time is mostly the latest."""
        insort(self._in_time, counted, key=_started_at)
        self._longest_s = max(self._longest_s, counted.turn.duration_s or 0.0)
        self._is_in_a_log = self._is_in_a_log or not counted.recorded
        if counted.is_only_one:
            self._only_ones = self._only_ones or {}
            self._only_ones.setdefault(counted.format, {}).setdefault(counted.turn.usage, counted)

    def same(self, counted: _Counted, taken: Set[int]) -> _Counted | None:
        """Return the response with its id that shows the same call, unless `taken`; None without one."""
        copied = self._copied(counted) if counted.is_only_one else None
        if copied is not None and copied.call not in taken:
            return copied
        return next((other for other in self._near(counted, taken) if _is_same(counted, other)), None)

    def seen_at_another_layer(self, counted: _Counted, taken: Set[int]) -> _Counted | None:
        """Return the response in another format that may show the same call by its time, as `same` does."""
        return next(
            (
                other
                for other in self._near(counted, taken)
                if other.format != counted.format and _is_at_once(counted.turn, other.turn)
            ),
            None,
        )

    def _copied(self, counted: _Counted) -> _Counted | None:
        """Return the response that has the same id, which each of the two files uses once, at whatever time.

        The time in a log is when a line was written, and may change in a copy. Between formats, the counts in
        each class have to be the same.
        """
        for format_, by_usage in (self._only_ones or {}).items():
            first, same_usage = next(iter(by_usage.values())), by_usage.get(counted.turn.usage)
            if not (counted.recorded or first.recorded):
                return same_usage or first
            if same_usage is not None and format_ != counted.format and counted.turn.usage is not None:
                return same_usage
        return None

    def _near(self, counted: _Counted, taken: Set[int]) -> list[_Counted]:
        """Return those that may be at the time of a response (see `_is_same`), the nearest first."""
        turn = counted.turn
        longest_s = max(turn.duration_s or 0.0, self._longest_s)
        are_all_recorded = counted.recorded and not self._is_in_a_log
        within = timedelta(seconds=longest_s) if are_all_recorded else _within(longest_s)
        first = bisect_left(self._in_time, turn.started_at - within, key=_started_at)
        last = bisect_right(self._in_time, turn.started_at + within, key=_started_at)
        at = bisect_left(self._in_time, turn.started_at, first, last, key=_started_at)
        near = self._in_time[max(first, at - COMPARED) : min(last, at + COMPARED)]
        free = (other for other in near if other.call not in taken)
        return sorted(free, key=lambda other: abs(other.turn.started_at - turn.started_at))


def _shows_less(run: Run) -> tuple[bool, bool]:
    """Order runs by how much they show: recordings first, then logs with the output of each response."""
    return not _is_recording(run), any(turn.output_rest_in for turn in run.turns)


def _is_recording(run: Run) -> bool:
    return any(source.format == own.FORMAT for source in run.sources)


def identity_of(turn: Turn) -> object:
    """Return what all files say alike about a response; not every source has its final output."""
    usage = turn.usage
    counts = None if usage is None else (usage.input_tokens, usage.cache_read_tokens)
    return turn.provider, turn.id, counts


def _is_same(one: _Counted, other: _Counted) -> bool:
    """Whether two responses of one identity are the same, by their times: an id may be that of many calls.

    A recording of ours may hold a test provider's ids, which start again in every run. The times of a call
    that was seen twice, in its process and by the proxy, overlap.
    """
    if not (one.recorded and other.recorded):
        return _is_at_once(one.turn, other.turn)
    first = min(one.turn, other.turn, key=lambda seen: seen.started_at)
    apart = abs(one.turn.started_at - other.turn.started_at)
    return apart <= timedelta(seconds=first.duration_s or 0.0)


def counts_of(turn: Turn) -> object:
    """Return what two layers say alike about one call: the model and the totals, under whatever id."""
    if turn.usage is None or not turn.usage.input_tokens:
        return None
    usage = turn.usage
    return "counts", _plain(turn.model), usage.input_tokens, usage.cache_read_tokens, usage.all_output_tokens


@functools.lru_cache(maxsize=1024)
def _plain(model: str) -> str:
    """Return a model's name without the prefix of a gateway and the date of a snapshot."""
    return SNAPSHOT.sub("", model.rpartition("/")[2].removesuffix("[1m]"))


SNAPSHOT = re.compile(r"[-@]20\d{2}-?\d{2}-?\d{2}$")


def _is_at_once(one: Turn, other: Turn) -> bool:
    """Whether two turns may be one call by their times; a line in a log is written after its call ends."""
    longest_s = max(one.duration_s or 0.0, other.duration_s or 0.0)
    return abs(one.started_at - other.started_at) <= _within(longest_s)


def _within(longest_s: float) -> timedelta:
    return timedelta(seconds=longest_s + WRITTEN_WITHIN_S)


def notes_of(run: Run) -> list[str]:
    """Return a warning for each note on a bill in a run: once, with its file and the number of turns."""
    turns: dict[str, int] = {}
    for turn in run.turns:
        for note in turn.notes:
            turns[note] = turns.get(note, 0) + 1
    file = run.sources[0].file if run.sources else "this run"
    return [
        f"{file}: {'1 turn' if count == 1 else f'{count} turns'}: {note}" for note, count in turns.items()
    ]


def _rests_of(run: Run, repeated: set[int]) -> set[int]:
    """Return the turns that only count what repeated ones lack."""
    needed = {turn.output_rest_in for index, turn in enumerate(run.turns) if index not in repeated}
    ended = {run.turns[index].output_rest_in for index in repeated} - needed - {None}
    return {index for index, turn in enumerate(run.turns) if turn.id in ended}
