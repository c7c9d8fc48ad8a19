"""What OpenAI's two APIs answer: completions and responses, whole and as the events of a stream."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tokenprof.testing.replies import PIECE_CHARS, Reply

Wire = Mapping[str, Any]

CREATED_AT = 1
"""The time of every answer, in seconds, so that the same answer is always the same bytes."""
ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


def arguments_of(call: Wire) -> str:
    """Return a tool call's arguments as the text that goes over the wire."""
    given = call["input"]
    return given if isinstance(given, str) else orjson.dumps(given).decode()


def _pieces(text: str) -> list[str]:
    return [text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS)]


def completion_body(reply: Reply, response_id: str, model: str, usage: Wire) -> dict[str, Any]:
    """Return a chat completion."""
    texts = [part["text"] for part in reply.content if part["type"] == "text"]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None, "refusal": None}
    calls = [
        {
            "id": part["id"],
            "type": "function",
            "function": {"name": part["name"], "arguments": arguments_of(part)},
        }
        for part in reply.content
        if part["type"] == "tool_use"
    ]
    if calls:
        message["tool_calls"] = calls
    ended = {"max_tokens": "length", "refusal": "content_filter"}.get(reply.stop_reason, "stop")
    finish = "tool_calls" if calls else ended
    return {
        "id": response_id,
        "object": "chat.completion",
        "created": CREATED_AT,
        "model": model,
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": dict(usage),
    }


def response_body(reply: Reply, response_id: str, model: str, usage: Wire) -> dict[str, Any]:
    """Return a response."""
    is_cut_short = reply.stop_reason == "max_tokens"
    return {
        "id": response_id,
        "object": "response",
        "created_at": CREATED_AT,
        "model": model,
        "status": "incomplete" if is_cut_short else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut_short else None,
        "error": None,
        "output": [_item(part, f"{response_id[5:]}_{at}") for at, part in enumerate(reply.content)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": "default",
        "usage": dict(usage),
    }


def _item(part: Wire, serial: str) -> dict[str, Any]:
    if part["type"] == "tool_use":
        kind, short = (
            ("custom_tool_call", "ctc") if isinstance(part["input"], str) else ("function_call", "fc")
        )
        call = {"call_id": part["id"], "name": part["name"], CALLS[kind]: arguments_of(part)}
        return {"type": kind, "id": f"{short}_{serial}", "status": "completed", **call}
    if part["type"] == "thinking":
        summary = [{"type": "summary_text", "text": part["thinking"]}]
        sealed = base64.b64encode(part["thinking"].encode()).decode()
        return {"type": "reasoning", "id": f"rs_{serial}", "summary": summary, "encrypted_content": sealed}
    text = {"type": "output_text", "text": part["text"], "annotations": [], "logprobs": []}
    shape = {"type": "message", "id": f"msg_{serial}", "status": "completed", "role": "assistant"}
    return {**shape, "content": [text]}


def chat_chunks(completion: Wire, *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """Yield a completion as the chunks of a stream; the usage comes last, if it was asked for."""
    kept = {key: completion[key] for key in ("id", "created", "model", "service_tier")}
    common = kept | {"object": "chat.completion.chunk"} | ({"usage": None} if with_usage else {})
    (choice,) = completion["choices"]
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _pieces(message["content"] or "")]
    for index, call in enumerate(message.get("tool_calls", ())):
        opened = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [opened]})
        for piece in _pieces(call["function"]["arguments"]):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    for delta in deltas:
        yield {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    if with_usage and "usage" in completion:
        yield {**common, "choices": [], "usage": completion["usage"]}


def response_events(response: Wire) -> Iterator[dict[str, Any]]:
    """Yield a response as the events of a stream, numbered; the last one holds all of it."""
    begun = {**response, "status": "in_progress", "output": [], "incomplete_details": None, "usage": None}
    told: list[dict[str, Any]] = [
        {"type": f"response.{name}", "response": begun} for name in ("created", "in_progress")
    ]
    for index, item in enumerate(response["output"]):
        common = {"output_index": index, "item_id": item["id"]}
        empty, filled = _filled(item)
        told.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        told += [{**event, **common, "type": f"response.{event['type']}"} for event in filled]
        told.append({"type": "response.output_item.done", "output_index": index, "item": item})
    told.append({"type": f"response.{response['status']}", "response": response})
    yield from ({**event, "sequence_number": number} for number, event in enumerate(told))


def _filled(item: Wire) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an item as it starts, and the events that fill it."""
    if item["type"] in CALLS:
        key = CALLS[item["type"]]
        name = f"{item['type']}_{key}"
        deltas = [{"type": f"{name}.delta", "delta": piece} for piece in _pieces(item[key])]
        done = {"type": f"{name}.done", key: item[key], "name": item["name"]}
        return {**item, "status": "in_progress", key: ""}, [*deltas, done]
    reasons = item["type"] == "reasoning"
    holder, name = ("summary", "reasoning_summary_part") if reasons else ("content", "content_part")
    place: dict[str, Any] = {f"{holder}_index": 0}
    text_name = "reasoning_summary_text" if reasons else "output_text"
    said = place if reasons else {**place, "logprobs": []}
    (part,) = item[holder]
    events: list[dict[str, Any]] = [
        {**place, "type": f"{name}.added", "part": {**part, "text": ""}},
        *({**said, "type": f"{text_name}.delta", "delta": piece} for piece in _pieces(part["text"])),
        {**said, "type": f"{text_name}.done", "text": part["text"]},
        {**place, "type": f"{name}.done", "part": part},
    ]
    return {**item, "status": "in_progress", holder: []}, events


def compaction_body(response: Wire, given: object) -> dict[str, Any]:
    """Return what a compaction answers: the user's messages, then one sealed item for the rest."""
    items = given if isinstance(given, list) else [{"role": "user", "content": given or ""}]
    kept = [
        {
            "type": "message",
            "id": f"msg_kept_{at}",
            "status": "completed",
            "role": "user",
            "content": _parts(item),
        }
        for at, item in enumerate(items)
        if item.get("role") == "user"
    ]
    said = "".join(part["text"] for item in response["output"] for part in item.get("content", ()))
    sealed = base64.b64encode(said.encode()).decode()
    item = {"type": "compaction", "id": f"cmp_{response['id'][5:]}", "encrypted_content": sealed}
    return {
        "id": response["id"],
        "object": "response.compaction",
        "created_at": CREATED_AT,
        "output": [*kept, item],
        "usage": response["usage"],
    }


def _parts(message: Wire) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else list(content)


def openai_error(status: int, message: str) -> dict[str, Any]:
    """Return an error in the provider's form."""
    kind = ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
