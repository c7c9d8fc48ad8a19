"""Several runs as one, each response counted once however many files hold it."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import timedelta
from typing import NamedTuple

from tokenprof.facts.types import Run, Turn
from tokenprof.reading import recordings as own
from tokenprof.reading.fetched_counts import (
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
    return merge_complete(with_counts_of_other_files([with_fetched(run) for run in runs]), warnings)


def merge_complete(runs: Sequence[Run], warnings: Iterable[str] = ()) -> Run:
    """Return several runs as one, as `merge` does; fetched counts are in their calls already."""
    turns: list[Turn] = []
    notes = list(warnings)
    for run, repeated in repeated_responses(runs):
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


def repeated_responses(runs: Sequence[Run]) -> Iterator[tuple[Run, set[int]]]:
    """Yield the runs, those that show more first, each with the indices of its turns that an earlier one has.

    The blocks of the turns do not matter.
    """
    known: dict[object, list[_Counted]] = {}
    counted_elsewhere = counted_in_other_files(runs)
    for run in sorted(runs, key=_shows_less):
        recorded, format_ = _is_recording(run), run.sources[0].format if run.sources else ""
        ids = Counter(turn.id for turn in run.turns)
        repeated = {
            index
            for index, turn in enumerate(run.turns)
            if any(
                _is_same(turn, recorded, other)
                or (ids[turn.id] == 1 and _is_same_in_each_file(turn, format_, other))
                for other in known.get(identity_of(turn), ())
            )
        }
        repeated |= counted_elsewhere.get(id(run), set())
        repeated |= _seen_at_another_layer(run, format_, repeated, known)
        repeated |= _rests_of(run, repeated)
        for turn in run.turns:
            counted = _Counted(turn, recorded, format_, ids[turn.id] == 1)
            for key in (identity_of(turn), counts_of(turn)):
                known.setdefault(key, []).append(counted)
        yield run, repeated


class _Counted(NamedTuple):
    """A response that is counted already, and whether it is from a recording of ours."""

    turn: Turn
    recorded: bool
    format: str
    is_only_one: bool


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


def _is_same(turn: Turn, recorded: bool, other: _Counted) -> bool:
    """Whether two responses of one identity are the same.

    A recording of ours may hold a test provider's ids, which start again in every run, so the times decide.
    The times of a call that was seen twice, in its process and by the proxy, overlap. The time in a
    transcript is when a line was written, and may change in a copy.
    """
    apart = abs(turn.started_at - other.turn.started_at)
    if recorded and other.recorded:
        first = min(turn, other.turn, key=lambda seen: seen.started_at)
        return apart <= timedelta(seconds=first.duration_s or 0.0)
    if not recorded and not other.recorded:
        return True
    longest_s = max(turn.duration_s or 0.0, other.turn.duration_s or 0.0)
    return apart <= timedelta(seconds=longest_s + WRITTEN_WITHIN_S)


def _is_same_in_each_file(turn: Turn, format_: str, other: _Counted) -> bool:
    """Whether files of two formats each use an id once, for the same counts in each class."""
    return other.is_only_one and other.format != format_ and turn.usage == other.turn.usage is not None


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


def _seen_at_another_layer(
    run: Run, format_: str, repeated: Set[int], known: Mapping[object, list[_Counted]]
) -> set[int]:
    """Return the turns that a file in another format holds under other ids, with the same counts and time.

    A proxy's recording and a harness's own log of the same calls need not share ids. One call there stands
    for one here.
    """
    found: set[int] = set()
    taken: set[int] = set()
    for index, turn in enumerate(run.turns):
        if index in repeated or turn.usage is None:
            continue
        for other in known.get(counts_of(turn), ()):
            if other.format != format_ and id(other) not in taken and _is_at_once(turn, other.turn):
                taken.add(id(other))
                found.add(index)
                break
    return found


def _is_at_once(one: Turn, other: Turn) -> bool:
    """Whether two turns may be one call by their times; a line in a log is written after its call ends."""
    longest_s = max(one.duration_s or 0.0, other.duration_s or 0.0)
    return abs(one.started_at - other.started_at) <= timedelta(seconds=longest_s + WRITTEN_WITHIN_S)


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
