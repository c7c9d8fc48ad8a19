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
from tokenprof.report.terminal.chain_bridge import bridge_sentence
from tokenprof.report.terminal.chain_waterfall import chain_sentence
from tokenprof.report.terminal.class_table import class_table
from tokenprof.report.terminal.compute_lines import cache_read_lines, compute_lines, repricing_lines
from tokenprof.report.terminal.first_lines import driver, other_findings, what_to_change
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.headline import headline, than_last_time
from tokenprof.report.terminal.page_limits import MOST_LINES, MOST_LINES_OF_FOLDERS, PageLimits, fitting
from tokenprof.report.terminal.slice_tables import slice_tables
from tokenprof.report.terminal.turn_table import turn_table
from tokenprof.report.terminal.wording import ABOUT, BAD, SOFT, WARN

if TYPE_CHECKING:
    from tokenprof.analysis.rows.last_time import LastTime
    from tokenprof.analysis.rows.latest_days import LatestPeriods
    from tokenprof.chain.section import ChainSection
    from tokenprof.report.document import Report
    from tokenprof.report.written_finding import WrittenFinding

FOR_THE_REST: Final = "--full shows them"

SEVERITY_STYLES: Final = {"high": BAD, "medium": WARN, "low": SOFT, "info": SOFT}

# For terminals without Unicode: one character for one, so that columns stay aligned.
_PLAIN: Final = str.maketrans("×–—…±·÷≥−█▉▊▋▌▍▎▏─●┆└Σ", "x---~-/>-########-o:`S")


def render(
    report: Report,
    console: Console,
    *,
    turns: int | None = None,
    blocks: int | None = None,
    is_full: bool = False,
    last_time: LastTime | LatestPeriods | None = None,
) -> None:
    """Print a report to a console, in the console's width: the answer first, then what it is made of.

    `turns` and `blocks` are how many are shown at most (None: as many as fit a page or two, or all of them if
    `is_full`). `is_full` also shows every finding, assumption and warning, and the chain as a table.
    `last_time` is the run before, to compare the bill with; of several runs, their latest days.
    """
    rows = report.rows
    has_suggestions = report.changes is not None
    found = other_findings(report, is_full=is_full)
    of_the_answer: tuple[list[Text], ...] = (
        headline(rows, console, sum(source.runs for source in report.sources))
        + than_last_time(rows.totals, last_time, console)
        + driver(rows, console),
        what_to_change(report, console),
        compute_lines(report, console),
        class_table(rows, console)
        + cache_read_lines(report, console)
        + (repricing_lines(report, console) if is_full else []),
    )
    rests_on = basis(report, console, is_full=is_full)

    def sections_of(limits: PageLimits) -> Sequence[list[Text]]:
        return (
            *of_the_answer,
            slice_tables(rows, console, limits.slices),
            turn_table(rows, console, limits.turns),
            block_table(rows, console, limits.blocks),
            group_table(rows, console, limits.groups),
            findings_section(found, console, limits.findings, has_suggestions),
            chain_section(report.chain, console, is_full=is_full, sentences=limits.chain),
            rests_on,
            warnings_section(report.warnings, console, limits.warnings),
        )

    most_lines = MOST_LINES if len(report.sources) == 1 else MOST_LINES_OF_FOLDERS
    draw(fitting(sections_of, most_lines, turns=turns, blocks=blocks, is_full=is_full), console)


def draw(sections: Sequence[list[Text]], console: Console) -> None:
    """Print sections with an empty line between them; those without lines are left out."""
    has_ascii_only = console.options.ascii_only
    for number, section in enumerate(section for section in sections if section):
        if number:
            console.print()
        for line in section:
            console.print(_plain(line) if has_ascii_only else line, soft_wrap=True, highlight=False)


def to_text(
    report: Report,
    width: int = 80,
    *,
    turns: int | None = None,
    blocks: int | None = None,
    is_full: bool = False,
) -> str:
    """Return the report as plain text, `width` characters wide; the limits are those of `render`."""
    page = StringIO()
    console = Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    render(report, console, turns=turns, blocks=blocks, is_full=is_full)
    return page.getvalue()


def chain_section(
    chain: ChainSection | None, console: Console, *, is_full: bool, sentences: int = 2
) -> list[Text]:
    """Return where the dollars go: in a sentence or two, or as tables."""
    if chain is None:
        return []
    if is_full:
        from tokenprof.report.terminal.chain_text import chain_lines

        return chain_lines(chain, console, brief=True)
    bridge = bridge_sentence(chain, console) if sentences > 1 else []
    return chain_sentence(chain, console) + bridge


def findings_section(
    found: Sequence[WrittenFinding], console: Console, most: int | None, has_suggestions: bool
) -> list[Text]:
    """Return the findings; where suggestions say what would have been saved, these say what was billed."""
    if not found:
        return []
    lines = [Text("Findings", "bold")]
    for finding in found[:most]:
        lead = Text(f"{finding.severity:<6}  ", SEVERITY_STYLES.get(finding.severity, ""))
        lines += paragraph(Text(printable(finding.title), "bold"), console, lead=lead, indent=2)
        detail = Text()
        if finding.saves_usd is not None and not has_suggestions:
            about = ABOUT if finding.state == "estimated" else ""
            detail.append(f"saves {about}{numbers.usd(finding.saves_usd)}", "green").append(". ", SOFT)
        detail.append(printable(finding.detail), SOFT)
        lines += paragraph(detail, console, indent=2 + lead.cell_len)
    return lines + _left_out(len(found), most, "more finding")


def warnings_section(warnings: Sequence[str], console: Console, most: int | None) -> list[Text]:
    """Return the warnings, at most so many."""
    if not warnings:
        return []
    lines = [Text("Warnings", "bold")]
    for warning in warnings[:most]:
        lines += paragraph(Text(printable(warning), WARN), console, lead=Text("! ", WARN), indent=2)
    return lines + _left_out(len(warnings), most, "more warning")


def _left_out(there: int, most: int | None, what: str) -> list[Text]:
    """Return a line that says how many were left out; nothing if none were."""
    if most is None or there <= most:
        return []
    return [Text(f"  … {numbers.count(there - most, what)}; {FOR_THE_REST}", SOFT)]


def _plain(line: Text) -> Text:
    """Return a line in ASCII, for a terminal whose encoding has no more."""
    ascii_only = line.plain.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
    return Text(ascii_only, spans=line.spans, style=line.style)
