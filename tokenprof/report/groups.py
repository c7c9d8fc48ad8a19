"""What a tool, a skill, an agent cost in all: the blocks of a report gathered under one name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tokenprof.attribute.model import Placed
from tokenprof.costing.compute import Hardware, Work, sum_work
from tokenprof.costing.ledger import NOTHING, Ledger
from tokenprof.costing.on_demand_loads import OnDemandLoad, loads_of
from tokenprof.report.money import interval_json, usd

MCP_PREFIX = "mcp__"

Group = tuple[str, str]


def groups_of(ledger: Ledger, hardware: Hardware) -> list[dict[str, Any]]:
    """Return the groups of a ledger, dearest first within their kind.

    A tool holds its schema carried, its calls written and carried, and its results carried; a skill
    its body and what asked for it; an agent all blocks of its turns. Groups of different kinds overlap
    and are not added. `load_turns` are the turns that did nothing but load what the group holds:
    `load_turns_usd` is their whole bill, a cost beside that of the group's blocks.
    """
    members: dict[Group, set[str]] = defaultdict(set)
    for placed in ledger.attribution.blocks.values():
        for group in _groups_of_block(placed):
            members[group].add(placed.id)
    for index, turn in enumerate(ledger.run.turns):
        if turn.agent:
            members["agent", turn.agent].update(entry.block for entry in ledger.entries[index])
    tokens: dict[str, int] = defaultdict(int)
    billed: dict[str, Decimal | None] = defaultdict(lambda: NOTHING)
    for entries in ledger.entries:
        for entry in entries:
            tokens[entry.block] += entry.tokens
            known = billed[entry.block]
            billed[entry.block] = (
                None if known is None or entry.billed_usd is None else known + entry.billed_usd
            )
    loads = loads_of(ledger)
    for load in loads:
        members[load.kind, load.name].update(load.exchange)
    rows = []
    for (kind, name), ids in members.items():
        amounts = [billed[i] for i in ids]
        total = (
            None if any(a is None for a in amounts) else sum((a for a in amounts if a is not None), NOTHING)
        )
        rows.append(
            {
                **_loading(ledger, kind, name, loads),
                "kind": kind,
                "name": name,
                "blocks": sorted(ids),
                "billed_tokens": sum(tokens[i] for i in ids),
                "billed_usd": usd(total),
                "hardware_usd": interval_json(hardware.usd(_work_of(hardware, ids))),
            }
        )
    return sorted(rows, key=lambda r: (r["kind"], -Decimal(r["billed_usd"] or 0), r["name"]))


def _loading(ledger: Ledger, kind: str, name: str, loads: Sequence[OnDemandLoad]) -> dict[str, Any]:
    """Return the turns that were made only to load what the group holds, and what those were billed."""
    turns = sorted(
        {
            load.asked_in
            for load in loads
            if load.asked_in is not None
            and load.is_extra_turn
            and ((load.kind == kind and load.name == name) or (kind == "mcp_server" and _is_of(load, name)))
        }
    )
    amounts = [ledger.billed_usd[index] for index in turns]
    known = [amount for amount in amounts if amount is not None]
    return {
        "load_turns": turns,
        "load_turns_usd": usd(sum(known, NOTHING)) if len(known) == len(amounts) else None,
    }


def _is_of(load: OnDemandLoad, server: str) -> bool:
    return load.kind == "tool" and load.name.startswith(f"{MCP_PREFIX}{server}")


def _groups_of_block(placed: Placed) -> list[Group]:
    block = placed.block
    found: list[Group] = []
    if block.kind in ("tool", "tool_call", "tool_result") or (block.kind == "output" and block.link):
        found.append(("tool", block.name))
    elif block.kind == "skill":
        found.append(("skill", block.name))
    if found and found[0][0] == "tool" and block.name.startswith(MCP_PREFIX):
        found.append(("mcp_server", block.name.removeprefix(MCP_PREFIX).split("__")[0]))
    return found


def _work_of(hardware: Hardware, ids: set[str]) -> Work:
    return sum_work(hardware.blocks[block_id] for block_id in ids if block_id in hardware.blocks)
