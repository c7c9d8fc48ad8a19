"""Everything that a page about two runs draws: causes, a tree with both bills, and both contexts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.difference.causes import CauseOfDifference
from tokenprof.difference.cost_difference import CostDifference
from tokenprof.facts.inert_text import printable
from tokenprof.pictures.views.context_bands import ContextBands, context_over_turns
from tokenprof.pictures.views.names import shortened
from tokenprof.pictures.views.page_data import title_of
from tokenprof.pictures.views.spending_tree import TreeColumns, spending_tree
from tokenprof.report import numbers
from tokenprof.report.next_steps.difference_wording import notes, sentence

SCHEMA: Final = "tokenprof.difference-page/1"
LONGEST_SENTENCE: Final = 400
DEPTH: Final = 2
"""Calls and blocks of two runs are not the same ones; agents, tools and kinds can be compared."""


@dataclass(frozen=True, slots=True)
class CauseLine:
    """A cause of the difference in words, and its part of it [USD]."""

    text: str
    usd: Decimal
    written: str


@dataclass(frozen=True, slots=True)
class ComparedTree:
    """The run, its agents, and their tools and kinds, with what each was billed in both runs [USD]."""

    parent: tuple[int, ...]
    name: tuple[str, ...]
    before_usd: tuple[Decimal, ...]
    now_usd: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One of the two runs: its name, its bill and its context over turns."""

    title: str
    billed: str
    calls: int
    context: ContextBands


@dataclass(frozen=True, slots=True)
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
    words = shortened(printable(sentence(cause)), LONGEST_SENTENCE)
    return CauseLine(words, cause.usd, _signed(cause.usd))


def compared_tree(before: TreeColumns, now: TreeColumns) -> ComparedTree:
    """Return the upper levels of two trees as one, the larger nodes first."""
    first, second = _by_path(before), _by_path(now)
    paths = list(dict.fromkeys([*first, *second]))
    nothing = Decimal(0)
    paths.sort(key=lambda path: (len(path), -max(first.get(path, nothing), second.get(path, nothing)), path))
    place = {path: at for at, path in enumerate(paths)}
    return ComparedTree(
        parent=tuple(place[path[:-1]] if len(path) > 1 else -1 for path in paths),
        name=tuple(path[-1] for path in paths),
        before_usd=tuple(first.get(path, nothing) for path in paths),
        now_usd=tuple(second.get(path, nothing) for path in paths),
    )


def _by_path(tree: TreeColumns) -> dict[tuple[str, ...], Decimal]:
    paths: list[tuple[str, ...]] = []
    found: dict[tuple[str, ...], Decimal] = {}
    for at, parent in enumerate(tree.parent):
        paths.append((*(paths[parent] if parent >= 0 else ()), tree.name[at]))
        if len(paths[at]) <= DEPTH + 1:
            found[paths[at]] = tree.billed_usd[at]
    return found


def _side(analysis: Analysis, billed_usd: Decimal, calls: int) -> ComparedRun:
    context = context_over_turns(analysis.ledger).kind
    return ComparedRun(title_of(analysis), numbers.usd(billed_usd), calls, context)


def _signed(usd: Decimal) -> str:
    return numbers.usd(usd) if usd <= 0 else f"+{numbers.usd(usd)}"
