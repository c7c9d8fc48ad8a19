"""Turns the bytes of a Gemini exchange, streamed or not, into a `Call`.

The path names the model. The chunks of a stream are server-sent events or, without `alt=sse`, one JSON list.
Each holds the usage so far, field by field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from tokenprof.facts.types import TurnStatus
from tokenprof.harness_adapters.wires.framing.server_sent_events import UNREADABLE_EVENT, JoinedAnswer
from tokenprof.harness_adapters.wires.framing.streamed_answer import StreamedAnswer, answer_in
from tokenprof.harness_adapters.wires.gemini_blocks import (
    field,
    output_of_generation,
    prompt_of_generation,
)
from tokenprof.harness_adapters.wires.implausible_usage import (
    call_or_unmeasured,
    raw_json,
    unreadable_call,
)
from tokenprof.pricing.billed_pieces import searches_of_gemini
from tokenprof.pricing.normalise import StreamedCounts, read_gemini, with_fees
from tokenprof.pricing.selectors import Selectors
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call, unanswered_call
from tokenprof.record.content_coding import notes_of_request, request_of
from tokenprof.record.exchange import Exchange, was_answered
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

SETTINGS = ("toolConfig", "generationConfig")

_MODEL = re.compile(r"/models/([^/:]+):")


def interpret(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange, without a response id if there was nothing to bill."""
    found = _MODEL.search(unquote(exchange.target))
    requested = found.group(1) if found else ""
    body = request_of(exchange)
    answer, status = _answer(exchange)
    if answer is None:
        return unanswered_call(requested)
    if answer is UNREADABLE:
        return unreadable_call(exchange, requested)
    return call_or_unmeasured(
        lambda told: call_of_generation(
            body, told, status, shaper, requested=requested, otherwise=exchange.span_id
        ),
        answer,
        "usageMetadata",
        more_notes=notes_of_request(exchange, body),
        sent_bytes=len(exchange.request),
    )


def call_of_generation(
    body: Wire, answer: Wire, status: TurnStatus, shaper: Shaper, *, requested: str, otherwise: str
) -> Call:
    """Return the call of a request and its answer; `otherwise` is its id if the answer has none."""
    prompt = prompt_of_generation(body, shaper)
    candidates = sequence(answer.get("candidates"))
    parts = [part for candidate in candidates for part in _parts_of(candidate)]
    raw = field(answer, "usageMetadata")
    model = text_of(field(answer, "modelVersion")) or requested
    read = read_gemini(raw) if isinstance(raw, Mapping) and raw else None
    settings = {name: field(body, name) for name in SETTINGS}
    return Call(
        response_id=text_of(field(answer, "responseId")) or otherwise,
        requested_model=requested,
        model=model,
        status=status,
        usage=None if read is None else with_fees(read.usage, searches_of_gemini(model, candidates)),
        notes=() if read is None else read.notes,
        raw_usage=raw_json(raw) if read is not None and read.notes else None,
        prompt=prompt.blocks,
        output=output_of_generation(parts, shaper),
        settings={name: shaper.digest(value) for name, value in settings.items() if value},
        selectors=Selectors(_tier(raw), None, None),
        output_incomplete=status != "ok",
        content={"request": body, "response": answer},
    )


def _parts_of(candidate: Wire) -> list[Wire]:
    return sequence(mapping(candidate.get("content")).get("parts"))


def _tier(raw: object) -> str | None:
    """Return the tier on which a call was served, if the usage names another than the ordinary one."""
    said = text_of(field(mapping(raw), "trafficType")).lower()
    tier = said.removeprefix("traffic_type_").removeprefix("on_demand").lstrip("_")
    return None if tier in ("", "unspecified") else tier


def _answer(exchange: Exchange) -> tuple[dict[str, Any] | None, TurnStatus]:
    if not was_answered(exchange):
        return None, "error"
    found = answer_in(exchange)
    if isinstance(found, StreamedAnswer):
        joined, status = joined_chunks(found.events)
        return joined if joined is not None else UNREADABLE, status
    if isinstance(found, dict) and found.get("error") and "usageMetadata" not in found:
        return None, "error"
    if not isinstance(found, dict) or not found.keys() & ANSWERS:
        return UNREADABLE, "partial"
    return found, "ok"


ANSWERS = {"candidates", "promptFeedback", "usageMetadata", "usage_metadata"}

UNREADABLE: dict[str, Any] = {"type": "unreadable"}
"""An answer that was given, perhaps billed, and cannot be read."""


def joined_chunks(chunks: Iterable[Wire]) -> tuple[dict[str, Any] | None, TurnStatus]:
    """Put an answer together from chunks. The status is `partial` if they end without a finish reason.

    Consecutive texts become one part, as they do when they are sent back.
    """
    answer: dict[str, Any] = {}
    parts: list[dict[str, Any]] = []
    grounding: Wire = {}
    counts = StreamedCounts()
    status: TurnStatus = "partial"
    is_damaged = False
    for chunk in chunks:
        if chunk is UNREADABLE_EVENT:
            is_damaged = True
            continue
        counts.add(mapping(field(chunk, "usageMetadata")))
        answer.update({name: value for name, value in chunk.items() if name not in JOINED})
        if counts.usage:
            answer["usageMetadata"] = counts.usage
        for candidate in sequence(chunk.get("candidates"))[:1]:
            for part in _parts_of(candidate):
                _append(parts, part)
            grounding = mapping(field(candidate, "groundingMetadata")) or grounding
            if field(candidate, "finishReason"):
                status = "ok"
        if field(mapping(field(chunk, "promptFeedback")), "blockReason"):
            status = "ok"
    if not answer:
        return None, "error"
    if is_damaged and "usageMetadata" not in answer and status == "ok":
        status = "partial"
    whole: dict[str, Any] = {"content": {"role": "model", "parts": parts}}
    if grounding:
        whole["groundingMetadata"] = grounding
    return JoinedAnswer({**answer, "candidates": [whole]}, counts.notes), status


JOINED = ("candidates", "usageMetadata", "usage_metadata")
"""What a later chunk adds to, and does not replace."""


def _append(parts: list[dict[str, Any]], part: Wire) -> None:
    last = parts[-1] if parts else None
    if last is None or not _is_text(last) or not _is_text(part) or last.get("thought") != part.get("thought"):
        parts.append(dict(part))
        return
    last["text"] = text_of(last.get("text")) + text_of(part.get("text"))


def _is_text(part: Wire) -> bool:
    return part.keys() <= {"text", "thought"}
