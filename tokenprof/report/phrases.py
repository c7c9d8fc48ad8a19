"""Phrases that findings and warnings share: lists, turns, how often, what was billed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from tokenprof.analysis.finding_figures import NamedBlock
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import kind_label, printable

_NAMED: Final = 4


def block_label(block: NamedBlock) -> str:
    """Return a block's kind and name, once if they say the same: `tool result Read`, `system prompt`."""
    kind, name = kind_label(block.kind), printable(block.name)
    return name if kind.lower() in name.lower() else f"{kind} {name}"


def capitalised(text: str) -> str:
    """Return a phrase as the start of a sentence."""
    return text[:1].upper() + text[1:]


def listed(items: Iterable[str], separator: str = ", ") -> str:
    """Return items in a row: all of a few, the first of many and how many more there are."""
    every = list(items)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return separator.join(every[:_NAMED]) + more


def turn_list(turns: Sequence[int]) -> str:
    """Return `Turn 5`, `Turns 2, 5, 9`."""
    return f"Turn{'' if len(turns) == 1 else 's'} {listed(map(str, turns))}"


def times(number: int) -> str:
    """Return `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def form(number: int, singular: str, plural: str) -> str:
    """Return the form of a word that goes with a number: `is` or `are`, `its` or `their`."""
    return singular if number == 1 else plural


def money(amount_usd: Decimal | None, is_estimated: bool, decimals: int | None = None) -> str:
    """Return `$0.0412`, `about $0.0412` if it rests on an estimated size, `unpriced` if it is not known."""
    if amount_usd is None:
        return "unpriced"
    return ("about " if is_estimated else "") + numbers.usd(amount_usd, decimals)


def billed(amount_usd: Decimal | None, is_estimated: bool) -> str:
    """Return `billed $0.0412`, or that the price is not known."""
    return "billed at an unknown price" if amount_usd is None else f"billed {money(amount_usd, is_estimated)}"
