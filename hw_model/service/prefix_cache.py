"""The prefixes of agents' sessions in a cache: how many are found, and how much room that takes (2.12).

While a tool runs, a session's KV waits in what memory the running sessions leave free, then in host memory or
a shared store. What finds no room is dropped, and the next prompt computes it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array, Number
from tokenprof.hw_model.equations.plan import ServingPlan

CONTEXTS_PER_SESSION: Final = 1.44
"""Contexts of a live session: its own, and that of a subagent in 44 % of replayed sessions (AgentX)."""

STATE_CHECKPOINT_TOKENS: Final = 32_768.0
"""How often vLLM keeps the state of linear attention (Kimi K3): a hit computes half of that again."""

LEAST_RECENT: Final = 3.0
"""The cache drops the context that has waited longest, which is often the next to return: between 1 (any
context is dropped) and no hit at all past the capacity (contexts return in a fixed order)."""

CONTEXT_VARIATION: Final = 1.16
"""Squared coefficient of variation of contexts: log-normal with the median (140,800) and the mean (207,082)
of replayed sessions."""

NORMAL_NODES: Final = (
    (-2.85697, -1.355626, 0.0, 1.355626, 2.85697),
    (0.0112574, 0.2220759, 0.5333333, 0.2220759, 0.0112574),
)
"""Places and weights of a mean over a normal distribution (Gauss and Hermite's five)."""


@dataclass(frozen=True, slots=True)
class ParkingSpace:
    """Where KV waits outside accelerators: bytes and bytes per second of a prompt replica; 0 for none."""

    capacity_bytes: Number = 0.0
    bytes_per_s: Number = np.inf


@dataclass(frozen=True, slots=True)
class PrefixRoom:
    """How many contexts of the mean length the accelerators that keep prefixes hold, and other memory does.

    `shared` is 1 if sessions that run need room there too (one pool), 0 if they run in a pool of their own.
    """

    inside: Number
    outside: Number
    shared: Number

    def found(self, sessions: Number, running: Number) -> tuple[Array, Array]:
        """Return the hit rate of live sessions, and the share of them that is brought from outside (2.12).

            hits( (inside - running) + outside, over contexts - running ),  running only in one pool

        The pool of prompts keeps the prefixes of running sessions too: the next turn looks for them there.
        """
        contexts = CONTEXTS_PER_SESSION * sessions
        waiting = np.maximum(contexts - running * self.shared, 1e-9)
        stays = np.maximum(self.inside - running * self.shared, 0.0)
        elsewhere = np.clip((waiting - stays) / waiting, 0.0, 1.0) * (np.asarray(self.outside) > 0)
        return hits((stays + self.outside) / waiting, contexts), np.asarray(elsewhere)


def computed_tokens(plan: ServingPlan, cached_tokens: Number, new_tokens: Number) -> Number:
    """Return the tokens that a prompt computes if its prefix is in the cache (2.12) [tokens].

    Those that are new, and those since the last state of linear attention that the engine kept.
    """
    coarse = (np.asarray(plan.linear_layers) > 0) & (np.asarray(plan.vllm) > 0)
    return new_tokens + np.minimum(np.where(coarse, STATE_CHECKPOINT_TOKENS / 2.0, 0.0), cached_tokens)


def hits(room: Number, contexts: Number) -> Array:
    """Return the share of prompts that find their prefix in the cache (2.12).

        mean of min(1, room / d)^3 over d, log-normal with mean 1 and squared variation CV² / contexts

    `room` is that of the cache over the mean need, `contexts` how many contexts need it. Contexts differ in
    length, so what a few of them need together differs too, and hits fall before the mean need is the room.
    """
    log_sd = np.sqrt(np.log1p(CONTEXT_VARIATION / np.maximum(contexts, 1.0)))
    share: Array = np.zeros(np.broadcast(room, log_sd).shape)
    for place, weight in zip(*NORMAL_NODES, strict=True):
        need = np.exp(log_sd * place - log_sd**2 / 2.0)
        share = share + weight * np.clip(room / need, 0.0, 1.0) ** LEAST_RECENT
    return share


def spare_room(contexts: Number) -> Array:
    """Return the room for KV at which `USUAL_HITS` are found, over what contexts need at the mean (2.12).

    `contexts` is how many share the room: the fewer, the more they differ together, and the more is spare.
    """
    return np.interp(np.log(np.maximum(contexts, 1.0)), *_spare_rooms())


@cache
def _spare_rooms() -> tuple[Array, Array]:
    contexts = 2.0 ** np.arange(21.0)
    low, high = np.ones(len(contexts)), np.full(len(contexts), 100.0)
    for _ in range(40):
        middle = np.sqrt(low * high)
        enough = hits(middle, contexts) >= USUAL_HITS
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.log(contexts), high


USUAL_HITS: Final = 0.96
"""Share of prompt tokens that are found in the cache in 2.9 million requests of agents."""
