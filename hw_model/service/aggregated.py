"""A server that takes prompts between decode steps, at a fixed number of clients: what benchmarks measure.

Each client waits for its answer before it sends its next request, so `clients` sequences are in flight.
Between two tokens of a sequence the server also works on prompts of others, and that is most of the
difference between a measured time per output token and a bare decode step (2.6).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.prefill import prefill
from tokenprof.hw_model.equations.timing import decode_step
from tokenprof.hw_model.service.load import ClientLoad

VLLM_LARGEST_BATCH: Final = 256.0
"""The default of vLLM's `max_num_seqs`, which each data-parallel rank has; further requests wait."""


def engine_limit(plan: ServingPlan) -> Number:
    """Return how many sequences an engine runs at once by default, whatever fits (2.6) [sequences]."""
    limit = VLLM_LARGEST_BATCH * np.asarray(plan.attention_dp)
    return np.where(np.asarray(plan.vllm) > 0, limit, np.inf)


def running_sequences(plan: ServingPlan, load: ClientLoad) -> Number:
    """Return how many sequences run at once: clients, less those that have to wait (2.6) [sequences].

    Memory makes some wait, and so does the engine. If not even one sequence fits by this account, memory
    limits nothing: the server that was measured held them somehow.
    """
    held = capacity_batch(plan, load.prompt_tokens + load.output_tokens / 2.0)
    fit = np.where(held < 1.0, np.inf, held)
    return np.minimum(np.minimum(load.clients, fit), engine_limit(plan))


def time_per_output_token_s(plan: ServingPlan, load: ClientLoad, c: Constants) -> Number:
    """Return the mean time between two tokens of a sequence (2.3, 2.6) [s].

    A decode step, and this sequence's share of the time that prompts of others take.
    """
    sequences = running_sequences(plan, load)
    step = decode_step(plan, sequences, load.prompt_tokens + load.output_tokens / 2.0, c).total_s
    # Prompts follow one another through the pipeline, so each holds up one stage at a time.
    prompt_s = prefill(plan, load.prompt_tokens, 0.0, c).work_s / plan.stages
    computed = np.where(np.asarray(load.prompts_repeat) > 0, c.repeated_prompt_share, 1.0)
    others = np.maximum(sequences - 1.0, 0.0) / load.output_tokens
    return step / plan.tokens_per_step + c.interference * computed * others * prompt_s


def output_tokens_per_s(plan: ServingPlan, load: ClientLoad, c: Constants) -> Number:
    """Return the output tokens of a whole replica per second, with prompts in between (2.6) [tokens/s]."""
    return running_sequences(plan, load) / time_per_output_token_s(plan, load, c)
