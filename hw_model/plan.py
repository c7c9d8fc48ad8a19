"""A deployment as plain numbers: what the time equations need, and nothing else.

Every field is a float, or an array with one entry per deployment. The same equations therefore price one
deployment, thousands of sampled ones, and every row of a measurement file at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT, ModelShape

Array: TypeAlias = npt.NDArray[np.float64]
Number: TypeAlias = float | Array


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPlan:
    """A model on a replica of `accelerators`; sizes are of the whole model, rates of one accelerator."""

    # The model: layers by what launches and synchronises in them.
    hidden: Number
    layers: Number
    latent_layers: Number
    linear_layers: Number
    sparse_layers: Number
    normed_layers: Number
    moe_layers: Number
    # Weights. `dense` is what every token passes, `head` the part of it that makes logits;
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
    # KV of one sequence: per token, per token but read to a limit, per token of a window, index, fixed state.
    kv_bytes: Number
    kv_limited_bytes: Number
    read_limit_tokens: Number
    kv_window_bytes: Number
    window_tokens: Number
    index_bytes: Number
    state_bytes: Number
    # FLOPs per pair of query and visible key, all layers together, in prompts and in decode steps.
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
    # Copies of a token sent to experts elsewhere: to other nodes where the replica crosses them, else ranks.
    sent_copies: Number
    # Speculative decoding: tokens drafted beside each real one, and tokens gained per step with them (2.7).
    drafted_tokens: Number
    tokens_per_step: Number
    # Which engine serves it, as 0 or 1; none of the three is 0 throughout.
    trtllm: Number
    vllm: Number
    sglang: Number

    @property
    def accelerators(self) -> Number:
        """Accelerators of one replica."""
        return self.attention_tp * self.attention_dp * self.stages


def stack(plans: Sequence[ServingPlan]) -> ServingPlan:
    """Return many deployments as one plan of arrays, in order."""
    return ServingPlan(
        **{f.name: np.array([getattr(p, f.name) for p in plans], dtype=float) for f in fields(ServingPlan)}
    )


def model_numbers(shape: ModelShape, *, experts: str, rest: str, kv: str) -> dict[str, float]:
    """Return the model's part of a plan, its weights and KV in the given dtypes."""
    kv_element = BYTES_PER_ELEMENT[kv]
    groups = [(float(count), a) for count, a in shape.attention]
    growing = [(n, a) for n, a in groups if a.elements]
    limited = [(n, a) for n, a in growing if a.read_limit_tokens is not None]
    full = [(n, a) for n, a in growing if a.read_limit_tokens is None]
    windows = [(n, a) for n, a in groups if a.window_tokens]
    expert_element, rest_element = BYTES_PER_ELEMENT[experts], BYTES_PER_ELEMENT[rest]
    routed = shape.experts
    # The output head stays in bf16 in every published quantisation; the input embedding is a look-up.
    head = shape.vocab * shape.hidden
    return {
        "hidden": float(shape.hidden),
        "layers": float(shape.layers),
        "latent_layers": sum(n for n, a in groups if "latent" in a.kind),
        "linear_layers": sum(n for n, a in groups if a.kind == "linear"),
        "sparse_layers": sum(n for n, a in groups if "sparse" in a.kind),
        "normed_layers": sum(n for n, a in groups if a.normed_heads),
        "moe_layers": float(shape.moe_layers),
        "dense_parameters": float(shape.dense_parameters),
        "dense_weight_bytes": (shape.dense_parameters - head) * rest_element + head * 2.0,
        "head_parameters": float(head),
        "expert_parameters": float(routed.parameters) if routed else 0.0,
        "expert_weight_bytes": routed.parameters * expert_element if routed else 0.0,
        "expert_width": float(shape.expert_width),
        "experts": float(routed.count) if routed else 1.0,
        "top_k": float(routed.top_k) if routed else 0.0,
        "weight_bytes": shape.expert_parameters * expert_element
        + (shape.total_parameters - shape.expert_parameters - shape.embedding_parameters) * rest_element
        + shape.embedding_parameters * 2.0,
        "kv_bytes": kv_element * sum(n * a.elements for n, a in full),
        "kv_limited_bytes": kv_element * sum(n * a.elements for n, a in limited),
        "read_limit_tokens": float(limited[0][1].read_limit_tokens or 0) if limited else 0.0,
        "kv_window_bytes": kv_element * sum(n * a.window_elements for n, a in windows),
        "window_tokens": float(windows[0][1].window_tokens) if windows else 0.0,
        "index_bytes": sum(n * a.index_bytes for n, a in groups),
        "state_bytes": shape.state_bytes,
        "prefill_pair_flops": sum(n * a.prefill_pair_flops for n, a in full),
        "decode_pair_flops": sum(n * a.decode_pair_flops for n, a in full),
        "prefill_limited_pair_flops": sum(n * a.prefill_pair_flops for n, a in limited),
        "decode_limited_pair_flops": sum(n * a.decode_pair_flops for n, a in limited),
        "window_pair_flops": sum(n * a.prefill_pair_flops for n, a in windows if not a.elements),
        "index_pair_flops": sum(n * a.index_pair_flops for n, a in groups),
        "state_flops": sum(n * a.state_flops for n, a in groups),
    }
