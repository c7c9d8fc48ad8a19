"""How many bytes of KV a sequence stores, and how many a decode step reads: equation 2.1, and its only copy.

The functions take a `KvSize`, or anything else with the same fields: a `ServingPlan` has them too, as floats
or as arrays with one entry per deployment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.catalogue.attention_kinds import Attention

STATE_BYTES_PER_ELEMENT: Final = 4.0
"""Serving engines keep the states of linear attention in fp32 by default."""


class KvFields(Protocol):
    """What the size of a sequence's KV depends on, summed over all layers.

    `kv_bytes`, `kv_limited_bytes` and `index_bytes` are bytes per token of context: KV that a step reads in
    full, KV that it reads up to `read_limit_tokens`, and index keys. `kv_window_bytes` are bytes
    per token of the last `window_tokens`. `state_bytes` are bytes per sequence, whatever its length.
    """

    @property
    def kv_bytes(self) -> Number:
        """Bytes per token of KV that a step reads in full."""

    @property
    def kv_limited_bytes(self) -> Number:
        """Bytes per token of KV that a step reads in part."""

    @property
    def read_limit_tokens(self) -> Number:
        """Tokens that a step reads of the limited part."""

    @property
    def kv_window_bytes(self) -> Number:
        """Bytes per token inside the window."""

    @property
    def window_tokens(self) -> Number:
        """Tokens in the window."""

    @property
    def index_bytes(self) -> Number:
        """Bytes per token of index keys."""

    @property
    def state_bytes(self) -> Number:
        """Bytes of recurrent state."""


@dataclass(frozen=True, slots=True)
class KvSize:
    """The fields of `KvFields` for one model at one KV dtype."""

    kv_bytes: float
    kv_limited_bytes: float
    read_limit_tokens: float
    kv_window_bytes: float
    window_tokens: float
    index_bytes: float
    state_bytes: float


def kv_size(layers: Iterable[tuple[int, Attention]], element_bytes: float) -> KvSize:
    """Return the size of the KV of a model, from its (count, attention layer) pairs.

    `element_bytes` is the size of a stored KV element [bytes]. Raises ValueError if layers differ in their
    window or in their read limit, which one set of fields cannot express.
    """
    groups = [(float(count), a) for count, a in layers]
    limited = [(n, a) for n, a in groups if a.elements and a.read_limit_tokens is not None]
    full = [(n, a) for n, a in groups if a.elements and a.read_limit_tokens is None]
    windows = [(n, a) for n, a in groups if a.window_tokens]
    return KvSize(
        kv_bytes=element_bytes * sum(n * a.elements for n, a in full),
        kv_limited_bytes=element_bytes * sum(n * a.elements for n, a in limited),
        read_limit_tokens=_only("read limits", {a.read_limit_tokens or 0 for _, a in limited}),
        kv_window_bytes=element_bytes * sum(n * a.window_elements for n, a in windows),
        window_tokens=_only("windows", {a.window_tokens for _, a in windows}),
        index_bytes=float(sum(n * a.index_bytes for n, a in groups)),
        state_bytes=STATE_BYTES_PER_ELEMENT * sum(n * a.state_elements for n, a in groups),
    )


def _only(what: str, found: set[int]) -> float:
    if len(found) > 1:
        lengths = ", ".join(str(tokens) for tokens in sorted(found))
        raise ValueError(f"the layers have {what} of {lengths} tokens; a model may have one length only")
    return float(next(iter(found), 0))


def bytes_per_token(kv: KvFields) -> Number:
    """Return the bytes that each further token of a long context adds: KV and index keys (2.1) [bytes].

    Windows that are already full add nothing.
    """
    return kv.kv_bytes + kv.kv_limited_bytes + kv.index_bytes


def stored_bytes(kv: KvFields, context_tokens: Number) -> Number:
    """Return the bytes that one sequence of this length holds: KV, index keys and state (2.1) [bytes]."""
    return (
        bytes_per_token(kv) * context_tokens
        + kv.kv_window_bytes * np.minimum(context_tokens, kv.window_tokens)
        + kv.state_bytes
    )


def read_bytes(kv: KvFields, context_tokens: Number) -> Number:
    """Return the bytes that one decode step reads for one sequence of this length (2.1) [bytes].

    Of sparse layers a step reads only the best tokens. The state is read and written.
    """
    return (
        (kv.kv_bytes + kv.index_bytes) * context_tokens
        + kv.kv_limited_bytes * np.minimum(context_tokens, kv.read_limit_tokens)
        + kv.kv_window_bytes * np.minimum(context_tokens, kv.window_tokens)
        + 2.0 * kv.state_bytes
    )
