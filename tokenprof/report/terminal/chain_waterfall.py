"""The waterfall of a billed dollar in a terminal, and the margins under it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.chain.section import ChainSection, SectionStep
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.report import numbers
from tokenprof.report.terminal.chain_numbers import (
    bar_cells,
    between,
    dollars,
    estimate_decimals,
    labelled,
    percents,
)
from tokenprof.report.terminal.grid import Column, TableRow, paragraph, table
from tokenprof.report.terminal.wording import BAD, MID, MONEY, SOFT

SHORT: Final = {
    WaterfallStepName.APPLICATION: "application, aggregator",
    WaterfallStepName.UNEXPLAINED: "not explained by these",
    WaterfallStepName.OTHER_COSTS: "pay, sales, the rest",
    WaterfallStepName.DISCOUNT: "discount",
}
"""Steps whose name is shortened to fit 80 columns."""


_SAID: Final = Decimal("0.005")
"""Shares below this round to nothing and are left out of the sentence."""


def step_label(name: WaterfallStepName) -> str:
    """Return a step's name, short enough for a row."""
    return SHORT.get(name, name.value)


def chain_heading(section: ChainSection) -> str:
    """Return what the waterfall is of, in words."""
    paid = (AT_LEAST if section.is_lower_bound else "") + dollars(section.paid_usd)
    what = {
        "direct": f"Where {paid} billed goes",
        "aggregator": f"Where {paid} paid by way of {section.paths.aggregator} goes",
        "plan": f"Where {paid} goes, a session's share of {section.paths.plan}",
    }[section.path]
    left_out = section.turns_left_out
    unknown = f", {numbers.count(left_out, 'turn')} left out: no price or no model" if left_out else ""
    return f"{what} ({numbers.count(section.turns, 'turn')}{unknown})"


AT_LEAST: Final = "at least "


BY_ACCOUNTS: Final = "The same bill from published accounts of suppliers of this kind"


def waterfall_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return the waterfall from what the hours cost, and what hangs under its steps."""
    decimals = estimate_decimals([step.usd for step in section.waterfall])
    lines = paragraph(Text(chain_heading(section), "bold"), console)
    lines += _drawn(section.waterfall, console, decimals)
    for step in section.waterfall:
        for note in _notes(step, decimals):
            lines += paragraph(Text(note, SOFT), console, indent=2)
    return lines


def accounts_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return the waterfall from accounts, to be read beside the one from what the hours cost."""
    if not section.by_accounts:
        return []
    decimals = estimate_decimals([step.usd for step in section.by_accounts])
    heading = paragraph(Text(BY_ACCOUNTS, "bold"), console)
    return heading + _drawn(section.by_accounts, console, decimals)


def _drawn(steps: Sequence[SectionStep], console: Console, decimals: int) -> list[Text]:
    """Return steps in dollars, as shares, and as bars from where the last ended; no row for a step of 0."""
    shown = [step for step in steps if not step.usd.is_exact or step.usd.mid]
    figures: list[list[str | Text]] = [
        [
            step_label(step.name),
            Text(dollars(step.usd.mid, decimals), MID),
            Text(between(step.usd, decimals), SOFT),
            f"{100 * step.share.mid:,.1f}%",
        ]
        for step in shown
    ]
    cells = bar_cells(figures, console)
    bars = bars_of([step.share.mid for step in shown], cells)
    rows = [
        TableRow([*row, Text(bar, BAD if step.share.mid < 0 else MONEY)])
        for row, bar, step in zip(figures, bars, shown, strict=True)
    ]
    columns = [
        Column("", "left"),
        Column("USD", "right"),
        Column("range", "left", drop=1),
        Column("share", "right"),
        Column("", "left", drop=2),
    ]
    return table("", columns, rows, console)


def bars_of(shares: Sequence[Decimal], cells: int) -> list[str]:
    """Return a bar for each share, from where the one above it ended; a loss runs back to the left.

    The scale is from the leftmost end of any bar to the rightmost, so a loss and what is beyond the bill
    have room. A vertical line marks 0, unless it is at the edge. A share other than 0 has at least a cell.
    """
    ends, at = [], Decimal(0)
    for share in shares:
        ends.append((min(at, at + share), max(at, at + share)))
        at += share
    least = min((low for low, _ in ends), default=Decimal(0))
    most = max((high for _, high in ends), default=Decimal(1))
    scale = (most - least) or Decimal(1)
    zero = int((Decimal(0) - least) / scale * cells)
    bars = []
    for (low, high), share in zip(ends, shares, strict=True):
        width = max(round((high - low) / scale * cells), 1 if share else 0)
        start = min(int((low - least) / scale * cells), cells - width)
        line = [" "] * cells
        if least < 0 and zero < cells:
            line[zero] = "│"
        line[start : start + width] = ("░" if share < 0 else "█") * width
        bars.append("".join(line).rstrip())
    return bars


def chain_sentence(section: ChainSection, console: Console) -> list[Text]:
    """Return where the billed dollars go in one sentence, the largest share first."""
    steps = sorted(section.waterfall, key=lambda step: step.share.mid, reverse=True)
    parts = [
        f"{step_label(step.name)} {100 * step.share.mid:.0f}%" for step in steps if step.share.mid >= _SAID
    ]
    said = Text("Where it goes, by the middle estimates: ", "bold")
    said.append(", ".join(parts)).append(" (see tokenprof chain).", SOFT)
    return paragraph(said, console)


def margin_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return the margins of the run beside those that were published."""
    published = "; ".join(f"{figure.name} {percents(figure.value)}" for figure in section.published_margins)
    of = "paid" if section.path == "plan" else "list"
    rows = (
        (f"margin on inference, {of}", section.inference_margin),
        ("after training too", section.all_in_margin),
    )
    return [
        *(labelled(name, percents(margin)) for name, margin in rows if margin is not None),
        *paragraph(Text(f"published, of revenue: {published}", SOFT), console, indent=2),
    ]


def _notes(step: SectionStep, decimals: int) -> list[str]:
    """Return what hangs under the waterfall of a step: its margin inside one company, its parts."""
    notes = []
    if step.internal_usd is not None:
        ends = between(step.internal_usd, decimals)
        amount = dollars(step.internal_usd.mid, decimals) + (f" ({ends})" if ends else "")
        notes.append(f"{step.name}: {amount} on the market; own racks, so not paid")
    if step.parts:
        parts = ", ".join(f"{part.name} {dollars(part.usd.mid, decimals + 1)}" for part in step.parts)
        notes.append(f"{step.name}: {parts}")
    return notes
