"""What a report calls price classes, kinds of blocks, and turns without a bill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tokenprof.analysis.rows.row_types import TurnRow
from tokenprof.costing.cache_losses import CacheMissCause
from tokenprof.facts.inert_text import printable as printable

CLASS_LABELS: Final = {
    "uncached_input": "fresh input",
    "cache_read": "cache read",
    "cache_write_5m": "cache write 5m",
    "cache_write_1h": "cache write 1h",
    "cache_write_30m": "cache write 30m",
    "cache_write_12h": "cache write 12h",
    "cache_write": "cache write",
    "output": "output",
    "reasoning": "reasoning",
    "fee": "fees",
}
"""The price classes in words, in the order in which they are shown."""

PROMPT_CLASSES: Final = tuple(CLASS_LABELS)[:7]
"""The classes that a prompt's tokens fall into."""

KIND_LABELS: Final = {
    "provider_overhead": "overhead",
    "unattributed": "not placed",
    "tool": "tool schema",
}
"""Kinds whose label is not their own name with spaces for underscores."""


def kind_label(kind: str) -> str:
    """Return a block's kind in words."""
    return KIND_LABELS.get(kind, kind.replace("_", " "))


def unknown_state(turn: TurnRow) -> str:
    """Return why a turn has no bill, `unmeasured` or `unpriced`; empty if it has one."""
    if not turn.is_measured:
        return "unmeasured"
    return "unpriced" if turn.is_unpriced else ""


def without_price(turn: TurnRow) -> str:
    """Return what in an unpriced turn has no price: its model, or those of its classes that have none."""
    model = turn.model or "a model without a name"
    classes = [CLASS_LABELS.get(cls, cls) for cls in turn.unpriced_classes]
    return f"{' and '.join(classes)} of {model}" if classes else model


MISS_CAUSE_LABELS: Final[Mapping[CacheMissCause, str]] = {
    "changed": "the prompt changed before its end",
    "ttl_expired": "the cached prefix expired",
    "below_minimum": "the prompt was too short to be cached",
    "lookback": "the breakpoint was too many blocks after the previous one",
    "reordered": "the blocks came in a different order",
    "model_changed": "the model changed",
    "unknown": "the cause is not known",
}
