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

    Log-normal, with the median and the spread of measured over predicted throughput of held-out services; of
    agentic ones that an operator would sell if the context is long. Services that keep agents waiting for
    minutes are not sold: `operator_choice` runs fewer sessions.
    """
    table = read_data("constants.json")["service_spread"]["by_regime"]
    draws = len(choice.disaggregated)
    z = rng.normal(0.0, 1.0, draws)
    if context_tokens > LONG_CONTEXT_TOKENS and SOLD in table:
        low, high = np.full(draws, table[SOLD][0]), np.full(draws, table[SOLD][1])
    else:
        pairs = {
            (apart, drafts): table.get(_regime(apart, drafts), table["all"])
            for apart in (False, True)
            for drafts in (False, True)
        }
        keys = list(zip((choice.disaggregated > 0).tolist(), (choice.drafted > 0).tolist(), strict=True))
        low, high = (np.array([pairs[key][end] for key in keys]) for end in (0, 1))
    middle, sd = np.log(low * high) / 2.0, np.log(high / low) / (2.0 * SPREAD_IN_SD)
    return np.asarray(np.exp(-(middle + sd * z)))


SPREAD_IN_SD: Final = 1.75
"""Standard deviations from the middle of a normal distribution to its 4th and 96th percentiles."""


def _regime(apart: bool, drafts: bool) -> str:
    return f"{'disaggregated' if apart else 'aggregated'} {'drafts' if drafts else 'no drafts'}"
