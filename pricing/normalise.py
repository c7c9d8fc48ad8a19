"""From each provider's usage object to `Usage`: one function per shape of an API.

The shapes disagree on what `input_tokens` means. For Anthropic it is the uncached rest (*exclusive*); for
OpenAI and OpenTelemetry it is the whole prompt (*inclusive*), so the cached part is subtracted here. Nothing
is clamped: a rest below zero means that the object has another shape, and is a `UsageError` naming both keys.
All functions raise it, also for a missing or malformed count. Sources: the types of the `anthropic` and
`openai` packages. `normalise_telemetry` and `normalise_logs` read telemetry and logs of harnesses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokenprof.pricing.normalise_telemetry import usage_from_otel
from tokenprof.pricing.usage import Usage, UsageError, add_fees
from tokenprof.pricing.usage_dialects import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from tokenprof.pricing.usage_reader import UsageReading, read_usage
from tokenprof.pricing.wire_counts import Wire, entries

__all__ = [
    "BatchResult",
    "ModelUsage",
    "advisor_iterations",
    "anthropic_iterations",
    "batch_result_from_anthropic",
    "batch_result_from_openai",
    "fees_from_openai_output",
    "merge_anthropic_stream",
    "merge_cumulative",
    "read_anthropic",
    "read_gemini",
    "unread_advice",
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
    contain the `iterations` of the model that answered; those of type `compaction` are added here. Those of
    an advisor run on another model and are calls of their own: see `advisor_iterations`.
    """
    return read_anthropic(raw).usage


def read_anthropic(raw: Wire) -> UsageReading:
    """Return what `usage_from_anthropic` does, with notes of what was not understood."""
    read = read_usage(raw, ANTHROPIC)
    usage, notes = read.usage, list(read.notes)
    for entry in entries(raw.get("iterations")):
        role = str(entry.get("type"))
        if role == "compaction":
            usage += read_usage(entry, ANTHROPIC).usage
        elif role not in ("message", ADVICE):
            notes += _note_of_iteration(role, entry)
    credit = raw.get("fallback_credit")
    if isinstance(credit, Mapping) and credit.get("status") == "redeemed":
        notes.append(
            "A fallback credit was redeemed: its cache writes cost what reads cost, not what is billed."
        )
    return UsageReading(usage, tuple(notes))


ADVICE = "advisor_message"
"""The type of an iteration in which another model advised."""


def _note_of_iteration(role: str, entry: Wire) -> Iterable[str]:
    """Yield a note about an iteration that the counts of an answer may leave out."""
    try:
        usage = read_usage(entry, ANTHROPIC).usage
    except UsageError:
        yield f"An iteration of the type '{role}' has counts that cannot be read; it may not be in this bill."
        return
    tokens = usage.input_tokens + usage.all_output_tokens
    if tokens:
        model = entry.get("model") or "model unknown"
        yield (
            f"{tokens:,} tokens of an iteration of the type '{role}' ({model}) may not be in this bill, "
            "or have another price."
        )


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """A part of the usage of one response that may have run on another model, at another price."""

    model: str | None
    role: str
    usage: Usage


def anthropic_iterations(raw: Wire) -> tuple[ModelUsage, ...]:
    """Return `usage.iterations`, one entry each, with the model if the entry names one.

    `role` is the type of the entry: message, compaction, advisor_message or fallback_message. Advisor and
    fallback entries may run on a model with another price.
    """
    return tuple(
        ModelUsage(
            model=entry.get("model"), role=str(entry.get("type")), usage=read_usage(entry, ANTHROPIC).usage
        )
        for entry in entries(raw.get("iterations"))
    )


def advisor_iterations(raw: Wire) -> tuple[ModelUsage, ...]:
    """Return the iterations of another model's advice, which the top-level counts leave out.

    Those whose counts cannot be read are left to `unread_advice`.
    """
    found: list[ModelUsage] = []
    for entry in entries(raw.get("iterations")):
        if entry.get("type") == ADVICE:
            with contextlib.suppress(UsageError):
                found += anthropic_iterations({"iterations": [entry]})
    return tuple(found)


def unread_advice(raw: Wire) -> int:
    """Return how many iterations of another model's advice have counts that cannot be read."""
    advised = [entry for entry in entries(raw.get("iterations")) if entry.get("type") == ADVICE]
    return len(advised) - len(advisor_iterations(raw))


def merge_anthropic_stream(start: Wire, deltas: Sequence[Wire]) -> dict[str, Any]:
    """Return the final usage object of a streamed message.

    `start` is `message_start.message.usage`; `deltas` are the `usage` objects of the `message_delta` events.
    Only the start splits cache writes by time to live. Without any delta the output count is a placeholder,
    and the caller must mark the turn partial.
    """
    return merge_cumulative(start, *deltas)


def merge_cumulative(*parts: Wire) -> dict[str, Any]:
    """Return one usage object from those in the chunks of a stream.

    Counts of a stream are cumulative, field by field: the last count of a field holds. Null and zero erase
    nothing, because a relay may fill in fields that it does not know; a field that a part leaves out keeps
    its count.
    """
    merged: dict[str, Any] = {}
    for raw in parts:
        for key, value in raw.items():
            known = merged.get(key)
            if isinstance(value, Mapping) and isinstance(known, Mapping):
                merged[key] = merge_cumulative(known, value)
            elif key not in merged or known is None or (value and value != "0"):
                merged[key] = value
    return merged


def usage_from_openai_responses(raw: Wire) -> Usage:
    """Return the usage of an OpenAI Responses object (`usage`, inclusive input)."""
    return read_usage(raw, OPENAI_RESPONSES).usage


def usage_from_openai_chat(raw: Wire) -> Usage:
    """Return the usage of an OpenAI chat completion, a shape that many hosts use.

    xAI counts reasoning beside the completion, and the total shows it.
    """
    return read_usage(raw, OPENAI_CHAT).usage


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
    return read_gemini(raw).usage


def read_gemini(raw: Wire) -> UsageReading:
    """Return what `usage_from_gemini` does, with notes of what was not understood."""
    return read_usage(raw, GEMINI)


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
