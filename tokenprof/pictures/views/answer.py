"""The answer that a page opens with: what it cost, what drove that, what to change. In the report's words."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.data_classes.frozen import frozen
from tokenprof.pictures.views.names import shown, without_folders
from tokenprof.report import numbers
from tokenprof.report.document import Report
from tokenprof.report.labels_in_words import CLASS_LABELS, printable
from tokenprof.report.suggested_change import KIND_WORDS, SuggestedChange
from tokenprof.report.terminal.first_lines import driver, top_changes
from tokenprof.report.terminal.headline import headline
from tokenprof.report.terminal.wording import ABOUT
from tokenprof.report.written_finding import WrittenFinding

_WIDE: Final = 100_000
"""Columns of a console on which no sentence is broken into lines."""


@frozen
class SavingChange:
    """Something to change: what it would have saved, and why. `command` predicts it; empty if none does."""

    title: str
    detail: str
    saves: str
    share: str
    turns: tuple[int, ...]
    command: str


@frozen
class FindingLine:
    """A finding as a row."""

    severity: str
    title: str
    detail: str
    saves_usd: Decimal | None
    turns: tuple[int, ...]


@frozen
class ClassLine:
    """A price class: its tokens, its bill and its compute."""

    name: str
    label: str
    tokens: int
    billed_usd: Decimal | None
    billed: str
    share: float | None
    share_text: str
    compute: str
    ratio: str


@frozen
class Answer:
    """The first screen of a page. Figures are written out, so that nothing rounds them twice."""

    billed: str
    billed_usd: Decimal | None
    is_lower_bound: bool
    compute: str
    ratio: str
    ratio_range: str
    headline: str
    about: str
    driver: str
    changes: tuple[SavingChange, ...]
    classes: tuple[ClassLine, ...]
    findings: tuple[FindingLine, ...]
    warnings: tuple[str, ...]


def answer_of(report: Report) -> Answer:
    """Return the first screen of a report."""
    files = [source.file for source in report.sources]

    def said(text: str) -> str:
        return printable(without_folders(text, files))

    console = Console(width=_WIDE, no_color=True, file=None)
    rows = report.rows
    totals = rows.totals
    first, *about = headline(rows, console)
    whole = totals.billed_usd
    return Answer(
        billed="unknown" if whole is None else numbers.usd(whole),
        billed_usd=whole,
        is_lower_bound=bool(totals.incomplete),
        compute=numbers.usd_interval(totals.hardware_usd),
        ratio=numbers.mid_ratio(totals.price_to_cost),
        ratio_range=numbers.ratio_range(totals.price_to_cost),
        headline=_plain([first]),
        about=_plain(about),
        driver=_plain(driver(rows, console)),
        changes=_changes(report, whole),
        classes=tuple(
            ClassLine(
                name=row.cls,
                label=CLASS_LABELS.get(row.cls, row.cls),
                tokens=row.tokens,
                billed_usd=row.known_usd,
                billed=numbers.usd(row.known_usd) if row.known_usd is not None else "unpriced",
                share=_share(row.known_usd, whole),
                share_text=numbers.percent(numbers.fraction(row.known_usd, whole)),
                compute=numbers.usd_interval(row.hardware_usd),
                ratio=numbers.mid_ratio(row.price_to_cost),
            )
            for row in rows.classes
        ),
        findings=tuple(
            FindingLine(each.severity, said(each.title), said(each.detail), each.saves_usd, each.turns)
            for each in report.findings
        ),
        warnings=tuple(map(said, report.warnings)),
    )


def _plain(lines: list[Text]) -> str:
    return " ".join(line.plain.strip() for line in lines)


def _changes(report: Report, whole: Decimal | None) -> tuple[SavingChange, ...]:
    if report.changes is None:
        return tuple(_needless(finding, whole) for finding in top_changes(report.findings))
    return tuple(map(_suggested, report.changes))


def _suggested(change: SuggestedChange) -> SavingChange:
    title, kind = printable(change.text), KIND_WORDS[change.saving]
    bounds = f" Between {numbers.usd(change.low_usd)} and {numbers.usd(change.high_usd)}."
    return SavingChange(
        title=title[:1].upper() + title[1:],
        detail=f"{kind[:1].upper()}{kind[1:]}.{'' if change.is_exact else bounds}",
        saves=("" if change.is_exact else ABOUT) + numbers.usd(change.saves_usd),
        share=numbers.percent(change.share),
        turns=(),
        command=shown(f"tokenprof whatif RUN --if {shlex.quote(change.lever)}"),
    )


def _needless(finding: WrittenFinding, whole: Decimal | None) -> SavingChange:
    about = ABOUT if finding.state == "estimated" else ""
    return SavingChange(
        title=printable(finding.title),
        detail=printable(finding.detail),
        saves=about + numbers.usd(finding.saves_usd),
        share=numbers.percent(numbers.fraction(finding.saves_usd, whole)),
        turns=finding.turns,
        command="",
    )


def _share(part: Decimal | None, whole: Decimal | None) -> float | None:
    found = numbers.fraction(part, whole)
    return None if found is None else float(found)
