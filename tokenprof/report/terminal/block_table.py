"""The blocks of the context by what they cost over the run, and the tools and skills they make up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.row_types import BlockRow, GroupRow, RunRows
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.hw_model.estimate import Estimate
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import kind_label, printable
from tokenprof.report.phrases import NAMED_BY_US, named_call
from tokenprof.report.terminal.grid import Aside, Column, TableRow, paragraph, table
from tokenprof.report.terminal.wording import (
    ABOUT,
    AT_LEAST,
    BAD,
    MID,
    MONEY,
    SOFT,
    WARN,
    together,
    weight_of_block,
)

_NARROW: Final = 100
_GROUP_LABELS: Final = {"tool": "tool", "skill": "skill", "mcp_server": "server"}
_LEGEND: Final = "= pinned by the bill   ± and ~ estimated inside what the bill pins"

_OF_A_BLOCK: Final = (
    Column("", "left"),
    Column("", "left", flex=True, comfort=16),
    Column("size"),
    Column("", "left", gap=1),
    Column("sent", drop=2),
    Column("in turns", "left", gap=1, drop=5),
    Column("Σ tokens", gap=1, drop=1),
)

_BLOCK_COLUMNS: Final = (
    *_OF_A_BLOCK,
    Column("billed", style=MONEY),
    Column("share", gap=1),
    Column("", "left", gap=1, drop=3),
    Column("compute est.", style=MID, drop=6),
    Column("", "left", gap=1, drop=7),
)

_UNPRICED_BLOCK_COLUMNS: Final = (
    *_OF_A_BLOCK,
    Column("compute est.", style=MID),
    Column("", "left", gap=1, drop=3),
    Column("share", gap=1),
    Column("", "left", gap=1, drop=4),
)

_GROUP_COLUMNS: Final = (
    Column("", "left"),
    Column("", "left", flex=True, comfort=20),
    Column("schema, index"),
    Column("calls", drop=1),
    Column("results, body"),
    Column("billed", style=MONEY),
    Column("share", gap=1, drop=2),
    Column("", "left", gap=1, drop=3),
)

_UNPRICED_GROUP_COLUMNS: Final = (
    Column("", "left"),
    Column("", "left", flex=True, comfort=20),
    Column("Σ tokens"),
    Column("compute est.", style=MID),
    Column("", "left", gap=1, drop=2),
    Column("share", gap=1, drop=1),
    Column("", "left", gap=1, drop=3),
)


@frozen
class GroupBill:
    """A group's known bill and its parts: schema or index, calls, results or body. None is nothing billed."""

    group: GroupRow
    known_usd: Decimal | None
    described_usd: Decimal | None
    called_usd: Decimal | None
    returned_usd: Decimal | None
    is_exact: bool
    is_lower_bound: bool


@frozen
class BlocksNotListed:
    """How many blocks are not among the rows, and what they were billed together."""

    blocks: int = 0
    known_usd: Decimal = Decimal(0)


def block_table(
    rows: RunRows, console: Console, limit: int | None, others: BlocksNotListed | None = None
) -> list[Text]:
    """Return the blocks by what they were billed over the run, the most expensive first.

    If nothing of the run has a price, they stand by what they cost to compute. A text that several contexts
    carry (a system prompt of many sessions) is one row. `others` are not listed.
    """
    unlisted = others or BlocksNotListed()
    ranked = sorted(_texts_once(rows.blocks), key=weight_of_block, reverse=True)
    if not ranked:
        return []
    shown, rest = ranked[:limit], ranked[len(ranked[:limit]) :]
    decimals = numbers.decimals_for(block.known_usd for block in shown)
    compute_decimals = numbers.estimate_decimals(block.hardware_usd for block in shown)
    whole_usd, whole_compute = rows.totals.billed_usd, rows.totals.hardware_usd
    is_priced = whole_compute is None or any(block.known_usd for block in shown)

    def share_of(block: BlockRow) -> Decimal | None:
        if is_priced:
            return numbers.fraction(block.known_usd, whole_usd)
        return numbers.mid_fraction(block.hardware_usd, whole_compute)

    longest = max((share for block in shown if (share := share_of(block)) is not None), default=None)
    bar_cells = 6 if console.width < _NARROW else 10

    def row(block: BlockRow) -> TableRow:
        share = share_of(block)
        about = numbers.bounds(block.tokens, block.tokens_low, block.tokens_high, block.state)
        is_exact = block.state == "exact"
        bill = _billed(block.known_usd, is_exact, block.is_lower_bound, decimals)
        shares: list[str | Text] = [numbers.percent(share), Text(numbers.bar(share, longest, bar_cells), MID)]
        compute: list[str | Text] = [
            numbers.mid_usd(block.hardware_usd, compute_decimals),
            Text(numbers.usd_range(block.hardware_usd, compute_decimals), SOFT),
        ]
        return TableRow(
            [
                Text(kind_label(block.kind), SOFT),
                printable(named_call(block.name, block.label)),
                numbers.tokens(block.tokens),
                Text(about, SOFT if is_exact else WARN),
                f"{block.turns_carried}×",
                Text(_span(block.born_turn, block.last_turn), SOFT),
                numbers.tokens(block.billed_tokens),
                *([bill, *shares, *compute] if is_priced else [*compute, *shares]),
            ]
        )

    body: list[TableRow | Aside] = [row(block) for block in shown]
    if rest or unlisted.blocks:
        amounts = [block.known_usd for block in rest] + [unlisted.known_usd] * bool(unlisted.blocks)
        left_out = together(amounts, whole_usd)
        body.append(Aside(f"… {numbers.count(len(rest) + unlisted.blocks, 'more block')}, {left_out}"))
    lines = (
        table("Blocks, by what they cost over the run", _BLOCK_COLUMNS, body, console)
        if is_priced
        else table("Blocks, by what they cost to compute", _UNPRICED_BLOCK_COLUMNS, body, console)
    )
    return lines + paragraph(Text(_LEGEND, SOFT), console, indent=2)


def _texts_once(blocks: Sequence[BlockRow]) -> list[BlockRow]:
    """Return the billed blocks, those of one text in several contexts as one."""
    by_text: dict[tuple[str, str, str], list[BlockRow]] = defaultdict(list)
    for block in blocks:
        if block.billed_tokens:
            # What is not placed has no text: what of it has one name is of one sort.
            text = "" if block.kind in NAMED_BY_US else block.digest or block.id
            by_text[block.kind, block.name, text].append(block)
    found: list[BlockRow] = []
    for own in by_text.values():
        is_in_several = len({block.context for block in own}) > 1
        found += [_as_one(own)] if is_in_several else own
    return found


def _as_one(blocks: Sequence[BlockRow]) -> BlockRow:
    """Return one text in several contexts as one row, without its compute: ranges do not add up."""
    known_usd = exact_sum_usd(block.known_usd for block in blocks)
    return replace(
        blocks[0],
        born_turn=None,
        billed_tokens=sum(block.billed_tokens or 0 for block in blocks),
        billed_usd=None if any(block.billed_usd is None for block in blocks) else known_usd,
        at_least_usd=known_usd,
        turns_carried=sum(block.turns_carried for block in blocks),
        hardware_usd=None,
    )


def group_table(rows: RunRows, console: Console, most: int) -> list[Text]:
    """Return what each tool cost as schema, calls and results, and each skill as index and body.

    MCP servers come last: they hold tools that are shown above them, and are not added to them.
    """
    by_id = rows.block_by_id()
    bills = [_bill(group, by_id) for group in rows.groups if group.billed_tokens]
    whole_compute = rows.totals.hardware_usd
    if whole_compute is not None and bills and not any(bill.known_usd for bill in bills):
        return _unpriced_groups([bill.group for bill in bills], whole_compute, console, most)
    return table_of_groups(bills, rows.totals.billed_usd, console, most)


def _unpriced_groups(
    groups: list[GroupRow], whole_compute: Estimate, console: Console, most: int
) -> list[Text]:
    """Return what tools, skills and servers cost to compute where nothing has a price."""
    ranked = sorted(
        (group for group in groups if group.kind in _GROUP_LABELS),
        key=lambda group: (
            group.kind == "mcp_server",
            -(group.hardware_usd.mid if group.hardware_usd else 0.0),
        ),
    )
    shown = ranked[:most]
    decimals = numbers.estimate_decimals(group.hardware_usd for group in shown)
    shares = [numbers.mid_fraction(group.hardware_usd, whole_compute) for group in shown]
    longest = max((share for share in shares if share is not None), default=None)
    body: list[TableRow | Aside] = [
        TableRow(
            [
                Text(_GROUP_LABELS[group.kind], SOFT),
                printable(group.name),
                numbers.tokens(group.billed_tokens),
                numbers.mid_usd(group.hardware_usd, decimals),
                Text(numbers.usd_range(group.hardware_usd, decimals), SOFT),
                numbers.percent(share),
                Text(numbers.bar(share, longest, 6), MID),
            ]
        )
        for group, share in zip(shown, shares, strict=True)
    ]
    if len(ranked) > most:
        body.append(
            Aside(f"… {numbers.count(len(ranked) - most, 'more tool or skill', 'more tools and skills')}")
        )
    return table("Tools and skills", _UNPRICED_GROUP_COLUMNS, body, console)


def table_of_groups(
    bills: list[GroupBill], whole_usd: Decimal | None, console: Console, most: int
) -> list[Text]:
    """Return tools, skills and servers with their bills, the most expensive first."""
    bills.sort(key=_weight_of_group, reverse=True)
    tools = [bill for bill in bills if bill.group.kind in ("tool", "skill")]
    servers = [bill for bill in bills if bill.group.kind == "mcp_server"]
    if not tools and not servers:
        return []
    shown = [*tools[:most], *servers[:most]]
    shares = [numbers.fraction(bill.known_usd, whole_usd) for bill in shown]
    longest = max((share for share in shares if share is not None), default=None)
    parts = [part for bill in shown for part in (bill.described_usd, bill.called_usd, bill.returned_usd)]
    decimals = numbers.decimals_for([*(bill.known_usd for bill in shown), *parts])
    drawn: list[TableRow | Aside] = []
    for bill, share in zip(shown, shares, strict=True):
        cells: list[str | Text] = [
            Text(_GROUP_LABELS[bill.group.kind], SOFT),
            printable(bill.group.name),
            _part(bill.described_usd, decimals),
            _part(bill.called_usd, decimals),
            _part(bill.returned_usd, decimals),
            _billed(bill.known_usd, bill.is_exact, bill.is_lower_bound, decimals),
            numbers.percent(share),
            Text(numbers.bar(share, longest, 6), MID),
        ]
        drawn.append(TableRow(cells))
    rest = tools[most:]
    if rest:
        left_out = together((bill.known_usd for bill in rest), whole_usd)
        counted = numbers.count(len(rest), "more tool or skill", "more tools and skills")
        drawn.insert(most, Aside(f"… {counted}, {left_out}"))
    return table("Tools and skills", _GROUP_COLUMNS, drawn, console)


def _bill(group: GroupRow, by_id: Mapping[str, BlockRow]) -> GroupBill:
    """Return a group's bill in parts. What is neither call nor result is its schema or its index."""
    members = [by_id[name] for name in group.blocks if name in by_id and by_id[name].billed_tokens]
    amounts: dict[str, list[Decimal | None]] = defaultdict(list)
    for block in members:
        amounts[block.kind].append(block.known_usd)
    called = exact_sum_usd(amounts["tool_call"] + amounts["output"] + amounts["server_state"])
    returned = exact_sum_usd(amounts["tool_result"] + amounts["skill"])
    known = group.billed_usd
    if known is None:
        known = exact_sum_usd(block.known_usd for block in members)
    return group_bill(
        group,
        known,
        called,
        returned,
        is_exact=all(block.state == "exact" for block in members),
        is_lower_bound=any(block.billed_usd is None and block.billed_tokens for block in members),
    )


def group_bill(
    group: GroupRow,
    known_usd: Decimal | None,
    called_usd: Decimal | None,
    returned_usd: Decimal | None,
    *,
    is_exact: bool,
    is_lower_bound: bool,
) -> GroupBill:
    """Return a group's bill in parts. What is neither call nor result is its schema or its index."""
    rest = None if known_usd is None else known_usd - (called_usd or 0) - (returned_usd or 0)
    described_usd = rest if rest is not None and rest > 0 else None
    return GroupBill(group, known_usd, described_usd, called_usd, returned_usd, is_exact, is_lower_bound)


def _weight_of_group(bill: GroupBill) -> tuple[Decimal, int]:
    return bill.known_usd or Decimal(0), bill.group.billed_tokens


def _billed(known_usd: Decimal | None, is_exact: bool, is_lower_bound: bool, decimals: int) -> Text:
    """Return money with its state: `~` if its split is estimated, `≥` if a turn of it has no price."""
    if known_usd is None:
        return Text("unpriced", BAD)
    state = (AT_LEAST if is_lower_bound else "") + ("" if is_exact else ABOUT)
    return Text(state + numbers.usd(known_usd, decimals))


def _part(amount_usd: Decimal | None, decimals: int) -> Text:
    return Text("·", SOFT) if amount_usd is None else Text(numbers.usd(amount_usd, decimals))


def _span(born: int | None, last: int | None) -> str:
    if born is None or last is None:
        return ""
    return str(born) if born == last else f"{born}–{last}"
