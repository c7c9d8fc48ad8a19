"""The warnings of a report: what its readers had to say, and which turns have no bill or only part of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tokenprof.pricing.book import Unpriced
from tokenprof.report import numbers
from tokenprof.report.phrases import form

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

MAX_NOTES: Final = 20
"""How many notes of the attribution are shown."""

_MAX_TURNS: Final = 8


def warnings_of(analysis: Analysis) -> tuple[str, ...]:
    """Return the warnings of a run as sentences: of its sources, its prices, its usage, its attribution."""
    run, ledger = analysis.run, analysis.ledger
    found = list(run.warnings)
    unpriced: dict[str, list[int]] = defaultdict(list)
    for index, price in enumerate(ledger.prices):
        if isinstance(price, Unpriced):
            near = f" Closest: {', '.join(price.near)}." if price.near else ""
            unpriced[f"{price.reason}{near}"].append(index)
    found += [
        f"{_named(turns)} {form(len(turns), 'is', 'are')} unpriced: {reason}"
        for reason, turns in unpriced.items()
    ]
    unmeasured = [index for index, turn in enumerate(run.turns) if turn.usage is None]
    if unmeasured:
        found.append(
            f"{_named(unmeasured)} {form(len(unmeasured), 'is', 'are')} unmeasured: no usage was recorded."
        )
    incomplete = [
        index
        for index, turn in enumerate(run.turns)
        if turn.output_incomplete and turn.output_rest_in is None and turn.status == "ok"
    ]
    if incomplete:
        found.append(
            f"{_named(incomplete)} {form(len(incomplete), 'has', 'have')} incomplete output: the source has "
            "no final count of output tokens, so the output billed is at least what is shown."
        )
    notes = ledger.attribution.notes
    found += notes[:MAX_NOTES]
    if len(notes) > MAX_NOTES:
        more = numbers.count(len(notes) - MAX_NOTES, "more note", "more notes")
        found.append(f"… and {more} like these.")
    return tuple(found)


def _named(turns: Sequence[int]) -> str:
    """Return `2 turns (1, 4)`, the first few by index."""
    shown = ", ".join(map(str, turns[:_MAX_TURNS])) + (", …" if len(turns) > _MAX_TURNS else "")
    return f"{numbers.count(len(turns), 'turn')} ({shown})"
