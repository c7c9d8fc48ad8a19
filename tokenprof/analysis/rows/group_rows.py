"""What a tool, a skill, an MCP server or an agent cost in all: blocks gathered under one name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Literal, cast

from tokenprof.analysis.rows.row_types import GroupRow
from tokenprof.attribute.model import Placed
from tokenprof.costing.billed_sums import NOTHING, BilledSum
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.on_demand_loads import OnDemandLoad, loads_of
from tokenprof.costing.work import sum_work
from tokenprof.facts.tool_names import short_name

MCP_PREFIX = "mcp__"

GroupKind = Literal["tool", "skill", "mcp_server", "agent"]


def group_rows(ledger: Ledger, hardware: Hardware) -> tuple[GroupRow, ...]:
    """Return the groups of a ledger by kind, the most expensive first.

    A tool holds its schema, its calls and its results; a skill its body and what asked for it; an agent all
    blocks of its turns. Groups of different kinds overlap and are not added.
    """
    members: dict[tuple[GroupKind, str], set[str]] = defaultdict(set)
    for placed in ledger.attribution.blocks.values():
        for group in _groups_of_block(placed):
            members[group].add(placed.id)
    turns_of_agent: dict[str, list[int]] = defaultdict(list)
    for index, turn in enumerate(ledger.run.turns):
        if turn.agent:
            turns_of_agent[turn.agent].append(index)
    for agent, turns in turns_of_agent.items():
        members["agent", agent].update(ledger.spans.shares.blocks_of(turns))
    loads = loads_of(ledger)
    for load in loads:
        members[cast(GroupKind, load.kind), load.name].update(load.exchange)
    _join_short_names(members)
    rows = [_row(ledger, hardware, kind, name, ids, loads) for (kind, name), ids in members.items()]
    return tuple(sorted(rows, key=lambda row: (row.kind, -(row.billed_usd or Decimal(0)), row.name)))


def _join_short_names(members: dict[tuple[GroupKind, str], set[str]]) -> None:
    """Put calls that leave out the namespace of their tool's schema under the name of the schema."""
    tools = [name for kind, name in members if kind == "tool"]
    full_names: dict[str, list[str]] = defaultdict(list)
    for name in tools:
        if short_name(name) != name:
            full_names[short_name(name)].append(name)
    for short in tools:
        full = full_names.get(short, ())
        if len(full) == 1:
            members["tool", full[0]] |= members.pop(("tool", short))


def _row(
    ledger: Ledger,
    hardware: Hardware,
    kind: GroupKind,
    name: str,
    ids: Collection[str],
    loads: Sequence[OnDemandLoad],
) -> GroupRow:
    nothing = BilledSum()
    parts = [ledger.blocks.get(block_id, nothing) for block_id in ids]
    complete = all(part.is_complete for part in parts)
    load_turns = _load_turns(kind, name, loads)
    amounts = [ledger.billed_usd[index] for index in load_turns]
    known = [amount for amount in amounts if amount is not None]
    work = sum_work(hardware.blocks[block_id] for block_id in ids if block_id in hardware.blocks)
    return GroupRow(
        kind=kind,
        name=name,
        blocks=tuple(sorted(ids)),
        billed_tokens=sum(part.tokens for part in parts),
        billed_usd=sum((part.known_usd for part in parts), NOTHING) if complete else None,
        hardware_usd=hardware.usd(work),
        load_turns=load_turns,
        load_turns_usd=sum(known, NOTHING) if len(known) == len(amounts) else None,
    )


def _load_turns(kind: GroupKind, name: str, loads: Sequence[OnDemandLoad]) -> tuple[int, ...]:
    """Return the turns that were made only to load what the group holds."""
    return tuple(
        sorted(
            {
                load.asked_in
                for load in loads
                if load.asked_in is not None
                and load.is_extra_turn
                and (
                    (load.kind == kind and load.name == name) or (kind == "mcp_server" and _is_of(load, name))
                )
            }
        )
    )


def _is_of(load: OnDemandLoad, server: str) -> bool:
    return load.kind == "tool" and load.name.startswith(f"{MCP_PREFIX}{server}")


def _groups_of_block(placed: Placed) -> list[tuple[GroupKind, str]]:
    block = placed.block
    found: list[tuple[GroupKind, str]] = []
    if block.kind in ("tool", "tool_call", "tool_result") or (block.kind == "output" and block.link):
        found.append(("tool", block.name))
    elif block.kind == "skill":
        found.append(("skill", block.name))
    if found and found[0][0] == "tool" and block.name.startswith(MCP_PREFIX):
        found.append(("mcp_server", block.name.removeprefix(MCP_PREFIX).split("__")[0]))
    return found
