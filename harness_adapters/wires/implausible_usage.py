"""A call whose usage cannot be right becomes a turn without usage, instead of being lost or free."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tokenprof.pricing.usage import UsageError
from tokenprof.record.exchange import Call
from tokenprof.record.wire_values import Wire

log = logging.getLogger("tokenprof")


def call_or_unmeasured(
    call_of: Callable[[Wire], Call],
    answer: Wire,
    usage_key: str,
    tell: Callable[[str], object] = log.warning,
) -> Call:
    """Return the call of an answer. If its counts cannot be right, it has no usage, and `tell` is called."""
    try:
        return call_of(answer)
    except UsageError as error:
        tell(f"A turn is counted as unmeasured. {error}")
        return call_of({key: value for key, value in answer.items() if key != usage_key})
