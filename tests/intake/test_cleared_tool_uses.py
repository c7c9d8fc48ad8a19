"""What an answer of the Messages API says was cleared from its prompt, from the wire and from a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import httpx2
import orjson
import pytest

import tokenprof
from tokenprof.harness_adapters.wires.anthropic_content import cleared_tool_uses_of
from tokenprof.reading.files import read

EDIT = {"type": "clear_tool_uses_20250919", "cleared_tool_uses": 8, "cleared_input_tokens": 50_000}
THINKING = {"type": "clear_thinking_20251015", "cleared_thinking_turns": 3, "cleared_input_tokens": 900}
USAGE = {"input_tokens": 10, "output_tokens": 5}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-8",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": USAGE,
}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 5},
        "context_management": {"applied_edits": [EDIT]},
    },
    {"type": "message_stop"},
]


def answer(request: httpx2.Request) -> httpx2.Response:
    if orjson.loads(request.content).get("stream"):
        body = b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), orjson.dumps(e)) for e in EVENTS)
        return httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"})
    return httpx2.Response(200, json={**MESSAGE, "context_management": {"applied_edits": [THINKING, EDIT]}})


@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_number_is_recorded(is_streamed: bool, tmp_path: Path) -> None:
    transport = httpx2.MockTransport(answer)
    asked: dict[str, Any] = {
        "model": "claude-opus-4-8",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hello"}],
        "betas": ["context-management-2025-06-27"],
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    }
    with (
        tokenprof.profile(tmp_path / "run.jsonl"),
        anthropic.Anthropic(api_key="none", http_client=httpx2.Client(transport=transport)) as client,
    ):
        if is_streamed:
            with client.beta.messages.stream(**asked) as stream:
                stream.get_final_message()
        else:
            client.beta.messages.create(**asked)
    [turn] = read([tmp_path / "run.jsonl"]).turns
    assert turn.cleared_tool_uses == 8


def test_the_number_is_read_from_a_log_of_claude_code(tmp_path: Path) -> None:
    common = {
        "sessionId": "5e55",
        "isSidechain": False,
        "version": "2.1.39",
        "cwd": "/",
        "userType": "external",
    }
    rows = [
        {
            **common,
            "type": "user",
            "uuid": "u1",
            "parentUuid": None,
            "timestamp": "2026-11-01T10:00:00.000Z",
            "message": {"role": "user", "content": "hello"},
        },
        {
            **common,
            "type": "assistant",
            "uuid": "a1",
            "parentUuid": "u1",
            "timestamp": "2026-11-01T10:00:02.000Z",
            "requestId": "req_1",
            "message": {**MESSAGE, "context_management": {"applied_edits": [EDIT]}},
        },
    ]
    path = tmp_path / "5e55.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n")
    [turn] = read([path]).turns
    assert turn.cleared_tool_uses == 8


@pytest.mark.parametrize(
    ("management", "expected"),
    [
        (None, None),
        ({"applied_edits": []}, None),
        ({"applied_edits": [THINKING]}, None),
        ({"applied_edits": [{**EDIT, "cleared_tool_uses": 0}]}, 0),
        ({"applied_edits": [EDIT, {**EDIT, "cleared_tool_uses": 2}]}, 10),
        ({"applied_edits": [EDIT, {**EDIT, "cleared_tool_uses": None}]}, None),
        ({"applied_edits": [{**EDIT, "cleared_tool_uses": -1}]}, None),
        ({"applied_edits": [{**EDIT, "cleared_tool_uses": 10**30}]}, None),
        ({"applied_edits": [{**EDIT, "cleared_tool_uses": True}]}, None),
        ({"applied_edits": [{**EDIT, "type": 7}]}, None),
        ({"applied_edits": "none"}, None),
        ("none", None),
        ([EDIT], None),
    ],
)
def test_what_cannot_be_read_says_nothing(management: object, expected: int | None) -> None:
    assert cleared_tool_uses_of(management) == expected
