"""What a run would have been billed, and would have cost to compute, with some levers pulled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen, replaced
from tokenprof.facts.errors import InputError
from tokenprof.facts.own_decimals import in_own_decimals
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.chain.layers import PICODOLLAR
from tokenprof.pricing.rates import ZERO, total
from tokenprof.pricing.usage import TokenClass
from tokenprof.whatif.geometry.planned_calls import Geometry, geometry_of
from tokenprof.whatif.geometry.replayed_usage import ReplayedCall, counts_of, explained_calls, replay
from tokenprof.whatif.levers.lever import End, Lever
from tokenprof.whatif.planned_bill import PlannedBills

if TYPE_CHECKING:
    from tokenprof.costing.compute import Hardware
    from tokenprof.hw_model.estimate import Estimate
    from tokenprof.pricing.book import PriceBook

LEAST_COMPUTE_SHARE: Final = 0.005
"""Compute that falls by less than this share has not fallen."""

MOST_KEPT_CALLS: Final = 20_000
"""What is tried first may be asked in full later: so many replayed calls are kept."""

SavingKind = Literal["real", "list-price only", "list-price only, compute rises", "none", "unknown"]


@frozen
class Prediction:
    """What a run would have been billed with some levers pulled, beside what it was billed.

    `after_usd` lies between `low_usd` and `high_usd`, which equal it if nothing was estimated; all are None
    for your own hardware, whose price is `compute_after_usd`. `calls` are the model calls before and
    after, `tokens_in` the prompt tokens. `explained` counts the recorded calls whose bills the cache rules
    explain; the others keep the classes that they were billed in. `assumes` are sentences.
    """

    levers: tuple[Lever, ...]
    before_usd: Decimal
    after_usd: Decimal | None
    low_usd: Decimal | None
    high_usd: Decimal | None
    compute_before_usd: Estimate | None
    compute_after_usd: Estimate | None
    calls: tuple[int, int]
    tokens_in: tuple[int, int]
    explained: int
    assumes: tuple[str, ...]

    @property
    @in_own_decimals
    def saves_usd(self) -> Decimal | None:
        """What the change saves; negative if it costs more. None for your own hardware."""
        return None if self.after_usd is None else self.before_usd - self.after_usd

    @property
    def is_exact(self) -> bool:
        """Whether nothing was estimated: both ends of the interval are the prediction."""
        return self.low_usd == self.after_usd == self.high_usd

    @property
    def saving_kind(self) -> SavingKind:
        """Whether a saving is real, since compute falls too, or of the list price only.

        The latter says so if compute even rises.
        """
        if self.saves_usd is None:
            return "unknown"
        if self.saves_usd <= 0:
            return "none"
        before, after = self.compute_before_usd, self.compute_after_usd
        if before is None or after is None:
            return "unknown"
        if after.mid > before.mid * (1 + LEAST_COMPUTE_SHARE):
            return "list-price only, compute rises"
        return "real" if after.mid < before.mid * (1 - LEAST_COMPUTE_SHARE) else "list-price only"


class WhatIf:
    """A recorded run, ready to be asked what it would have cost with something changed."""

    def __init__(
        self,
        ledger: Ledger,
        book: PriceBook,
        hardware: Hardware,
        missed_tokens: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        """`missed_tokens` are, by turn, those that a changed prompt kept from being read from the cache."""
        self._ledger = ledger
        self._hardware = hardware
        self._missed_tokens = missed_tokens
        self._bills = PlannedBills(ledger, book)
        self._expected: dict[tuple[str, ...], tuple[Sequence[ReplayedCall], Decimal]] = {}
        self._deployed: dict[tuple[str, ...], Hardware] = {}

    @cached_property
    def geometry(self) -> Geometry:
        """The recorded calls that have a bill."""
        return geometry_of(self._ledger, self._missed_tokens)

    @cached_property
    def explained(self) -> frozenset[int]:
        """The turns whose bills the cache rules explain to the token."""
        return explained_calls(self.geometry)

    @cached_property
    def before_usd(self) -> Decimal:
        """The recorded bill of those calls."""
        return total(self._ledger.billed_usd[call.index] or ZERO for call in self.geometry.calls)

    @cached_property
    def compute_before_usd(self) -> Estimate | None:
        """What those calls cost to compute."""
        calls = [ReplayedCall(call, counts_of(call.usage), True) for call in self.geometry.calls]
        return self._compute(calls, ())

    def ask(self, levers: Sequence[Lever]) -> Prediction:
        """Return what the run would have cost with the levers pulled, one after another.

        Raises `InputError` if a lever leads to a call that has no price.
        """
        bills: dict[End, Decimal] = {}
        if any(lever.deployment for lever in levers):
            mid = self._replayed(levers, "mid")
        else:
            mid, bills["mid"] = self._expected_bill(levers)
            for end in () if all(lever.is_exact for lever in levers) else _ENDS:
                bills[end] = self._billed(self._replayed(levers, end), levers, end)
        after = bills.get("mid")
        low = min(bills.values(), default=None)
        high = max(bills.values(), default=None)
        return Prediction(
            levers=tuple(levers),
            before_usd=self.before_usd,
            after_usd=after,
            low_usd=low,
            high_usd=high,
            compute_before_usd=self.compute_before_usd,
            compute_after_usd=self._compute(mid, levers),
            calls=(len(self.geometry.calls), len(mid)),
            tokens_in=(
                sum(call.usage.input_tokens for call in self.geometry.calls),
                sum(sum(each.counts) for each in mid),
            ),
            explained=len(self.explained),
            assumes=tuple(dict.fromkeys(self._assumed(levers))),
        )

    def _assumed(self, levers: Sequence[Lever]) -> Iterator[str]:
        for lever in levers:
            yield from lever.assumes
            if lever.payment is not None:
                paid = (call.turn for call in self.geometry.calls if lever.payment.covers(call.turn))
                yield from lever.payment.assumes(next(paid))

    def saves_about_usd(self, levers: Sequence[Lever]) -> tuple[Decimal, int]:
        """Return the expected saving of levers and the prompt tokens that are left, without an interval.

        Raises `InputError` as `ask` does.
        """
        calls, after_usd = self._expected_bill(levers)
        return self.before_usd - after_usd, sum(sum(each.counts) for each in calls)

    def _expected_bill(self, levers: Sequence[Lever]) -> tuple[Sequence[ReplayedCall], Decimal]:
        """Return the calls that are expected with levers pulled, and their bill; the newest are kept."""
        key = tuple(lever.text for lever in levers)
        if key not in self._expected:
            calls = self._replayed(levers, "mid")
            after_usd = self._billed(calls, levers, "mid")
            while self._expected and self._kept_calls() + len(calls) > MOST_KEPT_CALLS:
                del self._expected[next(iter(self._expected))]
            self._expected[key] = calls, after_usd
        return self._expected[key]

    def _billed(self, calls: Sequence[ReplayedCall], levers: Sequence[Lever], end: End) -> Decimal:
        """Return the bill of planned calls, after what levers do to prices and to who pays."""
        payment = next((lever.payment for lever in levers if lever.payment), None)
        if payment is None:
            return self._at_prices(calls, levers, end)
        covered = [each for each in calls if payment.covers(each.call.turn)]
        if not covered:
            raise InputError("The plan does not sell any of the models of this run.")
        others = [each for each in calls if not payment.covers(each.call.turn)]
        of_plan = payment.usd(covered[0].call.turn, self._at_prices(covered, levers, end), end)
        return total([self._at_prices(others, levers, end), of_plan])

    def _at_prices(self, calls: Sequence[ReplayedCall], levers: Sequence[Lever], end: End) -> Decimal:
        """Return the bill at list price, or with a class at what it costs to compute."""
        from tokenprof.costing.compute import cost_of_turns

        amounts = [self._bills.usd(calls)]
        for cls in dict.fromkeys(lever.sold_at_cost for lever in levers if lever.sold_at_cost):
            cost = cost_of_turns(_run_of(calls), self._deployments(levers), cls=cls)
            if cost is None:
                raise InputError(f"What {cls} tokens of this run cost to compute is not known.")
            at_end = {"low": cost.low, "mid": cost.mid, "high": cost.high}[end]
            amounts += [-self._bills.class_usd(calls, TokenClass(cls)), Decimal(at_end).quantize(PICODOLLAR)]
        return total(amounts)

    def _kept_calls(self) -> int:
        return sum(len(calls) for calls, _ in self._expected.values())

    def _replayed(self, levers: Sequence[Lever], end: End) -> Sequence[ReplayedCall]:
        planned = self.geometry
        for lever in levers:
            planned = lever.change(planned, end)
        if planned is self.geometry:
            return self._as_recorded
        return replay(planned, self.geometry, self.explained)

    @cached_property
    def _as_recorded(self) -> Sequence[ReplayedCall]:
        return replay(self.geometry, self.geometry, self.explained)

    def _compute(self, calls: Sequence[ReplayedCall], levers: Sequence[Lever]) -> Estimate | None:
        """Return what planned calls cost to compute; a model that was recorded stays on its deployment."""
        from tokenprof.costing.compute import cost_of_turns
        from tokenprof.costing.served_hours import Serving
        from tokenprof.hw_model.cost import ServingSettings

        own = next((lever for lever in levers if lever.deployment), None)
        if own is None:
            return cost_of_turns(_run_of(calls), self._deployments(levers))
        serving = Serving(ServingSettings(own.deployment, usd_per_gpu_hour=own.usd_per_gpu_hour))
        return cost_of_turns(_run_of(calls), self._hardware, serving=serving)

    def _deployments(self, levers: Sequence[Lever]) -> Hardware:
        """Return the recorded deployments, and one for each model that levers move calls to.

        The latter serves the recorded calls moved to it, whatever other levers do to them: two predictions
        that differ in a cache lifetime differ in nothing else, and the deployment is drawn once.
        """
        from tokenprof.costing.compute import deployed_for

        moves = tuple(lever for lever in levers if lever.changes_model)
        if not moves:
            return self._hardware
        key = tuple(lever.text for lever in moves)
        if key not in self._deployed:
            self._deployed[key] = deployed_for(_run_of(self._replayed(moves, "mid")), self._hardware)
        return self._deployed[key]


def _run_of(calls: Sequence[ReplayedCall]) -> Run:
    return Run(tuple(map(_turn_of, calls)))


def _turn_of(planned: ReplayedCall) -> Turn:
    turn, usage = planned.call.turn, planned.usage
    return turn if usage == turn.usage else replaced(turn, usage=usage)


_ENDS: Final[tuple[End, ...]] = ("low", "high")
