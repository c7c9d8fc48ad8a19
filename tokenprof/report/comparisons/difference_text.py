"""A comparison of two runs, drawn for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from io import StringIO
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.difference.cost_difference import PARTS, CostDifference, SideBySide
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import CLASS_LABELS, printable
from tokenprof.report.next_steps.difference_wording import (
    PART_LABELS,
    PART_MEANINGS,
    group_label,
    headline,
    notes,
    sentence,
    signed_usd,
)
from tokenprof.report.terminal.grid import RULE, Aside, Column, TableRow, paragraph, table

CAUSES_SHOWN: Final = 8
ROWS_SHOWN: Final = 5

LEAST_CAUSE_SHARE: Final = Decimal("0.01")
"""A cause that moved the bill less than this share of the largest one is only counted."""

_PARTS: Final = (Column("", "left"), Column("difference"), Column("", "left", flex=True, drop=1))
_ROWS: Final = (
    Column("", "left", flex=True),
    Column("before", drop=1),
    Column("now", drop=1),
    Column("difference"),
    Column("calls", drop=2),
)


def render(found: CostDifference, console: Console, *, full: bool = False) -> None:
    """Print a comparison: the difference, its causes, its parts, and both runs side by side.

    Without `full`, only the largest causes and changes are shown, and how much the others come to.
    """
    sections = [
        [Text(headline(found), "bold"), *_compute(found, console)],
        _causes(found, console, full=full),
        _parts(found, console),
        _rows("Blocks", [(group_label(r.kind, r.name), r) for r in found.blocks], console, full=full),
        _rows("Tools", [(printable(r.name), r) for r in found.tools], console, full=full),
        _rows("Agents", [(printable(r.name) or "no name", r) for r in _agents(found)], console, full=full),
        _rows("Classes", [(CLASS_LABELS.get(r.name, r.name), r) for r in found.classes], console, full=full),
        _rows("Turns", [(_turn(r), r) for r in found.turns], console, full=full),
        [line for note in notes(found) for line in paragraph(Text(note), console, lead=Text("! "), indent=2)],
    ]
    for number, section in enumerate(section for section in sections if section):
        if number:
            console.print()
        for line in section:
            console.print(line, soft_wrap=True, highlight=False)


def to_text(found: CostDifference, width: int = 80, *, full: bool = False) -> str:
    """Return a comparison as plain text, `width` characters wide."""
    page = StringIO()
    console = Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    render(found, console, full=full)
    return page.getvalue()


def _compute(found: CostDifference, console: Console) -> list[Text]:
    before, now = found.compute_usd
    if before is None or now is None:
        return []
    text = f"Compute est.: {numbers.usd_interval(before)} → {numbers.usd_interval(now)}"
    return paragraph(Text(text, "dim"), console)


def _causes(found: CostDifference, console: Console, *, full: bool) -> list[Text]:
    if not found.causes:
        return []
    lines = [Text("Why", "bold")]
    least_usd = LEAST_CAUSE_SHARE * max(abs(cause.usd) for cause in found.causes)
    large = [cause for cause in found.causes if abs(cause.usd) >= least_usd]
    shown = found.causes if full else large[:CAUSES_SHOWN]
    for number, cause in enumerate(shown, 1):
        lines += paragraph(Text(sentence(cause)), console, lead=Text(f"{number}. "), indent=2)
    if others := found.causes[len(shown) :]:
        rest = exact_sum_usd(cause.usd for cause in others)
        counted = numbers.count(len(others), "smaller cause")
        lines.append(Text(f"  {counted}: {signed_usd(rest)} in all", "dim"))
    return lines


def _parts(found: CostDifference, console: Console) -> list[Text]:
    if not found.usd and not any(found.parts.values()):
        return []
    decimals = numbers.decimals_for([*found.parts.values(), found.usd])
    rows: list[TableRow | Aside] = [
        TableRow([PART_LABELS[part], signed_usd(found.parts[part], decimals), PART_MEANINGS[part]])
        for part in PARTS
    ]
    rows += [RULE, TableRow(["difference", signed_usd(found.usd, decimals), ""], style="bold")]
    return table("Parts", _PARTS, rows, console)


def _rows(title: str, rows: Sequence[tuple[str, SideBySide]], console: Console, *, full: bool) -> list[Text]:
    changed = [(label, row) for label, row in rows if row.usd]
    if not changed:
        return []
    shown = changed if full else changed[:ROWS_SHOWN]
    decimals = numbers.decimals_for(
        [amount for _, row in shown for amount in (row.before_usd, row.now_usd, row.usd)]
    )
    body: list[TableRow | Aside] = [
        TableRow(
            [
                label,
                numbers.usd(row.before_usd, decimals),
                numbers.usd(row.now_usd, decimals),
                signed_usd(row.usd, decimals),
                "" if row.calls_now is None else f"{row.calls_before} → {row.calls_now}",
            ]
        )
        for label, row in shown
    ]
    if others := changed[len(shown) :]:
        rest = signed_usd(exact_sum_usd(row.usd for _, row in others), decimals)
        body.append(Aside(f"{len(others)} more: {rest} in all"))
    return table(title, _ROWS, body, console)


def _agents(found: CostDifference) -> Sequence[SideBySide]:
    """Return the agents if there is more than the one that makes every call."""
    return found.agents if len(found.agents) > 1 else ()


def _turn(row: SideBySide) -> str:
    of_agent = f" of {printable(row.kind)}" if row.kind else ""
    return f"call {int(row.name) + 1}{of_agent}"
