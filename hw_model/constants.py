"""The fitted constants of the time equations: a few dozen numbers with a physical meaning each.

Values and uncertainties are in `data/constants.json`, written by `benchmarks/hw_fit.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tokenprof.hw_model.catalogue import read_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """Efficiencies are shares of the peak; times are seconds; factors multiply."""

    # Shares of peak bandwidth and of peak arithmetic that real kernels reach.
    weight_bandwidth: float
    expert_bandwidth: float
    kv_bandwidth: float
    latent_kv_bandwidth: float
    dense_arithmetic: float
    expert_arithmetic: float
    prefill_attention_arithmetic: float
    decode_attention_arithmetic: float
    link_bandwidth: float
    # What every layer costs whatever its size: launches and waits, by what is in it.
    layer_s: float
    moe_layer_s: float
    latent_layer_s: float
    linear_layer_s: float
    sparse_layer_s: float
    # What every step costs on the host, and every collective in synchronisation.
    step_s: float
    collective_s: float
    # Work on the busiest expert-parallel rank over the mean.
    expert_imbalance: float
    # How an engine's layers compare with TensorRT-LLM's.
    vllm_layers: float
    sglang_layers: float


@cache
def fitted() -> Constants:
    """Return the constants that ship."""
    return Constants(**{name: row["value"] for name, row in read_data("constants.json")["constants"].items()})
