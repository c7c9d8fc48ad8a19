"""Our record beside the provider's own export, by day, model and class: what matches and what does not.

The record says what this harness used, the export what the organisation was charged. Each difference gets a
kind and a sentence. Nothing is spread or scaled to make the sums agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from tokenprof.pricing.rates import ZERO, Price, Unpriced, total
from tokenprof.pricing.reconcile.provider_exports import ReportLine
from tokenprof.pricing.usage import CLASSES, TokenClass, Usage

Kind = Literal["matched", "not_recorded", "not_charged", "tokens_differ", "price_differs", "unpriced"]
"""How a line of the record compares with the export:

matched        tokens and dollars agree, as far as both state them
not_recorded   charged to the organisation but not recorded: other traffic, or a gap in the record
not_charged    recorded (or counted by the export) but not charged: refused or failed requests
tokens_differ  in both, with different token counts
price_differs  the same tokens at another price
unpriced       the record has no price for it, so dollars cannot be compared
"""

KNOWN_FACTORS = {
    Decimal("1.1"): "US-only inference or a regional endpoint costs 1.1x",
    Decimal("0.5"): "a batch costs half",
    Decimal("2"): "fast mode, a priority tier, or a one-hour write recorded as a five-minute one costs 2x",
    Decimal("1.6"): "a one-hour write recorded as a five-minute one costs 1.6x",
}
"""Ratios of charged to recorded dollars that have a usual reason."""

COMPARED_AS: dict[str, str] = {TokenClass.REASONING: TokenClass.OUTPUT}
"""Classes that exports do not distinguish."""

NO_MODEL = "(no model)"
"""Stands for the model of fees, for which cost exports name none, and of lines that name none."""

_Key = tuple[str, date, str, str]


@dataclass(frozen=True, slots=True)
class Charge:
    """What a record says of one class of one call: tokens (or pieces of a fee) and USD, None if unpriced."""

    provider: str
    day: date
    model: str
    cls: str
    tokens: int
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Residual:
    """One day, model and class: what the record says, what the export says, and how they differ."""

    provider: str
    day: date
    model: str
    cls: str
    our_tokens: int
    our_usd: Decimal | None
    their_tokens: int | None
    their_usd: Decimal | None
    kind: Kind
    explanation: str

    @property
    def usd(self) -> Decimal | None:
        """What the export charges beyond the record [USD]; None if either side has no dollars."""
        if self.our_usd is None or self.their_usd is None:
            return None
        return self.their_usd - self.our_usd

    @property
    def explained(self) -> bool:
        """Whether nothing is left to look into: it matches, was refused, or has a ratio of a known kind."""
        if self.kind == "price_differs":
            return bool(self.our_usd) and _ratio(self.our_usd, self.their_usd) in KNOWN_FACTORS
        return self.kind == "matched" or (self.kind == "not_charged" and self.their_tokens is not None)

    @property
    def beyond_record(self) -> bool:
        """Whether only the export has this traffic; expected if others share the organisation."""
        more = self.kind == "tokens_differ" and (self.their_tokens or 0) > self.our_tokens
        return more or self.kind == "not_recorded"


def _ratio(ours: Decimal | None, theirs: Decimal | None) -> Decimal | None:
    """Return charged over recorded dollars to four places; None if either is missing."""
    return (theirs / ours).quantize(Decimal("0.0001")).normalize() if ours and theirs is not None else None


def charges_of(
    provider: str, model: str, at: datetime, usage: Usage, price: Price | Unpriced
) -> Iterator[Charge]:
    """Yield the charges of one call; `at` decides the day (UTC)."""
    amounts = None if isinstance(price, Unpriced) else price.known_amounts(usage)
    for cls in CLASSES:
        tokens = usage.fee_count if cls is TokenClass.FEE else usage.tokens_of(cls)
        if tokens:
            yield Charge(provider, at.date(), model, cls, tokens, amounts[cls] if amounts else None)


def reconcile(
    charges: Iterable[Charge],
    lines: Iterable[ReportLine],
    row_of: Callable[[str, str], str] = lambda provider, model: model,
) -> tuple[Residual, ...]:
    """Return each day, model and class that either side has, in that order, with how the two compare.

    `row_of` maps a provider and a model id to one name, so that a snapshot in the export matches its alias in
    the record. Lines without a model (a workspace's total) cannot be matched and are `not_recorded`.
    """
    ours, theirs = _sum_charges(charges, row_of), _sum_lines(lines, row_of)
    states_usd = {key[:2] for key, line in theirs.items() if line.usd is not None}
    return tuple(
        _residual(key, ours.get(key), theirs.get(key), costs_known=key[:2] in states_usd)
        for key in sorted({*ours, *theirs}, key=lambda key: (key[1], key[0], key[2], CLASSES.index(key[3])))
    )


@dataclass(slots=True)
class _Sum:
    """One side's total for a key; dollars are None if any part has none."""

    tokens: int | None = None
    usd: Decimal | None = None
    slack_usd: Decimal = ZERO


def _sum_charges(charges: Iterable[Charge], row_of: Callable[[str, str], str]) -> dict[_Key, _Sum]:
    grouped: dict[_Key, list[Charge]] = defaultdict(list)
    for charge in charges:
        cls = COMPARED_AS.get(charge.cls, charge.cls)
        model = NO_MODEL if cls == TokenClass.FEE else row_of(charge.provider, charge.model)
        grouped[charge.provider, charge.day, model, cls].append(charge)
    return {
        key: _Sum(
            tokens=sum(charge.tokens for charge in group),
            usd=None
            if any(charge.usd is None for charge in group)
            else total(charge.usd for charge in group if charge.usd is not None),
        )
        for key, group in grouped.items()
    }


def _sum_lines(lines: Iterable[ReportLine], row_of: Callable[[str, str], str]) -> dict[_Key, _Sum]:
    """Add up an export's lines; a usage export and a cost export of the same days go into one sum."""
    sums: dict[_Key, _Sum] = {}
    for line in lines:
        model = row_of(line.provider, line.model) if line.model and line.cls != TokenClass.FEE else NO_MODEL
        side = sums.setdefault((line.provider, line.day, model, line.cls), _Sum())
        if line.tokens is not None:
            side.tokens = (side.tokens or 0) + line.tokens
        if line.usd is not None:
            side.usd = total((side.usd or ZERO, line.usd))
            # Each stated amount may be off by half of its last place.
            side.slack_usd += (line.precision_usd or ZERO) / 2
    return sums


def _residual(key: _Key, ours: _Sum | None, theirs: _Sum | None, *, costs_known: bool) -> Residual:
    kind, explanation = _judge(ours, theirs, costs_known)
    return Residual(
        *key,
        our_tokens=(ours.tokens or 0) if ours else 0,
        our_usd=ours.usd if ours else ZERO,
        their_tokens=theirs.tokens if theirs else None,
        their_usd=theirs.usd if theirs else None,
        kind=kind,
        explanation=explanation,
    )


def _judge(ours: _Sum | None, theirs: _Sum | None, costs_known: bool) -> tuple[Kind, str]:
    if ours is None:
        if theirs is not None and theirs.usd is None and costs_known:
            return "not_charged", "counted by the provider but not charged: refused requests"
        return (
            "not_recorded",
            "in the export but not in the record: other traffic, or calls that were not wrapped",
        )
    if theirs is None:
        return (
            "not_charged",
            "in the record but not in the export: another organisation or day, or not billed",
        )
    if theirs.tokens is not None and theirs.tokens != ours.tokens:
        more = theirs.tokens - (ours.tokens or 0)
        return (
            "tokens_differ",
            f"the export has {abs(more)} {'more' if more > 0 else 'fewer'} than the record",
        )
    if theirs.usd is None:
        if costs_known:
            return "not_charged", "counted by the provider but not charged: refused requests"
        return "matched", "the same tokens; the export states no dollars"
    if ours.usd is None:
        return "unpriced", "the price book has no rate for it; the export has its dollars"
    if abs(theirs.usd - ours.usd) <= theirs.slack_usd:
        return "matched", "the same dollars" if theirs.tokens is None else "the same tokens and dollars"
    return "price_differs", _explain_price(ours.usd, theirs.usd)


def _explain_price(ours: Decimal, theirs: Decimal) -> str:
    ratio = _ratio(ours, theirs)
    if ratio is None:
        return f"charged {theirs} USD, but the book says it is free"
    reason = KNOWN_FACTORS.get(ratio, "no usual reason has this ratio; compare the price with the contract")
    return f"charged {ratio:f}x what the book says: {reason}"


def summary(residuals: Iterable[Residual]) -> dict[Kind, tuple[int, Decimal]]:
    """Return, for each kind, the number of lines and what the export charges on them beyond the record [USD].

    Lines whose dollars cannot be compared are counted, but add no dollars.
    """
    found: dict[Kind, tuple[int, Decimal]] = {}
    for residual in residuals:
        count, usd = found.get(residual.kind, (0, ZERO))
        found[residual.kind] = (count + 1, total((usd, residual.usd or ZERO)))
    return found
