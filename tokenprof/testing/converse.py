"""Bedrock's Converse for the loopback provider: requests into Messages requests, and answers back.

It shares no code with the adapter that reads Converse, so that each can be tested with the other.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import orjson

PATH = re.compile(r"/model/(?P<model>.+)/converse(?P<stream>-stream)?$")

_CLAUDE = re.compile(r"(claude-[a-z0-9-]+?)(-v\d.*)?$")
PIECE_CHARS = 24

ERROR_TYPES = {
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
"""The errors that the API reference of Converse lists, by status; any other is a validation error."""


def error_headers(status: int) -> dict[str, str]:
    """Return the header by which a client knows what kind of error an answer is."""
    return {"x-amzn-errortype": ERROR_TYPES.get(status, "ValidationException")}


def messages_body(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Messages request that equals a Converse request to `path`, including `stream`.

    Texts, tools, their calls and results, thinking and cache points are supported.
    """
    found = PATH.search(unquote(path))
    if found is None:
        raise ValueError(f"{path} is not a path of Converse")
    model = _CLAUDE.search(found["model"])
    tools = body.get("toolConfig", {}).get("tools", ())
    return {
        "model": model[1] if model else found["model"],
        "system": _marked(body.get("system", ())),
        "tools": _marked(tools),
        "messages": [{"role": m["role"], "content": _marked(m["content"])} for m in body.get("messages", ())],
        "stream": found["stream"] is not None,
    }


def _marked(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for item in items:
        if "cachePoint" in item:
            ttl = {"ttl": item["cachePoint"]["ttl"]} if "ttl" in item["cachePoint"] else {}
            blocks[-1]["cache_control"] = {"type": "ephemeral", **ttl}
        else:
            blocks.append(_block(item))
    return blocks


def _block(item: Mapping[str, Any]) -> dict[str, Any]:
    if "toolSpec" in item:
        spec = item["toolSpec"]
        return {k: spec[k] for k in ("name", "description") if k in spec} | {
            "input_schema": spec["inputSchema"]["json"]
        }
    if "toolUse" in item:
        use = item["toolUse"]
        return {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}
    if "toolResult" in item:
        parts = [_block(part) for part in item["toolResult"]["content"]]
        return {"type": "tool_result", "tool_use_id": item["toolResult"]["toolUseId"], "content": parts}
    if "reasoningContent" in item:
        thought = item["reasoningContent"]["reasoningText"]
        return {"type": "thinking", "thinking": thought["text"], "signature": thought.get("signature", "")}
    return {"type": "text", "text": item["text"] if "text" in item else orjson.dumps(item).decode()}


def answer(message: Mapping[str, Any]) -> bytes:
    """Return a message as Converse answers it."""
    content = [_as_converse(block) for block in message["content"]]
    whole = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": message["stop_reason"],
        "metrics": {"latencyMs": 1},
        **_usage(message),
    }
    return orjson.dumps(whole)


def frames(message: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield a message as ConverseStream sends it, one event per frame."""
    yield framed("messageStart", {"role": "assistant"})
    for index, block in enumerate(message["content"]):
        at = {"contentBlockIndex": index}
        if block["type"] == "tool_use":
            start = {"toolUseId": block["id"], "name": block["name"]}
            yield framed("contentBlockStart", {**at, "start": {"toolUse": start}})
        for delta in _deltas(block):
            yield framed("contentBlockDelta", {**at, "delta": delta})
        yield framed("contentBlockStop", at)
    yield framed("messageStop", {"stopReason": message["stop_reason"]})
    yield framed("metadata", {**_usage(message), "metrics": {"latencyMs": 1}})


def framed(name: str, event: Mapping[str, Any], kind: str = "event") -> bytes:
    """Return an event in AWS's event stream encoding: lengths, checksum, headers, payload, checksum."""
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for key, value in (
            (f":{kind}-type", name),
            (":content-type", "application/json"),
            (":message-type", kind),
        )
    )
    payload = orjson.dumps(event)
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))


def _as_converse(block: Mapping[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use":
        return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}
    if block["type"] == "thinking":
        thought = {"text": block["thinking"], "signature": block["signature"]}
        return {"reasoningContent": {"reasoningText": thought}}
    return {"text": block["text"]}


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        yield from ({"toolUse": {"input": piece}} for piece in _pieces(orjson.dumps(block["input"]).decode()))
    elif block["type"] == "thinking":
        yield from ({"reasoningContent": {"text": piece}} for piece in _pieces(block["thinking"]))
        yield {"reasoningContent": {"signature": block["signature"]}}
    else:
        yield from ({"text": piece} for piece in _pieces(block["text"]))


def _pieces(text: str) -> list[str]:
    return [text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS)]


def _usage(message: Mapping[str, Any]) -> dict[str, Any]:
    usage = message.get("usage")
    if usage is None:
        return {}
    counts = {
        "inputTokens": usage["input_tokens"],
        "outputTokens": usage["output_tokens"],
        "cacheReadInputTokens": usage["cache_read_input_tokens"],
        "cacheWriteInputTokens": usage["cache_creation_input_tokens"],
    }
    written = usage["cache_creation"]
    details = [
        {"ttl": ttl, "inputTokens": written[f"ephemeral_{ttl}_input_tokens"]}
        for ttl in ("1h", "5m")
        if written[f"ephemeral_{ttl}_input_tokens"]
    ]
    return {"usage": {**counts, "totalTokens": sum(counts.values()), "cacheDetails": details}}
