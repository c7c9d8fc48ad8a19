"""Selects the turns of a run by their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.facts.types import Run, Turn


def with_tags(run: Run, wanted: Sequence[str]) -> Run:
    """Return the turns that carry all of the given `KEY=VALUE` tags (or, for a bare `KEY`, that tag at all).

    Raises InputError if no turn does.
    """
    if not wanted:
        return run
    kept = places_with_tags(run, wanted)
    if not kept:
        seen = sorted({f"{key}={value}" for turn in run.turns for key, value in turn.tags.items()})
        raise InputError(
            f"No turn carries {' and '.join(repr(tag) for tag in wanted)}."
            f"{did_you_mean(wanted[0], seen)} The tags here are: {', '.join(seen) or 'none'}."
        )
    return subset(run, kept)


def places_with_tags(run: Run, wanted: Sequence[str]) -> list[int]:
    """Return the places of the turns that carry all of the given tags, which may be none."""
    pairs = [item.partition("=") for item in wanted]
    return [
        index
        for index, turn in enumerate(run.turns)
        if all(_matches(turn, key, value, bool(equals)) for key, equals, value in pairs)
    ]


def _matches(turn: Turn, key: str, value: str, with_value: bool) -> bool:
    return turn.tags.get(key) == value if with_value else key in turn.tags


def subset(run: Run, kept: Sequence[int]) -> Run:
    """Return a run with some of its turns. Prompts that continue a turn left out are written whole."""
    prompts = run.prompts()
    place = {old: new for new, old in enumerate(kept)}
    turns = []
    for old in kept:
        turn = run.turns[old]
        if turn.base is None or turn.base in place:
            turns.append(turn if turn.base is None else replace(turn, base=place[turn.base]))
        else:
            turns.append(replace(turn, base=None, kept=0, added=tuple(prompts[old])))
    return replace(run, turns=tuple(turns))
