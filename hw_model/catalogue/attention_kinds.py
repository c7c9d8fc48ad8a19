"""The kinds of attention layer, each reduced to the same few facts: what it stores, reads and computes.

Attention decides what a long context costs (equation 2.1). A new kind is one more constructor here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Attention:
    """One attention layer, whatever its kind, in elements and FLOPs (2.1).

    A sequence of S tokens stores `elements * S + window_elements * min(S, window_tokens)` elements, plus
    `index_bytes * S` bytes and `state_elements`, which do not grow. A decode step reads all of that, or only
    `read_limit_tokens` of the growing part if that is set.
    """

    kind: str
    parameters: int
    elements: float = 0.0
    window_elements: float = 0.0
    window_tokens: int = 0
    read_limit_tokens: int | None = None
    index_bytes: float = 0.0
    state_elements: int = 0
    # FLOPs for one query token against one visible key, in a prompt and in a decode step.
    prefill_pair_flops: float = 0.0
    decode_pair_flops: float = 0.0
    index_pair_flops: float = 0.0
    state_flops: float = 0.0
    # Indexes that a layer works out: 1 with one of its own, 1/4 if four layers share it.
    indexes: float = 0.0
    # Queries and keys are normalised per head: more small kernels in every layer.
    normed_heads: bool = False
    # How many tensor-parallel ranks can each hold a part of the KV; any further ranks hold copies (2.1).
    kv_shards: int = 1


def grouped_query(
    hidden: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    *,
    gated: bool = False,
    normed_heads: bool = False,
    window_tokens: int = 0,
) -> Attention:
    """Return multi-head, grouped-query or multi-query attention; sliding-window if `window_tokens` is set.

    A token stores `2 * kv_heads * head_dim` elements of KV (Shazeer, arXiv 1911.02150; Ainslie, arXiv
    2305.13245). `gated` doubles the query projection.
    """
    kv_elements = 2.0 * kv_heads * head_dim
    query = hidden * heads * head_dim * (2 if gated else 1)
    return Attention(
        kind="window" if window_tokens else "gqa",
        parameters=query + 2 * hidden * kv_heads * head_dim + heads * head_dim * hidden,
        elements=0.0 if window_tokens else kv_elements,
        window_elements=kv_elements if window_tokens else 0.0,
        window_tokens=window_tokens,
        prefill_pair_flops=4.0 * heads * head_dim,
        decode_pair_flops=4.0 * heads * head_dim,
        normed_heads=normed_heads,
        kv_shards=kv_heads,
    )


def block_sparse(
    hidden: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    *,
    read_limit_tokens: int,
    normed_heads: bool = False,
) -> Attention:
    """Return grouped-query attention that stores each token but reads only the best blocks of 128.

    A step reads at most `read_limit_tokens` tokens. Source: the config of MiniMax-M3.
    """
    full = grouped_query(hidden, heads, kv_heads, head_dim, normed_heads=normed_heads)
    return replace(
        full,
        kind="sparse",
        read_limit_tokens=read_limit_tokens,
        # One key of head_dim per KV head for each block of 128 tokens picks the blocks.
        index_bytes=2.0 * kv_heads * head_dim / 128,
        index_pair_flops=2.0 * heads * head_dim / 128,
        indexes=1.0,
    )


def latent(
    hidden: int,
    heads: int,
    *,
    kv_rank: int,
    rope_dim: int,
    nope_dim: int,
    value_dim: int,
    query_rank: int | None,
    index_heads: int = 0,
    index_dim: int = 0,
    index_shared_layers: int = 1,
    read_limit_tokens: int | None = None,
) -> Attention:
    """Return multi-head latent attention: one latent and one rotary key per token, shared by all heads.

    Prompts expand the latent to full heads. Decode steps work on the latent itself, which takes more FLOPs
    per pair and far fewer bytes (DeepSeek-V2, arXiv 2405.04434). With an index, as in the sparse attention of
    DeepSeek-V3.2, each step scores all tokens with small fp8 keys and reads only the best
    `read_limit_tokens`. If several layers share one index (GLM-5.2), each counts for its part of it.
    """
    key_dim = nope_dim + rope_dim
    query = hidden * query_rank + query_rank * heads * key_dim if query_rank else hidden * heads * key_dim
    index = (query_rank or hidden) * index_heads * index_dim + hidden * (index_dim + index_heads)
    return Attention(
        kind="sparse_latent" if index_heads else "latent",
        parameters=query
        + hidden * (kv_rank + rope_dim)
        + kv_rank * heads * (nope_dim + value_dim)
        + heads * value_dim * hidden
        + (index // index_shared_layers if index_heads else 0),
        elements=float(kv_rank + rope_dim),
        read_limit_tokens=read_limit_tokens,
        index_bytes=index_dim / index_shared_layers if index_heads else 0.0,
        prefill_pair_flops=2.0 * heads * (key_dim + value_dim),
        decode_pair_flops=2.0 * heads * (kv_rank + rope_dim + kv_rank),
        index_pair_flops=2.0 * index_heads * index_dim / index_shared_layers,
        indexes=1.0 / index_shared_layers if index_heads else 0.0,
    )


def compressed(
    hidden: int,
    heads: int,
    head_dim: int,
    *,
    ratio: int,
    window_tokens: int,
    query_rank: int,
    output_rank: int,
    output_groups: int,
    index_heads: int = 0,
    index_dim: int = 0,
    index_entries: int = 0,
) -> Attention:
    """Return DeepSeek-V4's compressed attention: a short window in full, older tokens `ratio` to one entry.

    An entry is one vector of `head_dim` that serves as key and value. Ratio 0 keeps the window only; at ratio
    4 an index picks the `index_entries` entries to read. Source: the config of DeepSeek-V4-Pro.
    """
    indexed = ratio == 4 and index_heads > 0
    parameters = (
        hidden * query_rank
        + query_rank * heads * head_dim
        + hidden * head_dim * (3 if ratio else 1)
        + heads * head_dim * output_rank
        + output_groups * output_rank * hidden
        + (query_rank * index_heads * index_dim + hidden * (index_dim + index_heads) if indexed else 0)
    )
    pair = 4.0 * heads * head_dim
    return Attention(
        kind="sparse_latent" if indexed else "latent",
        parameters=parameters,
        elements=head_dim / ratio if ratio else 0.0,
        window_elements=float(head_dim),
        window_tokens=window_tokens,
        read_limit_tokens=index_entries * ratio if indexed else None,
        index_bytes=2.0 * index_dim / ratio if indexed else 0.0,
        prefill_pair_flops=pair / max(ratio, 1),
        decode_pair_flops=pair / max(ratio, 1),
        index_pair_flops=2.0 * index_heads * index_dim / ratio if indexed else 0.0,
        indexes=float(indexed),
    )


def linear(
    hidden: int, *, key_heads: int, value_heads: int, key_dim: int, value_dim: int, gated: bool = True
) -> Attention:
    """Return a linear-attention layer (Gated DeltaNet, Kimi Delta, lightning): a fixed state, no KV.

    Each step reads and writes a state of `value_heads * key_dim * value_dim` elements, whatever the context
    (Gated DeltaNet, arXiv 2412.06464), so short contexts are the expensive ones.
    """
    keys, values = key_heads * key_dim, value_heads * value_dim
    state = value_heads * key_dim * value_dim
    return Attention(
        kind="linear",
        parameters=hidden * (2 * keys + values * (2 if gated else 1) + 2 * value_heads) + values * hidden,
        state_elements=state,
        state_flops=8.0 * state,
        kv_shards=value_heads,
    )
