"""Chat Completions: the content of requests and responses as blocks, and a stream as its message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from tokenprof.facts.types import Block, TurnStatus
from tokenprof.harness_adapters.wires.framing.server_sent_events import DONE, UNREADABLE_EVENT, JoinedAnswer
from tokenprof.harness_adapters.wires.openai_blocks import (
    add_call,
    add_message,
    add_output_schema,
    add_result,
    add_tools,
    request_ttl,
)
from tokenprof.harness_adapters.wires.progressive_disclosure import INSTRUCTION_ROLES
from tokenprof.harness_adapters.wires.prompt_layout import (
    LaidOutPrompt,
    PromptLayout,
    RepeatedItems,
    referenced_tools,
)
from tokenprof.pricing.normalise import StreamedCounts
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire, is_object, loads_or_text, mapping, sequence, text_of


def prompt_of_chat(body: Wire, shaper: Shaper) -> LaidOutPrompt:
    """Return the blocks of a `POST /chat/completions` body."""
    messages = sequence(body.get("messages"))
    start = (request_ttl(body), body.get("tools"), body.get("response_format"))
    repeated = RepeatedItems(start, messages, referenced_tools)
    known, layout = repeated.latest()
    if layout is None:
        layout = PromptLayout(shaper, ttl=start[0])
        layout.loaded |= referenced_tools(messages)
        add_tools(layout, sequence(body.get("tools")))
        add_output_schema(layout, mapping(body.get("response_format")))
        layout.head = len(layout.blocks)
    for place in range(known, len(messages)):
        _add(layout, messages[place])
        repeated.note(place + 1, layout)
    layout.mark(body)
    return layout.prompt()


def _add(layout: PromptLayout, message: Wire) -> None:
    role = text_of(message.get("role"))
    layout.leading = layout.leading and role in INSTRUCTION_ROLES
    if role == "tool":
        add_result(layout, text_of(message.get("tool_call_id")), message.get("content"), "tool_result")
        layout.mark(message)
        return
    before = len(layout.blocks)
    reasoning = text_of(message.get("reasoning_content"))
    if reasoning:
        shape: dict[str, Any] = {"role": role, "opens_message": True, "text": reasoning}
        layout.add("thinking", "thinking", {"reasoning": reasoning}, **shape)
    if message.get("content"):
        add_message(layout, role, message["content"], leading=layout.leading)
        layout.mark(message)
    for call in sequence(message.get("tool_calls")):
        name, arguments = _call_of(call)
        opens = len(layout.blocks) == before
        link = text_of(call.get("id"))
        add_call(layout, name, loads_or_text(arguments), link, arguments, opens_message=opens)
    if layout.leading:
        layout.head = len(layout.blocks)


def _call_of(call: Wire) -> tuple[str, str]:
    function = mapping(call.get("function")) or mapping(call.get("custom"))
    return text_of(function.get("name")) or "function", text_of(
        function.get("arguments") or function.get("input")
    )


def output_of_chat(message: Wire, shaper: Shaper) -> tuple[Block, ...]:
    """Return the blocks of an answer's message, as blocks of kind `output`."""
    found: list[tuple[str, str, object, str, str | None]] = []
    for key, role in (("reasoning_content", "reasoning"), ("content", "assistant"), ("refusal", "assistant")):
        text = text_of(message.get(key))
        if text:
            name = "thinking" if role == "reasoning" else "text"
            found.append((name, role, {key: text}, text, None))
    for call in sequence(message.get("tool_calls")):
        name, arguments = _call_of(call)
        link = text_of(call.get("id"))
        identity = {"tool": name, "call": link, "arguments": arguments}
        found.append((name, "assistant", identity, f"{name}{arguments}", link or None))
    return tuple(
        shaper.block("output", name, identity, role=role, opens_message=not place, text=text, link=link)
        for place, (name, role, identity, text, link) in enumerate(found)
    )


def completion_of_stream(events: Iterable[Wire]) -> tuple[dict[str, Any] | None, TurnStatus]:
    """Put a chat completion together from the chunks of a stream; also return how it ended."""
    completion: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant"}
    calls: dict[int, dict[str, Any]] = {}
    counts = StreamedCounts()
    status: TurnStatus = "partial"
    is_damaged = has_finished = False
    for event in events:
        is_damaged = is_damaged or event is UNREADABLE_EVENT
        if event is DONE:
            status = "error" if status == "error" else "ok"
            continue
        if event.get("error"):
            status = "error"
        for key in KEPT_OF_CHUNKS:
            if event.get(key) is not None:
                completion[key] = event[key]
        for counted in usages_in(event):
            counts.add(counted)
        for choice in sequence(event.get("choices"))[:1]:
            delta = mapping(choice.get("delta"))
            for key in ("content", "refusal", "reasoning_content"):
                if text_of(delta.get(key)):
                    message[key] = message.get(key, "") + delta[key]
            has_finished = has_finished or bool(choice.get("finish_reason"))
            if sequence(delta.get("executed_tools")):
                message["executed_tools"] = delta["executed_tools"]
            for call in sequence(delta.get("tool_calls")):
                _grow(calls, call)
    if counts.usage:
        completion["usage"] = counts.usage
        # Not every server sends the line that ends a stream.
        status = "ok" if has_finished and status == "partial" else status
    if not completion:
        return None, status
    if is_damaged and not counts.usage:
        status = "partial"
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    joined = {**completion, "choices": [{"index": 0, "message": message}]}
    return JoinedAnswer(joined, counts.notes), status


KEPT_OF_CHUNKS = ("id", "model", "service_tier", "object", "created", "provider", "timings", "web_search")


def usages_in(answer: Wire) -> list[Wire]:
    """Return the usage objects in a completion or a chunk.

    They stand on top, in a choice (Moonshot), in what a choice holds (relays), or in Groq's own object.
    """
    groq = mapping(answer.get("x_groq"))
    choices = sequence(answer.get("choices"))
    inner = [mapping(choice.get(name)) for choice in choices for name in ("delta", "message")]
    found = (groq, *inner, *choices, answer)
    return [holder["usage"] for holder in found if "usage" in holder and is_object(holder["usage"])]


def with_usage(data: bytes) -> bytes | None:
    """Return a request body that asks for the usage of its stream; None if nothing needs to change.

    The stream then ends with one more chunk, without choices.
    """
    body = orjson.loads(data)
    options = body.get("stream_options") if isinstance(body, dict) else None
    is_stream = isinstance(body, dict) and body.get("stream") and "messages" in body
    if not is_stream or (isinstance(options, dict) and "include_usage" in options):
        return None
    return orjson.dumps({**body, "stream_options": {**(options or {}), "include_usage": True}})


def _grow(calls: dict[int, dict[str, Any]], delta: Wire) -> None:
    index = delta.get("index")
    known = calls.setdefault(
        index if isinstance(index, int) else len(calls), {"function": {"name": "", "arguments": ""}}
    )
    if text_of(delta.get("id")):
        known["id"] = delta["id"]
    function = mapping(delta.get("function"))
    known["function"]["name"] += text_of(function.get("name"))
    known["function"]["arguments"] += text_of(function.get("arguments"))
