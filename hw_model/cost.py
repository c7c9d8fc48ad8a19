"""What model calls cost to compute: the room's front door.

`scenario_for` settles how a model is served, once per run; the scenario turns each call into a few linear
features and prices them in USD. Anything that is not linear (the batch, which experts it wakes, what binds)
is fixed at the run's mean context. Hardware dollars are floats in an `Estimate`: never added to billed money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tokenprof.hw_model import closed_models
from tokenprof.hw_model.batching import choose_batch
from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError, find_model
from tokenprof.hw_model.constants import fitted
from tokenprof.hw_model.deployment import Deployment, DeploymentError, parse_deployment
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.gpu_hour import Ownership
from tokenprof.hw_model.plan import Array
from tokenprof.hw_model.rates import BASES, CHUNK_TOKENS, Feature, Rates, rates
from tokenprof.hw_model.timing import decode_step

__all__ = [
    "BASES",
    "AssumptionError",
    "DeploymentError",
    "Estimate",
    "ServingScenario",
    "TurnWork",
    "UnknownChipError",
    "UnknownModelError",
    "scenario_for",
]

Part = Literal["read", "prefill", "decode", "hold"]

DEFAULT_UTILISATION = 0.5
DEFAULT_TOKENS_PER_S = 30.0
BY_THE_USER = "given by the user"
PUBLISHED_MARGINS = (
    ("OpenAI, compute margin", "Jan 2024 to Oct 2025", 0.35, 0.70, "gentic.news citing Gerstner; secondary"),
    (
        "OpenAI, gross margin 2025",
        "2025",
        0.33,
        0.46,
        "reported against forecast, digests of the WSJ; secondary",
    ),
    ("Anthropic, gross margin", "2024 to 2025", -0.94, 0.40, "The Information, via digests; secondary"),
    ("DeepSeek, theoretical at list price", "Feb 2025", 0.845, 0.845, "open-infra-index, day 6"),
)
"""Gross margins as published: whose, when, low, high, source."""

MEASURABLE_OUTPUT_TOKENS = 50
"""Calls with fewer output tokens say nothing of the speed of generation: the prompt's time outweighs it."""


FASTEST_TOKENS_PER_S = 2000.0
"""No accelerator of the catalogue streams a large model to one user so fast: reading the weights alone takes
longer. A run that claims more was answered by a replay, and its clock says nothing of hardware."""


class AssumptionError(ValueError):
    """A figure given by the user is outside its range; the message names it and what is allowed."""


@dataclass(frozen=True, slots=True)
class TurnWork:
    """What one model call asked of the hardware.

    `cached_tokens` is the prefix whose KV was there, `new_tokens` the prompt tokens computed, `output_tokens`
    all output with reasoning. `duration_s` is the call's wall time, `gap_s` the idle time until the next call
    of the same context, during which its KV may be held; None where unknown.
    """

    cached_tokens: int
    new_tokens: int
    output_tokens: int
    duration_s: float | None = None
    gap_s: float | None = None


@dataclass(frozen=True)
class ServingScenario:
    """How a model is thought to be served, ready to price its calls.

    `description` is for the report: model, chip, chips, precision and every assumption with its source.
    `drawn` holds every draw of a sampled deployment by name; those named in `replaced` had no effect on the
    cost, because the user gave a figure in their place.
    """

    provider: str
    model: str
    description: dict[str, Any]
    sampled: bool
    rates: Rates
    drawn: Mapping[str, Array] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()

    def features(self, work: TurnWork, *, part: Part) -> Array:
        """Return the work of one part of a call as features; parts and calls may be added before pricing.

        `read` is what the cached prefix costs this call: the new tokens' attention to it and loading its KV.
        `prefill` is the new tokens' linear work and their attention to one another. `decode` is every output
        token's step, reading the whole context's KV. `hold` is the KV kept through the gap after the call,
        which only the `opportunity` basis prices.
        """
        cached, new, output = float(work.cached_tokens), float(work.new_tokens), float(work.output_tokens)
        row = np.zeros(len(Feature))
        if part == "read":
            row[Feature.READ_PAIRS] = new * cached
            row[Feature.READ_TOKENS] = cached * max(1.0, np.ceil(new / CHUNK_TOKENS))
        elif part == "prefill":
            row[Feature.PREFILL_TOKENS] = new
            row[Feature.PREFILL_PAIRS] = new * new / 2.0
        elif part == "decode":
            row[Feature.DECODE_TOKENS] = output
            row[Feature.DECODE_CONTEXT] = output * (cached + new) + output * output / 2.0
        elif part == "hold":
            gap_s = work.gap_s or 0.0
            row[Feature.HOLD_SECONDS] = gap_s
            row[Feature.HOLD_TOKEN_SECONDS] = gap_s * (cached + new + output)
        else:
            raise ValueError(f"no part {part!r} of a call; there are read, prefill, decode and hold")
        return row

    def prefill_weights(self, start_token: int, end_token: int, *, cached_tokens: int = 0) -> float:
        """Return the cost of prompt positions [start, end) relative to others of the same prompt.

        Additive over neighbouring spans: each position costs its linear work and attention to the new tokens
        before it. Positions count from the start of the prompt; `cached_tokens` is the prefix, attention to
        which belongs to the part `read`.
        """
        per_token, per_pair = self._prefill_slope
        start, end = float(start_token - cached_tokens), float(end_token - cached_tokens)
        return per_token * (end - start) + per_pair * (end * end - start * start) / 2.0

    @cached_property
    def _prefill_slope(self) -> tuple[float, float]:
        table = self.rates.by_basis["resource_share"]
        return float(np.median(table[:, Feature.PREFILL_TOKENS])), float(
            np.median(table[:, Feature.PREFILL_PAIRS])
        )

    def draws_usd(self, features: Array, basis: str = "resource_share") -> Array:
        """Return the USD of some work in every draw, one if fixed; a seed fixes shared draws."""
        return np.asarray(self._table(basis) @ np.asarray(features, dtype=float))

    def usd(self, features: Array, basis: str = "resource_share") -> Estimate:
        """Return the USD of some work."""
        return self.usd_many(np.asarray(features, dtype=float)[None, :], basis)[0]

    def usd_many(self, features: Array, basis: str = "resource_share") -> list[Estimate]:
        """Return the USD of many pieces of work, one row each."""
        table = self._table(basis)
        work = np.atleast_2d(np.asarray(features, dtype=float))
        found: list[Estimate] = []
        # In slices, so that 10,000 draws of 1,000 turns stay within tens of megabytes.
        for start in range(0, len(work), 128):
            usd = work[start : start + 128] @ table.T
            if usd.shape[1] == 1:
                found.extend(Estimate(v, v, v) for v in usd[:, 0].tolist())
            else:
                found.extend(Estimate(*row) for row in _percentiles(usd).tolist())
        return found

    def ratio(self, features: Array, to: Array, basis: str = "resource_share") -> Estimate:
        """Return how many times as much some work costs as other work, draw by draw.

        What is uncertain about both cancels, so the interval is far tighter than that of either in USD.
        """
        quotient = self.draws_usd(features, basis) / self.draws_usd(to, basis)
        return Estimate(*_percentiles(quotient[None, :])[0].tolist())

    def gross_margin(self, features: Array, billed_usd: float, basis: str = "resource_share") -> Estimate:
        """Return the share of a bill that is left after the cost of computing it, as an interval.

        Compare `PUBLISHED_MARGINS`. Training is not in it. Raises ValueError for a bill of nothing.
        """
        if billed_usd <= 0:
            raise ValueError(f"a bill of {billed_usd} USD has no margin; give what was billed for this work")
        cost = self.usd(features, basis)
        return Estimate(*(1.0 - usd / billed_usd for usd in (cost.high, cost.mid, cost.low)))

    def sensitivity(self, features: Array, basis: str = "resource_share") -> list[tuple[str, float]]:
        """Return which assumptions drive the interval: the share of the variance of cost each explains.

        Largest first: a squared rank correlation for a quantity, the variance between groups for a choice.
        Shares of linked assumptions overlap, so they need not add up to 1. Empty for a fixed deployment.
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
        if basis not in self.rates.by_basis:
            raise ValueError(f"no basis {basis!r} for a cost; there are {', '.join(BASES)}")
        return self.rates.by_basis[basis]


def _percentiles(usd: Array) -> Array:
    """Return P10, P50 and P90 of each row by rank."""
    last = usd.shape[1] - 1
    ranks = [round(0.1 * last), round(0.5 * last), round(0.9 * last)]
    return np.partition(usd, sorted(set(ranks)), axis=1)[:, ranks]


def _ranks(values: Array) -> Array:
    return np.argsort(np.argsort(values)).astype(float)


def _explained(values: Array, cost_ranks: Array) -> float:
    """Return the share of the variance of ranked cost that a drawn value explains."""
    groups = np.unique(values)
    if len(groups) <= 12:
        means = np.zeros_like(cost_ranks)
        for group in groups:
            chosen = values == group
            means[chosen] = cost_ranks[chosen].mean()
        return float(means.var() / cost_ranks.var())
    return float(np.corrcoef(_ranks(values), cost_ranks)[0, 1] ** 2)


def scenario_for(
    provider: str,
    model: str,
    *,
    turns: Sequence[TurnWork],
    deployment: str | None = None,
    utilisation: float | None = None,
    usd_per_gpu_hour: float | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> ServingScenario:
    """Return how a model is assumed to be served for a run of these calls.

    Models with a known shape run on a fixed deployment: the smallest on H200 that fits, or what `deployment`
    says (`deepseek-v3@8xh200`, grammar in `tokenprof.hw_model.deployment`). Closed models are sampled.

    `utilisation` is the share of the fleet's hours that are sold, above 0 and at most 1 (default: 0.5, or
    drawn). `usd_per_gpu_hour` is USD per accelerator-hour and replaces the owner's cost on every chip
    (default: bottom up, equation 2.9). `draws` and `seed` apply to closed models only.

    Raises UnknownModelError for a model that nobody has described, DeploymentError for a deployment that is
    not possible, and AssumptionError for a utilisation or a price outside its range.
    """
    given = _Given(utilisation, usd_per_gpu_hour)
    run = _ObservedRun(provider, model, mean_context_tokens(turns), observed_tokens_per_s(turns))
    if deployment is not None:
        return _fixed(run, parse_deployment(deployment), given)
    try:
        shape = find_model(model)
    except UnknownModelError:
        kind = closed_models.model_class(provider, model)
        if kind is None:
            raise
        return _sampled(run, kind, given, draws, seed)
    return _fixed(run, parse_deployment(shape.name), given)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the user says of the fleet in place of our assumptions; None where they say nothing."""

    utilisation: float | None
    usd_per_gpu_hour: float | None

    def __post_init__(self) -> None:
        # Written so that NaN, which compares false with everything, is refused too.
        if self.utilisation is not None and not 0 < self.utilisation <= 1:
            raise AssumptionError(
                f"a utilisation of {self.utilisation} is not possible; give a share above 0 and at most 1"
            )
        hour = self.usd_per_gpu_hour
        if hour is not None and not 0 < hour < float("inf"):
            raise AssumptionError(
                f"{hour} USD per accelerator-hour is not possible; give a price above 0, for example 2.5"
            )


@dataclass(frozen=True, slots=True)
class _ObservedRun:
    """Whose calls they are, their mean context [tokens], and the speed they saw [tokens/s]; None: unknown."""

    provider: str
    model: str
    context_tokens: float
    tokens_per_s: float | None


def mean_context_tokens(turns: Sequence[TurnWork]) -> float:
    """Return the mean context behind an output token of the run; the mean prompt where there is no output."""
    steps = sum(t.output_tokens for t in turns)
    if steps:
        read = sum(t.output_tokens * (t.cached_tokens + t.new_tokens + t.output_tokens / 2.0) for t in turns)
        return max(read / steps, 1.0)
    return max(sum(t.cached_tokens + t.new_tokens for t in turns) / max(len(turns), 1), 1.0)


def observed_tokens_per_s(turns: Sequence[TurnWork]) -> float | None:
    """Return the speed the run saw: the median over calls long enough to tell; a floor.

    None where no call is long enough, or where the clock is that of a replay or a loopback provider.
    """
    speeds = [
        t.output_tokens / t.duration_s
        for t in turns
        if t.duration_s is not None and t.duration_s > 0 and t.output_tokens >= MEASURABLE_OUTPUT_TOKENS
    ]
    median = float(np.median(speeds)) if speeds else None
    return median if median is None or median <= FASTEST_TOKENS_PER_S else None


def _row(name: str, value: Any, source: str, low: Any = None, high: Any = None) -> dict[str, Any]:
    row = {"name": name, "value": value, "source": source}
    return row if low is None else {**row, "low": low, "high": high}


def _speed_row(observed: float | None, served: float, fallback: str) -> dict[str, Any]:
    source = fallback if observed is None else "this run's own clock, prompt time included"
    return _row("tokens per second to each user", round(served, 2), source)


def _fixed(run: _ObservedRun, deployment: Deployment, given: _Given) -> ServingScenario:
    c = fitted()
    plan = deployment.plan()
    context_tokens, observed = run.context_tokens, run.tokens_per_s
    owner = Ownership()
    usd_per_hour = given.usd_per_gpu_hour or owner.usd_per_chip_hour(deployment.chip)
    load = given.utilisation or DEFAULT_UTILISATION
    alone_s = float(decode_step(plan, 1.0, context_tokens, c).total_s / plan.tokens_per_step)
    wanted_s = 1.0 / (observed or DEFAULT_TOKENS_PER_S)
    # A deployment too slow for what was seen is not refused: it is run at nearly its best speed.
    target_s = max(wanted_s, 1.25 * alone_s)
    batch = choose_batch(plan, context_tokens, c, target_s=target_s * float(plan.tokens_per_step))
    assumptions = [
        _speed_row(observed, 1.0 / target_s, "assumed: a usual interactive speed"),
        _row(
            "sequences per replica",
            round(float(batch.sequences), 1),
            "memory" if batch.memory_binds else "speed",
        ),
        _row("mean context, tokens", round(context_tokens), "this run"),
        _row("utilisation", load, "assumed; 0.3-0.8 is usual" if given.utilisation is None else BY_THE_USER),
        *(
            (
                _row(
                    "USD per accelerator-hour, owned",
                    round(usd_per_hour, 3),
                    "capital recovery, equation 2.9",
                ),
                *owner.assumptions(deployment.chip),
            )
            if given.usd_per_gpu_hour is None
            else (_row("USD per accelerator-hour", usd_per_hour, BY_THE_USER),)
        ),
        _row("model shape", deployment.shape.name, deployment.shape.source),
        _row("chip rates", deployment.chip.name, deployment.chip.sources["tflops"]),
    ]
    if target_s > wanted_s:
        assumptions.append(
            _row(
                "faster than this deployment",
                round(1.0 / wanted_s, 2),
                "wanted tokens per second that it cannot give",
            )
        )
    description = {
        "model": deployment.shape.name,
        "chip": deployment.chip.name,
        "chips": deployment.accelerators,
        "precision": deployment.precision,
        "parallelism": {"tp": deployment.tp, "dp": deployment.dp, "ep": deployment.ep, "pp": deployment.pp},
        "assumptions": assumptions,
    }
    table = rates(plan, batch, context_tokens, usd_per_hour, load, c)
    return ServingScenario(run.provider, run.model, description, False, table)


def _sampled(run: _ObservedRun, kind: str, given: _Given, draws: int, seed: int) -> ServingScenario:
    c = fitted()
    context_tokens, observed = run.context_tokens, run.tokens_per_s
    fleet = closed_models.fleet_of(run.provider, run.model)
    drawn = closed_models.sample(
        kind, fleet, context_tokens=context_tokens, observed_tokens_per_s=observed,
        utilisation=given.utilisation, draws=draws, seed=seed, c=c,
    )  # fmt: skip
    replaced = frozenset() if given.usd_per_gpu_hour is None else closed_models.BEHIND_THE_HOUR
    believed = closed_models.CLASSES[kind]
    described = {
        "active parameters": believed.evidence,
        "total parameters": believed.evidence,
        "KV bytes per token": believed.evidence,
        "utilisation": "assumed: triangular 0.3, 0.5, 0.8" if given.utilisation is None else BY_THE_USER,
        "capital per accelerator": "hw_model/data/chips.json",
        "tokens per second to each user": "assumed for the class"
        if observed is None
        else "this run's own clock",
    }
    assumptions = []
    for name, values in drawn.named.items():
        if name in replaced:
            continue
        low, mid, high = (float(f"{v:.4g}") for v in np.percentile(values, [10, 50, 90]))
        assumptions.append(_row(name, mid, described.get(name, "drawn"), low, high))
    if given.usd_per_gpu_hour is not None:
        assumptions.append(_row("USD per accelerator-hour", given.usd_per_gpu_hour, BY_THE_USER))
    assumptions.append(
        _row("chips drawn from", ", ".join(closed_models.FLEETS[fleet]), "public statements; weights assumed")
    )
    assumptions.append(_row("weights drawn from", "fp8 .5, fp4 .4, bf16 .1", "assumed"))
    assumptions.append(
        _row("attention drawn from", "grouped-query .35, with windows .3, latent .25, hybrid .1", "assumed")
    )
    assumptions.append(
        _row("share of draws that reach the speed seen", round(drawn.accepted, 3), "rejection")
    )
    assumptions.append(_row("mean context, tokens", round(context_tokens), "this run"))
    description = {
        "model": f"{believed.name} (architecture not published; {draws} draws)",
        "chip": "sampled",
        "chips": int(np.median(np.asarray(drawn.plan.accelerators))),
        "precision": "sampled",
        "assumptions": assumptions,
    }
    hour = drawn.usd_per_accelerator_hour
    if given.usd_per_gpu_hour is not None:
        hour = np.full(draws, given.usd_per_gpu_hour)
    table = rates(drawn.plan, drawn.batch, context_tokens, hour, drawn.utilisation, c)
    everything = {**drawn.named, **drawn.choices}
    return ServingScenario(run.provider, run.model, description, True, table, everything, replaced)
