"""Messages in span attributes, by OpenTelemetry's GenAI conventions or OpenInference, as blocks.

`gen_ai.input.messages`, `gen_ai.system_instructions`, `gen_ai.tool.definitions` and `gen_ai.output.messages`
are JSON in a text, and are present only if the emitter was set to capture content. OpenInference keeps the
raw request and answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tokenprof.harness_adapters.wires.openai_exchange import call_of_completion
from tokenprof.harness_adapters.wires.raw_calls import call_of
from tokenprof.pricing.usage import UsageError
from tokenprof.record.block_facts import Shaper, json_text
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, mapping, opened, sequence, text_of

CONTEXT_NAME = "context, not in the spans"


def call_of_content(attributes: Wire, model: str, shaper: Shaper, identity: str) -> Call:
    """Return a call without usage, with the prompt in a span's attributes.

    If they have no messages, the prompt is one block for all of it.
    """
    raw = _raw_call(attributes, shaper, identity)
    if raw is not None:
        return raw
    sent = sequence(opened(attributes.get("gen_ai.input.messages")))
    messages = [chat for message in sent for chat in _chat_messages(message)]
    system = sequence(opened(attributes.get("gen_ai.system_instructions")))
    if system:
        text = [{"type": "text", "text": text_of(part.get("content"))} for part in system]
        messages.insert(0, {"role": "system", "content": text})
    said = sequence(opened(attributes.get("gen_ai.output.messages")))
    answers = [chat for message in said for chat in _chat_messages(message)]
    if not messages:
        block = shaper.block("unattributed", CONTEXT_NAME, identity, opens_message=True)
        return Call(
            response_id=identity,
            requested_model=model,
            model=model,
            status="ok",
            usage=None,
            prompt=(block,),
        )
    tools = sequence(opened(attributes.get("gen_ai.tool.definitions")))
    request = {"model": model, "messages": messages, "tools": [_tool(tool) for tool in tools]}
    response = {"id": identity, "model": model, "choices": [{"message": answers[0]}] if answers else []}
    return call_of_completion(request, response, "ok", shaper, otherwise=identity)


def _tool(tool: Wire) -> Wire:
    schema = tool.get("parameters") or tool.get("input_schema")
    return {"type": "function", "function": {**tool, **({"parameters": schema} if schema else {})}}


def response_id(attributes: Wire) -> str | None:
    """Return the id of the answer, if OpenInference kept it whole; else None."""
    raw = _raw(attributes)
    return text_of(raw[1].get("id")) or None if raw else None


def _raw(attributes: Wire) -> tuple[Wire, Wire] | None:
    """Return the request and the answer as OpenInference keeps them (`input.value`, `output.value`)."""
    request, answer = (mapping(opened(attributes.get(f"{name}.value"))) for name in ("input", "output"))
    return (request, answer) if request and answer else None


def _raw_call(attributes: Wire, shaper: Shaper, identity: str) -> Call | None:
    raw = _raw(attributes)
    try:
        return call_of(*raw, shaper, otherwise=identity) if raw else None
    except UsageError:
        # The span's own counts are used instead.
        return None


def _chat_messages(message: Wire) -> Iterator[dict[str, Any]]:
    """Yield a message of the conventions as chat messages, with one for each tool's answer."""
    parts = sequence(message.get("parts"))
    answers = [part for part in parts if part.get("type") == "tool_call_response"]
    for part in answers:
        # The conventions say `response`; some emitters `result`.
        said = part.get("response", part.get("result"))
        content = said if isinstance(said, str | list) else json_text(said)
        yield {"role": "tool", "tool_call_id": part.get("id"), "content": content}
    rest = [part for part in parts if part not in answers]
    if rest:
        yield _chat_message(text_of(message.get("role")), rest)


def _chat_message(role: str, parts: list[Wire]) -> dict[str, Any]:
    content = [
        _content(part) for part in parts if part.get("type") not in ("tool_call", "reasoning", "thinking")
    ]
    thoughts = [
        text_of(part.get("content")) for part in parts if part.get("type") in ("reasoning", "thinking")
    ]
    calls = [
        {"id": part.get("id"), "function": {"name": part.get("name"), "arguments": _arguments(part)}}
        for part in parts
        if part.get("type") == "tool_call"
    ]
    return {
        "role": role,
        "content": content,
        "tool_calls": calls,
        "reasoning_content": "\n".join(thoughts),
    }


def _content(part: Wire) -> Wire:
    if part.get("type") == "text":
        return {"type": "text", "text": text_of(part.get("content"))}
    return mapping({key: value for key, value in part.items() if not isinstance(value, bytes)})


def _arguments(part: Wire) -> str:
    arguments = part.get("arguments")
    return arguments if isinstance(arguments, str) else json_text(arguments if arguments is not None else {})
