"""A run's price beside two others: that of each subscription plan, and one that is taken to break even."""

from __future__ import annotations

from decimal import Decimal

from tokenprof.chain.choices import Choices
from tokenprof.chain.followed_turns import FollowedTurns
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.chain.figures import ChainData, SubscriptionPlan
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import (
    Spread,
    anchor_usd,
    break_even_sessions,
    decompose_spread,
    sessions_a_plan_pays_for,
)


@frozen
class PlanFigures:
    """A plan beside a run: when it breaks even, and its price against what the run costs to compute.

    `usd_per_session` is the plan's price shared by the sessions of a month, `price_to_compute` that share
    divided by the run's compute. `break_even_sessions` such runs a month cost at least the plan's price at
    list price. The price covers the compute of `sessions_at_compute_cost` runs; beyond that number the plan
    is sold at a loss.
    """

    plan: SubscriptionPlan
    usd_per_session: Decimal
    break_even_sessions: int
    sessions_at_compute_cost: Interval
    price_to_compute: Interval


def plan_figures(
    plan: SubscriptionPlan, billed_usd: Decimal, compute_usd: Interval, choices: Choices
) -> PlanFigures:
    """Return a plan's price beside a run, given what the run was billed and what it cost to compute [USD]."""
    share = plan.usd_per_month / choices.sessions_per_month
    return PlanFigures(
        plan,
        share,
        break_even_sessions(plan, billed_usd),
        sessions_a_plan_pays_for(plan, compute_usd),
        Interval.exactly(share) / compute_usd,
    )


def spread_over_anchor(
    followed: FollowedTurns,
    compute_usd: Interval,
    training_usd: Interval,
    figures: ChainData,
    anchor: str,
) -> Spread:
    """Return a run's price over an anchor's price for the same tokens, split into parts [USD].

    Raises `ChainDataError` for an anchor that the chain file lacks.
    """
    usage = followed.usage
    fresh_tokens = usage.input_tokens - usage.cache_read_tokens
    anchored_usd = anchor_usd(
        figures.anchor(anchor), fresh_tokens, usage.all_output_tokens, usage.cache_read_tokens
    )
    return decompose_spread(followed.billed_usd, anchored_usd, compute_usd, training_usd, figures)
