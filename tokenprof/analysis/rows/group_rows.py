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
    agents = [turn.agent for turn in ledger.run.turns]
    for agent, ids in ledger.spans.shares.blocks_by(agents).items():
        members["agent", agent] = ids
    loads = loads_of(ledger)
    for load in loads:
        members[cast(GroupKind, load.kind), load.name].update(load.exchange)
    _join_short_names(members)
    load_turns = _load_turns(loads)
    rows = [
        _row(ledger, hardware, kind, name, ids, tuple(sorted(load_turns.get((kind, name), ()))))
        for (kind, name), ids in members.items()
    ]
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
    load_turns: tuple[int, ...],
) -> GroupRow:
    nothing = BilledSum()
    parts = [ledger.blocks.get(block_id, nothing) for block_id in ids]
    complete = all(part.is_complete for part in parts)
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


def _load_turns(loads: Sequence[OnDemandLoad]) -> dict[tuple[str, str], set[int]]:
    """Return, for each group, the turns that were made only to load what it holds."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for load in loads:
        if load.asked_in is not None and load.is_extra_turn:
            found[load.kind, load.name].add(load.asked_in)
            server = _server_of(load.name) if load.kind == "tool" else None
            if server is not None:
                found["mcp_server", server].add(load.asked_in)
    return found


def _server_of(tool: str) -> str | None:
    """Return the MCP server of a tool by its name; None for a tool of the harness's own."""
    return tool.removeprefix(MCP_PREFIX).partition("__")[0] if tool.startswith(MCP_PREFIX) else None


def _groups_of_block(placed: Placed) -> list[tuple[GroupKind, str]]:
    block = placed.block
    found: list[tuple[GroupKind, str]] = []
    if block.kind in ("tool", "tool_call", "tool_result") or (block.kind == "output" and block.link):
        found.append(("tool", block.name))
    elif block.kind == "skill":
        found.append(("skill", block.name))
    if found and found[0][0] == "tool" and (server := _server_of(block.name)) is not None:
        found.append(("mcp_server", server))
    return found
