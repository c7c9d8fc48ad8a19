"""The units of work that a call is reduced to, and the tables of what each costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.equations.turn_work import TurnWork

BASES: Final = ("resource_share", "opportunity", "marginal")

Part = Literal["read", "prefill", "decode", "hold"]

PARTS: Final[tuple[Part, ...]] = ("read", "prefill", "decode", "hold")
"""The parts of a call, in the order in which a server does them."""

CHUNK_TOKENS: Final = 8192
"""Prompt tokens that an engine works on at a time; a cached prefix is loaded once per chunk."""


class Feature(IntEnum):
    """The units of work that a call is reduced to; its cost is linear in them."""

    READ_PAIRS = 0  # new tokens x cached tokens they attend to
    READ_TOKENS = 1  # cached tokens loaded, once per chunk
    PREFILL_TOKENS = 2
    PREFILL_PAIRS = 3  # pairs of new tokens
    DECODE_TOKENS = 4
    DECODE_CONTEXT = 5  # context tokens read, summed over decode steps
    HOLD_SECONDS = 6
    HOLD_TOKEN_SECONDS = 7


PROMPT_FEATURES: Final = (
    Feature.READ_PAIRS,
    Feature.READ_TOKENS,
    Feature.PREFILL_TOKENS,
    Feature.PREFILL_PAIRS,
)


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per feature for each basis, each an array of shape (draws, features)."""

    by_basis: dict[str, Array]


def features_of_parts(works: Sequence[TurnWork]) -> Array:
    """Return the work of each part of calls, of shape (calls, parts, features).

    Features of parts and of calls may be added before they are priced. `read` is what the cached prefix
    costs a call: the attention of new tokens to it, and loading its KV. `prefill` is the linear work of the
    new tokens and their attention to one another (2.2). `decode` is the step of every output token, which
    reads the KV of the whole context (2.3). `hold` is the KV kept through the gap after the call, which only
    the basis `opportunity` prices.
    """
    numbers = [(work.cached_tokens, work.new_tokens, work.output_tokens, work.gap_s or 0) for work in works]
    cached, new, output, gap_s = np.array(numbers, float).reshape(-1, 4).T
    found = np.zeros((len(works), len(PARTS), len(Feature)))
    read, prefill, decode, hold = (found[:, part] for part in range(len(PARTS)))
    read[:, Feature.READ_PAIRS] = new * cached
    read[:, Feature.READ_TOKENS] = cached * np.maximum(1.0, np.ceil(new / CHUNK_TOKENS))
    prefill[:, Feature.PREFILL_TOKENS] = new
    prefill[:, Feature.PREFILL_PAIRS] = new * new / 2.0
    decode[:, Feature.DECODE_TOKENS] = output
    decode[:, Feature.DECODE_CONTEXT] = output * (cached + new) + output * output / 2.0
    hold[:, Feature.HOLD_SECONDS] = gap_s
    hold[:, Feature.HOLD_TOKEN_SECONDS] = gap_s * (cached + new + output)
    return found
