"""`tools=deferred`, `tools=up-front`: which tool schemas stand at the beginning of every prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tokenprof.facts.tool_names import is_called
from tokenprof.whatif.geometry.block_rows import ChangedRow, SizedBlock, SizedRow, changed_row
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "tools"
HELP = (
    "deferred (schemas of tools that are never called left out) or up-front (loaded schemas in every prompt)"
)


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another value."""
    one_of_values(NAME, value, ("deferred", "up-front"))
    if value == "deferred":
        return Lever(
            NAME,
            value,
            _deferred,
            (
                "Tools that the run never calls are never loaded; those that it calls stay up front.",
                "The hidden text before the tools keeps its size.",
            ),
            is_exact=False,
        )
    return Lever(
        NAME,
        value,
        _up_front,
        (
            "Schemas that were loaded stand in every prompt of their context; those never loaded stay away.",
            "The turns that loaded them are still made.",
        ),
    )


def never_called(geometry: Geometry) -> set[str]:
    """Return the tools whose schemas are sent and which no call of the run uses."""
    sent: set[str] = set()
    used: set[str] = set()
    for row, lengths in geometry.rows.items():
        for each in row.blocks[: max(lengths)]:
            if each.kind == "tool" and each.block is not None and each.block.section == "tools":
                sent.add(each.name)
            elif each.kind == "tool_call":
                used.add(each.name)
    for call in geometry.calls:
        used |= {block.name for block in call.turn.output if block.link or block.kind == "tool_call"}
    return {tool for tool in sent if not is_called(tool, used)}


def longest_prompts(calls: Sequence[PlannedCall]) -> dict[SizedRow, int]:
    """Return the rows that calls stand on, each with the length of the longest prompt."""
    found: dict[SizedRow, int] = {}
    for call in calls:
        found[call.row] = max(call.length, found.get(call.row, 0))
    return found


def _deferred(geometry: Geometry, end: End) -> Geometry:
    unused = never_called(geometry)

    def is_unused(block: SizedBlock) -> bool:
        return block.kind == "tool" and block.name in unused

    def without(row: SizedRow) -> ChangedRow:
        own = [each for each in row.blocks if is_unused(each)]
        # The bill pins the sum of the schemas, so what these are off by stays in the others.
        off = {
            "low": sum(each.tokens - each.high_tokens for each in own),
            "mid": 0,
            "high": sum(each.tokens - each.low_tokens for each in own),
        }[end]
        first = next((each for each in row.blocks if not is_unused(each)), None)

        def left(block: SizedBlock) -> SizedBlock | None:
            if is_unused(block):
                return None
            return block.resized(max(0, block.tokens + off)) if off and block is first else block

        return changed_row(row, left)

    return geometry.each_row(without)


def _up_front(geometry: Geometry, end: End) -> Geometry:
    loaded: dict[str, dict[str, SizedBlock]] = {}
    for context, calls in geometry.contexts():
        own = loaded.setdefault(context, {})
        for row, length in longest_prompts(calls).items():
            for each in row.blocks[:length]:
                if each.kind == "tool" and each.block is not None and each.block.section == "messages":
                    own.setdefault(each.name, each)

    moved: dict[tuple[str, SizedRow], tuple[ChangedRow, SizedRow]] = {}

    def move(call: PlannedCall) -> PlannedCall:
        own = loaded.get(call.turn.context, {})
        if not own:
            return call
        key = call.turn.context, call.row
        if key not in moved:
            left = changed_row(
                call.row, lambda block: None if block.kind == "tool" and block.name in own else block
            )
            put_in = [_in_tools(each) for each in own.values()]
            moved[key] = left, left.row.with_inserted(left.row.tools_end, put_in)
        left, row = moved[key]
        return call.on(left).moved_by(row, left.row.tools_end, len(own))

    return geometry.each(move)


def _in_tools(each: SizedBlock) -> SizedBlock:
    block = None if each.block is None else replace(each.block, section="tools", opens_message=False)
    return replace(each, block=block, billed_as="cache_read")
