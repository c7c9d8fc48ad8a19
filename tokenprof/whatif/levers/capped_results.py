"""`cap=TOOL:N`: results of a tool cut to N tokens; `cap=*:N` those of every tool."""

from __future__ import annotations

from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.whatif.geometry.block_rows import SizedBlock
from tokenprof.whatif.geometry.planned_calls import Geometry
from tokenprof.whatif.levers.lever import End, Lever, whole_tokens

NAME = "cap"
HELP = "TOOL:N: results of a tool cut to N tokens (*:N for every tool)"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for a value that is not `TOOL:N`."""
    tool, colon, number = value.rpartition(":")
    if not colon or not tool:
        raise InputError(f"{NAME}={value}: write TOOL:N, such as cap=read_file:2000.")
    limit = whole_tokens(NAME, value, number)

    def change(geometry: Geometry, end: End) -> Geometry:
        tools = set()

        def cut(block: SizedBlock) -> SizedBlock:
            if block.kind != "tool_result":
                return block
            tools.add(block.name or "no name")
            is_capped = tool in ("*", block.name) and block.tokens > limit
            return block.resized(_planned(block, limit, end)) if is_capped else block

        changed = geometry.each_block(cut)
        if tool != "*" and tool not in tools:
            raise InputError(
                f"{NAME}={value}: the run has no result of {tool!r}.{did_you_mean(tool, tools)} "
                f"It has results of {', '.join(sorted(tools)) or 'no tool'}."
            )
        return changed

    return Lever(
        NAME,
        value,
        change,
        ("The model makes the same calls although it sees less of the results.",),
        is_exact=False,
    )


def _planned(block: SizedBlock, limit: int, end: End) -> int:
    """Return the size after the cut: the bill pins the whole prompt, so a size that is off leaves a rest."""
    if end == "high":
        return limit + max(0, block.tokens - max(block.low_tokens, limit))
    if end == "low":
        return max(0, limit - max(0, block.high_tokens - block.tokens))
    return limit
