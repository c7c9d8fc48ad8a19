"""Bedrock's Converse requests, answers and usage in the shapes of the Messages API.

Converse is one shape for the models of every maker, laid out as Messages are: tools, system, messages, cached
up to a `cachePoint`. Translated to Messages, a call has the same blocks whichever way it was made. Source:
AWS, "Amazon Bedrock API Reference", Converse and ConverseStream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokenprof.record.block_facts import json_text
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

Json = dict[str, Any]

SETTINGS = ("inferenceConfig", "guardrailConfig", "performanceConfig")


def as_messages_request(body: Wire, model: str) -> Json:
    """Return a Converse request as the body of a Messages request.

    `additionalModelRequestFields` are passed to the model unchanged (thinking, tools that only Claude has).
    """
    tools = mapping(body.get("toolConfig"))
    request: Json = {
        "model": model,
        "tools": _with_cache_points(sequence(tools.get("tools")), _tool),
        "system": _with_cache_points(sequence(body.get("system")), _content),
        "messages": [as_message(message) for message in sequence(body.get("messages"))],
    }
    if tools.get("toolChoice"):
        request["tool_choice"] = tools["toolChoice"]
    return {**mapping(body.get("additionalModelRequestFields")), **request}


def as_message(message: Wire) -> Json:
    """Return a message of a Converse request, or of its answer, as one of Messages."""
    content = _with_cache_points(sequence(message.get("content")), _content)
    return {"role": text_of(message.get("role")), "content": content}


def as_messages_usage(usage: Wire) -> Json:
    """Return Converse's usage under the names of Messages; in both, the input excludes the cached part."""
    names = {
        "inputTokens": "input_tokens",
        "outputTokens": "output_tokens",
        "cacheReadInputTokens": "cache_read_input_tokens",
        "cacheWriteInputTokens": "cache_creation_input_tokens",
    }
    # A key that is not known here is passed on, to be named. The total may leave the cached part out.
    known = {*names, "totalTokens", "cacheDetails"}
    counts: Json = {names[key]: count for key, count in usage.items() if count is not None and key in names}
    counts |= {key: value for key, value in usage.items() if key not in known}
    written = {
        f"ephemeral_{text_of(detail.get('ttl'))}_input_tokens": detail.get("inputTokens")
        for detail in sequence(usage.get("cacheDetails"))
    }
    return {**counts, "cache_creation": written} if written else counts


def _with_cache_points(items: Iterable[Wire], translate: Any) -> list[Json]:
    """Return the translated items; a `cachePoint` among them marks the one before it."""
    translated: list[Json] = []
    for item in items:
        point = item.get("cachePoint")
        if not isinstance(point, Mapping):
            translated.append(translate(item))
        elif translated:
            ttl = {"ttl": point["ttl"]} if point.get("ttl") else {}
            translated[-1] = {**translated[-1], "cache_control": {"type": "ephemeral", **ttl}}
    return translated


def _tool(tool: Wire) -> Json:
    specified = mapping(tool.get("toolSpec"))
    if not specified:
        return {"type": text_of(mapping(tool.get("systemTool")).get("name")) or "tool", **tool}
    rest = {key: value for key, value in specified.items() if key != "inputSchema"}
    return {**rest, "input_schema": mapping(specified.get("inputSchema")).get("json")}


def _content(item: Wire) -> Json:
    kind = next((name for name in _CONTENT if name in item), None)
    if kind is None:
        return {"type": next(iter(item), "content"), **item}
    return _CONTENT[kind](item[kind])


def _text(value: Any) -> Json:
    return {"type": "text", "text": text_of(value)}


def _json(value: Any) -> Json:
    return _text(json_text(value))


def _guarded(value: Any) -> Json:
    guarded = mapping(value)
    return _image(guarded["image"]) if "image" in guarded else _text(mapping(guarded.get("text")).get("text"))


def _cited(value: Any) -> Json:
    return _text("".join(text_of(part.get("text")) for part in sequence(mapping(value).get("content"))))


def _image(value: Any) -> Json:
    image = mapping(value)
    source = mapping(image.get("source"))
    kind = f"image/{text_of(image.get('format'))}"
    if "bytes" not in source:
        return {"type": "image", "source": source}
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": source["bytes"]}}


def _document(value: Any) -> Json:
    document = mapping(value)
    source = mapping(document.get("source"))
    named = {"type": "document", "title": document.get("name")}
    if "text" in source:
        return {**named, "source": {"type": "text", "data": source["text"]}}
    if "content" in source:
        parts = [_content(part) for part in sequence(source["content"])]
        return {**named, "source": {"type": "content", "content": parts}}
    return {**named, "source": dict(source)}


def _search_result(value: Any) -> Json:
    found = mapping(value)
    return {
        **found,
        "type": "search_result",
        "content": [_content(p) for p in sequence(found.get("content"))],
    }


def _reasoning(value: Any) -> Json:
    thought = mapping(mapping(value).get("reasoningText"))
    if not thought:
        return {"type": "redacted_thinking", "data": mapping(value).get("redactedContent")}
    return {
        "type": "thinking",
        "thinking": text_of(thought.get("text")),
        "signature": thought.get("signature"),
    }


def _tool_use(value: Any) -> Json:
    use = mapping(value)
    kind = "server_tool_use" if use.get("type") == "server_tool_use" else "tool_use"
    return {"type": kind, "id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}


def _tool_result(value: Any) -> Json:
    result = mapping(value)
    block = {
        "type": "tool_result",
        "tool_use_id": result.get("toolUseId"),
        "content": [_content(part) for part in sequence(result.get("content"))],
    }
    return {**block, "is_error": True} if result.get("status") == "error" else block


_CONTENT = {
    "text": _text,
    "json": _json,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "image": _image,
    "document": _document,
    "searchResult": _search_result,
    "guardContent": _guarded,
    "citationsContent": _cited,
}
