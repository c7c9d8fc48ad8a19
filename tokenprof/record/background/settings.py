"""What a recording holds, as its owner asked for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """What a recording holds.

    `tags` are those of the run, `seller` who sells its calls, if known. `labeller` names tool calls; None
    leaves them without labels.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    content: bool = False
    cache_diagnostics: bool = False
    counts_at_once: bool = False
    seller: str | None = None
    labeller: Callable[[str, object], str | None] | None = None
