"""The shape of a model: its layers, and from them parameters, weights, KV bytes and FLOPs, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue import kv_size
from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.catalogue.attention_kinds import Attention

BYTES_PER_ELEMENT: Final[Mapping[str, float]] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    # Four bits and a block's scale: 16 values share an fp8 (nvfp4), 32 an e8m0 (mxfp4), 32 a bf16 (int4).
    "fp4": 0.5625,
    "mxfp4": 0.53125,
    "int4": 0.5625,
}
"""Bytes per stored value, block scales included."""

EMBEDDING_BYTES_PER_ELEMENT: Final = BYTES_PER_ELEMENT["bf16"]
"""Input embedding and output head stay in bf16 in every published quantisation."""


def evenly_touched(count: Number, top_k: Number, tokens: Number) -> Number:
    """Return how many of a layer's `count` experts a batch of tokens is expected to use (2.4) [experts].

    Each token uses `top_k` of them, and routing is even: E (1 - (1 - k/E)^tokens).
    """
    missed = 1.0 - top_k / np.maximum(count, top_k + 1e-9)
    return count * (1.0 - missed**tokens)


@dataclass(frozen=True, slots=True)
class Experts:
    """The routed experts of one layer; `parameters` are those of one expert, `width` its inner dimension."""

    count: int
    top_k: int
    parameters: int
    width: int = 0
    # The most nodes that one token's experts may be on (DeepSeek-V3); None for no limit.
    node_limit: int | None = None

    def touched(self, tokens: float) -> float:
        """Return how many experts a batch of tokens is expected to use if routing is even (2.4)."""
        return float(evenly_touched(self.count, self.top_k, tokens))


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What the serving cost depends on in a model. Counts of layers are exact; norms and biases are left out.

    `attention` and `moe_layers` count layers, `hidden`, `vocab` and `dense_ffn_parameters` elements. The
    dtypes are those in which the weights are published, and in which KV is served by default.
    """

    name: str
    hidden: int
    vocab: int
    attention: tuple[tuple[int, Attention], ...]
    dense_ffn_parameters: int
    experts: Experts | None
    moe_layers: int
    tied_embeddings: bool
    max_position_tokens: int
    expert_dtype: str = "bf16"
    rest_dtype: str = "bf16"
    kv_dtype: str = "bf16"
    source: str = ""
    released: str | None = None

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return sum(count for count, _ in self.attention)

    @property
    def expert_width(self) -> int:
        """Inner dimension of one expert; 0 without experts."""
        return self.experts.width if self.experts else 0

    @property
    def attention_parameters(self) -> int:
        """Parameters of all attention layers together."""
        return sum(count * a.parameters for count, a in self.attention)

    @property
    def layer_parameters(self) -> float:
        """Mean parameters of one layer, embeddings left out."""
        return (self.total_parameters - self.embedding_parameters) / self.layers

    @property
    def embedding_parameters(self) -> int:
        """Input and output embeddings; counted once when they are tied."""
        return self.vocab * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def expert_parameters(self) -> int:
        """Parameters of all routed experts together."""
        return self.moe_layers * self.experts.count * self.experts.parameters if self.experts else 0

    @property
    def dense_parameters(self) -> int:
        """Parameters that every token is multiplied by: attention, dense and shared layers, output head."""
        return self.attention_parameters + self.dense_ffn_parameters + self.vocab * self.hidden

    @property
    def total_parameters(self) -> int:
        """All parameters."""
        return (
            self.attention_parameters
            + self.dense_ffn_parameters
            + self.expert_parameters
            + self.embedding_parameters
        )

    @property
    def active_parameters(self) -> int:
        """Parameters one token is multiplied by, output head included, input embedding not."""
        routed = self.moe_layers * self.experts.top_k * self.experts.parameters if self.experts else 0
        return self.dense_parameters + routed

    @property
    def flops_per_token(self) -> float:
        """FLOPs of the linear layers for one token: two per active parameter (Kaplan, arXiv 2001.08361)."""
        return 2.0 * self.active_parameters

    def weight_bytes(self, dtype: str | None = None) -> float:
        """Return the size of the weights, in one dtype or as published [bytes]."""
        return sum(self.weight_parts_bytes(dtype or self.expert_dtype, dtype or self.rest_dtype))

    def weight_parts_bytes(self, experts_dtype: str, rest_dtype: str) -> tuple[float, float]:
        """Return the size of the routed experts and of all other weights, in these dtypes [bytes].

        Embeddings are among the others, and are in bf16 whatever `rest_dtype` is.
        """
        rest = self.total_parameters - self.expert_parameters - self.embedding_parameters
        return (
            self.expert_parameters * BYTES_PER_ELEMENT[experts_dtype],
            rest * BYTES_PER_ELEMENT[rest_dtype] + self.embedding_parameters * EMBEDDING_BYTES_PER_ELEMENT,
        )

    def kv_size(self, kv_dtype: str | None = None) -> kv_size.KvSize:
        """Return what the size of a sequence's KV depends on, in a dtype or in the one served by default."""
        return kv_size.kv_size(self.attention, BYTES_PER_ELEMENT[kv_dtype or self.kv_dtype])

    def kv_bytes_per_token(self, kv_dtype: str | None = None) -> float:
        """Return the KV that each further token of a long context adds (2.1), index keys left out [bytes].

        Windows that are already full add nothing; see `kv_bytes` for a whole sequence.
        """
        size = self.kv_size(kv_dtype)
        return size.kv_bytes + size.kv_limited_bytes

    def kv_bytes(self, context_tokens: float, kv_dtype: str | None = None) -> float:
        """Return what one sequence of this length holds: KV, index keys and fixed state (2.1) [bytes]."""
        return float(kv_size.stored_bytes(self.kv_size(kv_dtype), context_tokens))

    def kv_read_bytes(self, context_tokens: float, kv_dtype: str | None = None) -> float:
        """Return what one decode step reads for one sequence of this length (2.1) [bytes]."""
        return float(kv_size.read_bytes(self.kv_size(kv_dtype), context_tokens))

    @property
    def state_bytes(self) -> float:
        """Recurrent state that one sequence holds, whatever its length [bytes]."""
        return self.kv_size().state_bytes
