"""Bill and compute that moved apart: a saving that only the list price gives, or a bill that hides one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from statistics import fmean

from tokenprof.gate.baseline import BaselineScenario
from tokenprof.gate.sample import RunSample


def moved_apart(scenario: BaselineScenario, now: Sequence[RunSample], tolerance: float) -> list[str]:
    """Return a sentence if the bill fell while compute rose, or the reverse, each by more than `tolerance`.

    The bill is taken at the baseline's prices, compute by the middle of its estimate. Nothing is said if one
    of the two is not known on both sides.
    """
    bills = _change(
        [s.usd_at(scenario.rates) for s in scenario.samples], [s.usd_at(scenario.rates) for s in now]
    )
    compute = _change(_compute(scenario.samples), _compute(now))
    if bills is None or compute is None or min(abs(bills), abs(compute)) <= tolerance or bills * compute > 0:
        return []
    moved = "fell" if bills < 0 else "rose"
    against = "rose" if bills < 0 else "fell"
    return [
        f"The bill {moved} by {abs(bills):.1%} while compute {against} by {abs(compute):.1%}, by the middle "
        f"of the estimate: {_MEANS[moved]}."
    ]


_MEANS = {
    "fell": "the saving rests on the list price alone",
    "rose": "the list price does not pass the saving on",
}


def _compute(samples: Sequence[RunSample]) -> list[Decimal | None]:
    return [sample.measures.get("hardware_usd") for sample in samples]


def _change(before: Sequence[Decimal | None], now: Sequence[Decimal | None]) -> float | None:
    """Return the growth of a mean as a fraction; None if a value is not known."""
    sides = [[float(value) for value in side if value is not None] for side in (before, now)]
    if not all(sides) or len(sides[0]) < len(before) or len(sides[1]) < len(now) or not fmean(sides[0]):
        return None
    return fmean(sides[1]) / fmean(sides[0]) - 1
