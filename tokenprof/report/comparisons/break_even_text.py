"""A break-even sheet, drawn for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from tokenprof.report.labels_in_words import printable
from tokenprof.report.next_steps.break_even_wording import (
    crossing_sentence,
    dollars,
    headline,
    notes,
    percents,
)
from tokenprof.report.terminal.grid import Column, TableRow, paragraph, table
from tokenprof.whatif.break_even import BreakEven

_RUN = (Column("", "left", flex=True), Column("a run"), Column("P10–P90"), Column("calls/h", drop=1))
_MONTH = (
    Column("runs/day"),
    Column("", "left", flex=True),
    Column("nodes", drop=2),
    Column("busy", drop=1),
    Column("a month"),
    Column("P10–P90"),
)


def render_break_even(found: BreakEven, console: Console) -> None:
    """Print when hosting pays, what a run and a month cost each way, and what that rests on."""
    lines = [*paragraph(Text(headline(found), "bold"), console), Text()]
    for each in found.crossings:
        lines += paragraph(Text(printable(crossing_sentence(each))), console, lead=Text("· "))
    lines.append(Text())
    lines += table("What a run costs", _RUN, _runs(found), console)
    lines.append(Text())
    lines += table("What a month costs", _MONTH, _months(found), console)
    lines.append(Text())
    for note in notes(found):
        lines += paragraph(Text(printable(note), "dim"), console, lead=Text("· "))
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _runs(found: BreakEven) -> list[TableRow]:
    rows = [TableRow([printable(each.name), *dollars(each.usd_per_run), ""]) for each in found.bought]
    for node in found.hosted:
        rate = f"{node.calls_per_hour.mid:,.0f}"
        rows.append(TableRow([f"{node.name}, never idle", *dollars(node.usd_per_run_when_full), rate]))
        rows.append(TableRow([f"{node.name}, as busy as the day", *dollars(node.usd_per_run_by_day), ""]))
    return rows


def _months(found: BreakEven) -> list[TableRow]:
    rows, volume = [], None
    for each in found.months:
        shown = f"{each.runs_per_day:,.0f}" if each.runs_per_day != volume else ""
        volume = each.runs_per_day
        nodes = "" if each.nodes is None else f"{each.nodes.mid:,.0f}"
        busy = "" if each.used is None else percents(each.used).partition(" ")[0]
        rows.append(TableRow([shown, printable(each.name), nodes, busy, *dollars(each.usd)]))
    return rows
