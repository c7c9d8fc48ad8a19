"""The lines of a Codex rollout: how to recognise them, and which fields a bill needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import msgspec
import orjson

from tokenprof.reading.json_lines import parse_in_part
from tokenprof.record.wire_values import Wire, text_of

LINE_TYPES = frozenset(
    {
        "session_meta",
        "response_item",
        "compacted",
        "turn_context",
        "world_state",
        "event_msg",
        "token_usage_record",
    }
)
LINES_TO_LOOK_AT = 3
"""The first line may be damaged."""

WRITTEN = frozenset({"reasoning", "function_call", "custom_tool_call", "local_shell_call", "web_search_call"})
"""Items that the model wrote, apart from its messages."""

TIERS = {"fast": "priority"}
"""Names that Codex gives to tiers that have another name in prices."""

BILLED_EVENTS = frozenset({"token_count", "thread_settings_applied"})
"""The events that say what was billed, or at which tier."""


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these lines is a Codex rollout."""
    return any(
        text_of(line.get("type")) in LINE_TYPES
        and isinstance(line.get("payload"), Mapping)
        and "timestamp" in line
        for line in first_lines[:LINES_TO_LOOK_AT]
    )


class _LoggedItem(TypedDict, total=False):
    type: Any
    role: Any
    id: Any


class _RolloutLine(TypedDict, total=False):
    type: Any
    timestamp: Any
    payload: _LoggedItem


_line_of = msgspec.json.Decoder(_RolloutLine).decode


def usage_line(line: bytes) -> Any:
    """Return the object on a line: whole if it may decide a bill, else what is at its place and its kind.

    Raises ValueError if the line is not one JSON value.
    """
    row = parse_in_part(line, _line_of)
    if type(row) is not dict or type(row.get("payload")) is not dict:
        return orjson.loads(line)
    type_ = row.get("type")
    if type_ == "response_item" or (
        type_ == "event_msg" and text_of(row["payload"].get("type")) not in BILLED_EVENTS
    ):
        return row
    return orjson.loads(line)
