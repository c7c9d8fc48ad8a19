"""The sentences of what-ifs and suggestions: what changes, what that saves, and whether it is real."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tokenprof.report import numbers
from tokenprof.report.suggested_change import KIND_WORDS as KIND_WORDS
from tokenprof.report.suggested_change import change_of as change_of
from tokenprof.whatif.prediction import Prediction
from tokenprof.whatif.suggestions import Suggestion


def suggestion_sentence(found: Suggestion) -> str:
    """Return a suggestion as a sentence: what to change, what that saves, and what kind of saving it is."""
    saved = numbers.usd(found.saves_usd)
    if found.low_usd != found.high_usd:
        saved = f"about {saved} ({usd_range(found.low_usd, found.high_usd)})"
    change = change_of(found.lever)
    return (
        f"{change[0].upper()}{change[1:]}: saves {saved}, {numbers.percent(found.share)} of the bill "
        f"({KIND_WORDS[found.saving_kind]})"
    )


def headline(found: Prediction) -> str:
    """Return a prediction as a sentence."""
    changes = ", and ".join(change_of(lever.text) for lever in found.levers) or "change nothing"
    asked = f"{changes[0].upper()}{changes[1:]}"
    if found.after_usd is None or found.saves_usd is None:
        cost = numbers.usd_interval(found.compute_after_usd)
        return f"{asked}: the work costs {cost}; it was billed {numbers.usd(found.before_usd)}."
    moved = f"{numbers.usd(found.before_usd)} → {numbers.usd(found.after_usd)}"
    if not found.is_exact and found.low_usd is not None and found.high_usd is not None:
        moved += f" ({usd_range(found.low_usd, found.high_usd)})"
    share = numbers.percent(numbers.fraction(abs(found.saves_usd), found.before_usd))
    if not found.saves_usd:
        return f"{asked}: {moved}. The bill stays the same."
    verb = "saves" if found.saves_usd > 0 else "costs"
    more = "" if found.saves_usd > 0 else " more"
    return f"{asked}: {moved}, {verb} {numbers.usd(abs(found.saves_usd))}{more} ({share})."


def saving_sentence(found: Prediction) -> str:
    """Return whether a saving is real, as a sentence; empty if nothing is saved or compute is unknown."""
    match found.saving_kind:
        case "real":
            return "The saving is real: the work also costs less to compute."
        case "list-price only, compute rises":
            return "The saving is of the list price only: the work costs more to compute than before."
        case "list-price only":
            return "The saving is of the list price only: the work costs as much to compute as before."
        case _:
            return ""


def basis(found: Prediction) -> Iterator[str]:
    """Yield what a prediction rests on, as sentences."""
    yield from found.assumes
    calls = found.calls[0]
    if found.explained == calls:
        yield f"The cache rules explain the bill of every one of the {numbers.count(calls, 'call')}."
    elif found.explained:
        of_calls = f"{found.explained:,} of {numbers.count(calls, 'call')}"
        yield (
            f"The cache rules explain the bills of {of_calls}; the others keep the price classes that they "
            "were billed in."
        )
    else:
        yield (
            "The cache rules do not explain these bills, so tokens keep the price classes that they were "
            "billed in; a time to live is judged by the clock."
        )


def usd_range(low: Decimal, high: Decimal) -> str:
    """Return two ends of an amount: `$0.012 to $0.018`."""
    return f"{numbers.usd(low)} to {numbers.usd(high)}"
