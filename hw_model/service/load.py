"""What clients ask of a service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array, Number


@dataclass(frozen=True, slots=True)
class ClientLoad:
    """How many clients there are, mean lengths [tokens], and whether prompts repeat.

    `prompts_repeat` is 1 if so, else 0; a repeated prompt is mostly read from the prefix cache.
    `cached_tokens` of each prompt are in the cache already.
    """

    clients: Number
    prompt_tokens: Number
    output_tokens: Number
    prompts_repeat: Number = 0.0
    cached_tokens: Number = 0.0

    @property
    def new_tokens(self) -> Number:
        """Prompt tokens that are computed."""
        return self.prompt_tokens - self.cached_tokens


def stack_loads(loads: Sequence[ClientLoad]) -> ClientLoad:
    """Return many loads as one of arrays of shape (loads,), in order."""
    columns: list[Array] = [
        np.array([getattr(x, f.name) for x in loads], dtype=float) for f in fields(ClientLoad)
    ]
    return ClientLoad(*columns)
