"""`plan=NAME:RUNS` or `NAME:RUNSxSEATS`: the same calls paid for by a subscription or under a contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Turn
from tokenprof.pricing.chain.figures import ChainData, ChainDataError, SubscriptionPlan
from tokenprof.pricing.chain.layers import PICODOLLAR
from tokenprof.pricing.chain.plan_bill import plan_usd_a_month
from tokenprof.whatif.geometry.planned_calls import Geometry
from tokenprof.whatif.levers.lever import End, Lever

NAME = "plan"
HELP = (
    "NAME:RUNS or NAME:RUNSxSEATS: a subscription or a contract under which so many runs like this one are "
    "made a month"
)

_TEXT: Final = re.compile(r"^(?P<name>[^:]+):(?P<runs>\d[\d,_]*)(?:x(?P<seats>\d+))?$")


@frozen
class PlanPayment:
    """Who pays for a run: a plan of that name, on so many seats, for so many such runs a month."""

    name: str
    runs: int
    seats: int

    def covers(self, turn: Turn) -> bool:
        """Whether the plan sells the model of a call."""
        providers = self._terms(turn).providers
        return not providers or turn.provider in providers

    def usd(self, first: Turn, list_usd: Decimal, end: End) -> Decimal:
        """Return what is paid for a run of `list_usd` at list price, by the terms of its first call."""
        month = plan_usd_a_month(self._terms(first), self.seats, list_usd * self.runs)
        return ({"low": month.low, "mid": month.mid, "high": month.high}[end] / self.runs).quantize(
            PICODOLLAR
        )

    def assumes(self, first: Turn) -> Iterator[str]:
        """Yield sentences on what the payment rests on, by the terms of a run's first call."""
        yield from _assumptions(self._terms(first))

    def _terms(self, turn: Turn) -> SubscriptionPlan:
        return _plans().plan_on(self.name, turn.started_at.date())


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for a plan that is not known, too few seats, or no runs."""
    match = _TEXT.match(value)
    runs = int(re.sub("[,_]", "", match["runs"])) if match else 0
    if match is None or not runs:
        raise InputError(
            f"{NAME}={value}: write NAME:RUNS, such as claude-max:40 for 40 runs like this one a month, or "
            "NAME:RUNSxSEATS for several seats."
        )
    try:
        plan = _plans().plan(match["name"])
    except ChainDataError as error:
        raise InputError(f"{NAME}={value}: {error}") from None
    seats = int(match["seats"] or plan.least_seats)
    if seats < plan.least_seats:
        raise InputError(f"{NAME}={value}: {plan.name} is sold for {plan.least_seats} seats or more.")
    payment = PlanPayment(plan.name, runs, seats)
    return Lever(NAME, value, _unchanged, (), is_exact=False, payment=payment)


def _plans() -> ChainData:
    from tokenprof.costing.served_hours import shipped_chain_data

    return shipped_chain_data()


def _unchanged(geometry: Geometry, end: End) -> Geometry:
    return geometry


def _assumptions(plan: SubscriptionPlan) -> Iterator[str]:
    yield "The month holds nothing but these runs, and all of them could be made under the plan."
    if plan.api_usd_within_limit is None:
        yield (
            "The limits of the plan are not published: the cheap end takes everything to be included, the "
            "other end nothing but its credit."
        )
    elif not plan.api_usd_within_limit.is_exact:
        low, high = plan.api_usd_within_limit.low, plan.api_usd_within_limit.high
        yield (
            f"A seat's limits allow for ${low:,} to ${high:,} a month at list price; what goes beyond is "
            "billed at list price."
        )
    if plan.commitment_usd_per_month:
        yield f"${plan.commitment_usd_per_month:,} a month is committed, and paid in any case."
    yield f"Terms: {plan.source} (checked {plan.checked})."
