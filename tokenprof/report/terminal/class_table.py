"""The headline table: what each price class was billed, what it cost to compute, and the ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from math import ceil, floor, log10
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.report import numbers
from tokenprof.report.labels_in_words import CLASS_LABELS
from tokenprof.report.terminal.grid import RULE, Aside, Column, TableRow, table
from tokenprof.report.terminal.wording import MID, MONEY, SOFT, Json, at_least, lower_bounds, with_bound

_GAUGE_CELLS: Final = 20

_COLUMNS: Final = (
    Column("", "left"),
    Column("tokens"),
    Column("billed", style=MONEY),
    Column("share", gap=1, drop=4),
    Column("compute est.", style=MID),
    Column("", "left", gap=1, drop=2),
    Column("share", gap=1, drop=4),
    Column("billed ÷ compute"),
    Column("", "left", gap=1, drop=1),
    Column("1× at ┆", "left", drop=3),
)


def class_table(report: Json, console: Console) -> list[Text]:
    """Return the price classes that were billed, in a fixed order, and their sum."""
    order = list(CLASS_LABELS)
    bounds = lower_bounds(report, "class")
    rows = [with_bound(row, bounds, row["class"]) for row in report["classes"]]
    rows = [row for row in rows if row["tokens"] or row.get("count")]
    rows.sort(key=lambda row: order.index(row["class"]))
    if not rows:
        return []
    totals = report["totals"]
    summed = [*rows, totals]
    billed_decimals = numbers.decimals_for(row["billed_usd"] for row in summed)
    compute_decimals = numbers.estimate_decimals(row["hardware_usd"] for row in summed)
    gauge = _gauge([row["price_to_cost"] for row in summed])

    def row(label: str, amount: str, source: Json, lower_bound: bool, style: str = "") -> TableRow:
        estimate, ratios = source["hardware_usd"], source["price_to_cost"]
        priced = source["billed_usd"] is not None
        billed = numbers.usd(source["billed_usd"], billed_decimals) if priced else "unpriced"
        return TableRow(
            [
                label,
                amount,
                at_least(source, lower_bound) + billed,
                numbers.percent(numbers.fraction(source["billed_usd"], totals["billed_usd"])),
                numbers.mid_usd(estimate, compute_decimals),
                Text(numbers.usd_range(estimate, compute_decimals), SOFT),
                numbers.percent(_mid_fraction(estimate, totals["hardware_usd"])),
                Text(numbers.ratio(ratios["mid"] if ratios else None), "bold"),
                Text(numbers.ratio_range(ratios), SOFT),
                gauge(ratios),
            ],
            style=style,
        )

    body: list[TableRow | Aside] = [
        row(CLASS_LABELS[each["class"]], _amount(each), each, each["class"] in bounds) for each in rows
    ]
    counted = numbers.tokens(sum(each["tokens"] for each in rows))
    left_out = bool(totals["unpriced_turns"] or totals["unmeasured_turns"])
    body += [RULE, row("total", counted, totals, left_out, "bold")]
    return table("Price classes", _COLUMNS, body, console)


def _amount(row: Json) -> str:
    return f"{row['count']}×" if row["class"] == "fee" else numbers.tokens(row["tokens"])


def _mid_fraction(part: numbers.Interval | None, whole: numbers.Interval | None) -> Decimal | None:
    return numbers.fraction(part["mid"], whole["mid"]) if part and whole else None


def _gauge(ratios: Sequence[numbers.Interval | None]) -> Callable[[numbers.Interval | None], Text]:
    """Return a drawer of ratios on one logarithmic scale: the range as a line, 1× as a tick."""
    known = [ratio for ratio in ratios if ratio is not None and Decimal(ratio["low"]) > 0]
    if not known:
        return lambda ratio: Text()
    first = min(0.0, floor(min(log10(float(ratio["low"])) for ratio in known) * 2) / 2)
    last = max(0.0, ceil(max(log10(float(ratio["high"])) for ratio in known) * 2) / 2)

    def cell(value: float) -> int:
        return round((value - first) / (last - first or 1) * (_GAUGE_CELLS - 1))

    def draw(ratio: numbers.Interval | None) -> Text:
        line = [" "] * _GAUGE_CELLS
        line[cell(0.0)] = "┆"
        if ratio is not None and Decimal(ratio["low"]) > 0:
            low, mid, high = (cell(log10(float(ratio[end]))) for end in ("low", "mid", "high"))
            line[low : high + 1] = "─" * (high + 1 - low)
            line[mid] = "●"
        return Text("".join(line).rstrip(), MID)

    return draw
