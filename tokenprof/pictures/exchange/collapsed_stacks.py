"""Collapsed stacks: a line `run;agent;tool;call;block weight` for each block, as flame-graph tools read."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tokenprof.pictures.exchange.stacks import in_whole_units, stacks_of
from tokenprof.pictures.views.spending_tree import TreeColumns

UNIT_USD: Final = Decimal("0.000001")
"""The weight of a line counts millionths of a billed dollar, since the format has whole numbers only."""


def collapsed_stacks(tree: TreeColumns) -> str:
    """Return the stacks of a run, weighted by millionths of billed dollars, without those of weight 0."""
    stacks = list(stacks_of(tree))
    weights = in_whole_units([stack.billed_usd for stack in stacks], UNIT_USD)
    lines = [
        f"{';'.join(map(_frame, stack.frames))} {weight}\n"
        for stack, weight in zip(stacks, weights, strict=True)
        if weight
    ]
    return "".join(lines)


def _frame(name: str) -> str:
    """Return a name without what separates frames."""
    return name.replace(";", ",").strip() or "-"
