"""The units of work that a call is reduced to, and the tables of what each costs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from tokenprof.hw_model.catalogue.arrays import Array

BASES: Final = ("resource_share", "opportunity", "marginal")

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
