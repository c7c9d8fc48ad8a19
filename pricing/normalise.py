"""From each provider's usage object to `Usage`: one function per shape of an API.

The shapes disagree on what `input_tokens` means. For Anthropic it is the uncached rest (*exclusive*); for
OpenAI and OpenTelemetry it is the whole prompt (*inclusive*), so the cached part is subtracted here. Nothing
is clamped: a rest below zero means that the object has another shape, and is a `UsageError` naming both keys.
All functions raise it, also for a missing or malformed count. Sources: the types of the `anthropic` and
`openai` packages. `normalise_telemetry` and `normalise_logs` read telemetry and logs of harnesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokenprof.pricing.normalise_telemetry import usage_from_otel
from tokenprof.pricing.usage import Usage, add_fees
from tokenprof.pricing.wire_counts import (
    Wire,
    entries,
    less,
    optional_count,
    part,
    required_count,
    writes_by_ttl,
)

__all__ = [
    "BatchResult",
    "ModelUsage",
    "anthropic_iterations",
    "batch_result_from_anthropic",
    "batch_result_from_openai",
    "fees_from_openai_output",
    "merge_anthropic_stream",
    "usage_from_anthropic",
    "usage_from_gemini",
    "usage_from_openai_chat",
    "usage_from_openai_responses",
    "usage_from_otel",
    "with_fees",
]


def usage_from_anthropic(raw: Wire) -> Usage:
    """Return the usage of an Anthropic Messages response (`usage`, exclusive input).

    If the object splits cache writes by time to live, the split is used; what the total has beyond the split
    is a write of unknown time to live. Thinking tokens are part of `output_tokens`. The top-level counts
    contain all `iterations` except those of type `compaction`, which are added here.
    """
    usage = _anthropic_counts(raw)
    for entry in entries(raw.get("iterations")):
        if entry.get("type") == "compaction":
            usage += _anthropic_counts(entry)
    return usage


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """A part of the usage of one response that may have run on another model, at another price."""

    model: str | None
    role: str
    usage: Usage


def anthropic_iterations(raw: Wire) -> tuple[ModelUsage, ...]:
    """Return `usage.iterations`, one entry each, with the model if the entry names one.

    `role` is the type of the entry: message, compaction, advisor_message or fallback_message. Advisor and
    fallback entries may run on a model with another price. It is not documented whether the top-level counts
    include them, so a caller should show them and not add them.
    """
    return tuple(
        ModelUsage(model=entry.get("model"), role=str(entry.get("type")), usage=_anthropic_counts(entry))
        for entry in entries(raw.get("iterations"))
    )


def merge_anthropic_stream(start: Wire, deltas: Sequence[Wire]) -> dict[str, Any]:
    """Return the final usage object of a streamed message.

    `start` is `message_start.message.usage`; `deltas` are the `usage` objects of the `message_delta`
    events, which are cumulative: the non-null fields of the last one replace those of the start. Only the
    start splits cache writes by time to live. Without any delta the output count is a placeholder, and the
    caller must mark the turn partial.
    """
    merged = dict(start)
    if deltas:
        merged.update({key: value for key, value in deltas[-1].items() if value is not None})
    return merged


def usage_from_openai_responses(raw: Wire) -> Usage:
    """Return the usage of an OpenAI Responses object (`usage`, inclusive input)."""
    return _inclusive(
        raw,
        total="input_tokens",
        details="input_tokens_details",
        output="output_tokens",
        output_details="output_tokens_details",
    )


def usage_from_openai_chat(raw: Wire) -> Usage:
    """Return the usage of an OpenAI chat completion, a shape that many hosts use.

    DeepSeek reports reads as `prompt_cache_hit_tokens`, Moonshot as a top-level `cached_tokens`.
    """
    return _inclusive(
        raw,
        total="prompt_tokens",
        details="prompt_tokens_details",
        output="completion_tokens",
        output_details="completion_tokens_details",
    )


def fees_from_openai_output(items: Iterable[Wire]) -> tuple[tuple[str, int], ...]:
    """Return the server-tool calls in the `output` list of a Responses object that are billed by the piece.

    OpenAI does not count them in `usage`; each item `web_search_call` or `file_search_call` is one.
    """
    billed = {"web_search_call": "web_search", "file_search_call": "file_search"}
    kinds = (str(item.get("type")) for item in items)
    return add_fees((billed[kind], 1) for kind in kinds if kind in billed)


def with_fees(usage: Usage, fees: Iterable[tuple[str, int]]) -> Usage:
    """Return `usage` with further fee counts added."""
    return replace(usage, fees=add_fees(usage.fees, fees))


def usage_from_gemini(raw: Wire) -> Usage:
    """Return the usage of a Gemini response (`usageMetadata`, inclusive prompt).

    Thoughts are counted beside the candidates' tokens, unless prompt and candidates already add up to the
    total: then the candidates include them. Tool-use prompts are further input.
    """
    prompt = optional_count(raw, "promptTokenCount") + optional_count(raw, "toolUsePromptTokenCount")
    read = optional_count(raw, "cachedContentTokenCount")
    candidates, thoughts = (
        optional_count(raw, "candidatesTokenCount"),
        optional_count(raw, "thoughtsTokenCount"),
    )
    output = candidates
    if thoughts and prompt + candidates == raw.get("totalTokenCount"):
        output = less(candidates, "candidatesTokenCount", thoughts, "thoughtsTokenCount")
    return Usage(
        uncached_input_tokens=less(prompt, "promptTokenCount", read, "cachedContentTokenCount"),
        cache_read_tokens=read,
        output_tokens=output,
        reasoning_tokens=thoughts,
        audio_input_tokens=_audio_tokens(raw, "promptTokensDetails"),
        audio_output_tokens=_audio_tokens(raw, "candidatesTokensDetails"),
    )


def _audio_tokens(raw: Wire, details: str) -> int:
    """Return the audio in Gemini's counts by modality."""
    audio = (part for part in entries(raw.get(details)) if part.get("modality") == "AUDIO")
    return sum(optional_count(part, "tokenCount") for part in audio)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One line of a batch's results: the caller's id, the model served, and the usage (None if it failed)."""

    custom_id: str
    model: str | None
    usage: Usage | None


def batch_result_from_anthropic(line: Wire) -> BatchResult:
    """Return one line of an Anthropic message batch's results JSONL.

    Only requests that succeeded are billed; errored, cancelled and expired ones have no usage.
    """
    result = line.get("result") or {}
    message = result.get("message") or {}
    usage = message.get("usage") if result.get("type") == "succeeded" else None
    return BatchResult(
        custom_id=str(line.get("custom_id")),
        model=message.get("model"),
        usage=None if usage is None else usage_from_anthropic(usage),
    )


def batch_result_from_openai(line: Wire) -> BatchResult:
    """Return one line of an OpenAI batch's output file (chat or Responses bodies)."""
    body = (line.get("response") or {}).get("body") or {}
    usage = body.get("usage")
    if usage is not None:
        usage = (
            usage_from_openai_chat(usage) if "prompt_tokens" in usage else usage_from_openai_responses(usage)
        )
    return BatchResult(custom_id=str(line.get("custom_id")), model=body.get("model"), usage=usage)


def _anthropic_counts(raw: Wire) -> Usage:
    writes = writes_by_ttl(
        raw,
        "cache_creation_input_tokens",
        part(raw, "cache_creation"),
        cache_write_5m_tokens="ephemeral_5m_input_tokens",
        cache_write_1h_tokens="ephemeral_1h_input_tokens",
    )
    output = required_count(raw, "output_tokens")
    thinking = optional_count(part(raw, "output_tokens_details"), "thinking_tokens")
    return Usage(
        uncached_input_tokens=required_count(raw, "input_tokens"),
        cache_read_tokens=optional_count(raw, "cache_read_input_tokens"),
        output_tokens=less(output, "output_tokens", thinking, "output_tokens_details.thinking_tokens"),
        reasoning_tokens=thinking,
        fees=_server_tool_fees(part(raw, "server_tool_use")),
        **writes,
    )


def _server_tool_fees(uses: Wire) -> tuple[tuple[str, int], ...]:
    return add_fees(
        (key.removesuffix("_requests"), optional_count(uses, key))
        for key in uses
        if key.endswith("_requests")
    )


def _inclusive(raw: Wire, *, total: str, details: str, output: str, output_details: str) -> Usage:
    """Read the shape that the two endpoints of OpenAI share, apart from the names of its keys."""
    parts = part(raw, details)
    read_key, read = f"{details}.cached_tokens", optional_count(parts, "cached_tokens")
    for elsewhere in ("prompt_cache_hit_tokens", "cached_tokens"):
        if not read and raw.get(elsewhere):
            read_key, read = elsewhere, optional_count(raw, elsewhere)
    writes = writes_by_ttl(
        parts,
        "cache_write_tokens",
        part(parts, "cache_write_tokens_details"),
        cache_write_30m_tokens="ttl_30m_tokens",
        cache_write_12h_tokens="ttl_12h_tokens",
    )
    reasoning = optional_count(part(raw, output_details), "reasoning_tokens")
    return Usage(
        uncached_input_tokens=less(
            required_count(raw, total),
            total,
            read + sum(writes.values()),
            f"{read_key} + {details}.cache_write_tokens",
        ),
        cache_read_tokens=read,
        output_tokens=less(
            required_count(raw, output), output, reasoning, f"{output_details}.reasoning_tokens"
        ),
        reasoning_tokens=reasoning,
        audio_input_tokens=optional_count(parts, "audio_tokens"),
        audio_output_tokens=optional_count(part(raw, output_details), "audio_tokens"),
        **writes,
    )
