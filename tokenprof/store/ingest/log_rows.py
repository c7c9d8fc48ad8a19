"""The rows of one log: its run as columns of the tables of a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime

from tokenprof.attribute import Attribution, Placed, attribute
from tokenprof.facts.types import Run
from tokenprof.store.ingest.ledger_runs import LedgerColumns, ledger_of
from tokenprof.store.ingest.turn_columns import LogName, day_of, fee_columns, places, turn_columns
from tokenprof.store.schema.columns import Columns

MCP_PREFIX = "mcp__"
TOOL_KINDS = ("tool", "tool_call", "tool_result")


def columns_of_log(run: Run, name: LogName, *, with_names: bool = False) -> dict[str, Columns]:
    """Return the rows of a log by table, its billed tokens put on blocks.

    `with_names` keeps the names of all blocks; without it only tools and skills are named.
    """
    attribution = attribute(run)
    columns, numbers, chain = ledger_of(run, attribution)
    on_chains = {"path": [place.path for place in chain], "step": [place.step for place in chain]}
    return {
        "turns": {**turn_columns(run, name), **on_chains},
        "fees": fee_columns(run, name),
        "blocks": _blocks(run, name, attribution, numbers, with_names=with_names),
        "calls": _calls(run, name, attribution, numbers),
        "ledger": _ledger(run, name, columns),
    }


def _blocks(
    run: Run, name: LogName, attribution: Attribution, numbers: Mapping[str, int], *, with_names: bool
) -> Columns:
    # An empty place of a prompt has a number and no block.
    numbers = {block_id: number for block_id, number in numbers.items() if block_id in attribution.blocks}
    placed = [attribution.blocks[block_id] for block_id in numbers]
    blocks = [each.block for each in placed]
    tools = [tool_of(each) for each in placed]
    return {
        **places(name, [_first_day(run)] * len(placed)),
        "block": list(numbers.values()),
        "kind": [block.kind for block in blocks],
        "name": [block.name if with_names else None for block in blocks],
        "tool": tools,
        "skill": [block.name if block.kind == "skill" else None for block in blocks],
        "mcp_server": [mcp_server_of(tool) for tool in tools],
        "digest": [block.digest for block in blocks],
        "context": [each.context for each in placed],
        "born_turn": [each.born_turn for each in placed],
        "last_turn": [each.last_turn for each in placed],
        "tokens": [each.size.tokens for each in placed],
        "tokens_low": [each.size.low for each in placed],
        "tokens_high": [each.size.high for each in placed],
        "is_exact": [each.size.exact for each in placed],
        "evicted_by": [each.evicted_by for each in placed],
    }


def tool_of(placed: Placed) -> str | None:
    """Return the tool whose schema, call or result a block is."""
    block = placed.block
    is_tool = block.kind in TOOL_KINDS or (block.kind == "output" and block.link)
    return block.name if is_tool else None


def mcp_server_of(tool: str | None) -> str | None:
    """Return the MCP server that a tool's name shows."""
    if tool is None or not tool.startswith(MCP_PREFIX):
        return None
    return tool.removeprefix(MCP_PREFIX).split("__")[0]


def _calls(run: Run, name: LogName, attribution: Attribution, numbers: Mapping[str, int]) -> Columns:
    """Return the tool calls, each once, where it was first seen: as output, or in a prompt."""
    by_link: dict[str, dict[str, Placed]] = defaultdict(dict)
    for placed in sorted(attribution.blocks.values(), key=lambda each: each.born_turn):
        block = placed.block
        if block.link and block.kind in ("tool_call", "tool_result", "output"):
            by_link[block.link].setdefault("result" if block.kind == "tool_result" else "call", placed)
    calls = [found for found in by_link.values() if "call" in found]
    results = [found.get("result") for found in calls]
    tools = [found["call"].block.name for found in calls]
    return {
        **places(name, [_first_day(run)] * len(calls)),
        "turn": [found["call"].born_turn for found in calls],
        "tool": tools,
        "mcp_server": [mcp_server_of(tool) for tool in tools],
        "block": [numbers[found["call"].id] for found in calls],
        "result_block": [None if result is None else numbers[result.id] for result in results],
        "call_tokens": [found["call"].size.tokens for found in calls],
        "result_tokens": [None if result is None else result.size.tokens for result in results],
        "result_turn": [None if result is None else result.born_turn for result in results],
    }


def _ledger(run: Run, name: LogName, columns: LedgerColumns) -> Columns:
    return {
        **places(name, [_first_day(run)] * len(columns.block)),
        "block": columns.block,
        "path": columns.path,
        "first_step": columns.first_step,
        "after_step": columns.after_step,
        "class": columns.cls,
        "media": columns.media,
        "fee": columns.fee,
        "units": columns.units,
        "start_tokens": columns.start_tokens,
    }


def _first_day(run: Run) -> date:
    return day_of(run.turns[0]) if run.turns else datetime(1970, 1, 1, tzinfo=UTC).date()
