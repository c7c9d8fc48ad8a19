"""Where the KV cache of a waiting context is cheapest to keep, gap by gap, beside what the bill charged.

Row ttl-1 in docs/chain.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tokenprof.chain.owner_cost import as_interval
from tokenprof.costing.compute import turn_works
from tokenprof.costing.ledger import Ledger
from tokenprof.hw_model.assumed import DEFAULT_UTILISATION
from tokenprof.hw_model.cost import ServingSettings
from tokenprof.hw_model.economics import Operation, unit_cost
from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.kv_tiers import WaitingSession, gap_costs, tiers_of, ttl_cost
from tokenprof.pricing.cache.cache_rules import TTL_S
from tokenprof.pricing.chain.interval import Interval

STAND_IN: Final = "kimi-k2.5@8xh200"
"""The deployment whose KV stands in for a closed model's, which is not published."""

TTLS: Final = ("5m", "1h")
"""The times to live that a prompt cache is sold with."""


@dataclass(frozen=True, slots=True)
class KvGap:
    """The time between two turns of a context [s], and what it costs to keep the KV cache across it [USD].

    `turn` is the turn before the gap. `cheapest` is the cheapest of `hbm`, `host`, `ssd` and `drop` (drop the
    KV, then prefill again), `usd` its cost. `kept_usd` is the cost of keeping the KV for a time to live and
    prefilling again after it. `billed_cache_usd` is what the next turn was billed for cache reads and writes;
    None if that is not known.
    """

    turn: int
    gap_s: float
    context_tokens: int
    cheapest: str
    usd: Interval
    kept_usd: Mapping[str, Interval]
    billed_cache_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class KvWaiting:
    """The gaps of a run, and the deployment that their KV cache is taken to be on."""

    deployment: str
    gaps: tuple[KvGap, ...]


def waiting_session(
    deployment: Deployment,
    context_tokens: float,
    utilisation: float = DEFAULT_UTILISATION,
    usd_per_gpu_hour: float | None = None,
) -> WaitingSession:
    """Return a context that waits on a deployment: its KV, and what holding it or prefilling it again costs.

    `utilisation` is the share of the fleet's hours that are sold, `usd_per_gpu_hour` the USD per
    accelerator-hour (default: the owner's cost).
    """
    operation = Operation(context_tokens, utilisation=utilisation, usd_per_accelerator_hour=usd_per_gpu_hour)
    cost = unit_cost(deployment, operation)
    recompute_usd = context_tokens * (cost.fresh_input_usd_per_m - cost.cached_input_usd_per_m) / 1e6
    return WaitingSession(
        kv_bytes=deployment.kv_bytes(context_tokens),
        hbm_usd_per_byte_s=cost.hold_usd_per_gb_hour / 1e9 / 3600.0,
        recompute_usd=recompute_usd,
        recompute_s=recompute_usd / cost.usd_per_hour * 3600.0,
        accelerators=deployment.accelerators,
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
    named, share = said.deployment or STAND_IN, said.utilisation or DEFAULT_UTILISATION
    usd_per_gpu_hour = said.usd_per_gpu_hour
    served = parse_deployment(named)
    tiers = tiers_of(served.chip)
    following = _next_in_context(ledger)
    found = []
    for index, work in enumerate(turn_works(ledger.run, said.tool_latency_s)):
        if work is None or work.gap_s is None:
            continue
        context_tokens = work.cached_tokens + work.new_tokens + work.output_tokens
        waiting = waiting_session(served, float(max(context_tokens, 1)), share, usd_per_gpu_hour)
        best = gap_costs(waiting, work.gap_s, tiers)[0]
        found.append(
            KvGap(
                turn=index,
                gap_s=work.gap_s,
                context_tokens=context_tokens,
                cheapest=best.policy,
                usd=_one_figure(best.usd),
                kept_usd={
                    ttl: _one_figure(ttl_cost(waiting, work.gap_s, float(TTL_S[ttl]), tiers).usd)
                    for ttl in ttls
                },
                billed_cache_usd=_billed_cache_usd(ledger, following[index]),
            )
        )
    return KvWaiting(named, tuple(found))


def _next_in_context(ledger: Ledger) -> dict[int, int]:
    """Return the next turn of the same context, for each turn that has one."""
    newest: dict[str, int] = {}
    following: dict[int, int] = {}
    for index, turn in enumerate(ledger.run.turns):
        if turn.context in newest:
            following[newest[turn.context]] = index
        newest[turn.context] = index
    return following


def _billed_cache_usd(ledger: Ledger, turn: int) -> Decimal | None:
    """Return what a turn was billed for cache reads and writes [USD]; None if part of it has no price."""
    amounts = [each.billed_usd for each in ledger.classes_of(turn) if each.cls.startswith("cache_")]
    if any(amount is None for amount in amounts):
        return None
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _one_figure(usd: float) -> Interval:
    return as_interval(usd, usd, usd).rounded()
