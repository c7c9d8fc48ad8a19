"""The answer before the tables: what drove the bill, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.row_types import BlockRow, GroupRow, RunRows
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.phrases import kind_and_name, named_call
from tokenprof.report.suggested_change import KIND_WORDS
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.wording import ABOUT, SOFT, weight_of_block

if TYPE_CHECKING:
    from tokenprof.report.document import Report
    from tokenprof.report.suggested_change import SuggestedChange
    from tokenprof.report.written_finding import WrittenFinding

CHANGES_SHOWN: Final = 3
_LEAST_DRIVER_SHARE: Final = Decimal("0.10")
_HALF: Final = Decimal("0.5")
_LARGE_READ_SHARE: Final = Decimal("0.4")
_DRIVING_GROUPS: Final = ("tool", "skill")


def driver(rows: RunRows, console: Console) -> list[Text]:
    """Return a sentence that names the tool, skill or block that most of the bill went to.

    Nothing if no one thing makes up a tenth of the bill.
    """
    whole_usd = rows.totals.billed_usd
    groups = [group for group in rows.groups if group.kind in _DRIVING_GROUPS and group.billed_usd]
    group = max(groups, key=_bill, default=None)
    blocks = [block for block in rows.blocks if block.known_usd]
    block = max(blocks, key=weight_of_block, default=None)
    if group is not None and (block is None or _bill(group) > (block.known_usd or 0)):
        named, cost_usd = f"the {group.kind} {printable(group.name)}", group.billed_usd
        how = numbers.count(len(group.blocks) or group.block_count, "block") + ", carried from turn to turn"
    elif block is not None:
        named = _named(block, rows)
        cost_usd = block.known_usd
        turns = numbers.count(block.turns_carried, "turn")
        how = f"a block of {numbers.tokens(block.tokens)} tokens, sent in {turns}"
    else:
        return []
    share = numbers.fraction(cost_usd, whole_usd)
    if share is None or share < _LEAST_DRIVER_SHARE:
        return []
    sentence = Text("Most of it: " if share > _HALF else "Largest part: ")
    sentence.append(named, "bold").append(f", {numbers.percent(share)} of the bill ({how}).")
    read = next((row.billed_usd for row in rows.classes if row.cls == "cache_read"), None)
    read_share = numbers.fraction(read, whole_usd)
    if read_share is not None and read_share >= _LARGE_READ_SHARE:
        sentence.append(f" Cache reads are {numbers.percent(read_share)} of the bill.")
    return paragraph(sentence, console)


def _named(block: BlockRow, rows: RunRows) -> str:
    """Return what a reader calls a block: the system prompt has no name of its own on the wire."""
    if block.kind != "system":
        return kind_and_name(block.kind, named_call(block.name, block.label))
    if "system prompt" in block.name:
        return f"the {printable(block.name)}"
    is_alone = len({row.name for row in rows.blocks if row.kind == "system"}) == 1
    return "the system prompt" if is_alone else f"the system prompt ({printable(block.name)})"


def _bill(group: GroupRow) -> Decimal:
    return group.billed_usd or Decimal(0)


def top_changes(found: Sequence[WrittenFinding]) -> list[WrittenFinding]:
    """Return the findings that would have saved most, at most three."""
    saving = [finding for finding in found if finding.saves_usd]
    return sorted(saving, key=lambda finding: finding.saves_usd or Decimal(0), reverse=True)[:CHANGES_SHOWN]


COVERED_BY: Final = {
    "cache-miss-changed": "prefix",
    "cache-miss-lookback": "prefix",
    "cache-miss-reordered": "prefix",
    "cache-miss-ttl-expired": "ttl",
    "tools-never-called": "tools",
}
"""The levers that undo what findings are about."""


SAID_BY_WARNINGS: Final = ("output-incomplete", "unmeasured-turns", "unpriced-turns")
"""Findings whose figures stand in the headline and in the warnings as well."""


def other_findings(report: Report, *, is_full: bool) -> list[WrittenFinding]:
    """Return the findings that the top changes do not already say, nor the warnings unless `is_full`."""
    left_out = SAID_BY_WARNINGS if report.warnings and not is_full else ()
    found = [finding for finding in report.findings if finding.code not in left_out]
    if report.changes is None:
        shown = top_changes(report.findings)
        return [finding for finding in found if finding not in shown]
    pulled = {change.lever.partition("=")[0] for change in report.changes}
    return [finding for finding in found if COVERED_BY.get(finding.code) not in pulled]


def what_to_change(report: Report, console: Console) -> list[Text]:
    """Return the top changes, numbered, each with what it would have saved, and how to look into one."""
    if report.changes is None:
        return _needless(report.findings, report.rows.totals.billed_usd, console)
    lines: list[Text] = []
    for place, change in enumerate(report.changes, start=1):
        said = Text("saves ").append(_saving(change), "green")
        said.append(f": {printable(change.text)}", "bold").append(f". {_of_which_kind(change)}.", SOFT)
        for finding in report.findings:
            if COVERED_BY.get(finding.code) == change.lever.partition("=")[0] and finding.saves_usd:
                said.append(f" {printable(_first_sentence(finding.detail))}", SOFT)
        lines += paragraph(said, console, lead=Text(f"{place}. ", SOFT), indent=2)
    if not lines:
        return []
    asked = Text(f"tokenprof whatif … --if {printable(report.changes[0].lever)}", "bold")
    asked.append(" shows what the first assumes; --suggest ranks all.", SOFT)
    if report.changes_untried:
        left = numbers.count(report.changes_untried, "more change")
        asked.append(f" On a run of this length, {left} were not tried here.", SOFT)
    return [Text("What to change", "bold"), *lines, *paragraph(asked, console, indent=2)]


def _first_sentence(text: str) -> str:
    first, stop, _ = text.partition(". ")
    return f"{first}." if stop else first


def _saving(change: SuggestedChange) -> str:
    """Return `$1.37 (11%)`, or `~$8.60 (36%; $5.70–9.78)`."""
    share = numbers.percent(change.share)
    if change.is_exact:
        return f"{numbers.usd(change.saves_usd)} ({share})"
    low, high = numbers.usd(change.low_usd), numbers.usd(change.high_usd, sign="")
    return f"{ABOUT}{numbers.usd(change.saves_usd)} ({share}; {low}–{high})"


def _of_which_kind(change: SuggestedChange) -> str:
    words = KIND_WORDS[change.saving]
    return words[0].upper() + words[1:]


def _needless(found: Sequence[WrittenFinding], whole_usd: Decimal | None, console: Console) -> list[Text]:
    """Return what findings would have saved, for a report that was written without suggestions."""
    lines: list[Text] = []
    for place, finding in enumerate(top_changes(found), start=1):
        about = ABOUT if finding.state == "estimated" else ""
        saving = f"{about}{numbers.usd(finding.saves_usd)}"
        share = numbers.fraction(finding.saves_usd, whole_usd)
        lead = Text(f"{place}. ", SOFT)
        said = Text(f"saves {saving}", "green")
        said.append(f" ({numbers.percent(share)}): " if share is not None else ": ", SOFT)
        said.append(printable(finding.title), "bold").append(". ", SOFT)
        said.append(printable(finding.detail), SOFT)
        lines += paragraph(said, console, lead=lead, indent=2)
    return [Text("What to change", "bold"), *lines] if lines else []
