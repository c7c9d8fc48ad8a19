"""Several runs as one, each response counted once however many files hold it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tokenprof.facts.types import Run, Turn
from tokenprof.reading import recordings as own

WRITTEN_WITHIN_S = 60.0
"""How soon after the end of a call its line in a transcript is written, at the latest."""


def merge(runs: Sequence[Run], warnings: Iterable[str] = ()) -> Run:
    """Return several runs as one. A response that a second file repeats is counted once.

    Transcripts of resumed and forked sessions repeat earlier responses under their provider's ids, and a
    recording and a transcript of one run hold the same ones. `warnings` come before those of the runs.
    """
    turns: list[Turn] = []
    notes = list(warnings)
    known: dict[object, list[_Counted]] = {}
    for run in sorted(runs, key=_shows_less):
        recorded = _is_recording(run)
        repeated = {
            index
            for index, turn in enumerate(run.turns)
            if any(_is_same(turn, recorded, other) for other in known.get(_identity(turn), ()))
        }
        repeated |= _rests_of(run, repeated)
        for turn in run.turns:
            known.setdefault(_identity(turn), []).append(_Counted(turn, recorded))
        turns += _without(run, repeated, offset=len(turns))
        if repeated:
            notes.append(
                f"{run.sources[0].file}: {len(repeated)} of its responses are in another file too; "
                "each is counted once."
            )
    notes += [warning for run in runs for warning in run.warnings]
    return Run(
        own.in_time_order(turns),
        tuple(source for run in runs for source in run.sources),
        tuple(notes),
        tuple(problem for run in runs for problem in run.problems),
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """A response that is counted already, and whether it is from a recording of ours."""

    turn: Turn
    recorded: bool


def _shows_less(run: Run) -> tuple[bool, bool]:
    """Order runs by how much they show: recordings first, then logs with the output of each response."""
    return not _is_recording(run), any(turn.output_rest_in for turn in run.turns)


def _is_recording(run: Run) -> bool:
    return any(source.format == own.FORMAT for source in run.sources)


def _identity(turn: Turn) -> object:
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


def _rests_of(run: Run, repeated: set[int]) -> set[int]:
    """Return the turns that only count what repeated ones lack."""
    needed = {turn.output_rest_in for index, turn in enumerate(run.turns) if index not in repeated}
    ended = {run.turns[index].output_rest_in for index in repeated} - needed - {None}
    return {index for index, turn in enumerate(run.turns) if turn.id in ended}


def _without(run: Run, repeated: set[int], offset: int) -> list[Turn]:
    """Return a run's turns without some; their bases count from `offset`."""
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
