"""Nodes of your own, or rented by the hour, under agents' calls: what one serves and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tokenprof.hw_model.assumed import DEFAULT_TOKENS_PER_S
from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.lookup import chips
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment import require_capacity
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.equations.turn_work import MeanTurn, TurnWork
from tokenprof.hw_model.fleet.clock import observed_speed
from tokenprof.hw_model.fleet.own_error import error_of_sold_agents
from tokenprof.hw_model.hours import hour_draws, owner_ranges
from tokenprof.hw_model.observed_run import mean_turn
from tokenprof.hw_model.service.pools import Pools
from tokenprof.hw_model.service.prefix_cache import ParkingSpace
from tokenprof.hw_model.service.sessions import AgentLoad, agent_service, agents_at_speed
from tokenprof.hw_model.serving_settings import ServingSettings

__all__ = ["MeanTurn", "OwnNode", "mean_turn", "own_node", "wanted_tokens_per_s"]

HOST_LINK_SHARE: Final = 0.8
"""The part of the link to host memory that moving KV gets."""


@dataclass(frozen=True)
class OwnNode:
    """One replica of a deployment, as text, under a stream of calls, draw by draw.

    `turns_per_s` is the most it serves at the speed that each session is to have, `usd_per_hour` what its
    accelerators cost together [USD]. `sessions` are live at that load, of which `hit_rate` find their KV.
    `tokens_per_s` is the speed that a session gets there. `hours_source` says where hours cost that.
    """

    deployment: str
    turns_per_s: Array
    usd_per_hour: Array
    sessions: float
    hit_rate: float
    tokens_per_s: float
    hours_source: str


def wanted_tokens_per_s(turns: Sequence[TurnWork]) -> float:
    """Return the speed that some calls had by their own clock, or a usual one [tokens/s]."""
    seen = observed_speed(turns)
    return DEFAULT_TOKENS_PER_S if seen is None else seen.tokens_per_s


def own_node(
    described: str,
    turn: MeanTurn,
    tokens_per_s: float,
    settings: ServingSettings,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> OwnNode:
    """Return what one replica of a deployment, as text, serves of some calls (2.12, 2.13), and costs (2.9).

    `settings` says whose hours are paid: the owner's finances are drawn, or rents between their readings. The
    rate has the model's own error on services of agents. Raises DeploymentError if the calls do not fit.
    """
    deployment = parse_deployment(described)
    require_capacity(deployment, turn.context_tokens)
    c, plan, chip = fitted(), deployment.plan(), deployment.chip
    pools = Pools(plan, plan)
    parking = ParkingSpace(
        chip.host_memory_bytes * deployment.accelerators,
        HOST_LINK_SHARE * chip.host_link_bytes_per_s * float(np.asarray(plan.attention_tp)),
    )
    load = AgentLoad(1.0, turn.cached_tokens, turn.new_tokens, turn.output_tokens, turn.gap_s)
    found = agents_at_speed([(pools, parking)], load, c, tokens_per_s)
    served = agent_service(pools, replace(load, sessions=found.sessions), c, parking)
    rng = np.random.default_rng([seed, 5])
    error = error_of_sold_agents(draws, rng)
    owner = owner_ranges(settings).drawn(rng, draws)
    low, _, high = chip.capex_usd
    hours = hour_draws(
        owner.parts_usd_per_hour(rng.uniform(low, high, draws), chip.all_in_kw),
        np.full(draws, list(chips()).index(chip.name)),
        settings,
        utilisation=np.ones(draws),
        service_factor=error,
        seed=seed,
    )
    return OwnNode(
        described,
        float(np.asarray(served.turns_per_s)) / error,
        hours.paid_usd * deployment.accelerators,
        found.sessions,
        float(np.asarray(served.hit_rate)),
        1.0 / float(np.asarray(served.tpot_s)),
        hours.basis.source,
    )
