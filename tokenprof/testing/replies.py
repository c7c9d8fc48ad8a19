"""What a loopback provider answers: content, faults, and both as JSON or as a stream of events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import orjson

from tokenprof.data_classes.frozen import frozen

_CALL_IDS = itertools.count(1)
PIECE_CHARS = 24
"""Streamed text is sent in pieces of this many characters."""


@frozen
class Reply:
    """One answer of the model, or one failure.

    A `status` other than 200 is an error response (the SDK retries 429, 500 and 529). `cut_after_events`
    closes the connection after that many events of a stream, and `error_after_events` ends the stream with an
    error event. `without_usage` leaves the usage out. The response begins after `delay_s` seconds.
    """

    content: Sequence[Mapping[str, Any]] = ()
    stop_reason: str = "end_turn"
    status: int = 200
    cut_after_events: int | None = None
    error_after_events: int | None = None
    without_usage: bool = False
    delay_s: float = 0.0
    usage: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def text(cls, text: str) -> Reply:
        """Answer with a text."""
        return cls(content=[{"type": "text", "text": text}])

    @classmethod
    def calls(cls, *calls: tuple[str, Mapping[str, Any]], text: str = "", thinking: str = "") -> Reply:
        """Answer with tool calls, given as (tool, arguments), after thinking and a text if they are given."""
        content: list[Mapping[str, Any]] = []
        if thinking:
            content.append({"type": "thinking", "thinking": thinking, "signature": "c2lnbmVk"})
        if text:
            content.append({"type": "text", "text": text})
        for name, arguments in calls:
            identity = f"toolu_{next(_CALL_IDS):06d}"
            content.append({"type": "tool_use", "id": identity, "name": name, "input": dict(arguments)})
        return cls(content=content, stop_reason="tool_use")

    @classmethod
    def error(cls, status: int) -> Reply:
        """Fail with an HTTP status."""
        return cls(status=status)

    def cut(self, after_events: int) -> Reply:
        """Return the same answer with its stream cut after a number of events."""
        return replace(self, cut_after_events=after_events)


ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def error_body(status: int, message: str) -> bytes:
    """Return an error response in the provider's form."""
    error = {"type": ERROR_TYPES.get(status, "api_error"), "message": message}
    return orjson.dumps({"type": "error", "error": error})


def message_body(
    reply: Reply, response_id: str, model: str, usage: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a response message."""
    return {
        "id": response_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [dict(block) for block in reply.content],
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        **({"usage": dict(usage)} if usage is not None else {}),
    }


def events(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message as the events of a stream.

    The first event has the usage of the input and a placeholder for the output; the final count comes last.
    """
    usage = message.get("usage")
    start = {**message, "content": [], "stop_reason": None}
    if usage is not None:
        start["usage"] = {k: v for k, v in usage.items() if k != "output_tokens_details"} | {
            "output_tokens": 1
        }
    yield {"type": "message_start", "message": start}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        empty, deltas = _opened(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    final: dict[str, Any] = {"type": "message_delta", "delta": delta}
    if usage is not None:
        kept = ("output_tokens", "output_tokens_details")
        final["usage"] = {key: usage[key] for key in kept if key in usage}
    yield final
    yield {"type": "message_stop"}


def _opened(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it starts, and the deltas that fill it."""
    if block["type"] == "text":
        pieces = _pieces(block["text"])
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    if block["type"] == "thinking":
        thought = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block.get("signature", "")}
        return {**block, "thinking": "", "signature": ""}, [*thought, signature]
    if block["type"] == "tool_use":
        pieces = _pieces(orjson.dumps(block["input"]).decode())
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        return {**block, "input": {}}, deltas
    return dict(block), []


def _pieces(text: str) -> list[str]:
    return [text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS)]


def frame(event: Mapping[str, Any]) -> bytes:
    """Return an event as a server-sent event."""
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"
