"""Where a waiting session's KV is kept cheapest, gap by gap, beside what the bill charged (row ttl-1)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tokenprof.chain.owner_cost import exact
from tokenprof.costing.compute import turn_works
from tokenprof.costing.ledger import Ledger
from tokenprof.hw_model.deployment import Deployment, parse_deployment
from tokenprof.hw_model.economics import Operation, unit_cost
from tokenprof.hw_model.kv_tiers import WaitingSession, gap_costs, tiers_of, ttl_cost
from tokenprof.pricing.cache.cache_rules import TTL_S
from tokenprof.pricing.chain.interval import Interval

STAND_IN: Final = "kimi-k2.5@8xh200"
"""What a closed model's KV is taken to be: an open model of the size, since theirs is not published."""

TTLS_S: Final = {ttl: float(TTL_S[ttl]) for ttl in ("5m", "1h")}


@dataclass(frozen=True, slots=True)
class Gap:
    """The time between two turns of a context, and what it costs to keep the KV across it.

    `place` is the cheapest of hbm, host, ssd and drop; `ttl_usd` what keeping it for a time to live and then
    computing it again costs. `billed_usd` is what the next turn was billed for its prompt's cached and
    written tokens; None where that is not known.
    """

    turn: int
    gap_s: float
    context_tokens: int
    place: str
    usd: Interval
    ttl_usd: dict[str, Interval]
    billed_usd: Decimal | None


def waiting_session(
    deployment: Deployment, context_tokens: float, utilisation: float = 0.5
) -> WaitingSession:
    """Return a context that waits on a deployment: its KV, and what holding or computing it again costs."""
    cost = unit_cost(deployment, Operation(context_tokens, utilisation=utilisation))
    recompute_usd = context_tokens * (cost.fresh_input_usd_per_m - cost.cached_input_usd_per_m) / 1e6
    return WaitingSession(
        kv_bytes=deployment.shape.kv_bytes(context_tokens),
        hbm_usd_per_byte_s=cost.hold_usd_per_gb_hour / 1e9 / 3600.0,
        recompute_usd=recompute_usd,
        recompute_s=recompute_usd / cost.usd_per_hour * 3600.0,
        accelerators=deployment.accelerators,
    )


def gaps_of(ledger: Ledger, deployment: str = STAND_IN) -> tuple[Gap, ...]:
    """Return every recorded gap of a run, on a deployment.

    Raises `hw_model.deployment.DeploymentError` for a deployment that cannot be.
    """
    served = parse_deployment(deployment)
    tiers = tiers_of(served.chip)
    following = _next_in_context(ledger)
    found = []
    for index, work in enumerate(turn_works(ledger.run)):
        if work is None or work.gap_s is None:
            continue
        context = work.cached_tokens + work.new_tokens + work.output_tokens
        waiting = waiting_session(served, float(max(context, 1)))
        best = gap_costs(waiting, work.gap_s, tiers)[0]
        found.append(
            Gap(
                turn=index,
                gap_s=work.gap_s,
                context_tokens=context,
                place=best.policy,
                usd=_known(best.usd),
                ttl_usd={
                    name: _known(ttl_cost(waiting, work.gap_s, ttl_s, tiers).usd)
                    for name, ttl_s in TTLS_S.items()
                },
                billed_usd=_cache_billed(ledger, following[index]),
            )
        )
    return tuple(found)


def _next_in_context(ledger: Ledger) -> dict[int, int]:
    newest: dict[str, int] = {}
    following: dict[int, int] = {}
    for index, turn in enumerate(ledger.run.turns):
        if turn.context in newest:
            following[newest[turn.context]] = index
        newest[turn.context] = index
    return following


def _cache_billed(ledger: Ledger, turn: int) -> Decimal | None:
    """Return what a turn was billed for cache reads and writes."""
    amounts = [entry.billed_usd for entry in ledger.entries[turn] if entry.cls.startswith("cache_")]
    if any(amount is None for amount in amounts):
        return None
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _known(usd: float) -> Interval:
    return exact(usd, usd, usd)
