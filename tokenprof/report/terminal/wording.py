"""What the terminal report calls things, and how it tells the known from the unknown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tokenprof.report import numbers
from tokenprof.report.labels_in_words import CLASS_LABELS, PROMPT_CLASSES, printable

Json = Mapping[str, Any]
"""An object of the JSON report."""

MONEY: Final = "bold"
MID: Final = "cyan"
SOFT: Final = "dim"
WARN: Final = "yellow"
BAD: Final = "red"


def unknown_state(turn: Json) -> str:
    """Return `unmeasured`, `unpriced` or nothing: why a turn has no bill."""
    if turn["usage"] is None:
        return "unmeasured"
    return "unpriced" if turn["billed_usd"] is None else ""


def without_price(turn: Json) -> str:
    """Return what of an unpriced turn has no price: its model, or the classes of it that have none."""
    model = turn["model"] or "a model without a name"
    entries = [entry for entry in turn["entries"] if entry["tokens"]]
    unpriced = dict.fromkeys(
        CLASS_LABELS.get(entry["class"], entry["class"]) for entry in entries if entry["billed_usd"] is None
    )
    is_whole = all(entry["billed_usd"] is None for entry in entries)
    return model if is_whole or not unpriced else f"{' and '.join(unpriced)} of {model}"


def prompt_entries(turn: Json) -> Iterator[Json]:
    """Yield what a turn's prompt was billed for, in prompt order."""
    return (entry for entry in turn["entries"] if entry["class"] in PROMPT_CLASSES)


def lower_bounds(report: Json, key: str) -> dict[str, str | None]:
    """Return what is known of the bill of blocks (`key` "block") or classes ("class") not priced throughout.

    The report gives them no sum (null), because it would leave tokens out; a reader is better served
    by the part that is known, marked as such. None where no token of it has a price.
    """
    amounts: dict[str, list[str | None]] = defaultdict(list)
    for turn in report["turns"]:
        for entry in turn["entries"]:
            amounts[entry[key]].append(entry["billed_usd"])
    return {name: numbers.sum_usd(own) for name, own in amounts.items() if None in own}


def with_bound(part: Json, bounds: Mapping[str, str | None], name: str) -> Json:
    """Return a class or block with what is known of its bill, if its bill as a whole is not."""
    return {**part, "billed_usd": bounds[name]} if name in bounds else part


def at_least(part: Json, lower_bound: bool) -> str:
    """Return the sign before a sum of money that leaves something out."""
    return "≥" if lower_bound and part["billed_usd"] is not None else ""


def weight(part: Json) -> tuple[Decimal, int]:
    """Return what a turn, block or group is ranked by: its bill, then its tokens."""
    tokens = part.get("billed_tokens", part.get("context_tokens"))
    return Decimal(part["billed_usd"] or 0), tokens or 0


def together(parts: Sequence[Json], whole: str | None = None) -> str:
    """Return what several turns or blocks were billed in one phrase, as a share of the whole if given."""
    total = numbers.sum_usd(part["billed_usd"] for part in parts)
    if total is None:
        return "unpriced"
    share = numbers.fraction(total, whole)
    return f"{numbers.usd(total)} together" + (f" ({numbers.percent(share)})" if share is not None else "")


def namer(turns: Sequence[Json]) -> Callable[[Json], str]:
    """Return a namer of turns: the agent, and its context if it has several; empty where all are one."""
    contexts: dict[str | None, set[str]] = defaultdict(set)
    for turn in turns:
        contexts[turn["agent"]].add(turn["context"])
    alone = sum(len(own) for own in contexts.values()) <= 1

    def name(turn: Json) -> str:
        if alone:
            return ""
        if turn["agent"] is None:
            return printable(turn["context"])
        several = len(contexts[turn["agent"]]) > 1
        return printable(f"{turn['agent']} {turn['context']}" if several else turn["agent"])

    return name
