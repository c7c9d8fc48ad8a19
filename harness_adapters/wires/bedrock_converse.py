"""Turns the bytes of a call of Bedrock's Converse or ConverseStream into a `Call`.

The path names the model: an id, an inference profile over several regions, or the ARN of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from tokenprof.facts.types import TurnStatus
from tokenprof.harness_adapters.wires.anthropic_exchange import call_of_message
from tokenprof.harness_adapters.wires.converse_shapes import (
    SETTINGS,
    as_message,
    as_messages_request,
    as_messages_usage,
)
from tokenprof.harness_adapters.wires.framing.aws_eventstream import EVENTSTREAM, eventstream_messages
from tokenprof.harness_adapters.wires.framing.server_sent_events import JoinedAnswer
from tokenprof.harness_adapters.wires.implausible_usage import (
    call_or_unmeasured,
    unreadable_call,
)
from tokenprof.pricing.normalise import StreamedCounts
from tokenprof.pricing.selectors import Selectors
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call, unanswered_call
from tokenprof.record.content_coding import answer_of, decoded_body, notes_of_request, request_of
from tokenprof.record.exchange import Exchange, was_answered
from tokenprof.record.wire_values import Wire, loads_or_text, mapping, text_of

_MODEL = re.compile(r"/model/(.+)/converse(?:-stream)?$")


def interpret(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange, without a response id if there was nothing to bill."""
    found = _MODEL.search(unquote(exchange.target))
    # An ARN begins with an account, which must not be recorded; its last part names the model or profile.
    requested = found.group(1).rpartition("/")[2] if found else ""
    body = request_of(exchange)
    answer, status = _answer(exchange)
    if answer is None:
        return unanswered_call(requested)
    if answer is UNREADABLE:
        return unreadable_call(exchange, requested)
    response_id = exchange.headers.get("x-amzn-requestid") or exchange.span_id
    return call_or_unmeasured(
        lambda told: call_of_conversation(
            body, told, status, shaper, requested=requested, response_id=response_id
        ),
        answer,
        "usage",
        more_notes=notes_of_request(exchange, body),
        sent_bytes=len(exchange.request),
    )


def call_of_conversation(
    body: Wire, answer: Wire, status: TurnStatus, shaper: Shaper, *, requested: str, response_id: str
) -> Call:
    """Return the call of a Converse request and its answer."""
    routed = text_of(mapping(mapping(answer.get("trace")).get("promptRouter")).get("invokedModelId"))
    usage = mapping(answer.get("usage"))
    message = {
        **as_message(mapping(mapping(answer.get("output")).get("message"))),
        "id": response_id,
        "model": routed.rpartition("/")[2] or requested,
        "usage": as_messages_usage(usage) if usage else None,
    }
    call = call_of_message(
        as_messages_request(body, requested), message, status, shaper, otherwise=response_id
    )
    return replace(
        call,
        settings={
            **call.settings,
            **{name: shaper.digest(body[name]) for name in SETTINGS if body.get(name) is not None},
        },
        selectors=Selectors(
            service_tier=text_of(mapping(answer.get("serviceTier")).get("type")) or None,
            speed=text_of(mapping(answer.get("performanceConfig")).get("latency")) or None,
        ),
        content={"request": body, "response": answer},
    )


def _answer(exchange: Exchange) -> tuple[Wire | None, TurnStatus]:
    if not was_answered(exchange):
        return None, "error"
    data = decoded_body(exchange)
    if EVENTSTREAM in exchange.headers.get("content-type", ""):
        joined, status = joined_events(eventstream_messages(data))
        return joined if joined is not None or status == "error" else UNREADABLE, status
    answer = answer_of(data)
    fits = isinstance(answer, dict) and bool(answer.keys() & {"output", "usage"})
    return (answer, "ok") if fits else (UNREADABLE, "partial")


UNREADABLE: Wire = {"type": "unreadable"}
"""An answer that was given, perhaps billed, and cannot be read."""


def joined_events(events: Iterable[tuple[str, Wire]]) -> tuple[Wire | None, TurnStatus]:
    """Put an answer together from named events.

    The status is `partial` if they end before the answer does.
    """
    answer: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    arguments: dict[int, list[str]] = {}
    role = "assistant"
    counts = StreamedCounts()
    status: TurnStatus = "partial"
    has_ended = False
    for name, event in events:
        index = event.get("contentBlockIndex")
        at = index if isinstance(index, int) else 0
        if name == "messageStart":
            role = text_of(event.get("role")) or role
        elif name == "contentBlockStart":
            blocks[at] = {kind: dict(mapping(start)) for kind, start in mapping(event.get("start")).items()}
        elif name == "contentBlockDelta":
            _apply(blocks.setdefault(at, {}), mapping(event.get("delta")), arguments.setdefault(at, []))
        elif name == "messageStop":
            answer["stopReason"] = event.get("stopReason")
            status = "ok"
        elif name == "metadata":
            has_ended = True
            counts.add(mapping(event.get("usage")))
            answer.update({**event, **({"usage": counts.usage} if counts.usage else {})})
        elif name.endswith("Exception"):
            status = "error"
    if not answer and not blocks:
        return None, status
    # The counts come after the answer.
    status = "partial" if status == "ok" and not has_ended else status
    for at, parts in arguments.items():
        if "toolUse" in blocks[at]:
            blocks[at]["toolUse"]["input"] = loads_or_text("".join(parts) or "{}")
    answer["output"] = {"message": {"role": role, "content": [blocks[at] for at in sorted(blocks)]}}
    return JoinedAnswer(answer, counts.notes), status


def _apply(block: dict[str, Any], delta: Wire, arguments: list[str]) -> None:
    for kind, value in delta.items():
        if kind == "text":
            block["text"] = text_of(block.get("text")) + text_of(value)
        elif kind == "toolUse":
            arguments.append(text_of(mapping(value).get("input")))
        elif kind == "toolResult":
            held = block.setdefault("toolResult", {})
            held["content"] = [*held.get("content", ()), *value]
        elif kind == "reasoningContent":
            _think(block.setdefault("reasoningContent", {}), mapping(value))
        else:
            block.setdefault(kind, value)


def _think(reasoning: dict[str, Any], delta: Mapping[str, Any]) -> None:
    if "redactedContent" in delta:
        so_far = text_of(reasoning.get("redactedContent"))
        reasoning["redactedContent"] = so_far + text_of(delta["redactedContent"])
        return
    thought = reasoning.setdefault("reasoningText", {"text": ""})
    thought["text"] += text_of(delta.get("text"))
    if delta.get("signature"):
        thought["signature"] = delta["signature"]
