"""The answer before the tables: what drove the bill, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.row_types import GroupRow, RunRows
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.phrases import kind_and_name
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.wording import ABOUT, SOFT, weight_of_block

if TYPE_CHECKING:
    from tokenprof.report.written_finding import WrittenFinding

CHANGES_SHOWN: Final = 3
_LEAST_DRIVER_SHARE: Final = Decimal("0.10")
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
        how = numbers.count(len(group.blocks), "block") + ", carried from turn to turn"
    elif block is not None:
        named = kind_and_name(block.kind, block.name)
        cost_usd = block.known_usd
        turns = numbers.count(block.turns_carried, "turn")
        how = f"a block of {numbers.tokens(block.tokens)} tokens, sent in {turns}"
    else:
        return []
    share = numbers.fraction(cost_usd, whole_usd)
    if share is None or share < _LEAST_DRIVER_SHARE:
        return []
    sentence = Text("Most of it: ")
    sentence.append(named, "bold").append(f", {numbers.percent(share)} of the bill ({how}).")
    return paragraph(sentence, console)


def _bill(group: GroupRow) -> Decimal:
    return group.billed_usd or Decimal(0)


def top_changes(found: Sequence[WrittenFinding]) -> list[WrittenFinding]:
    """Return the findings that would have saved most, at most three."""
    saving = [finding for finding in found if finding.saves_usd]
    return sorted(saving, key=lambda finding: finding.saves_usd or Decimal(0), reverse=True)[:CHANGES_SHOWN]


def what_to_change(
    found: Sequence[WrittenFinding], whole_usd: Decimal | None, console: Console
) -> list[Text]:
    """Return the top changes, numbered, each with what it would have saved."""
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
