"""The blocks of the context by what they cost over the run, and the tools and skills they make up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.report import numbers
from tokenprof.report.labels_in_words import kind_label, printable
from tokenprof.report.terminal.grid import Aside, Column, TableRow, paragraph, table
from tokenprof.report.terminal.wording import (
    BAD,
    MID,
    MONEY,
    SOFT,
    WARN,
    Json,
    at_least,
    lower_bounds,
    together,
    weight,
    with_bound,
)

_NARROW: Final = 100
_MOST_GROUPS: Final = 12
_GROUP_LABELS: Final = {"tool": "tool", "skill": "skill", "mcp_server": "server"}
_LEGEND: Final = "= pinned by the bill   ± and ~ estimated inside what the bill pins"

_BLOCK_COLUMNS: Final = (
    Column("", "left"),
    Column("", "left", flex=True, comfort=20),
    Column("size"),
    Column("", "left", gap=1),
    Column("sent"),
    Column("in turns", "left", gap=1, drop=3),
    Column("Σ tokens", gap=1),
    Column("billed", style=MONEY),
    Column("share", gap=1),
    Column("", "left", gap=1, drop=1),
    Column("compute est.", style=MID, drop=4),
    Column("", "left", gap=1, drop=5),
)

_GROUP_COLUMNS: Final = (
    Column("", "left"),
    Column("", "left", flex=True, comfort=20),
    Column("schema, index"),
    Column("calls"),
    Column("results, body"),
    Column("billed", style=MONEY),
    Column("share", gap=1),
    Column("", "left", gap=1, drop=1),
)


def block_table(report: Json, console: Console, limit: int) -> list[Text]:
    """Return the blocks by what they were billed over the run, dearest first."""
    bounds = lower_bounds(report, "block")
    billed = [with_bound(block, bounds, block["id"]) for block in report["blocks"] if block["billed_tokens"]]
    if not billed:
        return []
    ranked = sorted(billed, key=weight, reverse=True)
    shown, rest = ranked[:limit], ranked[limit:]
    sent = Counter(name for turn in report["turns"] for name in {each["block"] for each in turn["entries"]})
    decimals = numbers.decimals_for(block["billed_usd"] for block in shown)
    compute_decimals = numbers.estimate_decimals(block["hardware_usd"] for block in shown)
    whole = report["totals"]["billed_usd"]
    longest = numbers.fraction(shown[0]["billed_usd"], whole)
    bar_cells = 6 if console.width < _NARROW else 10

    def row(block: Json) -> TableRow:
        share = numbers.fraction(block["billed_usd"], whole)
        size, state, estimate = block["tokens"], block["state"], block["hardware_usd"]
        about = numbers.bounds(size, block["tokens_low"], block["tokens_high"], state)
        return TableRow(
            [
                Text(kind_label(block["kind"]), SOFT),
                printable(block["name"]),
                numbers.tokens(size),
                Text(about, SOFT if state == "exact" else WARN),
                f"{sent[block['id']]}×",
                Text(_span(block["born_turn"], block["last_turn"]), SOFT),
                numbers.tokens(block["billed_tokens"]),
                _billed(block, state == "exact", block["id"] in bounds, decimals),
                numbers.percent(share),
                Text(numbers.bar(share, longest, bar_cells), MID),
                numbers.mid_usd(estimate, compute_decimals),
                Text(numbers.usd_range(estimate, compute_decimals), SOFT),
            ]
        )

    body: list[TableRow | Aside] = [row(block) for block in shown]
    if rest:
        body.append(Aside(f"… {numbers.count(len(rest), 'more block')}, {together(rest, whole)}"))
    lines = table("Blocks, by what they cost over the run", _BLOCK_COLUMNS, body, console)
    return lines + paragraph(Text(_LEGEND, SOFT), console, indent=2)


def group_table(report: Json, console: Console) -> list[Text]:
    """Return what each tool cost as schema, calls and results, each skill as index and body.

    MCP servers come last: they hold tools that are shown above them, and are not added to them.
    """
    bounds = lower_bounds(report, "block")
    by_id = {block["id"]: with_bound(block, bounds, block["id"]) for block in report["blocks"]}
    billed = [_with_sum(group, by_id) for group in report.get("groups", []) if group["billed_tokens"]]
    tools = sorted(
        (group for group in billed if group["kind"] in ("tool", "skill")), key=weight, reverse=True
    )
    servers = sorted((group for group in billed if group["kind"] == "mcp_server"), key=weight, reverse=True)
    if not tools and not servers:
        return []
    shown = [*tools[:_MOST_GROUPS], *servers[:_MOST_GROUPS]]
    parts = [_parts(group, by_id) for group in shown]
    whole = report["totals"]["billed_usd"]
    shares = [numbers.fraction(group["billed_usd"], whole) for group in shown]
    longest = max((share for share in shares if share is not None), default=None)
    amounts = [group["billed_usd"] for group in shown]
    decimals = numbers.decimals_for([*amounts, *(part for row in parts for part in row)])
    rows: list[TableRow | Aside] = []
    for group, share, (described, called, returned) in zip(shown, shares, parts, strict=True):
        exact = all(by_id[name]["state"] == "exact" for name in group["blocks"] if name in by_id)
        cells: list[str | Text] = [
            Text(_GROUP_LABELS[group["kind"]], SOFT),
            printable(group["name"]),
            *(_part(amount, decimals) for amount in (described, called, returned)),
            _billed(group, exact, not bounds.keys().isdisjoint(group["blocks"]), decimals),
            numbers.percent(share),
            Text(numbers.bar(share, longest, 6), MID),
        ]
        rows.append(TableRow(cells))
    rest = tools[_MOST_GROUPS:]
    if rest:
        left_out = f"… {numbers.count(len(rest), 'more tool or skill', 'more tools and skills')}, "
        rows.insert(_MOST_GROUPS, Aside(left_out + together(rest, whole)))
    return table("Tools and skills", _GROUP_COLUMNS, rows, console)


def _with_sum(group: Json, by_id: Mapping[str, Json]) -> Json:
    """Return a group with what is known of its bill, if its bill as a whole is not."""
    if group["billed_usd"] is not None:
        return group
    members = (by_id[name]["billed_usd"] for name in group["blocks"] if name in by_id)
    return {**group, "billed_usd": numbers.sum_usd(members)}


def _billed(part: Json, exact: bool, lower_bound: bool, decimals: int) -> Text:
    """Return money with its state: `~` where its split is estimated, `≥` where a turn of it has no price."""
    if part["billed_usd"] is None:
        return Text("unpriced", BAD)
    state = at_least(part, lower_bound) + ("" if exact else "~")
    return Text(state + numbers.usd(part["billed_usd"], decimals))


def _parts(group: Json, by_id: Mapping[str, Json]) -> tuple[str | None, str | None, str | None]:
    """Return a group's bill as (schema or index, calls, results or body); the index is what is left over."""
    amounts: dict[str, list[str | None]] = defaultdict(list)
    for name in group["blocks"]:
        block = by_id.get(name)
        if block is not None:
            amounts[block["kind"]].append(block["billed_usd"])
    calls = numbers.sum_usd(amounts["tool_call"] + amounts["output"] + amounts["server_state"])
    results = numbers.sum_usd(amounts["tool_result"] + amounts["skill"])
    if group["billed_usd"] is None:
        return None, calls, results
    rest = Decimal(group["billed_usd"]) - Decimal(calls or 0) - Decimal(results or 0)
    return (format(rest, "f") if rest > 0 else None), calls, results


def _part(amount: str | None, decimals: int) -> Text:
    return Text("·", SOFT) if amount is None else Text(numbers.usd(amount, decimals))


def _span(born: int | None, last: int | None) -> str:
    if born is None or last is None:
        return ""
    return str(born) if born == last else f"{born}–{last}"
