"""The fitted constants of the time equations: a few dozen numbers, each with a physical meaning.

Values and uncertainties are in `data/constants.json`, written by `benchmarks/hw_fit.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache

from tokenprof.hw_model.catalogue.lookup import read_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """Efficiencies are shares of the peak; names in `_s` are seconds; the rest are plain numbers."""

    # Shares of peak bandwidth that real kernels reach: weights, experts, KV, latent KV, links.
    weight_bandwidth: float
    expert_bandwidth: float
    kv_bandwidth: float
    latent_kv_bandwidth: float
    link_bandwidth: float
    # Shares of peak arithmetic: in decode steps, in prompts, and attention in each.
    dense_arithmetic: float
    expert_arithmetic: float
    prompt_dense_arithmetic: float
    prompt_expert_arithmetic: float
    prompt_attention_arithmetic: float
    decode_attention_arithmetic: float
    # Experts: how close routing comes to even, work on the busiest rank over the mean, columns of a shard
    # that its edges waste, and rows by which each used expert is padded, in decode steps and in prompts.
    routing_spread: float
    expert_imbalance: float
    shard_columns: float
    tile_rows: float
    prompt_tile_rows: float
    # What a layer costs whatever its size: launches and waits, by what is in it.
    layer_s: float
    moe_layer_s: float
    latent_layer_s: float
    linear_layer_s: float
    index_s: float
    normed_layer_s: float
    # TensorRT-LLM's fp8 grouped matrix multiply spends this on each expert that a rank goes through.
    expert_group_s: float
    # How an engine's layers compare with TensorRT-LLM's.
    vllm_layers: float
    sglang_layers: float
    atom_layers: float
    # Kernel families, as shares of what fp8 kernels reach (2.10): 4-bit dense layers, 4-bit experts, int4
    # experts, and 4-bit experts on a chip without 4-bit arithmetic.
    fp4_dense: float
    fp4_experts: float
    int4_experts: float
    widened_experts: float
    # Makers, as shares of what NVIDIA's chips reach, and their layers as multiples (2.10).
    amd_bandwidth: float
    amd_arithmetic: float
    amd_attention: float
    amd_layers: float
    tpu_bandwidth: float
    tpu_arithmetic: float
    tpu_layers: float
    # AMD's layers on the older generation (CDNA 3), as a multiple of the newer one's: on engines since May
    # 2026, and on older ones.
    cdna3_layers: float
    cdna3_older_layers: float
    # How much slower the same box was per year before the reference date (2.10).
    software_per_year: float
    amd_software_per_year: float
    # How much longer a model takes on AMD's chips on the day of its release, less 1.
    amd_new_model: float
    # What a step costs on the host, and each sequence in it.
    step_s: float
    trtllm_sequence_s: float
    vllm_sequence_s: float
    sglang_sequence_s: float
    # Collectives: waiting for the slowest rank, and the ramp between latency and bandwidth at 64 kB.
    collective_wait_s: float
    collective_ramp_s: float
    # How often activations pass through memory in a layer.
    activation_passes: float
    # All-to-all exchange with experts (2.5): latency each way, in a domain and across domains, shares of
    # bandwidth, and what waiting for ranks that arrive late makes of it in serving, as a multiple.
    exchange_s: float
    exchange_net_s: float
    exchange_bandwidth: float
    exchange_net_bandwidth: float
    exchange_stretch: float
    # Speculative decoding (2.7): the chance that the first drafted token is accepted where a model's own is
    # not published, the host's time for each drafted token of a step, and for each in each sequence.
    draft_acceptance: float
    draft_s: float
    draft_sequence_s: float
    # What a request costs before its first token (2.11): the front end, and the hand-over between pools.
    request_s: float
    handover_s: float
    # Share of a burst that is still together when a closed loop of clients comes round again.
    synchrony: float
    # Share of a prompt's time that other sequences wait for, and of a repeated prompt that is computed.
    interference: float
    repeated_prompt_share: float


NAMES = tuple(f.name for f in fields(Constants))


@cache
def fitted() -> Constants:
    """Return the constants that ship."""
    return Constants(**{name: row["value"] for name, row in constant_rows().items()})


def constant_rows() -> Mapping[str, Mapping[str, float]]:
    """Return each constant's value, prior and standard deviation of its logarithm."""
    rows: Mapping[str, Mapping[str, float]] = read_data("constants.json")["constants"]
    return rows
