"""Runs of very many agents: what all cells of a run say together is summed once."""

from __future__ import annotations

from collections.abc import ItemsView, ValuesView
from decimal import Decimal

import pytest

from tokenprof.difference.cost_profile import BilledTokens, Cell, CellKey, CostProfile, ServedModel
from tokenprof.difference.decompose import decompose

SERVED = ServedModel("anthropic", "claude-opus-4-8")


class CountedCells(dict[CellKey, Cell]):
    """Cells that count how many of them have been looked through."""

    looked_through = 0

    def items(self) -> ItemsView[CellKey, Cell]:
        self.looked_through += len(self)
        return super().items()

    def values(self) -> ValuesView[Cell]:
        self.looked_through += len(self)
        return super().values()


def run_of(agents: int, name: str) -> CostProfile:
    """Each agent with a tool result of its own, of 100 tokens for a cent."""
    return CostProfile(
        cells=CountedCells(
            {
                CellKey(f"agent {number}", "tool_result", name, "entered"): {
                    (SERVED, "uncached_input"): BilledTokens(100, Decimal("0.01"))
                }
                for number in range(agents)
            }
        )
    )


@pytest.mark.parametrize("agents", [10, 80])
def test_each_cell_is_looked_at_a_few_times_however_many_there_are(agents: int) -> None:
    before, now = run_of(agents, "Read"), run_of(agents, "Grep")
    parts = decompose(before, now)
    assert sum(sum(steps.values()) for steps in parts.values()) == 0
    assert {usd for steps in parts.values() for usd in steps.values()} == {Decimal("0.01"), Decimal("-0.01")}
    for side in (before, now):
        assert isinstance(side.cells, CountedCells)
        assert side.cells.looked_through <= 3 * agents
