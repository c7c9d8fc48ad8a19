"""The error of this model itself, drawn by the regime that an operator chose (section 5)."""

from __future__ import annotations

from statistics import NormalDist
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
    keys = list(zip((choice.disaggregated > 0).tolist(), (choice.drafted > 0).tolist(), strict=True))
    spreads = {key: _spread(context_tokens, apart=key[0], drafts=key[1]) for key in set(keys)}
    low, middle, high = (np.array([spreads[key][end] for key in keys]) for end in range(3))
    return _two_halves(rng.normal(0.0, 1.0, len(keys)), low, middle, high)


def error_of_one(context_tokens: float, *, drafts: bool, draws: int) -> Array:
    """Return by what factors the model's own error moves the cost of one deployment with one pool.

    The draws are quantiles at even distances, the cheapest first. The middle one is 1, so that the shares of
    a batch add up to the cost of its replica there; P10 and P90 are as far from it as those of `own_error`.
    """
    low, middle, high = (np.full(draws, end) for end in _spread(context_tokens, apart=False, drafts=drafts))
    normal = NormalDist()
    z = np.array([normal.inv_cdf((rank + 0.5) / draws) for rank in range(draws)])
    return _two_halves(z[round((draws - 1) / 2)] - z, low / middle, middle / middle, high / middle)


def _spread(context_tokens: float, *, apart: bool, drafts: bool) -> tuple[float, float, float]:
    """Return the 4th, 50th and 96th percentile of measured over predicted throughput in a regime."""
    table = read_data("constants.json")["service_spread"]["drawn"]
    name = SOLD if context_tokens > LONG_CONTEXT_TOKENS and SOLD in table else _regime(apart, drafts)
    low, middle, high = table.get(name, table["all"])
    return float(low), float(middle), float(high)


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
