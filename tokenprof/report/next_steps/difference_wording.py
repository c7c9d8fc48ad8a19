"""The sentences of a comparison: one for each cause of a difference, and the headline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from tokenprof.costing.cache_losses import CacheMissCause
from tokenprof.difference.causes import CauseOfDifference, GroupUse
from tokenprof.difference.cost_difference import CostDifference, Part
from tokenprof.difference.cost_profile import MissedCache
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import kind_label, printable
from tokenprof.report.phrases import listed

PART_LABELS: Final[Mapping[Part, str]] = {
    "volume": "volume",
    "cache": "cache",
    "model": "model",
    "price": "prices",
}

PART_MEANINGS: Final[Mapping[Part, str]] = {
    "volume": "more or fewer calls, blocks and tokens",
    "cache": "another mix of reads, writes and fresh input",
    "model": "another model, tier or tokenizer",
    "price": "other prices for the same tokens",
}

_MISSED: Final[Mapping[CacheMissCause, str]] = {
    "changed": "the prompt changed",
    "ttl_expired": "the cached prefix had expired",
    "below_minimum": "the prompt was too short to be cached",
    "lookback": "the breakpoint was too many blocks after the previous one",
    "reordered": "the blocks came in a different order",
    "model_changed": "the model changed",
    "unknown": "of a cause that is not known",
}

NAMED_BY_US: Final = ("provider_overhead", "unattributed")
"""Kinds whose names say what they are."""

SMALL: Final = 0.01
"""A size or a carry that moved by less than this share is not worth a word."""


def signed_usd(amount: Decimal | None, decimals: int | None = None) -> str:
    """Return dollars with their sign: `+$0.038`, `−$0.0021`."""
    text = numbers.usd(amount, decimals)
    return text if text.startswith(("−", "<")) or not amount else f"+{text}"


def headline(found: CostDifference) -> str:
    """Return what both runs cost and by how much they differ, as a sentence."""
    before, now = numbers.usd(found.before_usd), numbers.usd(found.now_usd)
    if not found.usd:
        return f"Both runs were billed {now}."
    share = numbers.fraction(abs(found.usd), found.before_usd)
    percent = "" if share is None else f", {'+' if found.usd > 0 else '−'}{numbers.percent(share)}"
    return f"{before} → {now}: {signed_usd(found.usd)}{percent}."


def sentence(cause: CauseOfDifference) -> str:
    """Return a cause as a sentence: its dollars, what changed, and how."""
    return f"{signed_usd(cause.usd)}: {cause_in_words(cause)}"


def group_label(kind: str, name: str) -> str:
    """Return a block group in words: `result of lookup_order`, `tool schema lookup_order`."""
    shown = printable(name)
    if "," in shown:
        # Within a sentence, a name of several clauses would be read as part of it.
        shown = f'"{shown}"'
    if kind == "tool_result":
        return f"result of {shown}"
    if kind == "tool_call":
        return f"call of {shown}"
    if kind == "tool":
        return f"{kind_label(kind)} {shown}"
    if kind in NAMED_BY_US or kind in name:
        return shown
    return f"{kind_label(kind)} {shown}".rstrip()


def short_tokens(tokens: float) -> str:
    """Return a size in two or three digits: `929`, `2.1k`, `14k`."""
    if tokens < 1000:
        return f"{tokens:.0f}"
    return f"{tokens / 1000:.1f}k" if tokens < 10_000 else f"{tokens / 1000:,.0f}k"


def notes(found: CostDifference) -> Iterator[str]:
    """Yield what a reader has to know to trust the comparison."""
    for name, left_out in zip(("first", "second"), found.left_out, strict=True):
        if left_out:
            turns = numbers.count(left_out, "turn")
            yield f"{turns} of the {name} run {'has' if left_out == 1 else 'have'} no bill and no part here."
    runs = found.runs
    if runs[0] != runs[1] and all(runs):
        yield (
            f"The first side holds {numbers.count(runs[0], 'run')}, the second {runs[1]}; bills are of all "
            "runs together."
        )


def cause_in_words(cause: CauseOfDifference) -> str:
    """Return what changed, and how, without its dollars."""
    match cause.kind:
        case "blocks":
            return f"{group_label(cause.block_kind, cause.name)} {_use(*cause.uses)}"
        case "calls":
            of_agent = f" of agent {printable(cause.name)}" if cause.name else ""
            calls = f"{_counted(cause.calls[1])}{of_agent}, not {_number(cause.calls[0])}"
            return f"{calls}, each billed for its whole context"
        case "agent":
            name = f"agent {printable(cause.name)}" if cause.name else "the agent without a name"
            change = "is new" if cause.calls[1] else "is gone"
            return f"{name} {change}: {_counted(max(cause.calls))}"
        case "cache":
            before, now = (numbers.percent(Decimal(share)) for share in cause.read_shares)
            missed = f"; {_missed(cause.missed, better=cause.usd < 0)}" if cause.missed else ""
            return f"{now} of the prompt tokens were read from the cache, not {before}{missed}"
        case "model":
            then, later = (listed(map(printable, names)) for names in cause.models)
            return f"{later} instead of {then}" if then != later else f"other shares of {later}"
        case "price":
            old, new = (numbers.usd(bill) for bill in cause.bills_usd)
            return f"other prices: the same tokens cost {new}, and {old} at the first run's prices"


def _use(before: GroupUse | None, now: GroupUse | None) -> str:
    if now is None or not now.blocks:
        return "is gone"
    if before is None or not before.blocks:
        size = f"{short_tokens(now.tokens)} tokens"
        count = f"{_number(now.blocks)} of {size} each" if now.blocks > 1 else size
        return f"is new: {count}{_carried(now, ', carried')}"
    parts: list[str] = []
    if _moved(before.tokens, now.tokens):
        grew = "grew" if now.tokens > before.tokens else "shrank"
        parts.append(f"{grew} {short_tokens(before.tokens)} → {short_tokens(now.tokens)} tokens")
    if _number(before.blocks) != _number(now.blocks):
        parts.append(f"came {_times(now.blocks)}, not {_number(before.blocks)}")
    then, later = round(before.carried), round(now.carried)
    through = f"was carried{_carried(now, '')}"
    if then != later:
        parts.append(f"{through}, not {then}" if later else "was not carried on")
    elif parts and later:
        parts.append(through)
    if not parts:
        parts.append("was billed for about as many tokens as before")
    if len(parts) == 1:
        return parts[0]
    last = ", and " if len(parts) > 2 or "," in parts[0] else " and "
    return ", ".join(parts[:-1]) + last + parts[-1]


def _carried(use: GroupUse, lead: str) -> str:
    calls = round(use.carried)
    return f"{lead} through {numbers.count(calls, 'call')}" if calls else ""


def _times(count: float) -> str:
    return "once" if count == 1 else f"{_number(count)} times"


def _number(count: float) -> str:
    """Return a count; one decimal of a mean over runs."""
    return f"{count:,.0f}" if count == round(count) else f"{count:,.1f}"


def _counted(calls: float) -> str:
    return f"{_number(calls)} {'call' if calls == 1 else 'calls'}"


def _moved(before: float, now: float) -> bool:
    return abs(now - before) > SMALL * max(before, 1.0) and short_tokens(before) != short_tokens(now)


def _missed(missed: MissedCache, *, better: bool) -> str:
    why = _MISSED.get(missed.why, missed.why.replace("_", " "))
    if missed.why == "changed" and missed.name:
        why = f"{group_label(missed.block_kind, missed.name)} changed"
    calls, lost = _counted(missed.calls), numbers.usd(missed.lost_usd)
    if better:
        return f"in the first run, {calls} lost {lost} because {why}"
    return f"{calls} lost {lost} because {why}"
