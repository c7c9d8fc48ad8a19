"""Budgets: limits that a run must stay within, regardless of what it cost before."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.gate.sample import MEASURES, RunSample

LEAST = frozenset({"cache_read_share"})
"""Measures whose budget is a minimum; all other budgets are maximums."""


@frozen
class Breach:
    """A measure outside its budget. An unknown measure (`actual` is None) counts as a breach."""

    measure: str
    limit: Decimal
    actual: Decimal | None

    @property
    def text(self) -> str:
        """The breach as a sentence."""
        if self.actual is None:
            return (
                f"{self.measure} is not known (a turn is unpriced or unmeasured, or a call is missing from "
                "the recording), so its budget cannot hold"
            )
        bound = "at least" if self.measure in LEAST else "at most"
        estimate = ", by the middle of the estimate" if self.measure == "hardware_usd" else ""
        actual, limit = number(self.measure, self.actual), number(self.measure, self.limit)
        return f"{self.measure} is {actual}, budget {bound} {limit}{estimate}"


def parse_budget(items: Mapping[str, object]) -> dict[str, Decimal]:
    """Return limits by measure. Raises InputError for an unknown measure or an impossible limit."""
    limits = {}
    for name, value in items.items():
        if name not in MEASURES:
            raise InputError(
                f"There is no measure {name!r} to budget.{did_you_mean(name, MEASURES)} "
                f"There are {', '.join(MEASURES)}."
            )
        try:
            limit = Decimal(str(value))
        except InvalidOperation:
            raise InputError(f"The budget {name}={value!r} is not a number.") from None
        if not limit.is_finite() or limit < 0:
            raise InputError(f"The budget {name}={value} is not a number from 0 up.")
        limits[name] = limit
    return limits


def breaches(sample: RunSample, budget: Mapping[str, Decimal]) -> list[Breach]:
    """Return the measures of a run that are outside their budgets. Exactly at the limit is within it."""
    found = []
    for name, limit in budget.items():
        actual = sample.measures.get(name)
        if actual is None or (actual < limit if name in LEAST else actual > limit):
            found.append(Breach(name, limit, actual))
    return found


def number(measure: str, value: Decimal | float) -> str:
    """Return the value of a measure in its usual form: dollars, a share, or a count."""
    if measure.endswith("usd"):
        amount = float(value)
        if 0 < abs(amount) < 0.001:
            return f"${Decimal(f'{amount:.2g}'):f}"
        return f"${amount:,.4f}" if abs(amount) < 1 else f"${amount:,.2f}"
    if measure == "cache_read_share":
        return f"{float(value):.1%}"
    return f"{float(value):,.0f}" if float(value) == round(float(value)) else f"{float(value):,.1f}"
