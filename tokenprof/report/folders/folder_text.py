"""The report of a folder, as a person reads it in a terminal: sums, and the most expensive sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.facts.adding import add_by_key, all_added
from tokenprof.report import numbers
from tokenprof.report.folders.folder_document import FolderReport
from tokenprof.report.terminal.basis import basis
from tokenprof.report.terminal.block_table import (
    BlocksNotListed,
    GroupBill,
    block_table,
    group_bill,
    table_of_groups,
)
from tokenprof.report.terminal.class_table import class_table
from tokenprof.report.terminal.compute_lines import cache_read_lines, compute_lines
from tokenprof.report.terminal.first_lines import driver, other_findings, what_to_change
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.headline import (
    answer_and_subject,
    models_named,
    requests_named,
    than_last_time,
    time_and_span,
)
from tokenprof.report.terminal.page_limits import MOST_LINES_OF_FOLDERS, PageLimits, fitting
from tokenprof.report.terminal.slice_tables import TurnSlice, slice_table
from tokenprof.report.terminal.text import (
    chain_section,
    draw,
    findings_section,
    warnings_section,
)
from tokenprof.report.terminal.wording import SOFT
from tokenprof.sessions.folder_sums import FolderSums
from tokenprof.sessions.session_sums import SliceKey, SliceSum

MOST_DAYS: Final = 31
"""Folders that span more days are summed by month."""


def render_folder(
    folder: FolderReport, console: Console, *, blocks: int | None = None, is_full: bool = False
) -> None:
    """Print the report of a folder; the parameters are those of `tokenprof.report.terminal.text.render`."""
    report, sums, rows = folder.report, folder.sums, folder.report.rows
    changes = what_to_change(report, console)
    if changes and folder.tried_on is not None:
        changes += paragraph(Text(folder.tried_on, SOFT), console, indent=2)
    found = other_findings(report, is_full=is_full)
    others = BlocksNotListed(sums.other_blocks, sums.other_usd)

    def sections_of(limits: PageLimits) -> Sequence[list[Text]]:
        return (
            answer_and_subject(rows.totals, _about(sums), console)
            + than_last_time(rows.totals, sums.latest_days(), console)
            + driver(rows, console),
            changes,
            compute_lines(report, console),
            class_table(rows, console) + cache_read_lines(report, console),
            _slices(sums, console, limits.slices),
            _sessions(sums, console, limits.slices),
            block_table(rows, console, limits.blocks, others),
            table_of_groups(_groups(folder), rows.totals.billed_usd, console, limits.groups),
            findings_section(found, console, limits.findings, True),
            chain_section(report.chain, console, is_full=is_full, sentences=limits.chain),
            basis(report, console, is_full=is_full)
            + (paragraph(Text(folder.not_read, SOFT), console) if folder.not_read else []),
            warnings_section(report.warnings, console, limits.warnings),
        )

    draw(fitting(sections_of, MOST_LINES_OF_FOLDERS, blocks=blocks, is_full=is_full), console)


def _about(sums: FolderSums) -> list[str]:
    spent: dict[str, SliceSum] = {}
    for key, total in sums.slices.items():
        add_by_key(spent, {key.model: total})
    models = sorted(spent, key=lambda model: (-spent[model].known_usd, model))
    when = ""
    if sums.first_at is not None:
        first = sums.first_at.astimezone(UTC)
        when = time_and_span(first, sums.ends_at_s - first.timestamp())
    runs = numbers.count(sums.sessions, "run")
    return [runs, models_named(models), when, requests_named(sums.requests, sums.turns.turns)]


def _slices(sums: FolderSums, console: Console, most: int) -> list[Text]:
    """Return the turns summed by each thing that tells them apart otherwise than those before."""
    days = {key.day for key in sums.slices}
    by_month = len(days) > MOST_DAYS
    keys: dict[str, Callable[[SliceKey], str]] = {
        "By tag": lambda key: key.tags,
        "By project": lambda key: key.project,
        "By agent": lambda key: key.agent or "(main)",
        "By model": lambda key: key.model or numbers.UNKNOWN,
        "By month" if by_month else "By day": lambda key: key.day[:7] if by_month else key.day,
    }
    lines: list[Text] = []
    known: set[frozenset[frozenset[SliceKey]]] = set()
    for title, name_of in keys.items():
        members: dict[str, list[SliceKey]] = defaultdict(list)
        for key in sums.slices:
            members[name_of(key)].append(key)
        division = frozenset(frozenset(own) for own in members.values())
        if len(members) < 2 or division in known:
            continue
        known.add(division)
        lines += [Text()] if lines else []
        slices = {
            name: _slice(all_added((sums.slices[key] for key in own), SliceSum()))
            for name, own in members.items()
        }
        lines += slice_table(title, slices, sums.turns.known_usd, console, most)
    return lines


def _slice(total: SliceSum) -> TurnSlice:
    unknown = {"unmeasured": total.unmeasured_turns, "unpriced": total.unpriced_turns}
    return TurnSlice(
        turns=total.turns,
        prompt_tokens=total.prompt_tokens if total.measured_turns else None,
        read_tokens=total.read_tokens,
        output_tokens=total.output_tokens if total.measured_turns else None,
        known_usd=total.known_usd if total.billed_turns else None,
        unknown={state: count for state, count in unknown.items() if count},
    )


def _sessions(sums: FolderSums, console: Console, most: int) -> list[Text]:
    named = sums.most_expensive_sessions(most)
    lines = slice_table(
        "The most expensive sessions",
        {each.session: _slice(each.turns) for each in named},
        sums.turns.known_usd,
        console,
        most,
    )
    if (left := sums.logs - len(named)) > 0:
        lines += paragraph(Text(f"… {numbers.count(left, 'more log')}", SOFT), console, indent=2)
    return lines


def _groups(folder: FolderReport) -> list[GroupBill]:
    found = []
    for group in folder.report.rows.groups:
        total = folder.sums.groups[group.kind, group.name]
        if group.billed_tokens:
            found.append(
                group_bill(
                    group,
                    total.known_usd,
                    total.called_usd,
                    total.returned_usd,
                    is_exact=total.is_exact,
                    is_lower_bound=not total.is_complete,
                )
            )
    return found
