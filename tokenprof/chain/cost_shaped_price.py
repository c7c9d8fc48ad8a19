"""Cost-shaped price: a run's bill shared out again in proportion to its compute, to the same total.

A provider's list charges every re-sent token of the context on the way in, and every output token alike.
Compute does neither: a prompt is prefilled once while it stays cached, and an output token costs by the
context before it. This puts one beside the other, turn by turn (row shape-1 in docs/chain.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from tokenprof.chain.followed_turns import followed_turns
from tokenprof.chain.owner_cost import Array
from tokenprof.costing.compute import FULL_COST, Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.work import Model
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.equations.quantiles import percentiles
from tokenprof.pricing.chain.interval import Interval

MOST_DRAWS: Final = 400
"""Draws used at most: a turn's share of its run is far more certain than its dollars."""

SLICE_TURNS: Final = 512


@frozen
class ShapedTurn:
    """One turn's bill [USD], by the list and in proportion to its compute.

    The middles of `shaped_usd` over a run add up to its bill.
    """

    index: int
    billed_usd: Decimal
    shaped_usd: Interval


def cost_shaped(ledger: Ledger, hardware: Hardware) -> tuple[ShapedTurn, ...]:
    """Return the bill of the priced and modelled turns, shared out by compute."""
    followed = followed_turns(ledger, hardware)
    if not followed.indices:
        return ()
    billed = [ledger.billed_usd[index] or Decimal(0) for index in followed.indices]
    whole = followed.billed_usd
    shares = _shares(hardware, followed.indices)
    middle = shares[:, 1] / shares[:, 1].sum()
    # What rounding leaves goes to the largest turn, so that the sum is the bill.
    mids = [_picodollars(whole * Decimal(f"{share:.12g}")) for share in middle]
    mids[int(np.argmax(middle))] += whole - sum(mids, Decimal(0))
    return tuple(
        ShapedTurn(index, bill, _around(mid, whole, low, high))
        for index, bill, mid, (low, _, high) in zip(
            followed.indices, billed, mids, shares.tolist(), strict=True
        )
    )


def _around(mid_usd: Decimal, whole_usd: Decimal, low_share: float, high_share: float) -> Interval:
    return Interval(
        min(_picodollars(whole_usd * Decimal(f"{low_share:.12g}")), mid_usd),
        mid_usd,
        max(_picodollars(whole_usd * Decimal(f"{high_share:.12g}")), mid_usd),
    )


def _picodollars(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("1e-12"))


def _shares(hardware: Hardware, turns: Sequence[int]) -> Array:
    """Return P10, P50 and P90 of each turn's share of the run's compute, formed draw by draw."""
    tables = {model: scenario.rates.by_basis[FULL_COST] for model, scenario in hardware.scenarios.items()}
    draws = min((len(table) for table in tables.values() if len(table) > 1), default=1)
    draws = min(draws, MOST_DRAWS)
    works = [next(iter(hardware.turns[index].by_model.items())) for index in turns]

    def usd(some: Sequence[tuple[Model, Array]]) -> Array:
        return np.stack([np.broadcast_to(tables[model][:draws] @ row, (draws,)) for model, row in some])

    slices = [works[start : start + SLICE_TURNS] for start in range(0, len(works), SLICE_TURNS)]
    whole = np.sum([usd(some).sum(axis=0) for some in slices], axis=0)
    return np.concatenate([percentiles(usd(some) / whole, [10, 50, 90]) for some in slices])
