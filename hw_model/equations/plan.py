"""A deployment as plain numbers: what the equations need, and nothing else.

Each field is a float, or an array with one entry per deployment. The same equations therefore price one
deployment, thousands of sampled ones, or all rows of a measurement file at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT, EMBEDDING_BYTES_PER_ELEMENT, ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPlan:
    """A model on a replica: sizes are those of the whole model, rates and memory those of one accelerator."""

    # The model: layers by what launches and synchronises in them.
    hidden: Number
    layers: Number
    latent_layers: Number
    linear_layers: Number
    indexes: Number
    normed_layers: Number
    moe_layers: Number
    # Weights. `dense` is what every token is multiplied by, `head` the part of it that makes logits;
    # `expert` is one expert of one layer.
    dense_parameters: Number
    dense_weight_bytes: Number
    head_parameters: Number
    expert_parameters: Number
    expert_weight_bytes: Number
    expert_width: Number
    experts: Number
    top_k: Number
    weight_bytes: Number
    # KV of one sequence, as `catalogue.kv_size` defines the fields.
    kv_bytes: Number
    kv_limited_bytes: Number
    read_limit_tokens: Number
    kv_window_bytes: Number
    window_tokens: Number
    index_bytes: Number
    state_bytes: Number
    # FLOPs per pair of query and visible key, summed over the layers, in prompts and in decode steps.
    prefill_pair_flops: Number
    decode_pair_flops: Number
    prefill_limited_pair_flops: Number
    decode_limited_pair_flops: Number
    window_pair_flops: Number
    index_pair_flops: Number
    state_flops: Number
    # The machine.
    dense_flops_per_s: Number
    expert_flops_per_s: Number
    attention_flops_per_s: Number
    memory_bytes: Number
    hbm_bytes_per_s: Number
    link_bytes_per_s: Number
    net_bytes_per_s: Number
    collective_s: Number
    # How the model is cut: accelerators = attention_tp * attention_dp * stages.
    attention_tp: Number
    attention_dp: Number
    stages: Number
    expert_parallel: Number
    kv_shards: Number
    crosses_scaleup: Number
    # Exchange with experts (2.5): places that they are on (scale-up domains if the replica crosses them, else
    # accelerators), the most of them that one token's experts are on, and whether two micro-batches take
    # turns, as 0 or 1.
    exchange_places: Number
    node_limit: Number
    overlaps: Number
    # Speculative decoding: tokens drafted beside each real one, and tokens that a step yields (2.7).
    drafted_tokens: Number
    tokens_per_step: Number
    # Which engine serves it, as 0 or 1, how many years before the reference date it was
    # released, and how new the model was to it: 1 on the day of its release, 0 long after.
    trtllm: Number
    vllm: Number
    sglang: Number
    atom: Number
    software_years: Number
    immaturity: Number
    # Whose chip it is, and which family of kernels multiplies each part, as 0 or 1 (2.10).
    amd: Number
    cdna3: Number
    tpu: Number
    blackwell: Number
    fp4_dense: Number
    fp4_experts: Number
    int4_experts: Number
    widened_experts: Number

    @property
    def accelerators(self) -> Number:
        """Accelerators of one replica."""
        return self.attention_tp * self.attention_dp * self.stages


def stack(plans: Sequence[ServingPlan]) -> ServingPlan:
    """Return many plans as one of arrays of shape (plans,), in order."""
    return ServingPlan(
        **{f.name: np.array([getattr(p, f.name) for p in plans], dtype=float) for f in fields(ServingPlan)}
    )


def prefill_pair_flops(shape: ModelShape) -> float:
    """Return the FLOPs of a pair of prompt tokens in the layers that attend to the whole context (2.2)."""
    full = [(n, a) for n, a in shape.attention if a.elements and a.read_limit_tokens is None]
    return float(sum(n * a.prefill_pair_flops for n, a in full))


def index_pair_flops(shape: ModelShape) -> float:
    """Return the FLOPs that all index layers spend on a pair of query and visible key (2.2)."""
    return float(sum(n * a.index_pair_flops for n, a in shape.attention))


def pair_flops(shape: ModelShape) -> float:
    """Return the FLOPs of attention between two prompt tokens that grow with the whole context (2.2)."""
    return prefill_pair_flops(shape) + index_pair_flops(shape)


def model_numbers(shape: ModelShape, *, experts: str, rest: str, kv: str) -> dict[str, float]:
    """Return the fields of a plan that the model decides, its weights and KV in the given dtypes."""
    groups = [(float(count), a) for count, a in shape.attention]
    growing = [(n, a) for n, a in groups if a.elements]
    limited = [(n, a) for n, a in growing if a.read_limit_tokens is not None]
    full = [(n, a) for n, a in growing if a.read_limit_tokens is None]
    windows = [(n, a) for n, a in groups if a.window_tokens and not a.elements]
    routed = shape.experts
    head = shape.vocab * shape.hidden
    return {
        "hidden": float(shape.hidden),
        "layers": float(shape.layers),
        "latent_layers": sum(n for n, a in groups if "latent" in a.kind),
        "linear_layers": sum(n for n, a in groups if a.kind == "linear"),
        "indexes": sum(n * a.indexes for n, a in groups),
        "normed_layers": sum(n for n, a in groups if a.normed_heads),
        "moe_layers": float(shape.moe_layers),
        "dense_parameters": float(shape.dense_parameters),
        # The input embedding is a look-up, so only the output head counts here.
        "dense_weight_bytes": (shape.dense_parameters - head) * BYTES_PER_ELEMENT[rest]
        + head * EMBEDDING_BYTES_PER_ELEMENT,
        "head_parameters": float(head),
        "expert_parameters": float(routed.parameters) if routed else 0.0,
        "expert_weight_bytes": routed.parameters * BYTES_PER_ELEMENT[experts] if routed else 0.0,
        "expert_width": float(shape.expert_width),
        "experts": float(routed.count) if routed else 1.0,
        "top_k": float(routed.top_k) if routed else 0.0,
        "weight_bytes": sum(shape.weight_parts_bytes(experts, rest)),
        **asdict(shape.kv_size(kv)),
        "prefill_pair_flops": prefill_pair_flops(shape),
        "decode_pair_flops": sum(n * a.decode_pair_flops for n, a in full),
        "prefill_limited_pair_flops": sum(n * a.prefill_pair_flops for n, a in limited),
        "decode_limited_pair_flops": sum(n * a.decode_pair_flops for n, a in limited),
        "window_pair_flops": sum(n * a.prefill_pair_flops for n, a in windows),
        "index_pair_flops": index_pair_flops(shape),
        "state_flops": sum(n * a.state_flops for n, a in groups),
    }
