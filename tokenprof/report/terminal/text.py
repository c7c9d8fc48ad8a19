"""The report that a person reads in a terminal.

The first line answers the question that a profiler is asked: what was billed, what it cost to compute and
how far apart the two are. The unknown is put into words, never shown as a zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.terminal.basis import basis
from tokenprof.report.terminal.block_table import block_table, group_table
from tokenprof.report.terminal.chain_text import chain_lines
from tokenprof.report.terminal.class_table import class_table
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.headline import headline
from tokenprof.report.terminal.turn_table import slice_tables, turn_table
from tokenprof.report.terminal.wording import ABOUT, BAD, SOFT, WARN

if TYPE_CHECKING:
    from tokenprof.report.document import Report
    from tokenprof.report.written_finding import WrittenFinding

DEFAULT_TURNS: Final = 24
DEFAULT_BLOCKS: Final = 16

SEVERITY_STYLES: Final = {"high": BAD, "medium": WARN, "low": SOFT, "info": SOFT}

# For terminals without Unicode: one character for one, so that columns stay aligned.
_PLAIN: Final = str.maketrans("×–—…±·÷≥−█▉▊▋▌▍▎▏─●┆└Σ", "x---~-/>-########-o:`S")


def render(
    report: Report,
    console: Console,
    *,
    turns: int | None = DEFAULT_TURNS,
    blocks: int = DEFAULT_BLOCKS,
) -> None:
    """Print a report to a console, in the console's width.

    `turns` is how many turns are shown at most (None: all of them), `blocks` how many blocks.
    """
    rows = report.rows
    sections: Sequence[list[Text]] = (
        headline(rows, console),
        class_table(rows, console),
        slice_tables(rows, console),
        turn_table(rows, console, turns),
        block_table(rows, console, blocks),
        group_table(rows, console),
        _findings(report.findings, console),
        [] if report.chain is None else chain_lines(report.chain, console, brief=True),
        basis(report, console),
        _warnings(report.warnings, console),
    )
    has_ascii_only = console.options.ascii_only
    for number, section in enumerate(section for section in sections if section):
        if number:
            console.print()
        for line in section:
            console.print(_plain(line) if has_ascii_only else line, soft_wrap=True, highlight=False)


def to_text(
    report: Report, width: int = 80, *, turns: int | None = DEFAULT_TURNS, blocks: int = DEFAULT_BLOCKS
) -> str:
    """Return the report as plain text, `width` characters wide; `turns` and `blocks` are as in `render`."""
    page = StringIO()
    console = Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    render(report, console, turns=turns, blocks=blocks)
    return page.getvalue()


def _findings(found: Sequence[WrittenFinding], console: Console) -> list[Text]:
    if not found:
        return []
    lines = [Text("Findings", "bold")]
    for finding in found:
        lead = Text(f"{finding.severity:<6}  ", SEVERITY_STYLES.get(finding.severity, ""))
        lines += paragraph(Text(printable(finding.title), "bold"), console, lead=lead, indent=2)
        detail = Text()
        if finding.saves_usd is not None:
            about = ABOUT if finding.state == "estimated" else ""
            detail.append(f"saves {about}{numbers.usd(finding.saves_usd)}", "green").append(". ", SOFT)
        detail.append(printable(finding.detail), SOFT)
        lines += paragraph(detail, console, indent=2 + lead.cell_len)
    return lines


def _warnings(warnings: Sequence[str], console: Console) -> list[Text]:
    if not warnings:
        return []
    lines = [Text("Warnings", "bold")]
    for warning in warnings:
        lines += paragraph(Text(printable(warning), WARN), console, lead=Text("! ", WARN), indent=2)
    return lines


def _plain(line: Text) -> Text:
    """Return a line in ASCII, for a terminal whose encoding has no more."""
    ascii_only = line.plain.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
    return Text(ascii_only, spans=line.spans, style=line.style)
