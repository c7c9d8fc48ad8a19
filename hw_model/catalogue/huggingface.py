"""Read a model's shape from its Hugging Face `config.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tokenprof.hw_model.catalogue import attention_kinds
from tokenprof.hw_model.catalogue.attention_kinds import Attention
from tokenprof.hw_model.catalogue.shapes import Experts, ModelShape

Config = Mapping[str, Any]

_UNGATED = ("gpt2", "opt", "falcon", "gpt_neox", "starcoder2")


class ConfigError(ValueError):
    """A config.json lacks a field that is needed to work out the shape."""


def shape_from_config(
    config: Config,
    *,
    name: str = "",
    weights: Mapping[str, str] | None = None,
    source: str = "",
    released: str | None = None,
) -> ModelShape:
    """Return the shape that a `config.json` describes; of a multimodal config, the text part.

    `weights` gives the dtypes of `experts`, `rest` and `kv`. Those it leaves out are read from the config's
    quantisation entry, else they are bf16. Raises ConfigError naming a missing field.
    """
    config = {**config, **config["text_config"]} if "text_config" in config else dict(config)
    name = name or str(config.get("_name_or_path") or config.get("model_type") or "model")
    hidden = _whole(config, name, "hidden_size", "n_embd")
    layers = _whole(config, name, "num_hidden_layers", "n_layer")
    dtypes = {**_dtypes(config), **(weights or {})}
    moe_layers, experts = _experts(config, name, hidden, layers)
    return ModelShape(
        name=name,
        hidden=hidden,
        vocab=_whole(config, name, "vocab_size"),
        attention=_attention(config, name, hidden, layers),
        dense_ffn_parameters=_dense_ffn(config, name, hidden, layers, moe_layers),
        experts=experts,
        moe_layers=moe_layers,
        tied_embeddings=bool(config.get("tie_word_embeddings", config.get("model_type") == "gpt2")),
        max_position_tokens=int(config.get("max_position_embeddings") or config.get("n_positions") or 0),
        expert_dtype=dtypes["experts"],
        rest_dtype=dtypes["rest"],
        kv_dtype=dtypes["kv"],
        source=source,
        released=released,
    )


def _whole(config: Config, name: str, *keys: str) -> int:
    for key in keys:
        if config.get(key) is not None:
            return int(config[key])
    raise ConfigError(f"the config of {name} has no {keys[0]!r}; give a complete Hugging Face config.json")


def _attention(config: Config, name: str, hidden: int, layers: int) -> tuple[tuple[int, Attention], ...]:
    """Return the attention layers as (count, kind) pairs, full ones first."""
    if "compress_ratios" in config:
        return _compressed_layers(config, name, hidden, layers)
    full = _full_attention(config, name, hidden)
    full_layers = _full_layers(config, layers)
    groups: list[tuple[int, Attention]] = []
    sparse = int(config.get("sparse_attention_layers", 0))
    if sparse:
        heads, kv_heads, head_dim = _heads(config, name, hidden)
        limit = int(config["sparse_block_size"]) * int(config["sparse_block_topk"])
        groups.append(
            (
                sparse,
                attention_kinds.block_sparse(
                    hidden,
                    heads,
                    kv_heads,
                    head_dim,
                    read_limit_tokens=limit,
                    normed_heads=_normed_heads(config),
                ),
            )
        )
        full_layers -= sparse
    if full_layers:
        groups.insert(0, (full_layers, full))
    others = layers - full_layers - sparse
    if others:
        groups.append((others, _other_attention(config, name, hidden)))
    return tuple(groups)


def _normed_heads(config: Config) -> bool:
    """Tell whether queries and keys are normalised per head: by the config, or by habit of the family."""
    by_habit = str(config.get("model_type", "")).startswith(("qwen3", "gemma3"))
    return bool(config.get("use_qk_norm", by_habit))


def _full_layers(config: Config, layers: int) -> int:
    """Return how many layers attend to the whole context."""
    if "layer_types" in config:
        return list(config["layer_types"]).count("full_attention")
    if "full_attention_layers" in config:
        return int(config["full_attention_layers"])
    if "full_attention_interval" in config:
        return layers // int(config["full_attention_interval"])
    if "attention_chunk_size" in config:
        return layers // 4
    return layers


def _heads(config: Config, name: str, hidden: int) -> tuple[int, int, int]:
    heads = _whole(config, name, "num_attention_heads", "n_head")
    kv_heads = int(config.get("num_key_value_heads") or heads)
    return heads, kv_heads, int(config.get("head_dim") or hidden // heads)


def _full_attention(config: Config, name: str, hidden: int) -> Attention:
    heads, kv_heads, head_dim = _heads(config, name, hidden)
    if config.get("kv_lora_rank"):
        indexed = bool(config.get("index_topk"))
        return attention_kinds.latent(
            hidden,
            heads,
            kv_rank=int(config["kv_lora_rank"]),
            rope_dim=_whole(config, name, "qk_rope_head_dim"),
            nope_dim=_whole(config, name, "qk_nope_head_dim"),
            value_dim=_whole(config, name, "v_head_dim"),
            query_rank=config.get("q_lora_rank"),
            index_heads=int(config["index_n_heads"]) if indexed else 0,
            index_dim=int(config["index_head_dim"]) if indexed else 0,
            read_limit_tokens=int(config["index_topk"]) if indexed else None,
            index_shared_layers=int(config.get("index_shared_layers") or 1),
        )
    return attention_kinds.grouped_query(
        hidden,
        heads,
        kv_heads,
        head_dim,
        gated=bool(config.get("attn_output_gate")),
        normed_heads=_normed_heads(config),
    )


def _other_attention(config: Config, name: str, hidden: int) -> Attention:
    """Return the attention of the layers that do not attend to the whole context."""
    if "linear_num_value_heads" in config:
        return attention_kinds.linear(
            hidden,
            key_heads=_whole(config, name, "linear_num_key_heads"),
            value_heads=_whole(config, name, "linear_num_value_heads"),
            key_dim=_whole(config, name, "linear_key_head_dim"),
            value_dim=_whole(config, name, "linear_value_head_dim"),
        )
    heads, kv_heads, head_dim = _heads(config, name, hidden)
    window = _whole(config, name, "sliding_window", "attention_chunk_size")
    return attention_kinds.grouped_query(
        hidden, heads, kv_heads, head_dim, window_tokens=window, normed_heads=_normed_heads(config)
    )


def _compressed_layers(
    config: Config, name: str, hidden: int, layers: int
) -> tuple[tuple[int, Attention], ...]:
    heads, _, head_dim = _heads(config, name, hidden)
    counts = Counter(int(ratio) for ratio in config["compress_ratios"][:layers])
    return tuple(
        (
            count,
            attention_kinds.compressed(
                hidden,
                heads,
                head_dim,
                ratio=ratio,
                window_tokens=_whole(config, name, "sliding_window"),
                query_rank=_whole(config, name, "q_lora_rank"),
                output_rank=_whole(config, name, "o_lora_rank"),
                output_groups=_whole(config, name, "o_groups"),
                index_heads=_whole(config, name, "index_n_heads"),
                index_dim=_whole(config, name, "index_head_dim"),
                index_entries=_whole(config, name, "index_topk"),
            ),
        )
        for ratio, count in sorted(counts.items())
    )


def _experts(config: Config, name: str, hidden: int, layers: int) -> tuple[int, Experts | None]:
    """Return how many layers have routed experts, and those of one layer."""
    count = next(
        (int(config[k]) for k in ("n_routed_experts", "num_experts", "num_local_experts") if config.get(k)), 0
    )
    if count < 2:
        return 0, None
    dense_first = int(config.get("first_k_dense_replace") or 0)
    step = int(config.get("interleave_moe_layer_step") or config.get("decoder_sparse_step") or 1)
    width = _whole(config, name, "moe_intermediate_size", "intermediate_size")
    inner = int(config.get("moe_latent_size") or hidden)
    top_k = _whole(config, name, "num_experts_per_tok")
    node_limit = int(config["topk_group"]) if int(config.get("n_group") or 1) > 1 else None
    return (layers - dense_first) // step, Experts(count, top_k, 3 * inner * width, width, node_limit)


def _dense_ffn(config: Config, name: str, hidden: int, layers: int, moe_layers: int) -> int:
    """Return the feed-forward parameters that every token uses: dense layers, shared experts, routers."""
    matrices = 2 if config.get("model_type") in _UNGATED else 3
    total = 0
    if moe_layers < layers:
        width = _whole(config, name, "intermediate_size_mlp", "intermediate_size", "n_inner")
        total += (layers - moe_layers) * matrices * hidden * width
    if moe_layers:
        expert_width = _whole(config, name, "moe_intermediate_size", "intermediate_size")
        shared_width = int(
            config.get("shared_expert_intermediate_size")
            or config.get("share_expert_dim")
            or expert_width * int(config.get("n_shared_experts") or 0)
        )
        count = next(
            int(config[k]) for k in ("n_routed_experts", "num_experts", "num_local_experts") if config.get(k)
        )
        latent = int(config.get("moe_latent_size") or 0)
        total += moe_layers * (3 * hidden * shared_width + hidden * count + 2 * hidden * latent)
    return total


def _dtypes(config: Config) -> dict[str, str]:
    """Return the dtypes that a quantisation entry declares; bf16 for what it leaves out."""
    quantisation = config.get("quantization_config") or {}
    method = str(quantisation.get("quant_method") or quantisation.get("quant_algo") or "").lower()
    groups = quantisation.get("config_groups") or {}
    bits = next((g["weights"].get("num_bits") for g in groups.values() if g.get("weights")), None)
    kind = next((g["weights"].get("type") for g in groups.values() if g.get("weights")), None)
    if "mxfp4" in method:
        return {"experts": "mxfp4", "rest": "bf16", "kv": "bf16"}
    if "nvfp4" in method or (bits == 4 and kind == "float"):
        return {"experts": "fp4", "rest": "bf16", "kv": "bf16"}
    if bits == 4 or method in ("awq", "gptq"):
        return {"experts": "int4", "rest": "bf16", "kv": "bf16"}
    if "fp8" in method or (bits == 8 and kind == "float"):
        return {"experts": "fp8", "rest": "fp8", "kv": "bf16"}
    return {"experts": "bf16", "rest": "bf16", "kv": "bf16"}
