"""The layouts that operators use, and the cheapest of them at a speed (2.13)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.service.load import ClientLoad
from tokenprof.hw_model.service.pools import (
    Pools,
    closed_loop,
    stack_pools,
    tokens_per_s_per_accelerator,
)

CLIENT_STEPS: Final = 2.0 ** np.arange(0.0, 13.5, 0.5)
"""Numbers of clients per decode replica that are tried."""

POOL_RATIOS: Final = ((1, 8), (1, 4), (1, 2), (1, 1), (2, 1), (3, 1), (4, 1), (6, 1))
"""Replicas that compute prompts, to replicas that decode."""

WIDE_RANKS: Final = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class ChosenService:
    """The pools that were chosen, and the clients that they serve at the speed asked for."""

    pools: Pools
    clients: float


def replicas_of(base: Deployment, *, largest: int = 64) -> Iterator[Deployment]:
    """Yield the usual ways to cut one replica: tensor-parallel in a node, experts over many accelerators."""
    domain = min(8, base.chip.scaleup_world)
    for ranks in (1, 2, 4, 8):
        if ranks <= domain and base.shape.hidden % ranks == 0:
            yield replace(base, tp=ranks, dp=1, pp=1, ep=1)
    yield replace(base, tp=domain, dp=1, pp=2, ep=1)
    if base.chip.scaleup_world >= 16 and largest >= 16:
        yield replace(base, tp=16, dp=1, pp=1, ep=1)
    if base.shape.experts is None:
        yield replace(base, tp=domain, dp=1, pp=4, ep=1)
        return
    for ranks in (4, *WIDE_RANKS, 64):
        if ranks <= largest:
            yield replace(base, tp=1, dp=ranks, pp=1, ep=ranks)


def services_of(
    base: Deployment, *, disaggregated: bool | None, gpus: int | None, context_tokens: float
) -> list[Pools]:
    """Return the usual services of a model on a chip that hold a context of this length.

    `disaggregated` and `gpus` confine them; None leaves that open. `base` gives shape, chip, dtypes and
    engine.
    """
    found: list[Pools] = []
    plain = replace(base, drafted_tokens=0)
    replicas = [r for r in replicas_of(base) if float(capacity_batch(r.plan(), context_tokens)) >= 1.0]
    if disaggregated is not True:
        for replica in replicas:
            count = 1.0 if gpus is None else gpus / replica.accelerators
            if count >= 1.0 and count == int(count):
                plan = replica.plan()
                found.append(Pools(plan, plan, count, count))
    if disaggregated is not False:
        holding = [r for r in replicas_of(plain) if float(capacity_batch(r.plan(), context_tokens)) >= 1.0]
        small = [r for r in holding if r.accelerators <= 8][-3:]
        for decode in replicas:
            for prompt in small or holding[:1]:
                found.extend(
                    Pools(prompt.plan(), decode.plan(), float(prompts), float(decodes), 1.0)
                    for prompts, decodes in pool_replicas(prompt.accelerators, decode.accelerators, gpus)
                )
    return found


def pool_replicas(prompt_ranks: int, decode_ranks: int, gpus: int | None) -> Iterator[tuple[int, int]]:
    """Yield the usual numbers of replicas for prompts and for decoding that fill `gpus` accelerators.

    `prompt_ranks` and `decode_ranks` are the accelerators of one replica; None leaves their number open.
    """
    for prompts, decodes in POOL_RATIOS:
        total = prompt_ranks * prompts + decode_ranks * decodes
        if gpus is None or gpus % total == 0:
            times = 1 if gpus is None else gpus // total
            yield prompts * times, decodes * times


def cheapest_service(
    candidates: Sequence[Pools], load: ClientLoad, c: Constants, *, tokens_per_s: float | None
) -> ChosenService | None:
    """Return the candidate with the most tokens per second and accelerator at a speed (2.13).

    `load` is one request; if its `clients` is above 0 that many clients are served, else as many as keep
    `tokens_per_s` to each. None if no candidate does.
    """
    if not candidates:
        return None
    fixed = float(np.asarray(load.clients)) > 0
    steps = np.array([1.0]) if fixed else CLIENT_STEPS
    pools = stack_pools([p for p in candidates for _ in steps])
    clients = np.array(
        [load.clients if fixed else step * float(np.asarray(p.decode_replicas))
         for p in candidates for step in steps]
    )  # fmt: skip
    asked = replace(load, clients=clients)
    served = closed_loop(pools, asked, c)
    gained = tokens_per_s_per_accelerator(pools, asked, served)
    enough = np.ones(len(gained), dtype=bool)
    if tokens_per_s is not None:
        enough = np.asarray(served.tpot_s) <= 1.0 / tokens_per_s
        if not enough.any():
            enough = np.asarray(served.tpot_s) <= np.min(served.tpot_s) * 1.05
    best = int(np.argmax(np.where(enough, gained, -1.0)))
    return ChosenService(candidates[best // len(steps)], float(clients[best]))


def clients_at_speed(pools: Pools, load: ClientLoad, c: Constants, tokens_per_s: float) -> float:
    """Return how many clients a service keeps at `tokens_per_s` each, interpolated between tried numbers."""
    replicas = float(np.asarray(pools.decode_replicas))
    many = stack_pools([pools] * len(CLIENT_STEPS))
    served = closed_loop(many, replace(load, clients=CLIENT_STEPS * replicas), c)
    slower = np.maximum.accumulate(np.asarray(served.tpot_s))
    found = np.interp(np.log(1.0 / tokens_per_s), np.log(slower), np.log(CLIENT_STEPS))
    return float(np.exp(found)) * replicas
