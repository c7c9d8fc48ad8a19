"""Calls whose counts came later, or stand in another file: background responses, and logs of two layers."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta

from tokenprof.data_classes.frozen import replaced
from tokenprof.facts.types import Run, Turn

SEEN_WITHIN = timedelta(seconds=60)
"""How far apart two files may place one call, beyond how long it took."""

COMPARED = 64
"""How many turns with the id of a call, on either side of it in time, are looked at for its counts."""

LEAST_ID_CHARS = 12
"""Shorter ids are drawn twice by chance, so that they say nothing about calls at different times."""


def with_fetched(run: Run) -> Run:
    """Return a run in which calls that ran on in the background have the counts that were fetched later.

    An answer that was fetched is not a call of its own if the run has the call that asked for it.
    """
    if not any(turn.is_fetched for turn in run.turns):
        return run
    calls: dict[tuple[str, str], list[int]] = {}
    turns = list(run.turns)
    dropped: set[int] = set()
    for index, turn in enumerate(run.turns):
        known = calls.setdefault((turn.provider, turn.id), [])
        if not turn.is_fetched or not known:
            known.append(index)
            continue
        dropped.add(index)
        asked = next((earlier for earlier in reversed(known) if turns[earlier].usage is None), None)
        if asked is not None:
            turns[asked] = _answered(turns[asked], turn)
    return replace(run, turns=tuple(without_turns(replace(run, turns=tuple(turns)), dropped, offset=0)))


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

    The turn that had the counts is not a call of its own then. If it shows the prompt, it stays, and the
    unmeasured turn is left out.
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
    """Return each run that has such turns, with the run and the index of the turn that has their counts.

    The counts of one turn are those of one call.
    """
    unmeasured = {turn.id for run in runs for turn in run.turns if turn.usage is None}
    if len(runs) < 2 or not unmeasured:
        return []
    counted: dict[str, list[tuple[Run, int]]] = {}
    times_used: Counter[tuple[int, str]] = Counter()
    for run in runs:
        for index, turn in enumerate(run.turns):
            if turn.id in unmeasured:
                times_used[id(run), turn.id] += 1
                if turn.usage is not None:
                    counted.setdefault(turn.id, []).append((run, index))
    for places in counted.values():
        places.sort(key=_started_at)
    found = []
    for run in runs:
        elsewhere: dict[int, tuple[Run, int]] = {}
        for index, turn in enumerate(run.turns):
            places = counted.get(turn.id, []) if turn.usage is None else []
            near = bisect_left(places, turn.started_at, key=_started_at)
            for place in range(max(near - COMPARED, 0), min(near + COMPARED, len(places))):
                other, at = places[place]
                is_used_once = times_used[id(run), turn.id] == times_used[id(other), turn.id] == 1
                if other is not run and _may_be_one(turn, other.turns[at], is_used_once):
                    elsewhere[index] = places.pop(place)
                    break
        if elsewhere:
            found.append((run, elsewhere))
    return found


def _started_at(place: tuple[Run, int]) -> datetime:
    run, index = place
    return run.turns[index].started_at


def _may_be_one(unmeasured: Turn, counted: Turn, is_used_once: bool) -> bool:
    """Whether two turns with one id may be one call; an answer can be fetched hours later.

    `is_used_once` says that each file uses the id once: relays may give all answers one id.
    """
    if unmeasured.provider != counted.provider:
        return False
    longest = timedelta(seconds=max(unmeasured.duration_s or 0.0, counted.duration_s or 0.0)) + SEEN_WITHIN
    later = counted.started_at - unmeasured.started_at
    names_one_call = counted.is_fetched or len(unmeasured.id) >= LEAST_ID_CHARS
    return abs(later) <= longest or (later > timedelta(0) and is_used_once and names_one_call)


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
                turn = replaced(turn, base=place[turn.base])
        elif turn.base is not None:
            turn = replace(turn, base=None, kept=0, added=tuple(prompts[index]))
        kept.append(turn)
    return kept
