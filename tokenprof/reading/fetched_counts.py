"""Calls whose counts came later, or stand in another file: background responses, and logs of two layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import timedelta

from tokenprof.facts.types import Run, Turn

SEEN_WITHIN = timedelta(seconds=60)
"""How far apart two files may place one call, beyond how long it took."""

LEAST_ID_CHARS = 12
"""Shorter ids are drawn twice by chance, so that they say nothing about calls at different times."""


def with_fetched(run: Run) -> Run:
    """Return a run in which calls that ran on in the background have the counts that were fetched later.

    The turn of the fetch has the same id, and no prompt.
    """
    asked: dict[str, int] = {}
    fetched: dict[int, int] = {}
    for index, turn in enumerate(run.turns):
        if turn.usage is None:
            asked[turn.id] = index
        elif turn.id in asked and turn.base is None and not turn.added:
            fetched[asked[turn.id]] = index
    if not fetched:
        return run
    dropped = set(fetched.values())
    whole = [
        _answered(turn, run.turns[fetched[index]]) if index in fetched else turn
        for index, turn in enumerate(run.turns)
    ]
    return replace(run, turns=tuple(without_turns(replace(run, turns=tuple(whole)), dropped, offset=0)))


ANSWERED = (
    "model",
    "usage",
    "stated_usd",
    "output",
    "selectors",
    "status",
    "output_incomplete",
    "notes",
    "raw_usage",
)
"""What a fetched answer adds to a call that had ended without it."""


def counted_in_other_files(runs: Sequence[Run]) -> dict[int, set[int]]:
    """Return the indices of the unmeasured turns whose counts another run holds, by the `id` of their run."""
    return {id(run): set(found) for run, found in _counts_elsewhere(runs)}


def with_counts_of_other_files(runs: Sequence[Run]) -> list[Run]:
    """Return runs in which an unmeasured call has the counts that another run holds under its id.

    A fetch of a background response that shows no prompt is not a call of its own then. Otherwise the
    unmeasured turn is left out, because the other run shows the call with its prompt.
    """
    taken: dict[int, dict[int, Turn]] = {}
    dropped: dict[int, set[int]] = {}
    for run, found in _counts_elsewhere(runs):
        for index, (other, at) in found.items():
            counted = other.turns[at]
            if _shows_prompt(counted) or not _shows_prompt(run.turns[index]):
                dropped.setdefault(id(run), set()).add(index)
            else:
                taken.setdefault(id(run), {})[index] = counted
                dropped.setdefault(id(other), set()).add(at)
    return [_joined(run, taken.get(id(run), {}), dropped.get(id(run), set())) for run in runs]


def _counts_elsewhere(runs: Sequence[Run]) -> list[tuple[Run, dict[int, tuple[Run, int]]]]:
    """Return each run that has such turns, with the run and the index of the turn that has their counts."""
    unmeasured = {turn.id for run in runs for turn in run.turns if turn.usage is None}
    if len(runs) < 2 or not unmeasured:
        return []
    counted: dict[str, list[tuple[Run, int]]] = {}
    for run in runs:
        for index, turn in enumerate(run.turns):
            if turn.usage is not None and turn.id in unmeasured:
                counted.setdefault(turn.id, []).append((run, index))
    found = []
    for run in runs:
        elsewhere = {
            index: match
            for index, turn in enumerate(run.turns)
            if turn.usage is None
            for match in counted.get(turn.id, ())[:1]
            if match[0] is not run and _may_be_one(turn, match[0].turns[match[1]])
        }
        if elsewhere:
            found.append((run, elsewhere))
    return found


def _may_be_one(unmeasured: Turn, counted: Turn) -> bool:
    """Whether two turns with one id may be one call; an answer can be fetched hours later."""
    if unmeasured.provider != counted.provider:
        return False
    longest = timedelta(seconds=max(unmeasured.duration_s or 0.0, counted.duration_s or 0.0)) + SEEN_WITHIN
    later = counted.started_at - unmeasured.started_at
    names_one_call = len(unmeasured.id) >= LEAST_ID_CHARS or not _shows_prompt(counted)
    return abs(later) <= longest or (later > timedelta(0) and names_one_call)


def _shows_prompt(turn: Turn) -> bool:
    return turn.base is not None or bool(turn.added)


def _joined(run: Run, taken: Mapping[int, Turn], dropped: Set[int]) -> Run:
    if not taken and not dropped:
        return run
    turns = [_answered(turn, taken[i]) if i in taken else turn for i, turn in enumerate(run.turns)]
    return replace(run, turns=tuple(without_turns(replace(run, turns=tuple(turns)), dropped, offset=0)))


def _answered(turn: Turn, counted: Turn) -> Turn:
    """Return a call with the answer that was fetched for it."""
    return replace(
        turn,
        **{name: getattr(counted, name) for name in ANSWERED},
        duration_s=max((counted.started_at - turn.started_at).total_seconds(), turn.duration_s or 0.0),
    )


def without_turns(run: Run, left_out: Set[int], offset: int) -> list[Turn]:
    """Return a run's turns without some; their bases count from `offset`."""
    place: dict[int, int] = {}
    for index in range(len(run.turns)):
        if index not in left_out:
            place[index] = offset + len(place)
    prompts = run.prompts() if left_out else []
    kept = []
    for index in place:
        turn = run.turns[index]
        if turn.base is not None and turn.base in place:
            if place[turn.base] != turn.base:
                turn = replace(turn, base=place[turn.base])
        elif turn.base is not None:
            turn = replace(turn, base=None, kept=0, added=tuple(prompts[index]))
        kept.append(turn)
    return kept
