"""Where the KV cache of a waiting context is cheapest to keep, gap by gap, beside what the bill charged.

Row ttl-1 in docs/chain.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tokenprof.chain.owner_cost import as_interval
from tokenprof.costing.compute import turn_works
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.served_hours import is_open
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.hw_model.assumed import DEFAULT_UTILISATION
from tokenprof.hw_model.catalogue.lookup import find_chip, find_model
from tokenprof.hw_model.cost import ServingSettings, TurnWork
from tokenprof.hw_model.economics import Operation, unit_cost
from tokenprof.hw_model.equations.deployment import Deployment, smallest_that_fits
from tokenprof.hw_model.equations.deployment_error import DeploymentError
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.kv_tiers import Tier, WaitingSession, gap_costs, tiers_of, ttl_cost
from tokenprof.pricing.cache.cache_rules import TTL_S
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.rates import Price
from tokenprof.pricing.usage import TokenClass

STAND_IN: Final = "kimi-k2.5@8xh200"
"""The deployment whose KV stands in for a closed model's, which is not published."""

USUAL_OUTPUT_TOKENS: Final = 444.0
"""Median answer of replayed agents (AgentX) [tokens]."""

TTLS: Final = ("5m", "1h")
"""The times to live that a prompt cache is sold with."""


@frozen
class KvGap:
    """The time between two turns of a context [s], and what it costs to keep the KV cache across it [USD].

    `turn` is the turn before the gap. `cheapest` is the cheapest of `hbm`, `host`, `ssd` and `drop` (drop the
    KV, then prefill again), `usd` its cost, `waiting_usd` the part of it that pays for the next answer's
    wait.
    `kept_usd` is the cost of keeping the KV for a time to live and prefilling again after it.
    `billed_keeping_usd` is what the bill charges for that: the turn's cache writes beyond the price of fresh
    input; None if a price is not known.
    """

    turn: int
    gap_s: float
    context_tokens: int
    cheapest: str
    usd: Interval
    waiting_usd: Interval
    kept_usd: Mapping[str, Interval]
    billed_keeping_usd: Decimal | None


@frozen
class KvWaiting:
    """The gaps of a run, and the deployment that their KV cache is taken to be on."""

    deployment: str
    gaps: tuple[KvGap, ...]


CONTEXTS_HELD: Final = 8.0
"""Contexts that a deployment of an open model has room for."""

FASTER: Final = 1.1
"""By how much an answer is sped up to see what a second costs."""


def waiting_session(
    deployment: Deployment,
    context_tokens: float,
    utilisation: float = DEFAULT_UTILISATION,
    usd_per_gpu_hour: float | None = None,
    output_tokens: float = USUAL_OUTPUT_TOKENS,
) -> WaitingSession:
    """Return a context that waits on a deployment: its KV, and what holding it or prefilling it again costs.

    `utilisation` is the share of the fleet's hours that are sold, `usd_per_gpu_hour` the USD per
    accelerator-hour (default: the owner's cost), `output_tokens` the length of the answer before the gap.
    """
    operation = Operation(context_tokens, utilisation=utilisation, usd_per_accelerator_hour=usd_per_gpu_hour)
    cost = unit_cost(deployment, operation)
    recompute_usd = context_tokens * (cost.fresh_input_usd_per_m - cost.cached_input_usd_per_m) / 1e6
    speed, kv_bytes = cost.tokens_per_s_per_user, deployment.kv_bytes(context_tokens)
    faster = unit_cost(deployment, replace(operation, tokens_per_s=FASTER * speed))
    saved_s = 1.0 / speed - 1.0 / max(faster.tokens_per_s_per_user, speed * (1.0 + 1e-9))
    extra_usd_per_token = max(faster.output_usd_per_m - cost.output_usd_per_m, 0.0) / 1e6
    turn_s = max(output_tokens, 1.0) / speed
    return WaitingSession(
        kv_bytes=kv_bytes,
        hbm_usd_per_byte_s=cost.hold_usd_per_gb_hour / 1e9 / 3600.0,
        recompute_usd=recompute_usd,
        # One session's prompt runs on its own attention group, however many there are.
        recompute_s=recompute_usd / cost.usd_per_hour * 3600.0 * deployment.dp,
        accelerators=deployment.tp * deployment.pp,
        parked_bytes_per_s=cost.batch * kv_bytes / turn_s / deployment.accelerators,
        usd_per_s_waited=extra_usd_per_token / saved_s,
    )


def kv_waiting(
    ledger: Ledger, settings: ServingSettings | None = None, ttls: Sequence[str] = TTLS
) -> KvWaiting:
    """Return every recorded gap of a run, its KV cache on a deployment (default: `STAND_IN`).

    `settings` may name the deployment, its utilisation (default: 0.5), the price of an hour (default: the
    owner's cost) and a tool latency; `ttls` are the times to live that are costed. Raises
    `hw_model.deployment.DeploymentError` for a deployment that is not possible.
    """
    said = settings or ServingSettings()
    named, tiers = place_of_kv(ledger.run, said)
    found = []
    for index, work, waiting in waiting_turns(ledger, said):
        gap_s = work.gap_s or 0.0
        best = gap_costs(waiting, gap_s, tiers)[0]
        kept = {ttl: ttl_cost(waiting, gap_s, float(TTL_S[ttl]), tiers).usd for ttl in ttls}
        found.append(
            KvGap(
                turn=index,
                gap_s=gap_s,
                context_tokens=work.cached_tokens + work.new_tokens + work.output_tokens,
                cheapest=best.policy,
                usd=_one_figure(best.usd),
                waiting_usd=_one_figure(best.waiting_usd),
                kept_usd={ttl: _one_figure(usd) for ttl, usd in kept.items()},
                billed_keeping_usd=_billed_keeping_usd(ledger, index),
            )
        )
    return KvWaiting(named, tuple(found))


def place_of_kv(run: Run, settings: ServingSettings) -> tuple[str, tuple[Tier, Tier]]:
    """Return the deployment that KV is taken to be on, as text, and the tiers beside it.

    It is the one that the user gives, else H200s that hold some contexts of the run's first open model, else
    `STAND_IN`.
    """
    named = settings.deployment or _of_open_model(run) or STAND_IN
    return named, tiers_of(parse_deployment(named).chip)


def _of_open_model(run: Run) -> str | None:
    model = next((turn.model for turn in run.turns if is_open(turn.model)), None)
    if model is None:
        return None
    longest = max(turn.usage.input_tokens for turn in run.turns if turn.usage is not None)
    held = CONTEXTS_HELD * float(max(longest, 1))
    try:
        size = smallest_that_fits(find_model(model), find_chip("H200"), context_tokens=held).accelerators
    except DeploymentError:
        return None
    return f"{model}@{size}xh200"


def waiting_turns(
    ledger: Ledger, settings: ServingSettings
) -> Iterator[tuple[int, TurnWork, WaitingSession]]:
    """Yield every turn that is followed by another one of its context, its work, and its KV that waits."""
    served = parse_deployment(place_of_kv(ledger.run, settings)[0])
    share, usd = settings.utilisation or DEFAULT_UTILISATION, settings.usd_per_gpu_hour
    for index, work in enumerate(turn_works(ledger.run, settings.tool_latency_s)):
        if work is None or work.gap_s is None:
            continue
        context_tokens = work.cached_tokens + work.new_tokens + work.output_tokens
        yield (
            index,
            work,
            waiting_session(served, float(max(context_tokens, 1)), share, usd, float(work.output_tokens)),
        )


def _billed_keeping_usd(ledger: Ledger, turn: int) -> Decimal | None:
    """Return what a turn's cache writes were billed beyond fresh input [USD]; None if a price is unknown."""
    price, premium = ledger.prices[turn], Decimal(0)
    for each in ledger.classes_of(turn):
        if not each.cls.startswith("cache_write"):
            continue
        fresh = price.rates.get(TokenClass.UNCACHED_INPUT.value) if isinstance(price, Price) else None
        if fresh is None or each.billed_usd is None:
            return None
        premium += each.billed_usd - fresh * each.tokens
    return None if price is None or not isinstance(price, Price) else premium


def _one_figure(usd: float) -> Interval:
    return as_interval(usd, usd, usd).rounded()
