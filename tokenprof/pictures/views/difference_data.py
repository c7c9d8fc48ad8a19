"""Everything that a page about two runs draws: causes, a tree with both bills, and both contexts."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.data_classes.frozen import frozen
from tokenprof.difference.causes import CauseOfDifference
from tokenprof.difference.cost_difference import CostDifference
from tokenprof.facts.inert_text import printable
from tokenprof.pictures.views.compared_tree import ComparedTree, compared_tree
from tokenprof.pictures.views.context_bands import ContextBands, context_over_turns
from tokenprof.pictures.views.names import shortened
from tokenprof.pictures.views.page_data import title_of
from tokenprof.pictures.views.spending_tree import spending_tree
from tokenprof.report import numbers
from tokenprof.report.next_steps.difference_wording import cause_in_words, notes
from tokenprof.report.phrases import capitalised

SCHEMA: Final = "tokenprof.difference-page/1"
LONGEST_SENTENCE: Final = 400


@frozen
class CauseLine:
    """A cause of the difference in words, and its part of it [USD]."""

    text: str
    usd: Decimal
    written: str


@frozen
class ComparedRun:
    """One of the two runs: its name, its bill and its context over turns."""

    title: str
    billed: str
    calls: int
    context: ContextBands


@frozen
class DifferenceData:
    """What a page about two runs draws. `causes` add up to `usd` exactly."""

    schema: str
    before: ComparedRun
    now: ComparedRun
    usd: Decimal
    written: str
    causes: tuple[CauseLine, ...]
    tree: ComparedTree
    notes: tuple[str, ...]


def difference_data(before: Analysis, now: Analysis, found: CostDifference) -> DifferenceData:
    """Return what a page about the difference of two runs draws."""
    return DifferenceData(
        schema=SCHEMA,
        before=_side(before, found.before_usd, found.calls[0]),
        now=_side(now, found.now_usd, found.calls[1]),
        usd=found.usd,
        written=_signed(found.usd),
        causes=tuple(map(_cause_line, found.causes)),
        tree=compared_tree(spending_tree(before), spending_tree(now)),
        notes=tuple(notes(found)),
    )


def _cause_line(cause: CauseOfDifference) -> CauseLine:
    words = cause_in_words(cause)
    written = words if cause.kind == "model" else capitalised(words)
    return CauseLine(shortened(printable(written), LONGEST_SENTENCE), cause.usd, _signed(cause.usd))


def _side(analysis: Analysis, billed_usd: Decimal, calls: int) -> ComparedRun:
    context = context_over_turns(analysis.ledger).kind
    return ComparedRun(title_of(analysis), numbers.usd(billed_usd), calls, context)


def _signed(usd: Decimal) -> str:
    return numbers.usd(usd) if usd <= 0 else f"+{numbers.usd(usd)}"
