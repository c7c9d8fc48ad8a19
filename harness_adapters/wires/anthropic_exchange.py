"""Turns the bytes of a Messages exchange, JSON or server-sent events, into a `Call`.

The SDK middleware and the proxy both use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tokenprof.facts.types import TurnStatus
from tokenprof.harness_adapters.wires.anthropic_content import cleared_tool_uses_of
from tokenprof.harness_adapters.wires.anthropic_messages import (
    answer_as_prompt,
    cache_miss_of,
    output_of,
    prompt_of,
    selectors_of,
    settings_of,
)
from tokenprof.harness_adapters.wires.framing.server_sent_events import JoinedAnswer
from tokenprof.harness_adapters.wires.framing.streamed_answer import StreamedAnswer, answer_in
from tokenprof.harness_adapters.wires.implausible_usage import (
    call_or_unmeasured,
    raw_json,
    unreadable_call,
)
from tokenprof.pricing.billed_pieces import container_of_message, stated_usd
from tokenprof.pricing.normalise import (
    advisor_iterations,
    merge_anthropic_stream,
    read_anthropic,
    unread_advice,
)
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Advice, Call, unanswered_call
from tokenprof.record.content_coding import notes_of_request, request_of
from tokenprof.record.exchange import Exchange, model_in, was_answered
from tokenprof.record.wire_values import Wire, loads_or_text, mapping, text_of

PROVIDER = "anthropic"
BEDROCK = "aws.bedrock"


def interpret(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange, without a response id if there was nothing to bill."""
    body = request_of(exchange, shaper)
    requested_model = str(body.get("model") or model_in(exchange.request))
    message, status = _message_of(exchange)
    if message is None:
        return unanswered_call(requested_model)
    if message is UNREADABLE:
        return unreadable_call(exchange, requested_model)
    call = call_or_unmeasured(
        lambda told: call_of_message(body, told, status, shaper, otherwise=exchange.span_id),
        message,
        "usage",
        more_notes=notes_of_request(exchange, body),
        sent_bytes=len(exchange.request),
    )
    if not call.requested_model:
        call = replace(call, requested_model=requested_model, model=call.model or requested_model)
    # Bedrock answers with the maker's name for the model; the price depends on the id that was requested.
    return replace(call, model=requested_model) if exchange.provider == BEDROCK else call


def call_of_message(
    body: Mapping[str, Any],
    message: Mapping[str, Any],
    status: TurnStatus,
    shaper: Shaper,
    *,
    otherwise: str,
) -> Call:
    """Return the call of a Messages request and its answer; `otherwise` is its id if the answer has none."""
    requested_model = str(body.get("model", ""))
    prompt = prompt_of(body, shaper)
    raw_usage = mapping(message.get("usage"))
    usage = raw_usage if raw_usage.keys() - {"service_tier", "speed", "inference_geo"} else None
    read = None if usage is None else read_anthropic(usage)
    miss, missed_tokens = cache_miss_of(message.get("diagnostics"))
    content = message.get("content")
    return Call(
        response_id=str(message.get("id") or otherwise),
        requested_model=requested_model,
        model=str(message.get("model") or requested_model),
        status=status,
        usage=None if read is None else read.usage,
        notes=() if read is None else (*read.notes, *_notes(raw_usage, message)),
        raw_usage=raw_json(usage) if read is not None and read.notes else None,
        stated_usd=stated_usd(raw_usage),
        advice=_advice(raw_usage),
        prompt=prompt.blocks,
        breakpoints=prompt.breakpoints,
        output=output_of(content, shaper),
        output_as_prompt=answer_as_prompt(content, shaper) if body.get("thread") else None,
        settings=settings_of(body, shaper),
        selectors=selectors_of(usage or {}),
        output_incomplete=status != "ok",
        continues=_continues(body),
        cache_miss_reason=miss,
        cache_missed_tokens=missed_tokens,
        cleared_tool_uses=cleared_tool_uses_of(message.get("context_management")),
        content={"request": body, "response": message},
    )


def _message_of(exchange: Exchange) -> tuple[dict[str, Any] | None, TurnStatus]:
    if not was_answered(exchange):
        return None, "error"
    found = answer_in(exchange)
    if isinstance(found, StreamedAnswer):
        message, status = message_of_events(found.events)
        is_error = any(event.get("type") == "error" for event in found.events)
        return message if message is not None or is_error else UNREADABLE, status
    if isinstance(found, dict) and (found.get("type") == "error" or found.get("error")):
        return (found, "error") if found.get("usage") else (None, "error")
    fits = isinstance(found, dict) and (found.get("type") == "message" or "usage" in found)
    return (found, "ok") if fits else (UNREADABLE, "partial")


UNREADABLE: dict[str, Any] = {"type": "unreadable"}
"""An answer that was given, perhaps billed, and cannot be read."""


def _advice(usage: Wire) -> tuple[Advice, ...]:
    if not usage.get("iterations"):
        return ()
    return tuple(Advice(part.model, part.usage) for part in advisor_iterations(usage))


def _notes(usage: Wire, message: Wire) -> tuple[str, ...]:
    if not (usage.get("iterations") or message.get("container")):
        return ()
    return (*(UNREAD_ADVICE,) * bool(unread_advice(usage)), *container_of_message(message))


UNREAD_ADVICE = "The counts of an advisor cannot be read, so its tokens are not in this bill."


def message_of_events(events: Iterable[Wire]) -> tuple[dict[str, Any] | None, TurnStatus]:
    """Put a message together from its events. The status is `partial` if they end before the final usage."""
    message: dict[str, Any] | None = None
    blocks: dict[int, dict[str, Any]] = {}
    arguments: dict[int, list[str]] = {}
    deltas: list[Wire] = []
    ending: dict[str, Any] = {}
    status: TurnStatus = "partial"
    for event in events:
        kind, at = event.get("type"), _index(event)
        delta = mapping(event.get("delta"))
        if kind == "message_start":
            message = dict(mapping(event.get("message")))
        elif kind == "content_block_start":
            blocks[at] = dict(mapping(event.get("content_block")))
        elif kind == "content_block_delta":
            _apply_delta(blocks.setdefault(at, {}), delta, arguments.setdefault(at, []))
        elif kind == "message_delta":
            deltas += [counted for holder in (delta, event) if (counted := mapping(holder.get("usage")))]
            ending.update({k: v for k, v in delta.items() if v is not None and k != "usage"})
            if event.get("context_management") is not None:
                ending["context_management"] = event["context_management"]
            if delta.get("stop_reason"):
                status = "ok"
        elif kind == "error":
            status = "error"
    if message is None and not (blocks or deltas):
        return None, "error"
    # The events that begin an answer may be lost; the counts at its end still hold.
    message = {"type": "message", **(message or {}), **ending}
    for at, parts in arguments.items():
        if parts:
            blocks[at]["input"] = loads_or_text("".join(parts))
    message["content"] = [blocks[at] for at in sorted(blocks)]
    counts = merge_anthropic_stream(mapping(message.get("usage")), deltas)
    return JoinedAnswer({**message, "usage": counts.usage}, counts.notes), status


def _index(event: Wire) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


def _apply_delta(block: dict[str, Any], delta: Wire, arguments: list[str]) -> None:
    kind = delta.get("type")
    if kind == "text_delta":
        block["text"] = text_of(block.get("text")) + text_of(delta.get("text"))
    elif kind == "thinking_delta":
        block["thinking"] = text_of(block.get("thinking")) + text_of(delta.get("thinking"))
    elif kind == "signature_delta":
        block["signature"] = delta.get("signature", "")
    elif kind == "input_json_delta":
        arguments.append(text_of(delta.get("partial_json")))
    elif kind == "compaction_delta":
        block["content"] = text_of(block.get("content")) + text_of(delta.get("content"))


def _continues(body: Mapping[str, Any]) -> str | None:
    thread = body.get("thread")
    if thread is not None and isinstance(thread, Mapping) and thread.get("type") == "continue":
        previous = thread.get("previous_message_id")
        return previous if isinstance(previous, str) else None
    return None
