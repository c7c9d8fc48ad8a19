"""What a report calls price classes, kinds of blocks and names out of a recording."""

from __future__ import annotations

from typing import Final

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
"""The price classes in words, in the order they are shown."""

PROMPT_CLASSES: Final = tuple(CLASS_LABELS)[:7]
"""The classes that a prompt's tokens fall into."""

KIND_LABELS: Final = {
    "provider_overhead": "overhead",
    "unattributed": "not placed",
    "tool": "tool schema",
}
"""Kinds whose word in the report is not the contract's with its underscores taken out."""


def printable(text: str) -> str:
    """Return a name in one line without control characters, which a terminal would obey."""
    return "".join(char if char.isprintable() else "·" for char in " ".join(text.split()))


def kind_label(kind: str) -> str:
    """Return a block's kind in words."""
    return KIND_LABELS.get(kind, kind.replace("_", " "))
