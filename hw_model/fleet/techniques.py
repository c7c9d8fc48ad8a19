"""Techniques of serving that may be said to be in use or not, where they are otherwise drawn or chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tokenprof.hw_model.fleet.closed_model_classes import ATTENTION

if TYPE_CHECKING:
    from tokenprof.hw_model.catalogue.attention_kinds import Attention
    from tokenprof.hw_model.catalogue.shapes import ModelShape

ATTENTION_TO_ASK_FOR: Final[Mapping[str, str]] = {
    "gqa": "grouped-query",
    "windows": "grouped-query with windows",
    "mla": "latent",
    "hybrid": "hybrid linear",
}
"""The kinds of attention that may be asked for, and how they are named among the draws."""

USUAL_KV_HEADS: Final = 8
USUAL_HEAD_DIM: Final = 128
LATENT_HEAD_DIMS: Final = 320
"""Dimensions of a key and a value of DeepSeek-V3's latent attention together: 192 and 128."""


@dataclass(frozen=True, slots=True)
class Techniques:
    """What is said about techniques; None leaves one to be drawn, or to the operator's choice.

    `drafts` says whether tokens are drafted ahead, `apart` whether prompts and answers have pools of their
    own, `kv_dtype` is `bf16` or `fp8`, `attention` one of `ATTENTION_TO_ASK_FOR`.
    """

    drafts: bool | None = None
    apart: bool | None = None
    kv_dtype: str | None = None
    attention: str | None = None

    def attention_index(self) -> int | None:
        """Return the place of the attention among the kinds that are drawn for closed models."""
        return None if self.attention is None else list(ATTENTION).index(ATTENTION_TO_ASK_FOR[self.attention])

    def shape(self, shape: ModelShape) -> ModelShape:
        """Return the shape of an open model, with grouped-query attention in place of latent if asked for."""
        return as_grouped_query(shape) if self.attention == "gqa" else shape


NOTHING_SAID: Final = Techniques()


def has_latent(shape: ModelShape) -> bool:
    """Tell whether a model has latent attention, in whatever variant."""
    return any("latent" in attention.kind for _, attention in shape.attention)


def as_grouped_query(shape: ModelShape) -> ModelShape:
    """Return a model as it would be with 8 KV heads of 128 in place of latent attention, a supposition.

    KV and work are those of the usual large model with grouped-query attention; parameters and what else the
    layer does stay the same.
    """
    return replace(shape, attention=tuple((count, _grouped(each)) for count, each in shape.attention))


def _grouped(attention: Attention) -> Attention:
    if "latent" not in attention.kind:
        return attention
    # 4 FLOPs per head and dimension, against 2 per dimension of a latent head's key and value.
    pair = attention.prefill_pair_flops * 2.0 * USUAL_HEAD_DIM / LATENT_HEAD_DIMS
    return replace(
        attention,
        kind="gqa",
        elements=2.0 * USUAL_KV_HEADS * USUAL_HEAD_DIM,
        window_elements=0.0,
        prefill_pair_flops=pair,
        decode_pair_flops=pair,
        kv_shards=USUAL_KV_HEADS,
    )
