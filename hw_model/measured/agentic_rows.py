"""Published points of agents: whole sessions, of which a row says little.

What a row leaves open is that of the sessions which the public benchmark replays, and of how engines keep
idle KV unless they are told otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.catalogue.kv_size import stored_bytes
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.memory import with_kv_room
from tokenprof.hw_model.measured.row_values import Row, measured, words
from tokenprof.hw_model.service.load import ClientLoad
from tokenprof.hw_model.service.pools import Pools
from tokenprof.hw_model.service.prefix_cache import ParkingSpace
from tokenprof.hw_model.service.sessions import AgentLoad, agents_at_speed

# Sessions of Claude Code that AgentX replays: the mean input of 60,996 requests, and input to output as on
# the row that states both (121 : 1). The gap closes Little's law on rows that state sessions, rate, TTFT and
# speed.
REPLAYED_INPUT_TOKENS: Final = 207_082.0
REPLAYED_OUTPUT_TOKENS: Final = REPLAYED_INPUT_TOKENS / 121.0
# Codex on SWE-bench Pro (610 traces): contexts from 12,000 to 80,000 tokens, 131 : 1, median delay 5.2 s.
CODEX_INPUT_TOKENS: Final = 46_000.0
CODEX_INPUT_TO_OUTPUT: Final = 131.0
CODEX_GAP_S: Final = 8.0
REPLAYED_HIT_RATE: Final = 0.97
REPLAYED_GAP_S: Final = 16.0

OUTSIDE_WORDS: Final = ("dram", "hicache", "host", "mooncake", "store", "offload", "lmcache")
"""Words by which a row says that idle KV leaves the accelerators."""

HOST_LINK_SHARE: Final = 0.8
"""Share of a host link's bandwidth that copies of KV reach."""


@dataclass(frozen=True, slots=True)
class AgenticPoint:
    """An agentic row: its pools, what it asks of them, and where idle KV may wait."""

    pools: Pools
    load: AgentLoad
    parking: ParkingSpace


def agentic_lengths(row: Row) -> tuple[float, float]:
    """Return the mean prompt, with what is cached of it, and the mean output of an agentic row [tokens]."""
    prompt, output = measured(row, "isl"), measured(row, "osl")
    context = measured(row, "mean_context_tokens")
    if _replays_codex(row):
        return prompt or context or CODEX_INPUT_TOKENS, output or CODEX_INPUT_TOKENS / CODEX_INPUT_TO_OUTPUT
    total, out = measured(row, "input_tokens_per_s_per_gpu"), measured(row, "output_tokens_per_s_per_gpu")
    prompt = prompt or context or REPLAYED_INPUT_TOKENS
    if output is None and total and out:
        output = prompt * out / total
    return prompt, output or REPLAYED_OUTPUT_TOKENS


def agentic_point(
    row: Row, candidates: Sequence[Pools], load: ClientLoad, chip: Chip, speed: float, c: Constants
) -> AgenticPoint:
    """Return the pools of an agentic row and its load; candidates are the pools that its words allow.

    A row without sessions is taken at the number that its speed allows, on the candidate that serves most
    turns for each accelerator.
    """
    prompt = float(np.asarray(load.prompt_tokens))
    gap_s = CODEX_GAP_S if _replays_codex(row) else REPLAYED_GAP_S
    asked = AgentLoad(
        load.clients,
        REPLAYED_HIT_RATE * prompt,
        (1.0 - REPLAYED_HIT_RATE) * prompt,
        load.output_tokens,
        gap_s,
    )
    stated = [_with_stated_room(p, load, measured(row, "kv_pool_tokens")) for p in candidates]
    ways = [(pools, _idle_kv(row, pools, chip)) for pools in stated]
    sessions = float(np.asarray(load.clients))
    if len(ways) == 1 and sessions:
        return AgenticPoint(ways[0][0], asked, ways[0][1])
    found = agents_at_speed(ways, asked, c, speed)
    return AgenticPoint(found.pools, replace(asked, sessions=found.sessions), found.parking)


def _with_stated_room(pools: Pools, load: ClientLoad, kv_pool_tokens: float | None) -> Pools:
    """Return one pool with the room for KV that its row states, as tokens at the row's context [tokens]."""
    if kv_pool_tokens is None or float(np.asarray(pools.disaggregated)):
        return pools
    context = float(np.asarray(load.prompt_tokens)) + float(np.asarray(load.output_tokens)) / 2.0
    plan = with_kv_room(pools.decode, kv_pool_tokens / context * stored_bytes(pools.decode, context))
    return replace(pools, prompt=plan, decode=plan)


def _idle_kv(row: Row, pools: Pools, chip: Chip) -> ParkingSpace:
    """Return where the KV of sessions that wait for a tool is kept, besides the accelerators.

    Engines keep it there unless they are told otherwise, so it moves to host memory only if the row names
    that, and to a store without limit if it names one.
    """
    said = f"{words(row, 'engine')} {words(row, 'note')}".lower()
    if not any(word in said for word in OUTSIDE_WORDS) or "no kv store" in said:
        return ParkingSpace()
    replica = float(np.asarray(pools.prompt.accelerators))
    link = HOST_LINK_SHARE * chip.host_link_bytes_per_s * float(np.asarray(pools.prompt.attention_tp))
    endless = "kv store" in said or "mooncake" in said
    return ParkingSpace(1e18 if endless else chip.host_memory_bytes * replica, link)


def _replays_codex(row: Row) -> bool:
    return "codex" in words(row, "note").lower() or "mooncake" in words(row, "engine").lower()
