"""The error of this model itself, drawn by the regime that an operator chose (section 5)."""

from __future__ import annotations

from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.lookup import read_data
from tokenprof.hw_model.fleet.operator_choice import Choice

LONG_CONTEXT_TOKENS: Final = 16_000.0

SOLD: Final = "agentic sold"


def own_error(context_tokens: float, choice: Choice, rng: np.random.Generator) -> Array:
    """Return by what factor the model's own error moves the cost of each draw, by regime (section 5).

    Two halves of log-normal distributions that meet at the median of measured over predicted throughput of
    held-out services, each as wide as its side of them; of agentic ones that an operator would sell if the
    context is long. Services that keep agents waiting for minutes are not sold: `operator_choice` runs fewer
    sessions. Models that were new to a chip are left out: operators wait until an engine is ready for them.
    """
    table = read_data("constants.json")["service_spread"]["drawn"]
    draws = len(choice.disaggregated)
    z = rng.normal(0.0, 1.0, draws)
    if context_tokens > LONG_CONTEXT_TOKENS and SOLD in table:
        low, middle, high = (np.full(draws, end) for end in table[SOLD])
    else:
        spreads = {
            (apart, drafts): table.get(_regime(apart, drafts), table["all"])
            for apart in (False, True)
            for drafts in (False, True)
        }
        keys = list(zip((choice.disaggregated > 0).tolist(), (choice.drafted > 0).tolist(), strict=True))
        low, middle, high = (np.array([spreads[key][end] for key in keys]) for end in range(3))
    return _two_halves(z, low, middle, high)


def error_of_sold_agents(draws: int, rng: np.random.Generator) -> Array:
    """Return by what factor the model's own error moves what services of agents cost, draw by draw."""
    low, middle, high = (float(end) for end in read_data("constants.json")["service_spread"]["drawn"][SOLD])
    z = rng.normal(0.0, 1.0, draws)
    return _two_halves(z, np.full(draws, low), np.full(draws, middle), np.full(draws, high))


def _two_halves(z: Array, low: Array, middle: Array, high: Array) -> Array:
    side = np.where(z < 0.0, np.log(middle / low), np.log(high / middle)) / SPREAD_IN_SD
    return np.asarray(np.exp(-(np.log(middle) + side * z)))


SPREAD_IN_SD: Final = 1.75
"""Standard deviations from the middle of a normal distribution to its 4th and 96th percentiles."""


def _regime(apart: bool, drafts: bool) -> str:
    return f"{'disaggregated' if apart else 'aggregated'} {'drafts' if drafts else 'no drafts'}"
