"""The rows of one log: its run as columns of the tables of a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import attrgetter

import pyarrow as pa

from tokenprof.attribute import Attribution, Placed, attribute
from tokenprof.costing.compute import turn_works
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.usage import TOKEN_CLASSES, Usage
from tokenprof.store.ingest.ledger_runs import ChainPlace, LedgerColumns, ledger_of
from tokenprof.store.schema.arrow_tables import table_of

MCP_PREFIX = "mcp__"
TOOL_KINDS = ("tool", "tool_call", "tool_result")
PROJECT_TAG = "project"

Tables = dict[str, pa.Table]


@dataclass(frozen=True, slots=True)
class LogName:
    """How the rows of a log are labelled: its number, its project and session, and the format of its file."""

    log_id: int
    project: str
    session: str
    format: str


def project_of(run: Run, otherwise: str) -> str:
    """Return the project of a log: the tag `project` that its turns carry, or another name."""
    return next((turn.tags[PROJECT_TAG] for turn in run.turns if turn.tags.get(PROJECT_TAG)), otherwise)


def tables_of_log(run: Run, name: LogName, *, with_names: bool = False) -> Tables:
    """Return the rows of a log, its billed tokens put on blocks.

    `with_names` keeps the names of all blocks; without it only tools and skills are named.
    """
    attribution = attribute(run)
    columns, numbers, places = ledger_of(run, attribution)
    return {
        **tables_of_turns(run, name, places),
        "blocks": _blocks(run, name, attribution, numbers, with_names=with_names),
        "calls": _calls(run, name, attribution, numbers),
        "ledger": _ledger(run, name, columns),
    }


def tables_of_turns(run: Run, name: LogName, places: Sequence[ChainPlace] | None = None) -> Tables:
    """Return the turns and fees of a log, which need no attribution."""
    return {"turns": _turns(run, name, places), "fees": _fees(run, name)}


def _turns(run: Run, name: LogName, places: Sequence[ChainPlace] | None) -> pa.Table:
    turns = run.turns
    chain = places or [ChainPlace(index, 0) for index in range(len(turns))]
    return table_of(
        "turns",
        {
            **_places(name, [_day(turn) for turn in turns]),
            "turn": range(len(turns)),
            "path": [place.path for place in chain],
            "step": [place.step for place in chain],
            "gap_s": [None if work is None else work.gap_s for work in turn_works(run)],
            "session": [name.session] * len(turns),
            "format": [name.format] * len(turns),
            **_facts(turns),
            **_usage([turn.usage for turn in turns]),
        },
    )


AS_THEY_ARE = (
    *("duration_s", "ttft_s", "context", "parent", "agent", "provider", "seller", "model"),
    *("requested_model", "status", "attempts", "output_rest_in"),
)
"""Fields of a turn that are columns of the same name."""


def _facts(turns: Sequence[Turn]) -> dict[str, list[object]]:
    served = [turn.selectors for turn in turns]
    return {
        **{name: list(map(attrgetter(name), turns)) for name in AS_THEY_ARE},
        "started_at": [turn.started_at.astimezone(UTC) for turn in turns],
        "response_id": [turn.id for turn in turns],
        "tags": [list(turn.tags.items()) for turn in turns],
        "service_tier": [selectors.service_tier or "" for selectors in served],
        "speed": [selectors.speed or "" for selectors in served],
        "inference_geo": [selectors.inference_geo or "" for selectors in served],
        "batch": [selectors.batch for selectors in served],
        "output_incomplete": [turn.output_incomplete and turn.output_rest_in is None for turn in turns],
        "notes": [len(turn.notes) for turn in turns],
        "stated_usd": [None if turn.stated_usd is None else format(turn.stated_usd, "f") for turn in turns],
    }


COUNTS = (
    *(f"{cls}_tokens" for cls in TOKEN_CLASSES),
    *("input_tokens", "audio_input_tokens", "audio_output_tokens", "image_output_tokens"),
)
"""Counts of a usage that are columns of the same name."""


def _usage(usages: Sequence[Usage | None]) -> dict[str, list[object]]:
    return {
        **{name: _counts(attrgetter(name), usages) for name in COUNTS},
        "is_measured": [usage is not None for usage in usages],
        "fees": [0 if usage is None else usage.fee_count for usage in usages],
        "has_request_fee": [usage is not None and "request" in dict(usage.fees) for usage in usages],
    }


def _counts(count: Callable[[Usage], int], usages: Sequence[Usage | None]) -> list[object]:
    return [None if usage is None else count(usage) for usage in usages]


def _fees(run: Run, name: LogName) -> pa.Table:
    charged = [
        (turn, index, fee, count)
        for index, turn in enumerate(run.turns)
        if turn.usage is not None
        for fee, count in turn.usage.fees
    ]
    return table_of(
        "fees",
        {
            **_places(name, [_day(turn) for turn, *_ in charged]),
            "turn": [index for _, index, _, _ in charged],
            "fee": [fee for *_, fee, _ in charged],
            "pieces": [count for *_, count in charged],
        },
    )


def _blocks(
    run: Run, name: LogName, attribution: Attribution, numbers: Mapping[str, int], *, with_names: bool
) -> pa.Table:
    # An empty place of a prompt has a number and no block.
    numbers = {block_id: number for block_id, number in numbers.items() if block_id in attribution.blocks}
    placed = [attribution.blocks[block_id] for block_id in numbers]
    blocks = [each.block for each in placed]
    tools = [tool_of(each) for each in placed]
    return table_of(
        "blocks",
        {
            **_places(name, [_first_day(run)] * len(placed)),
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
        },
    )


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


def _calls(run: Run, name: LogName, attribution: Attribution, numbers: Mapping[str, int]) -> pa.Table:
    """Return the tool calls, each once, where it was first seen: as output, or in a prompt."""
    by_link: dict[str, dict[str, Placed]] = defaultdict(dict)
    for placed in sorted(attribution.blocks.values(), key=lambda each: each.born_turn):
        block = placed.block
        if block.link and block.kind in ("tool_call", "tool_result", "output"):
            by_link[block.link].setdefault("result" if block.kind == "tool_result" else "call", placed)
    calls = [found for found in by_link.values() if "call" in found]
    results = [found.get("result") for found in calls]
    tools = [found["call"].block.name for found in calls]
    return table_of(
        "calls",
        {
            **_places(name, [_first_day(run)] * len(calls)),
            "turn": [found["call"].born_turn for found in calls],
            "tool": tools,
            "mcp_server": [mcp_server_of(tool) for tool in tools],
            "block": [numbers[found["call"].id] for found in calls],
            "result_block": [None if result is None else numbers[result.id] for result in results],
            "call_tokens": [found["call"].size.tokens for found in calls],
            "result_tokens": [None if result is None else result.size.tokens for result in results],
            "result_turn": [None if result is None else result.born_turn for result in results],
        },
    )


def _ledger(run: Run, name: LogName, columns: LedgerColumns) -> pa.Table:
    return table_of(
        "ledger",
        {
            **_places(name, [_first_day(run)] * len(columns.block)),
            "block": columns.block,
            "path": columns.path,
            "first_step": columns.first_step,
            "after_step": columns.after_step,
            "class": columns.cls,
            "media": columns.media,
            "fee": columns.fee,
            "units": columns.units,
            "start_tokens": columns.start_tokens,
        },
    )


def _day(turn: Turn) -> date:
    return turn.started_at.astimezone(UTC).date()


def _first_day(run: Run) -> date:
    return _day(run.turns[0]) if run.turns else datetime(1970, 1, 1, tzinfo=UTC).date()


def _places(name: LogName, days: Sequence[date]) -> dict[str, Sequence[object]]:
    count = len(days)
    return {"day": days, "project": [name.project] * count, "log_id": [name.log_id] * count}
