"""Phrases that findings and warnings share: lists, turns, how often, what was billed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from tokenprof.analysis.findings.finding_figures import CalledAgain, NamedBlock
from tokenprof.analysis.rows.latest_days import WEEK, LatestPeriods
from tokenprof.facts.types import BlockKind
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import kind_label, printable

_NAMED: Final = 4

SAME_SHARE: Final = 0.01
"""Bills that differ by less are about the same."""

NAMED_BY_US: Final = ("provider_overhead", "unattributed")
"""Kinds of blocks that hold no text of their own: their names are tokenprof's and say what they are."""


def not_read_again(logs: int, read: int, source: str) -> str:
    """Return the sentence that says where the figures of `logs` logs come from; `read` others were read."""
    every = numbers.count(logs + read, "log")
    return f"{logs:,} of {every} did not change, so their figures come from {source}."


def block_label(block: NamedBlock) -> str:
    """Return a block's kind and name, or the name alone if it says what the block is.

    `tool result Read`, `system prompt`, `tools preamble`; a name that holds a comma is put in quotes.
    """
    return kind_and_name(block.kind, named_call(block.name, block.label))


def named_call(name: str, label: str | None) -> str:
    """Return the name of a block with what its call is about: `Read src/app.ts`."""
    return name if label is None else f"{name} {label}"


def kind_and_name(kind: BlockKind, name: str) -> str:
    """Return the label of a block, as `block_label` does, from its kind and its name."""
    kind_in_words, shown = kind_label(kind), printable(name)
    label = f'"{shown}"' if "," in shown else shown
    is_said = kind in NAMED_BY_US or kind_in_words.lower() in shown.lower()
    return label if is_said else f"{kind_in_words} {label}"


def capitalised(text: str) -> str:
    """Return a phrase as the start of a sentence, or of a quotation."""
    start = 2 if text.startswith('"') else 1
    return text[:start].upper() + text[start:]


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
    amount = numbers.usd(amount_usd, decimals)
    if amount.startswith("<"):
        return amount.replace("<", "less than ")
    return f"about {amount}" if is_estimated else amount


def billed(amount_usd: Decimal | None, is_estimated: bool) -> str:
    """Return `billed $0.0412`, or that the price is not known."""
    return "billed at an unknown price" if amount_usd is None else f"billed {money(amount_usd, is_estimated)}"


def margin_range(low: float, high: float) -> str:
    """Return `33% to 46%`, or one figure if both ends read the same."""
    ends = [numbers.percent(numbers.share_of(end)).replace("-", "−") for end in (low, high)]
    return " to ".join(dict.fromkeys(ends))


def calls_again(calls: tuple[CalledAgain, ...], is_estimated: bool) -> str:
    """Return which calls were made again, how often, how many results were unchanged, and their bill."""
    return listed(
        f"{printable(named_call(call.tool, call.label))} ({times(call.calls)}"
        f"{f', {call.unchanged} unchanged' if call.unchanged else ''}) {money(call.billed_usd, is_estimated)}"
        for call in calls
    )


def moved(grown: float) -> str:
    """Return a growth, as a fraction, in words: `52% more`, `2.5 times as much`."""
    return (
        f"{grown + 1:.1f} times as much"
        if grown > 1
        else f"{abs(grown):.0%} {'more' if grown > 0 else 'less'}"
    )


def days_in_words(periods: LatestPeriods) -> str:
    """Return the bill of the latest day or week beside that of the one before, as a sentence."""
    latest, before = periods.latest, periods.before
    grown = float(latest.billed_usd / before.billed_usd) - 1
    is_week = latest.first_day != latest.last_day
    name = f"{latest.last_day}" if not is_week else f"The {WEEK} days to {latest.last_day}"
    earlier = f"{before.last_day}" if not is_week else f"the {WEEK} days before"
    then = f"{numbers.usd(before.billed_usd)} in {numbers.count(before.turns, 'turn')}"
    said = f"{numbers.usd(latest.billed_usd)} in {numbers.count(latest.turns, 'turn')}"
    so_far = ", so far" if periods.is_running else ""
    if periods.is_running and grown < SAME_SHARE:
        # What has not ended can only become more.
        comparison = f"; {earlier}: {then}."
    elif abs(grown) < SAME_SHARE:
        comparison = f", about the same as {earlier} ({then})."
    else:
        than = "as" if grown > 1 else "than"
        comparison = f", {moved(grown)} {than} {earlier} ({then})."
    return f"{name}{so_far}: {said}{comparison}"
