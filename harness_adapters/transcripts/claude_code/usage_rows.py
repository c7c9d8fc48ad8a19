"""The rows of a Claude Code log without their texts, for totals: only the fields that decide a bill are made.

A text that is skipped costs a fifth of one that is made. Rows that decide a bill are parsed whole: answers,
attachments and request records.
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
import orjson

from tokenprof.reading.json_lines import parse_in_part
from tokenprof.record.wire_values import text_of


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
    message: msgspec.Raw
    toolUseResult: msgspec.Raw


class _AnsweringItem(TypedDict, total=False):
    tool_use_id: Any


class _UserMessage(TypedDict, total=False):
    content: list[_AnsweringItem] | str


PARSED_WHOLE = frozenset({"assistant", "attachment", "api-request"})

_row_of = msgspec.json.Decoder(_UsageRow).decode
_message_of = msgspec.json.Decoder(_UserMessage).decode


def usage_row(line: bytes) -> Any:
    """Return the row on a line as a dictionary: whole if it may decide a bill, else without its texts.

    Raises ValueError if the line is not one JSON value.
    """
    row = parse_in_part(line, _row_of)
    kind = text_of(row.get("type")) if type(row) is dict else ""
    if kind in PARSED_WHOLE or not kind:
        return orjson.loads(line)
    message, result = row.pop("message", None), row.pop("toolUseResult", None)
    if kind == "user":
        if message is not None:
            row["message"] = parse_in_part(bytes(message), _message_of)
        if result is not None and b'"agentId"' in (data := bytes(result)):
            row["toolUseResult"] = orjson.loads(data)
    return row
