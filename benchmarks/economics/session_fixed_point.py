"""Drawn deployments as fleets of sessions: the fixed point (2.12) beside the form that chose them (2.13).

    python benchmarks/economics/session_fixed_point.py [--out benchmarks/results/session_fixed_point.json]

For each draw as many sessions are live as keep the chosen batch running. The fixed point then says what a
turn costs, how often its prefix is found, and how long its first token takes.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.lookup import find_model
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.turn_work import MeanTurn
from tokenprof.hw_model.fleet.architectures import chip_table, host_of
from tokenprof.hw_model.fleet.clock import ObservedSpeed
from tokenprof.hw_model.fleet.closed_model_classes import CLASSES
from tokenprof.hw_model.fleet.one_layout import USUAL_TTFT_S, turn_prompt_s
from tokenprof.hw_model.fleet.sampling import FleetQuestion, chosen_for
from tokenprof.hw_model.measured.agentic_rows import HOST_LINK_SHARE
from tokenprof.hw_model.service.pools import Pools
from tokenprof.hw_model.service.prefix_cache import ParkingSpace
from tokenprof.hw_model.service.sessions import AgentLoad, agent_service

DRAWS = 2000
USUAL = MeanTurn(60_000.0, 1_500.0, 300.0, 3.8)
LONG = MeanTurn(176_721.0, 7_634.0, 823.0, 3.8)
SLOW_TOOLS = MeanTurn(60_000.0, 1_500.0, 300.0, 60.0)


@dataclass(frozen=True)
class Agreement:
    """Percentiles 5, 25, 50, 75 and 95 over draws.

    `cost` is that of a turn by the fixed point over that of the choice, `speed` the speed given over the one
    asked for.
    """

    cost: list[float]
    hit_rate: list[float]
    ttft_s: list[float]
    speed: list[float]


def agreement(asked: FleetQuestion, draws: int = DRAWS, seed: int = 0) -> Agreement:
    """Return how far the fixed point is from the closed form for the deployments of one question."""
    c, turn = fitted(), asked.turn
    drawn, speed, choice, _ = chosen_for(asked, draws, np.random.default_rng([seed, 1]), c)
    plan, split = choice.plan, choice.disaggregated > 0
    batch = np.asarray(choice.batch.sequences)
    prompts = turn_prompt_s(plan, turn, draws, c)
    prompt_s = np.where(split, prompts.own_pool, prompts.beside)
    decoding_s = turn.output_tokens * np.asarray(choice.batch.step_s) / np.asarray(plan.tokens_per_step)
    answer_s = np.where(split, decoding_s, decoding_s + batch * prompt_s)
    turns_per_s = batch / answer_s
    # Prompt replicas for each decode replica; as many of both that there is at least one for prompts.
    prompts_each = np.where(split, turns_per_s * prompt_s / choice.prompt_load, 1.0)
    replicas = np.where(split, np.ceil(1.0 / prompts_each), 1.0)
    pools = Pools(plan, plan, prompts_each * replicas, replicas, split * 1.0)
    waiting_s = np.where(split, USUAL_TTFT_S, prompt_s) + turn.gap_s
    load = AgentLoad(
        replicas * turns_per_s * (answer_s + waiting_s),
        turn.cached_tokens,
        turn.new_tokens,
        turn.output_tokens,
        turn.gap_s,
    )
    # A shared store: host memory of all replicas, over the links of those that compute prompts.
    memory = host_of(drawn["chip"]).memory_bytes * np.asarray(plan.accelerators)
    link = HOST_LINK_SHARE * chip_table(drawn["chip"], lambda chip: chip.host_link_bytes_per_s)
    everywhere = np.where(split, (1.0 + prompts_each) / prompts_each, 1.0)
    space = ParkingSpace(memory * everywhere, link * np.asarray(plan.attention_tp))
    served = agent_service(pools, load, c, space)
    cost = np.asarray(pools.accelerators) / np.maximum(np.asarray(served.turns_per_s), 1e-12)
    return Agreement(
        cost=_percentiles(cost / choice.seconds_per_turn),
        hit_rate=_percentiles(np.asarray(served.hit_rate)),
        ttft_s=_percentiles(np.asarray(served.ttft_s)),
        speed=_percentiles(1.0 / np.asarray(served.tpot_s) / speed),
    )


def _percentiles(values: Array) -> list[float]:
    return [round(float(x), 3) for x in np.percentile(values, (5, 25, 50, 75, 95))]


def questions() -> dict[str, FleetQuestion]:
    """Return the fleets that are looked at."""
    clock = ObservedSpeed(70.0, 0.05, 50, "assumed")
    opus = CLASSES["opus"]
    found = {
        "Opus class, 60k of context": FleetQuestion(opus, "anthropic", USUAL, clock),
        "Opus class, 177k of context": FleetQuestion(opus, "anthropic", LONG, clock),
        "Opus class, tools of a minute": FleetQuestion(opus, "anthropic", SLOW_TOOLS, clock),
    }
    for name in ("DeepSeek-V4-Pro", "Kimi-K2.6", "GLM-5.2", "Kimi-K3"):
        found[f"{name}, 60k of context"] = FleetQuestion(find_model(name), "hosts", USUAL, clock)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    figures = {}
    print("percentiles 5, 25, 50, 75, 95 over draws")
    for name, asked in questions().items():
        found = agreement(asked)
        figures[name] = asdict(found)
        print(
            f"{name:32s} cost, fixed point over choice {found.cost}\n{'':32s} hit rate {found.hit_rate}"
            f"  TTFT, s {found.ttft_s}  speed given over asked {found.speed}"
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
