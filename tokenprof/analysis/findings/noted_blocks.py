"""The blocks that findings look at closely: carried for nothing, or a large part of the bill."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from tokenprof.analysis.rows.row_types import BlockRow, RunRows
from tokenprof.facts.tool_names import is_called

MOST_CARRIED_BLOCKS: Final = 3

_CALL_KINDS: Final = ("tool_call", "tool_result", "server_state")


def agents_by_context(rows: RunRows) -> Mapping[str | None, str | None]:
    """Return the agent of each context: an agent is judged over all of its contexts together."""
    return {turn.context: turn.agent for turn in rows.turns}


def tools_never_called(rows: RunRows) -> tuple[BlockRow, ...]:
    """Return billed tool schemas that no turn of their agent called."""
    agent_of = agents_by_context(rows)
    called: dict[str | None, set[str]] = defaultdict(set)
    for block in rows.blocks:
        if block.kind in _CALL_KINDS:
            called[agent_of.get(block.context)].add(block.name)
    by_id = rows.block_by_id()
    for group in rows.groups:
        if group.kind == "tool":
            members = [by_id[block_id] for block_id in group.blocks if block_id in by_id]
            for block in members:
                if block.kind != "tool":
                    called[agent_of.get(block.context)].add(group.name)
    return tuple(
        block
        for block in rows.blocks
        if block.kind == "tool"
        and block.billed_tokens
        and not is_called(block.name, called[agent_of.get(block.context)])
    )


def unused_skills_indexes(rows: RunRows) -> tuple[BlockRow, ...]:
    """Return billed skills indexes of agents that loaded no skill."""
    agent_of = agents_by_context(rows)
    loading = {agent_of.get(block.context) for block in rows.blocks if block.kind == "skill"}
    return tuple(
        block
        for block in rows.blocks
        if block.kind == "skills_index" and block.billed_tokens and agent_of.get(block.context) not in loading
    )


def untouched_skills(rows: RunRows) -> tuple[BlockRow, ...]:
    """Return skills after whose loading no call of their agent touched a file or tool that they name.

    A skill is left out if it names nothing, or if one of the later calls was not examined.
    """
    agent_of = agents_by_context(rows)
    calls = [block for block in rows.blocks if block.kind == "tool_call"]
    found = []
    for skill in rows.blocks:
        if skill.kind != "skill" or not skill.uses:
            continue
        agent = agent_of.get(skill.context)
        later = [call for call in calls if agent_of.get(call.context) == agent and _is_later(call, skill)]
        if later and all(call.uses is not None and skill.name not in call.uses for call in later):
            found.append(skill)
    return tuple(found)


def _is_later(call: BlockRow, skill: BlockRow) -> bool:
    return call.born_turn is not None and skill.born_turn is not None and call.born_turn > skill.born_turn


def most_billed_blocks(rows: RunRows) -> Iterator[BlockRow]:
    """Yield the few blocks with the largest bill, the largest first."""
    yield from heapq.nlargest(
        MOST_CARRIED_BLOCKS, rows.blocks, key=lambda block: block.billed_usd or Decimal(0)
    )
