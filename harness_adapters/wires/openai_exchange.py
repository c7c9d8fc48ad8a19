"""Turns the bytes of an OpenAI exchange, of Chat Completions or Responses, into a `Call`.

The adapters of HTTP libraries and the proxy both use it.
"""

from __future__ import annotations

import re
from typing import Any

from tokenprof.facts.types import TurnStatus
from tokenprof.harness_adapters.wires.framing.streamed_answer import StreamedAnswer, answer_in
from tokenprof.harness_adapters.wires.implausible_usage import (
    call_or_unmeasured,
    raw_json,
    unreadable_call,
)
from tokenprof.harness_adapters.wires.openai_chat import (
    completion_of_stream,
    output_of_chat,
    prompt_of_chat,
    usages_in,
)
from tokenprof.harness_adapters.wires.openai_responses import (
    items_as_prompt,
    output_of_responses,
    prompt_of_responses,
    response_of_stream,
)
from tokenprof.pricing.billed_pieces import pieces_of_completion, pieces_of_response, seller_in, stated_usd
from tokenprof.pricing.normalise import merge_cumulative, with_fees
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage_dialects import OPENAI_CHAT, OPENAI_RESPONSES
from tokenprof.pricing.usage_reader import read_usage
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call, unanswered_call
from tokenprof.record.content_coding import notes_of_request, request_of
from tokenprof.record.exchange import Exchange, model_in, was_answered
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

PROVIDER = "openai"

_RESPONSES = re.compile(r"/responses(/|$)")

COMPACTION = "response.compaction"
"""The answer of `POST /responses/compact`, a call that is billed like any other."""

SETTINGS = ("model", "tool_choice", "reasoning", "reasoning_effort", "text", "verbosity", "prompt_cache_key")


def interpret(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange; a request with messages is one of Chat Completions."""
    body = request_of(exchange, shaper)
    is_chat = "messages" in body if body else not _RESPONSES.search(exchange.target)
    return _chat(exchange, body, shaper) if is_chat else _responses(exchange, body, shaper)


def _chat(exchange: Exchange, body: Wire, shaper: Shaper) -> Call | None:
    """Return the call in a Chat Completions exchange."""
    completion, status = _answer(exchange, "chat.completion")
    requested = text_of(body.get("model")) or model_in(exchange.request)
    if completion is None:
        return unanswered_call(requested)
    if completion is UNREADABLE:
        return unreadable_call(exchange, requested)
    return call_or_unmeasured(
        lambda told: call_of_completion(body, told, status, shaper, otherwise=exchange.span_id),
        completion,
        "usage",
        more_notes=notes_of_request(exchange, body),
        sent_bytes=len(exchange.request),
    )


def call_of_completion(
    body: Wire, completion: Wire, status: TurnStatus, shaper: Shaper, *, otherwise: str
) -> Call:
    """Return the call of a chat request and its completion; `otherwise` is its id if that has none."""
    requested = text_of(body.get("model"))
    prompt = prompt_of_chat(body, shaper)
    choices = sequence(completion.get("choices"))
    message = mapping(next(iter(choices), {}).get("message"))
    raw = merge_cumulative(*usages_in(completion))
    read = read_usage(raw, OPENAI_CHAT) if raw else None
    return Call(
        response_id=text_of(completion.get("id")) or otherwise,
        requested_model=requested,
        model=text_of(completion.get("model")) or requested,
        status=status,
        usage=None if read is None else with_fees(read.usage, pieces_of_completion(completion)),
        notes=() if read is None else read.notes,
        raw_usage=raw_json(raw) if read is not None and read.notes else None,
        stated_usd=stated_usd(raw),
        seller=seller_in(completion),
        prompt=prompt.blocks,
        breakpoints=prompt.breakpoints,
        output=output_of_chat(message, shaper),
        settings=_settings(body, shaper),
        selectors=Selectors(text_of(completion.get("service_tier")) or None, None, None),
        output_incomplete=status != "ok",
        content={"request": body, "response": completion},
    )


def _responses(exchange: Exchange, body: Wire, shaper: Shaper) -> Call | None:
    """Return the call in a Responses exchange; `continues` names the history that the provider holds."""
    response, status = _answer(exchange, "response")
    requested = text_of(body.get("model")) or model_in(exchange.request)
    if response is None:
        return unanswered_call(requested)
    if response is UNREADABLE:
        return unreadable_call(exchange, requested)
    if not exchange.request and response.get("status") in RUNNING:
        return None
    return call_or_unmeasured(
        lambda told: call_of_response(body, told, status, shaper, otherwise=exchange.span_id),
        response,
        "usage",
        more_notes=notes_of_request(exchange, body),
        sent_bytes=len(exchange.request),
    )


def call_of_response(
    body: Wire, response: Wire, status: TurnStatus, shaper: Shaper, *, otherwise: str
) -> Call:
    """Return the call of a Responses request and its answer; `otherwise` is its id if that has none."""
    requested = text_of(body.get("model"))
    prompt = prompt_of_responses(body, shaper)
    items = sequence(response.get("output"))
    is_compaction = response.get("object") == COMPACTION
    # A compaction also gives the user's messages back; the model wrote only the compaction.
    written = [item for item in items if not is_compaction or item.get("type") == "compaction"]
    raw = mapping(response.get("usage"))
    read = read_usage(raw, OPENAI_RESPONSES) if raw else None
    pieces, fee_notes = pieces_of_response(response)
    # xAI counts the tools that it ran in the usage, too.
    counted = () if read is None else dict(read.usage.fees)
    fees = [(name, count) for name, count in pieces if name not in counted]
    notes = (*(() if read is None else read.notes), *fee_notes)
    if read is None and response.get("status") in RUNNING and status == "ok":
        notes = (*notes, RUNS_ON)
    miss, missed_tokens = _cache_miss(response.get("prompt_cache_diagnostics"))
    thread = _conversation(body)
    is_held = thread is not None or body.get("store") is not False
    return Call(
        response_id=text_of(response.get("id")) or otherwise,
        requested_model=requested,
        model=text_of(response.get("model")) or requested,
        status=status,
        usage=None if read is None else with_fees(read.usage, fees),
        notes=notes,
        raw_usage=raw_json(raw) if read is not None and read.notes else None,
        stated_usd=stated_usd(raw),
        prompt=prompt.blocks,
        breakpoints=prompt.breakpoints,
        output=output_of_responses(written, shaper),
        output_as_prompt=items_as_prompt(items, shaper) if is_held else None,
        settings=_settings(body, shaper),
        selectors=Selectors(text_of(response.get("service_tier")) or None, None, None),
        output_incomplete=status != "ok",
        continues=text_of(body.get("previous_response_id")) or thread,
        head=prompt.head,
        thread=thread,
        replaces=is_compaction,
        cache_miss_reason=miss,
        cache_missed_tokens=missed_tokens,
        content={"request": body, "response": response},
    )


def _answer(exchange: Exchange, kind: str) -> tuple[dict[str, Any] | None, TurnStatus]:
    if not was_answered(exchange):
        return None, "error"
    found = answer_in(exchange)
    if isinstance(found, StreamedAnswer):
        join = completion_of_stream if kind != "response" else response_of_stream
        made, status = join(found.events)
        return made if made is not None or status == "error" else UNREADABLE, status
    if isinstance(found, dict) and found.get("error") and not found.get("usage"):
        return None, "error"
    # Other hosts of OpenAI's API leave `object` out, or name it as they like.
    fits = isinstance(found, dict) and bool(found.keys() & {"choices", "output", "usage"})
    return (found, "ok") if fits else (UNREADABLE, "partial")


UNREADABLE: dict[str, Any] = {"type": "unreadable"}
"""An answer that was given, perhaps billed, and cannot be read."""

RUNNING = ("queued", "in_progress")
"""States of a background response that has no usage yet."""

RUNS_ON = "It ran on in the background, and its counts were never fetched; it is counted as unmeasured."


def _cache_miss(diagnostics: object) -> tuple[str | None, int | None]:
    """Return the provider's reason for a cache miss and the tokens missed; None for what it does not say."""
    told = mapping(diagnostics)
    if told.get("type") != "cache_miss":
        return None, None
    tokens = told.get("cache_missed_tokens")
    return text_of(told.get("reason")) or None, tokens if isinstance(tokens, int) else None


def _settings(body: Wire, shaper: Shaper) -> dict[str, str]:
    return {name: shaper.digest(body[name]) for name in SETTINGS if body.get(name) is not None}


def _conversation(body: Wire) -> str | None:
    conversation = body.get("conversation")
    id_ = conversation if isinstance(conversation, str) else mapping(conversation).get("id")
    return f"conversation {id_}" if id_ else None
