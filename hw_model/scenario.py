"""What the calls of one model cost on a deployment: work as linear features, and features in USD.

Everything that is not linear (the batch, which experts it uses, what limits it) is fixed at the run's mean
context. Hardware dollars are floats in an `Estimate` and are never added to billed money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.lookup import find_model, known_model
from tokenprof.hw_model.description import DeploymentDescription
from tokenprof.hw_model.equations.features import BASES, PARTS, Feature, Part, Rates, features_of_parts
from tokenprof.hw_model.equations.quantiles import median
from tokenprof.hw_model.equations.turn_work import TurnWork
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.hour_draws import HourDraws

__all__ = ["OWNED", "PERCENTILES", "Part", "ServingScenario", "TurnWork"]

OWNED: Final = "owned"
"""The basis of full cost at the owner's hours, whoever serves the model: the floor under the headline."""

PERCENTILES: Final = (10, 50, 90)
"""The percentiles of the draws that `low`, `mid` and `high` are."""

PIECES_AT_ONCE: Final = 16


@dataclass(frozen=True)
class ServingScenario:
    """How a model is assumed to be served, ready to price its calls.

    `description` is what a report says about the deployment. `drawn` holds every draw of a sampled deployment
    by name; the draws named in `replaced` had no effect on the cost, because the user gave a figure in their
    place. `rates` are USD per feature at the hours that the server pays, one row per draw; `hours` are those.
    """

    provider: str
    model: str
    description: DeploymentDescription
    sampled: bool
    rates: Rates
    hours: HourDraws
    drawn: Mapping[str, Array] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()

    @cached_property
    def kv_bytes_per_token(self) -> Array:
        """Bytes of KV that a token of a long context adds, as served, one per draw."""
        if not self.sampled:
            return np.array([find_model(self.description.model).kv_bytes_per_token()])
        known = known_model(self.model)
        at_16_bits = self.drawn["KV bytes per token"] if known is None else known.kv_bytes_per_token("bf16")
        return np.asarray(at_16_bits * np.where(self.drawn["KV precision"] > 0, 0.5, 1.0))

    def features(self, work: TurnWork, *, part: Part) -> Array:
        """Return the work of one part of a call as features, an array of shape (8,), one per `Feature`.

        Raises ValueError for a part that calls do not have.
        """
        if part not in PARTS:
            raise ValueError(f"a call has no part {part!r}; its parts are read, prefill, decode and hold")
        return np.asarray(features_of_parts([work])[0, PARTS.index(part)])

    def prefill_weights(self, start_token: int, end_token: int, *, cached_tokens: int = 0) -> float:
        """Return the cost of prompt positions [start, end), to be compared with others of the same prompt.

        Neighbouring spans add up: each position costs its linear work and its attention to the new tokens
        before it (2.2). Positions count from the start of the prompt; `cached_tokens` is the prefix, and
        attention to that belongs to the part `read`.
        """
        per_token, per_pair = self._prefill_slope
        start, end = float(start_token - cached_tokens), float(end_token - cached_tokens)
        return per_token * (end - start) + per_pair * (end * end - start * start) / 2.0

    @cached_property
    def _prefill_slope(self) -> tuple[float, float]:
        table = self.rates.by_basis["resource_share"]
        return median(table[:, Feature.PREFILL_TOKENS]), median(table[:, Feature.PREFILL_PAIRS])

    def draws_usd(self, features: Array, basis: str = "resource_share") -> Array:
        """Return the USD of some work in every draw, an array of shape (draws,).

        Scenarios of one seed share the draws of finances and load, so theirs may be added draw by draw.
        Raises ValueError for a basis that is not `OWNED` or in `BASES`.
        """
        return np.asarray(self._table(basis) @ np.asarray(features, dtype=float))

    def usd(self, features: Array, basis: str = "resource_share") -> Estimate:
        """Return the USD of some work. Raises ValueError for a basis that is not `OWNED` or in `BASES`."""
        return self.usd_many(np.asarray(features, dtype=float)[None, :], basis)[0]

    def usd_many(self, features: Array, basis: str = "resource_share") -> list[Estimate]:
        """Return the USD of many pieces of work, given as an array of shape (pieces, features).

        Raises ValueError for a basis that is not `OWNED` or in `BASES`.
        """
        table = self._table(basis)
        work = np.atleast_2d(np.asarray(features, dtype=float))
        found: list[Estimate] = []
        # In slices that fit the processor's cache: 2,000 draws of 16 pieces are 256 kB.
        for start in range(0, len(work), PIECES_AT_ONCE):
            usd = work[start : start + PIECES_AT_ONCE] @ table.T
            if usd.shape[1] == 1:
                found.extend(Estimate(v, v, v) for v in usd[:, 0].tolist())
            else:
                found.extend(Estimate(*row) for row in _percentiles(usd).tolist())
        return found

    def ratio(self, features: Array, to: Array, basis: str = "resource_share") -> Estimate:
        """Return how many times as much some work costs as other work, worked out draw by draw.

        What is uncertain about both cancels, so the interval is far narrower than that of either in USD.
        """
        quotient = self.draws_usd(features, basis) / self.draws_usd(to, basis)
        return Estimate(*_percentiles(quotient[None, :])[0].tolist())

    def gross_margin(self, features: Array, billed_usd: float, basis: str = "resource_share") -> Estimate:
        """Return the share of a bill that is left after the cost of computing it, as an interval.

        Training is not in that cost. Raises ValueError if the bill is not above 0.
        """
        if billed_usd <= 0:
            raise ValueError(f"a bill of {billed_usd} USD has no margin; give what was billed for this work")
        cost = self.usd(features, basis)
        return Estimate(*(1.0 - usd / billed_usd for usd in (cost.high, cost.mid, cost.low)))

    def sensitivity(self, features: Array, basis: str = "resource_share") -> list[tuple[str, float]]:
        """Return which assumptions drive the interval: the share of the variance of cost that each explains.

        Largest first: a squared rank correlation for a quantity, the variance between groups for a choice.
        Shares of linked assumptions overlap, so they need not add up to 1. Empty if nothing was sampled.
        """
        if not self.drawn:
            return []
        cost = _ranks(self.draws_usd(features, basis))
        shares = [
            (name, _explained(values, cost))
            for name, values in self.drawn.items()
            if name not in self.replaced
        ]
        return sorted(shares, key=lambda item: -item[1])

    def _table(self, basis: str) -> Array:
        if basis == OWNED:
            return self._owned
        if basis not in self.rates.by_basis:
            known = ", ".join((*BASES, OWNED))
            raise ValueError(f"{basis!r} is not a basis for a cost; the bases are {known}")
        return self.rates.by_basis[basis]

    @cached_property
    def _owned(self) -> Array:
        return np.asarray(self.rates.by_basis[BASES[0]] * self.hours.owner_over_paid[:, None])


def _percentiles(usd: Array) -> Array:
    """Return P10, P50 and P90 of each row, each the value of one draw."""
    last = usd.shape[1] - 1
    ranks = [round(percentile / 100 * last) for percentile in PERCENTILES]
    # Sorting is vectorised and takes a quarter of the time of a partition at three ranks.
    return np.sort(usd, axis=1)[:, ranks]


def _ranks(values: Array) -> Array:
    return np.argsort(np.argsort(values)).astype(float)


def _explained(values: Array, cost_ranks: Array) -> float:
    """Return the share of the variance of ranked cost that a drawn value explains."""
    groups = sorted(set(values.tolist()))
    if len(groups) <= 12:
        means = np.zeros_like(cost_ranks)
        for group in groups:
            chosen = values == group
            means[chosen] = cost_ranks[chosen].mean()
        return float(means.var() / cost_ranks.var())
    return float(np.corrcoef(_ranks(values), cost_ranks)[0, 1] ** 2)
