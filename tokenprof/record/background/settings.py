"""What a recording holds, as its owner asked for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from tokenprof.data_classes.frozen import frozen
from tokenprof.record.background.end_waits import EndWaits


@frozen
class RecordingSettings:
    """What a recording holds.

    `tags` are those of the run, `seller` who sells its calls, if known. `labeller` names tool calls; None
    leaves them without labels. `span_cost` returns what a `Turn` cost, as attributes of its span; None
    leaves cost out. `waits` is how long the program waits for the recording at an end.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    content: bool = False
    cache_diagnostics: bool = False
    counts_at_once: bool = False
    seller: str | None = None
    labeller: Callable[[str, object], str | None] | None = None
    span_cost: Callable[[Any], Mapping[str, Any]] | None = None
    waits: EndWaits = field(default_factory=EndWaits)
