"""`tools=deferred`, `tools=up-front`: which tool schemas stand at the beginning of every prompt."""

from __future__ import annotations

from dataclasses import replace

from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall, SizedBlock
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
    for call in geometry.calls:
        for each in call.blocks:
            if each.kind == "tool" and each.block is not None and each.block.section == "tools":
                sent.add(each.name)
            elif each.kind == "tool_call":
                used.add(each.name)
        used |= {block.name for block in call.turn.output if block.link or block.kind == "tool_call"}
    return sent - used


def _deferred(geometry: Geometry, end: End) -> Geometry:
    unused = never_called(geometry)

    def without(call: PlannedCall) -> PlannedCall:
        own = [each for each in call.blocks if each.kind == "tool" and each.name in unused]
        left = call.with_blocks(
            lambda block: None if block.kind == "tool" and block.name in unused else block
        )
        # The bill pins the sum of the schemas, so what these are off by stays in the others.
        off = {
            "low": sum(each.tokens - each.high_tokens for each in own),
            "mid": 0,
            "high": sum(each.tokens - each.low_tokens for each in own),
        }[end]
        if not off or not left.blocks:
            return left
        first = left.blocks[0]
        return replace(left, blocks=(first.resized(max(0, first.tokens + off)), *left.blocks[1:]))

    return geometry.each(without)


def _up_front(geometry: Geometry, end: End) -> Geometry:
    loaded: dict[str, dict[str, SizedBlock]] = {}
    for context, calls in geometry.contexts():
        own = loaded.setdefault(context, {})
        for call in calls:
            for each in call.blocks:
                if each.kind == "tool" and each.block is not None and each.block.section == "messages":
                    own.setdefault(each.name, each)

    def move(call: PlannedCall) -> PlannedCall:
        own = loaded.get(call.turn.context, {})
        if not own:
            return call
        ids = {each.id for each in own.values()}
        names = set(own)
        left = call.with_blocks(
            lambda block: None if block.id in ids or (block.kind == "tool" and block.name in names) else block
        )
        tools = sum(1 for each in left.blocks if each.block and each.block.section == "tools")
        return left.with_inserted(tools, [_in_tools(each) for each in own.values()])

    return geometry.each(move)


def _in_tools(each: SizedBlock) -> SizedBlock:
    block = None if each.block is None else replace(each.block, section="tools", opens_message=False)
    return replace(each, block=block, billed_as=(("cache_read", each.tokens),))
