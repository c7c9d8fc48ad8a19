"""Colours of the terminal report, and its phrases for sums, lower bounds and who made a turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from tokenprof.analysis.rows.row_types import BlockRow, TurnRow
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.hw_model.estimate import Estimate
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable

MONEY: Final = "bold"
MID: Final = "cyan"
SOFT: Final = "dim"
WARN: Final = "yellow"
BAD: Final = "red"

AT_LEAST: Final = "≥"
ABOUT: Final = "~"


def weight_of_turn(turn: TurnRow) -> tuple[Decimal, float, int]:
    """Return what turns are ranked by: the bill, then compute, then the tokens of the prompt."""
    return turn.billed_usd or Decimal(0), _middle(turn.hardware_usd), turn.context_tokens or 0


def weight_of_block(block: BlockRow) -> tuple[Decimal, float, int]:
    """Return what blocks are ranked by: the bill as far as it is known, then compute, then billed tokens."""
    return block.known_usd or Decimal(0), _middle(block.hardware_usd), block.billed_tokens or 0


def _middle(estimate: Estimate | None) -> float:
    return 0.0 if estimate is None else estimate.mid


def together(amounts_usd: Iterable[Decimal | None], whole_usd: Decimal | None = None) -> str:
    """Return several amounts as one: `$1.20 together (4%)`, with the share if the whole is given."""
    total = exact_sum_usd(amounts_usd)
    if total is None:
        return "unpriced"
    share = numbers.fraction(total, whole_usd)
    return f"{numbers.usd(total)} together" + (f" ({numbers.percent(share)})" if share is not None else "")


def namer(turns: Sequence[TurnRow]) -> Callable[[TurnRow], str]:
    """Return a function that names who made a turn.

    That is its agent, with its context if the agent has several. The name is empty if all turns are of one
    context.
    """
    contexts: dict[str | None, set[str]] = defaultdict(set)
    for turn in turns:
        contexts[turn.agent].add(turn.context)
    alone = sum(len(own) for own in contexts.values()) <= 1

    def name(turn: TurnRow) -> str:
        if alone:
            return ""
        if turn.agent is None:
            return printable(turn.context)
        several = len(contexts[turn.agent]) > 1
        return printable(f"{turn.agent} {turn.context}" if several else turn.agent)

    return name
