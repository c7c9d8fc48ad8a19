"""A server that takes prompts and generates at once, at a fixed number of clients: what benchmarks measure.

Every client waits for its answer, then sends its next request, so `clients` sequences are in flight. Between
two tokens of a sequence the others' prompts are worked on too, and that is most of what separates a measured
time per output token from a bare decode step (2.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array, Number
from tokenprof.hw_model.constants import Constants
from tokenprof.hw_model.memory import capacity_batch
from tokenprof.hw_model.plan import ServingPlan
from tokenprof.hw_model.timing import decode_step, prefill

VLLM_LARGEST_BATCH: Final = 256.0
"""vLLM's default `max_num_seqs`; further requests wait."""


@dataclass(frozen=True, slots=True)
class ClientLoad:
    """What clients ask of a server: mean lengths, how many at a time, and whether prompts repeat."""

    clients: Number
    prompt_tokens: Number
    output_tokens: Number
    prompts_repeat: Number = 0.0


def stack_loads(loads: Sequence[ClientLoad]) -> ClientLoad:
    """Return many loads as one of arrays, in order."""
    columns: list[Array] = [
        np.array([getattr(x, f.name) for x in loads], dtype=float) for f in fields(ClientLoad)
    ]
    return ClientLoad(*columns)


def running_sequences(plan: ServingPlan, load: ClientLoad) -> Number:
    """Sequences that really run at once: clients, less those that memory or the engine makes wait (2.6).

    Where the weights alone overfill memory by this account, the server that was measured held them somehow,
    and no cap is put on it.
    """
    held = capacity_batch(plan, load.prompt_tokens + load.output_tokens / 2.0)
    fit = np.where(held < 1.0, np.inf, held)
    engine = np.where(np.asarray(plan.vllm) > 0, VLLM_LARGEST_BATCH, np.inf)
    return np.minimum(np.minimum(load.clients, fit), engine)


def time_per_output_token_s(plan: ServingPlan, load: ClientLoad, c: Constants) -> Number:
    """Mean time between two tokens of a sequence: a step, and its share of the others' prompts (2.3, 2.6)."""
    sequences = running_sequences(plan, load)
    step = decode_step(plan, sequences, load.prompt_tokens + load.output_tokens / 2.0, c).total_s
    # Prompts follow one another through pipeline stages, so each holds up only its share of them.
    prompt_s = prefill(plan, load.prompt_tokens, 0.0, c).work_s / plan.stages
    computed = np.where(np.asarray(load.prompts_repeat) > 0, c.repeated_prompt_share, 1.0)
    others = np.maximum(sequences - 1.0, 0.0) / load.output_tokens
    return step / plan.tokens_per_step + c.interference * computed * others * prompt_s


def output_tokens_per_s(plan: ServingPlan, load: ClientLoad, c: Constants) -> Number:
    """Output tokens of the whole replica per second, prompts worked on in between."""
    return running_sequences(plan, load) / time_per_output_token_s(plan, load, c)
