"""`parallel=same-tool`: calls of one tool that follow one another are made in one turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from tokenprof.data_classes.frozen import replaced
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "parallel"
HELP = "same-tool: calls of one tool that follow one another are made in one turn"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another value."""
    one_of_values(NAME, value, ("same-tool",))

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry if end == "high" else merged(geometry, half=end == "mid")

    return Lever(
        NAME,
        value,
        change,
        (
            "Half of these calls could have been merged; the ends of the interval are zero and all of them, "
            "since a log cannot tell whether a call needed the result of the one before.",
            "The model writes the same output, in fewer turns.",
        ),
        is_exact=False,
    )


def merged(geometry: Geometry, *, half: bool = False) -> Geometry:
    """Return the geometry without the turns that could have been part of the one before, or half of them."""
    dropped: dict[int, int] = {}
    turn = 0
    for _, calls in geometry.contexts():
        first: PlannedCall | None = None
        for before, call in pairwise(calls):
            if not (_calls_one_tool(before) and _called(before) == _called(call) and _extends(before, call)):
                first = None
                continue
            turn += 1
            if half and turn % 2 == 0:
                first = None
                continue
            first = first or before
            dropped[call.index] = first.index
    extra: dict[int, list[PlannedCall]] = {}
    for call in geometry.calls:
        if call.index in dropped:
            extra.setdefault(dropped[call.index], []).append(call)
    return Geometry(
        tuple(
            _with_output(call, extra.get(call.index, ()))
            for call in geometry.calls
            if call.index not in dropped
        )
    )


def _called(call: PlannedCall) -> set[str]:
    return {block.name for block in call.turn.output if block.link}


def _calls_one_tool(call: PlannedCall) -> bool:
    return len(_called(call)) == 1


def _extends(before: PlannedCall, call: PlannedCall) -> bool:
    last = before.length - 1
    return call.length > before.length > 0 and call.row.blocks[last].id == before.row.blocks[last].id


def _with_output(call: PlannedCall, others: Sequence[PlannedCall]) -> PlannedCall:
    if not others:
        return call
    usage = call.usage
    for other in others:
        usage = replace(
            usage,
            output_tokens=usage.output_tokens + other.usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens + other.usage.reasoning_tokens,
        )
    return replaced(call, usage=usage)
