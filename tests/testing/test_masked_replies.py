"""Secrets in replies on a tape are masked, also those that a stream spreads over its events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenprof.facts.secrets.masks import MASK
from tokenprof.testing.masked_replies import masked_reply

PIECES = ("the key is ", "sk", "-ant-", "api03-CAN", "ARY0123", "456789", "\u2028, ok")


def stream(*events: dict[str, Any]) -> str:
    return "".join(f"event: e\ndata: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events)


def anthropic(piece: str, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": piece}}


def chat(piece: str, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": piece}}]}


def responses(piece: str, index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "item_id": "i", "content_index": index, "delta": piece}


@pytest.mark.parametrize("event", [anthropic, chat, responses])
def test_a_key_in_pieces_is_masked_and_everything_else_is_said(event: Any) -> None:
    beside = [event(piece, 1) for piece in PIECES[:1] * 7]
    mixed = [one for pair in zip(map(event, PIECES), beside, strict=True) for one in pair]
    shown = masked_reply(stream(*mixed))
    told = [json.loads(line[5:]) for line in shown.split("\n") if line.startswith("data:")]
    assert told[1::2] == beside
    assert told[0] == event(f"the key is {MASK}\u2028, ok")
    assert told[2::2] == [event("")] * 6
    assert shown.count("event: e\n") == 14


def test_the_arguments_of_a_call_in_pieces_stay_json() -> None:
    def piece(text: str) -> dict[str, Any]:
        return {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}}]}

    shown = masked_reply(stream(piece('{"pass'), piece('word": "it\'s CAN'), piece('ARY"}')))
    first = json.loads(shown.splitlines()[1][5:])["choices"][0]["delta"]["tool_calls"][0]["function"]
    assert json.loads(first["arguments"]) == {"password": MASK}
    assert "ARY" not in shown


def test_a_json_reply_is_masked_by_its_structure() -> None:
    body = json.dumps(
        {"tools": [{"type": "mcp", "headers": {"X-A": "CANARY"}}], "text": "is\nsk-ant-CANARY01"}
    )
    assert json.loads(masked_reply(body)) == {
        "tools": [{"type": "mcp", "headers": {"X-A": MASK}}],
        "text": f"is\n{MASK}",
    }


@pytest.mark.parametrize(
    "body",
    [
        '{ "text":  "nothing secret", "n": 1e3 }',
        stream(anthropic("a"), anthropic("b")) + "data: [DONE]\n\n",
        ": a comment\r\n\r\ndata: not json\r\n\r\ndata: {}",
        "plain words",
        "",
    ],
)
def test_a_reply_without_secrets_is_kept_as_it_came(body: str) -> None:
    assert masked_reply(body) == body
