"""Ids of traces, spans and calls: no two are the same, in any process.

They are not secret, so they come from a generator that is seeded once; asking the system for each takes as
long as the rest of a call's beginning. The generator is ours alone: the host may seed Python's own.
"""

from __future__ import annotations

import os
from random import Random
from typing import Final

TRACE_BYTES: Final = 16
SPAN_BYTES: Final = 8

_generator: Final = Random()

if hasattr(os, "register_at_fork"):
    # A child would go on with the numbers of its parent.
    os.register_at_fork(after_in_child=_generator.seed)


def fresh_id(size_bytes: int = SPAN_BYTES) -> str:
    """Return an id as hexadecimal digits."""
    return f"{_generator.getrandbits(8 * size_bytes):0{2 * size_bytes}x}"
