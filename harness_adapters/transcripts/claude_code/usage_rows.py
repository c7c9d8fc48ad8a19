"""The rows of a Claude Code log without their texts, for totals: only the fields that decide a bill are made.

A text that is skipped costs a fifth of one that is made. Other lines are parsed whole: answers, attachments,
request records, and what no version is known to write.
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
import orjson

from tokenprof.reading.json_lines import parse_in_part
from tokenprof.record.wire_values import text_of

_Plain = str | int | float | bool | None


class _AnsweringItem(TypedDict, total=False):
    tool_use_id: Any


class _Message(TypedDict, total=False):
    content: list[_AnsweringItem | _Plain] | _Plain


class _ToolResult(TypedDict, total=False):
    agentId: Any


class _UsageRow(TypedDict, total=False):
    type: Any
    subtype: Any
    uuid: Any
    parentUuid: Any
    timestamp: Any
    isMeta: Any
    isCompactSummary: Any
    isVisibleInTranscriptOnly: Any
    sourceToolUseID: Any
    message: _Message | _Plain
    toolUseResult: _ToolResult | list[_AnsweringItem | _Plain] | _Plain


ROW_TYPES = frozenset({"user", "assistant", "attachment", "system", "progress"})
UNBILLED_TYPES = frozenset(
    {
        "summary",
        "file-history-snapshot",
        "queue-operation",
        "last-prompt",
        "cost-state",
        "tools-used",
        "atis-latch",
    }
)
"""Lines of a log that are not rows of a conversation, and do not hold a bill."""

PARSED_IN_PART = (
    frozenset({"user", "system", "progress", "api-request-blob", "api-request-shape"}) | UNBILLED_TYPES
)

_LOOKS_LIKE_AN_ANSWER = b'"role":"assistant"'
_SEARCHED_BYTES = 1024
"""Answers say what they are in their first bytes, so they are parsed once. Another line with this text
is parsed whole in vain."""

_row_of = msgspec.json.Decoder(_UsageRow).decode


def usage_row(line: bytes) -> Any:
    """Return the row on a line as a dictionary: whole if it may decide a bill, else without its texts.

    Raises ValueError if the line is not one JSON value.
    """
    if _LOOKS_LIKE_AN_ANSWER in line[:_SEARCHED_BYTES]:
        return orjson.loads(line)
    row = parse_in_part(line, _row_of)
    kind = text_of(row.get("type")) if type(row) is dict else ""
    return row if kind in PARSED_IN_PART else orjson.loads(line)
