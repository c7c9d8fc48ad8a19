"""The warnings of a report: what its readers had to say, and which turns have no bill or only part of one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tokenprof.costing.uncounted_output import UncountedOutput, uncounted_of, uncounted_output
from tokenprof.facts.types import Problem, ProblemReason
from tokenprof.pricing.book import Price, Unpriced
from tokenprof.pricing.rates import AS_TEXT_NOTES
from tokenprof.report import numbers
from tokenprof.report.phrases import form

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.costing.ledger import Ledger

MAX_NOTES: Final = 20
"""How many notes of the attribution are shown."""

_MAX_TURNS: Final = 8
_MAX_ORIGINS: Final = 3

LEAST_DIFFERENCE: Final = Decimal("0.001")
"""Smaller differences between a seller's figure and list prices are rounding."""

UNUSABLE: Final = ", for the reason given above"


def warnings_of(analysis: Analysis) -> tuple[str, ...]:
    """Return the warnings of a run as sentences: of its sources, its prices, its usage, its attribution."""
    run, ledger = analysis.run, analysis.ledger
    found = [*missing_calls(run.problems), *run.warnings]
    unpriced: dict[str, list[int]] = defaultdict(list)
    for index, price in enumerate(ledger.prices):
        if isinstance(price, Unpriced):
            unpriced[str(price)].append(index)
    found += [
        f"{_named(turns)} {form(len(turns), 'is', 'are')} unpriced: {reason}"
        for reason, turns in unpriced.items()
    ]
    for has_notes, why in ((False, ": no usage was recorded"), (True, UNUSABLE)):
        unmeasured = [
            index
            for index, turn in enumerate(run.turns)
            if turn.usage is None and bool(turn.notes) == has_notes
        ]
        if unmeasured:
            found.append(f"{_named(unmeasured)} {form(len(unmeasured), 'is', 'are')} unmeasured{why}.")
    found += _fees_without_a_price(ledger)
    found += _media_as_text(ledger)
    found += _stated_otherwise(ledger)
    incomplete = [
        index
        for index, turn in enumerate(run.turns)
        if turn.output_incomplete and turn.output_rest_in is None and turn.status == "ok"
    ]
    if incomplete:
        found.append(
            f"{_named(incomplete)} {form(len(incomplete), 'has', 'have')} incomplete output: the source has "
            "no final count of output tokens, so the output billed is at least what is shown."
            f"{_repeated(ledger)}"
        )
    notes = ledger.attribution.notes
    found += notes[:MAX_NOTES]
    if len(notes) > MAX_NOTES:
        more = numbers.count(len(notes) - MAX_NOTES, "more note", "more notes")
        found.append(f"… and {more} like these.")
    return tuple(found)


_REASONS: Final[dict[ProblemReason, str]] = {
    "unreadable": "what went over the wire could not be read",
    "not_written": "the disk refused the line",
    "unfinished": "the recording ended before they were written",
    "unassigned": "their thread belongs to none of several open recordings",
    "process_ended": "a process was killed, or left at once, before it had written them",
    "file_lost": "the file that held them was deleted while it was recorded to",
    "unknown_bill": "they were given up without an answer, and the provider may have billed them",
    "interrupted": "tokenprof failed while they were made",
}


def missing_calls(problems: Sequence[Problem]) -> list[str]:
    """Return a sentence that says how many calls a run lacks and why; none if it lacks none."""
    if not problems:
        return []
    calls: Counter[ProblemReason] = Counter()
    origins: dict[ProblemReason, Counter[str]] = defaultdict(Counter)
    for problem in problems:
        calls[problem.reason] += problem.calls
        made_by = ", ".join(filter(None, (problem.client, problem.model, problem.error)))
        origins[problem.reason][made_by] += problem.calls
    why = []
    for reason, count in calls.most_common():
        named = [origin for origin, _ in origins[reason].most_common(_MAX_ORIGINS) if origin]
        why.append(f"{count:,}: {_REASONS[reason]}" + (f" ({'; '.join(named)})" if named else ""))
    total = sum(calls.values())
    return [
        f"{numbers.count(total, 'call')} {form(total, 'is', 'are')} missing from the recording, so every "
        f"total is a lower bound. {'. '.join(why)}."
    ]


def _repeated(ledger: Ledger) -> str:
    """Return a sentence on what later prompts show of outputs without a final count; empty if nothing."""
    return _repeated_sentence(uncounted_output(ledger))


def repeated_outputs(counted: Sequence[int], repeated: Sequence[int], usd: Decimal | None) -> str:
    """Return that sentence for outputs with these counts, which later prompts repeat with these sizes.

    `usd` is the bill of what was not counted, if it is known.
    """
    return _repeated_sentence(uncounted_of(counted, repeated, usd))


def _repeated_sentence(found: UncountedOutput | None) -> str:
    if found is None or not found.tokens.tokens:
        return ""
    size = found.tokens
    mid, low, high = (numbers.usd(found.usd(n)) for n in (size.tokens, size.low, size.high))
    cost = "" if found.rate_usd is None else f", {mid} ({low} to {high})"
    return (
        f" Later prompts repeat {numbers.count(found.turns, 'of these outputs', 'of these outputs')}; "
        f"an estimate of what was not counted: {numbers.tokens(size.tokens)} tokens "
        f"({numbers.tokens(size.low)} to {numbers.tokens(size.high)}){cost}."
    )


def _fees_without_a_price(ledger: Ledger) -> list[str]:
    """Return a warning for each kind of piece that was used and has no price, whatever its model costs."""
    turns: dict[str, list[int]] = defaultdict(list)
    for index, (turn, price) in enumerate(zip(ledger.run.turns, ledger.prices, strict=False)):
        if turn.usage is not None and isinstance(price, Price):
            for name, _ in turn.usage.fees:
                if name not in price.fee_rates:
                    turns[name].append(index)
    return [
        f"{_named(found)} used {name.replace('_', ' ')}, which has no price row of its own; the tokens are "
        "priced. Add a [[fee]] row to a price file."
        for name, found in turns.items()
    ]


def _media_as_text(ledger: Ledger) -> list[str]:
    """Return a warning for each kind of media that is priced as text because no rate is listed."""
    turns: dict[str, list[int]] = defaultdict(list)
    for index, price in enumerate(ledger.prices):
        if isinstance(price, Price):
            for note in price.notes:
                if note in AS_TEXT_NOTES:
                    turns[note].append(index)
    return [f"{_named(found)}: {note} They may cost more." for note, found in turns.items()]


def _stated_otherwise(ledger: Ledger) -> list[str]:
    """Return a warning if sellers say that their calls cost something else than at list prices."""
    pairs = [
        (index, turn.stated_usd, billed)
        for index, (turn, billed) in enumerate(zip(ledger.run.turns, ledger.billed_usd, strict=False))
        if turn.stated_usd is not None and billed is not None
    ]
    differing = [pair for pair in pairs if abs(pair[1] - pair[2]) > LEAST_DIFFERENCE * max(pair[1], pair[2])]
    if not differing:
        return []
    stated, billed = sum(pair[1] for pair in differing), sum(pair[2] for pair in differing)
    return [stated_sentence(_named([pair[0] for pair in differing]), stated, billed)]


def stated_sentence(turns: str, stated_usd: Decimal | int, list_usd: Decimal | int) -> str:
    """Return the warning that sellers say that turns cost something else than at list prices."""
    return (
        f"{turns} cost ${plain_decimal(stated_usd)} by the seller's own figure and "
        f"${plain_decimal(list_usd)} at list prices; the bill shows list prices."
    )


def plain_decimal(value: Decimal | int) -> str:
    """Return money without an exponent."""
    return f"{value:f}"


def _named(turns: Sequence[int]) -> str:
    """Return `2 turns (1, 4)`, the first few by index."""
    shown = ", ".join(map(str, turns[:_MAX_TURNS])) + (", …" if len(turns) > _MAX_TURNS else "")
    return f"{numbers.count(len(turns), 'turn')} ({shown})"
