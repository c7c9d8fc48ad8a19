"""The main table: what each price class was billed, what it cost to compute, and the ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, log10
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.row_types import ClassRow, RunRows, Totals
from tokenprof.hw_model.estimate import Estimate
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import CLASS_LABELS
from tokenprof.report.terminal.grid import RULE, Aside, Column, TableRow, table
from tokenprof.report.terminal.wording import AT_LEAST, MID, MONEY, SOFT

_GAUGE_CELLS: Final = 20

_COLUMNS: Final = (
    Column("", "left"),
    Column("tokens"),
    Column("billed", style=MONEY),
    Column("share", gap=1, drop=5),
    Column("compute est.", style=MID, drop=1),
    Column("", "left", gap=1, drop=3),
    Column("share", gap=1, drop=5),
    Column("billed ÷ compute"),
    Column("", "left", gap=1, drop=2),
    Column("1× at ┆", "left", drop=4),
)


def class_table(rows: RunRows, console: Console) -> list[Text]:
    """Return the price classes that were billed, in a fixed order, and their sum."""
    order, totals = list(CLASS_LABELS), rows.totals
    classes = [row for row in rows.classes if row.tokens or row.count]
    classes.sort(key=lambda row: order.index(row.cls))
    if not classes:
        return []
    known = [*(row.known_usd for row in classes), totals.billed_usd]
    summed: list[ClassRow | Totals] = [*classes, totals]
    billed_decimals = numbers.decimals_for(known)
    compute_decimals = numbers.estimate_decimals(row.hardware_usd for row in summed)
    gauge = _gauge([row.price_to_cost for row in summed])

    def row(label: str, amount: str, source: ClassRow | Totals, style: str = "") -> TableRow:
        estimate, ratios = source.hardware_usd, source.price_to_cost
        if isinstance(source, Totals):
            billed_usd = source.billed_usd
            is_lower_bound = bool(source.unpriced_turns or source.unmeasured_turns or source.missing_calls)
        else:
            billed_usd, is_lower_bound = source.known_usd, source.is_lower_bound
        billed = "unpriced" if billed_usd is None else numbers.usd(billed_usd, billed_decimals)
        return TableRow(
            [
                label,
                amount,
                (AT_LEAST if is_lower_bound and billed_usd is not None else "") + billed,
                numbers.percent(numbers.fraction(billed_usd, totals.billed_usd)),
                numbers.mid_usd(estimate, compute_decimals),
                Text(numbers.usd_range(estimate, compute_decimals), SOFT),
                numbers.percent(numbers.mid_fraction(estimate, totals.hardware_usd)),
                Text(numbers.mid_ratio(ratios), "bold"),
                Text(numbers.ratio_range(ratios), SOFT),
                gauge(ratios),
            ],
            style=style,
        )

    body: list[TableRow | Aside] = [row(CLASS_LABELS[each.cls], _amount(each), each) for each in classes]
    counted = numbers.tokens(sum(each.tokens for each in classes))
    body += [RULE, row("total", counted, totals, "bold")]
    return table("Price classes", _COLUMNS, body, console)


def _amount(row: ClassRow) -> str:
    return f"{row.count}×" if row.cls == "fee" else numbers.tokens(row.tokens)


def _gauge(ratios: Sequence[Estimate | None]) -> Callable[[Estimate | None], Text]:
    """Return a function that draws ratios on one logarithmic scale: the range as a line, 1× as a tick."""
    known = [ratio for ratio in ratios if ratio is not None and ratio.low > 0]
    if not known:
        return lambda ratio: Text()
    first = min(0.0, floor(min(log10(ratio.low) for ratio in known) * 2) / 2)
    last = max(0.0, ceil(max(log10(ratio.high) for ratio in known) * 2) / 2)

    def cell(value: float) -> int:
        return round((value - first) / (last - first or 1) * (_GAUGE_CELLS - 1))

    def draw(ratio: Estimate | None) -> Text:
        line = [" "] * _GAUGE_CELLS
        line[cell(0.0)] = "┆"
        if ratio is not None and ratio.low > 0:
            low, mid, high = (cell(log10(end)) for end in (ratio.low, ratio.mid, ratio.high))
            line[low : high + 1] = "─" * (high + 1 - low)
            line[mid] = "●"
        return Text("".join(line).rstrip(), MID)

    return draw
