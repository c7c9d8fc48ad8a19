"""Cost-shaped price: a run's bill shared out again by the shape of its compute, scaled to the same total.

A provider's list bills every re-sent token of the context on the way in and every output token alike. Compute
does neither: a prompt is prefilled once while it stays cached, and an output token costs by the context
behind it. This sets one beside the other, turn by turn (row shape-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from tokenprof.chain.chain import followed_turns
from tokenprof.chain.owner_cost import Array
from tokenprof.costing.compute import FULL_COST, Hardware, Model
from tokenprof.costing.ledger import Ledger
from tokenprof.pricing.chain.interval import Interval

WORLDS: Final = 400
"""Draws looked at; a turn's share of its run is far surer than its dollars."""

SLICE_TURNS: Final = 512


@dataclass(frozen=True, slots=True)
class ShapedTurn:
    """One turn by the list and by the shape of its compute; the middles of a run add up to its bill."""

    index: int
    billed_usd: Decimal
    shaped_usd: Interval


def cost_shaped(ledger: Ledger, hardware: Hardware) -> tuple[ShapedTurn, ...]:
    """Return the bill of the priced and modelled turns shared out by compute, turn by turn."""
    kept = followed_turns(ledger, hardware)
    if not kept:
        return ()
    billed = [ledger.billed_usd[index] or Decimal(0) for index in kept]
    whole = sum(billed, Decimal(0))
    shares = _shares(hardware, kept)
    middle = shares[:, 1] / shares[:, 1].sum()
    # What rounding leaves goes to the largest turn, so that the sum is the bill.
    mids = [_picodollars(whole * Decimal(f"{share:.12g}")) for share in middle]
    mids[int(np.argmax(middle))] += whole - sum(mids, Decimal(0))
    return tuple(
        ShapedTurn(index, bill, _around(mid, whole, low, high))
        for index, bill, mid, (low, _, high) in zip(kept, billed, mids, shares.tolist(), strict=True)
    )


def _around(mid: Decimal, whole: Decimal, low: float, high: float) -> Interval:
    return Interval(
        min(_picodollars(whole * Decimal(f"{low:.12g}")), mid),
        mid,
        max(_picodollars(whole * Decimal(f"{high:.12g}")), mid),
    )


def _picodollars(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("1e-12"))


def _shares(hardware: Hardware, kept: Sequence[int]) -> Array:
    """Return P10, P50 and P90 of each turn's share of the run's compute, world by world."""
    tables = {model: scenario.rates.by_basis[FULL_COST] for model, scenario in hardware.scenarios.items()}
    worlds = min((len(table) for table in tables.values() if len(table) > 1), default=1)
    worlds = min(worlds, WORLDS)
    works = [next(iter(hardware.turns[index].by_model.items())) for index in kept]

    def usd(turns: Sequence[tuple[Model, Array]]) -> Array:
        return np.stack([np.broadcast_to(tables[model][:worlds] @ row, (worlds,)) for model, row in turns])

    slices = [works[start : start + SLICE_TURNS] for start in range(0, len(works), SLICE_TURNS)]
    whole = np.sum([usd(turns).sum(axis=0) for turns in slices], axis=0)
    return np.concatenate([np.percentile(usd(turns) / whole, [10, 50, 90], axis=1).T for turns in slices])
