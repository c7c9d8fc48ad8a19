"""Turns the bytes of a Gemini exchange, streamed or not, into a `Call`.

The path names the model. The chunks of a stream are server-sent events or, without `alt=sse`, one JSON list.
Each holds the usage so far, so the usage of the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from tokenprof.facts.types import TurnStatus
from tokenprof.harness_adapters.wires.gemini_blocks import (
    field,
    output_of_generation,
    parts_as_prompt,
    prompt_of_generation,
)
from tokenprof.harness_adapters.wires.implausible_usage import call_or_unmeasured
from tokenprof.harness_adapters.wires.server_sent_events import events_of
from tokenprof.pricing.normalise import usage_from_gemini
from tokenprof.pricing.selectors import Selectors
from tokenprof.record.block_facts import Shaper
from tokenprof.record.content_coding import decoded_body
from tokenprof.record.exchange import Call, Exchange, unanswered_call
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

SETTINGS = ("toolConfig", "generationConfig")

_MODEL = re.compile(r"/models/([^/:]+):")


def interpret(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange, without a response id if there was nothing to bill."""
    found = _MODEL.search(unquote(exchange.target))
    requested = found.group(1) if found else ""
    body = mapping(orjson.loads(exchange.request))
    answer, status = _answer(exchange)
    if answer is None:
        return unanswered_call(requested)
    return call_or_unmeasured(
        lambda told: call_of_generation(
            body, told, status, shaper, requested=requested, otherwise=exchange.span_id
        ),
        answer,
        "usageMetadata",
    )


def call_of_generation(
    body: Wire, answer: Wire, status: TurnStatus, shaper: Shaper, *, requested: str, otherwise: str
) -> Call:
    """Return the call of a request and its answer; `otherwise` is its id if the answer has none."""
    prompt = prompt_of_generation(body, shaper)
    candidates = sequence(answer.get("candidates"))
    parts = [part for candidate in candidates for part in _parts_of(candidate)]
    raw = field(answer, "usageMetadata")
    settings = {name: field(body, name) for name in SETTINGS}
    return Call(
        response_id=text_of(field(answer, "responseId")) or otherwise,
        requested_model=requested,
        model=text_of(field(answer, "modelVersion")) or requested,
        status=status,
        usage=usage_from_gemini(raw) if isinstance(raw, Mapping) else None,
        prompt=prompt.blocks,
        output=output_of_generation(parts, shaper),
        output_as_prompt=parts_as_prompt(parts, shaper),
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
    return {"on_demand_priority": "priority", "on_demand_flex": "flex"}.get(said)


def _answer(exchange: Exchange) -> tuple[dict[str, Any] | None, TurnStatus]:
    if exchange.status_code is None or not 200 <= exchange.status_code < 300 or not exchange.body:
        return None, "error"
    data = decoded_body(exchange)
    if "text/event-stream" in exchange.headers.get("content-type", ""):
        return joined_chunks(events_of(data))
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None, "error"
    if isinstance(found, list):
        return joined_chunks(sequence(found))
    if not isinstance(found, dict) or not found.keys() & {"candidates", "promptFeedback", "usageMetadata"}:
        return None, "error"
    return found, "ok"


def joined_chunks(chunks: Iterable[Wire]) -> tuple[dict[str, Any] | None, TurnStatus]:
    """Put an answer together from chunks. The status is `partial` if they end without a finish reason.

    Consecutive texts become one part, as they do when they are sent back.
    """
    answer: dict[str, Any] = {}
    parts: list[dict[str, Any]] = []
    status: TurnStatus = "partial"
    for chunk in chunks:
        answer.update({name: value for name, value in chunk.items() if name != "candidates"})
        for candidate in sequence(chunk.get("candidates"))[:1]:
            for part in _parts_of(candidate):
                _append(parts, part)
            if field(candidate, "finishReason"):
                status = "ok"
        if field(mapping(field(chunk, "promptFeedback")), "blockReason"):
            status = "ok"
    if not answer:
        return None, "error"
    return {**answer, "candidates": [{"content": {"role": "model", "parts": parts}}]}, status


def _append(parts: list[dict[str, Any]], part: Wire) -> None:
    last = parts[-1] if parts else None
    if last is None or not _is_text(last) or not _is_text(part) or last.get("thought") != part.get("thought"):
        parts.append(dict(part))
        return
    last["text"] = text_of(last.get("text")) + text_of(part.get("text"))


def _is_text(part: Wire) -> bool:
    return part.keys() <= {"text", "thought"}
