"""The waterfall of a billed dollar in a terminal, and the margins under it."""

from __future__ import annotations

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
    WaterfallStepName.LAB_MARGIN: "lab: margin and the rest",
}
"""Steps whose name is shortened to fit 80 columns."""


_SAID: Final = Decimal("0.005")
"""Shares below this round to nothing and are left out of the sentence."""


def step_label(name: WaterfallStepName) -> str:
    """Return a step's name, short enough for a row."""
    return SHORT.get(name, name.value)


def chain_heading(section: ChainSection) -> str:
    """Return what the waterfall is of, in words."""
    paid = dollars(section.paid_usd)
    what = {
        "direct": f"Where {paid} billed goes",
        "aggregator": f"Where {paid} paid by way of {section.paths.aggregator} goes",
        "plan": f"Where {paid} goes, a session's share of {section.paths.plan}",
    }[section.path]
    left_out = section.turns_left_out
    unknown = f", {numbers.count(left_out, 'turn')} left out: no price or no model" if left_out else ""
    return f"{what} ({numbers.count(section.turns, 'turn')}{unknown})"


def waterfall_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return the waterfall: each step in dollars, as a share, and as a bar from where the last ended."""
    decimals = estimate_decimals([step.usd for step in section.waterfall])
    figures: list[list[str | Text]] = [
        [
            step_label(step.name),
            Text(dollars(step.usd.mid, decimals), MID),
            Text(between(step.usd, decimals), SOFT),
            f"{100 * step.share.mid:.1f}%",
        ]
        for step in section.waterfall
    ]
    cells = bar_cells(figures, console)
    rows = []
    begun = Decimal(0)
    for row, step in zip(figures, section.waterfall, strict=True):
        share = step.share.mid
        rows.append(TableRow([*row, Text(_bar(begun, share, cells), BAD if share < 0 else MONEY)]))
        begun += share
    columns = [
        Column("", "left"),
        Column("USD", "right"),
        Column("range", "left"),
        Column("share", "right"),
        Column("", "left"),
    ]
    lines = [Text(chain_heading(section), "bold"), *table("", columns, rows, console)]
    for step in section.waterfall:
        for note in _notes(step, decimals):
            lines += paragraph(Text(note, SOFT), console, indent=2)
    return lines


def chain_sentence(section: ChainSection, console: Console) -> list[Text]:
    """Return where the billed dollars go in one sentence, the largest share first."""
    steps = sorted(section.waterfall, key=lambda step: step.share.mid, reverse=True)
    parts = [
        f"{step_label(step.name)} {100 * step.share.mid:.0f}%" for step in steps if step.share.mid >= _SAID
    ]
    said = Text("Where it goes, by the middle estimates: ", "bold")
    said.append(", ".join(parts)).append(" (ranges and sources: tokenprof chain).", SOFT)
    return paragraph(said, console)


def margin_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return the margins of the run beside those that were published."""
    published = "; ".join(f"{figure.name} {percents(figure.value)}" for figure in section.published_margins)
    return [
        labelled("margin on inference", percents(section.inference_margin)),
        labelled("after rent and training", percents(section.all_in_margin)),
        *paragraph(Text(f"published: {published}", SOFT), console, indent=2),
    ]


def _notes(step: SectionStep, decimals: int) -> list[str]:
    """Return what hangs under the waterfall of a step: its margin inside one company, its parts."""
    notes = []
    if step.internal_usd is not None:
        notes.append(
            f"{step.name}: {dollars(step.internal_usd.mid, decimals)} "
            f"({between(step.internal_usd, decimals)}) on the market; internal here, so not paid"
        )
    if step.parts:
        parts = ", ".join(f"{part.name} {dollars(part.usd.mid, decimals + 1)}" for part in step.parts)
        notes.append(f"{step.name}: {parts}")
    return notes


def _bar(begun: Decimal, share: Decimal, cells: int) -> str:
    """Return a bar from where the one above it ended, kept within the dollar whatever the middles do."""
    ends = sorted((begun, begun + share))
    start, end = (min(max(end, Decimal(0)), Decimal(1)) for end in ends)
    width = max(round((end - start) * cells), 1 if share else 0)
    return " " * min(int(start * cells), cells - width) + "█" * width
