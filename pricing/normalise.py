"""From each provider's usage object to `Usage`: one function per wire shape.

The shapes disagree on what `input_tokens` means. Anthropic's is the uncached remainder (*exclusive*);
OpenAI's and OpenTelemetry's hold the whole prompt (*inclusive*), so the cached part is subtracted here.
Nothing is clamped: a remainder below zero means that the shape was mistaken, and is a `UsageError`
naming both keys. Wire facts: the types of the `anthropic` and `openai` packages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokenprof.pricing.usage import Usage, UsageError, add_fees, check_count

Wire = Mapping[str, Any]


def usage_from_anthropic(raw: Wire) -> Usage:
    """Return the usage of an Anthropic Messages response (`usage`, exclusive input).

    The TTL split is used where present; what the flat total has beyond the split is a write of unknown
    TTL. Thinking tokens are part of `output_tokens`. The `compaction` entries of `iterations` are not in
    the top-level counts and are added; all other iterations are.
    """
    usage = _anthropic_counts(raw)
    for entry in _sequence(raw.get("iterations")):
        if entry.get("type") == "compaction":
            usage += _anthropic_counts(entry)
    return usage


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """A share of one response's usage that another model than the response's own may have to be paid for."""

    model: str | None
    role: str
    usage: Usage


def anthropic_iterations(raw: Wire) -> tuple[ModelUsage, ...]:
    """Return `usage.iterations`, one entry each, with the model where the entry names one.

    `role` is the entry's type: message, compaction, advisor_message or fallback_message. Advisor and
    fallback entries may run on a model of another price; whether the top-level counts include them is
    not documented, so they are for a caller to show, not to add.
    """
    return tuple(
        ModelUsage(model=entry.get("model"), role=str(entry.get("type")), usage=_anthropic_counts(entry))
        for entry in _sequence(raw.get("iterations"))
    )


def merge_anthropic_stream(start: Wire, deltas: Sequence[Wire]) -> dict[str, Any]:
    """Return the final usage object of a streamed message.

    `start` is `message_start.message.usage`; `deltas` are the `usage` objects of the `message_delta`
    events, which are cumulative: the non-null fields of the last one replace those of the start. The
    TTL split is only in the start. Without any delta the output count is a placeholder, and the caller
    must mark the turn partial.
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
    """Return the usage of an OpenAI chat completion and of the many hosts that speak this shape.

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
    """Return the server-tool calls of a Responses `output` list that are billed by the piece.

    OpenAI does not count them in `usage`: each `web_search_call` or `file_search_call` item is one.
    """
    billed = {"web_search_call": "web_search", "file_search_call": "file_search"}
    return add_fees((billed[kind], 1) for kind in (item.get("type") for item in items) if kind in billed)


def with_fees(usage: Usage, fees: Iterable[tuple[str, int]]) -> Usage:
    """Return `usage` with further fee counts added."""
    return replace(usage, fees=add_fees(usage.fees, fees))


def usage_from_gemini(raw: Wire) -> Usage:
    """Return the usage of a Gemini response (`usageMetadata`, inclusive prompt).

    Thoughts stand beside the candidates' tokens, except where prompt and candidates already add up to
    the total, in which case the candidates include them. Tool-use prompts are input of their own.
    """
    prompt = _count(raw, "promptTokenCount") + _count(raw, "toolUsePromptTokenCount")
    read = _count(raw, "cachedContentTokenCount")
    candidates, thoughts = _count(raw, "candidatesTokenCount"), _count(raw, "thoughtsTokenCount")
    output = candidates
    if thoughts and prompt + candidates == raw.get("totalTokenCount"):
        output = _minus(candidates, "candidatesTokenCount", thoughts, "thoughtsTokenCount")
    return Usage(
        uncached_input_tokens=_minus(prompt, "promptTokenCount", read, "cachedContentTokenCount"),
        cache_read_tokens=read,
        output_tokens=output,
        reasoning_tokens=thoughts,
    )


def usage_from_otel(attributes: Wire) -> Usage:
    """Return the usage of an OpenTelemetry GenAI span (inclusive input, as the convention demands).

    Reads the current names and the older `cache_creation`, and the write split of the Anthropic SDK's
    own spans. OTLP JSON carries integers as strings; both are accepted.
    """
    values = {key: _otlp_int(value) for key, value in attributes.items() if "usage" in key}
    read = _count(values, "gen_ai.usage.cache_read.input_tokens")
    write_key = "gen_ai.usage.cache_write.input_tokens"
    if values.get(write_key) is None:
        write_key = "gen_ai.usage.cache_creation.input_tokens"
    writes = _split_writes(
        values,
        write_key,
        values,
        cache_write_5m_tokens="anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
        cache_write_1h_tokens="anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    )
    total = _required(values, "gen_ai.usage.input_tokens")
    cached = read + sum(writes.values())
    output = _required(values, "gen_ai.usage.output_tokens")
    reasoning = _count(values, "gen_ai.usage.reasoning.output_tokens")
    return Usage(
        uncached_input_tokens=_minus(
            total, "gen_ai.usage.input_tokens", cached, f"gen_ai.usage.cache_read.input_tokens + {write_key}"
        ),
        cache_read_tokens=read,
        output_tokens=_minus(
            output, "gen_ai.usage.output_tokens", reasoning, "gen_ai.usage.reasoning.output_tokens"
        ),
        reasoning_tokens=reasoning,
        **writes,
    )


def usage_from_openinference(attributes: Wire) -> Usage:
    """Return the usage of an OpenInference span (`llm.token_count.*`).

    The convention says that `prompt` is inclusive, and not every emitter obeys. The total tells: it is
    prompt + completion where the prompt is inclusive, and has the cached part on top where it is not.
    Raises `UsageError` where it is neither.
    """
    prefix = "llm.token_count."
    values = {
        key.removeprefix(prefix): _otlp_int(value)
        for key, value in attributes.items()
        if key.startswith(prefix)
    }
    prompt, completion = _required(values, "prompt"), _required(values, "completion")
    read, write = _count(values, "prompt_details.cache_read"), _count(values, "prompt_details.cache_write")
    reasoning = _count(values, "completion_details.reasoning")
    total = values.get("total", prompt + completion)
    if total == prompt + completion:
        fresh = _minus(
            prompt, "prompt", read + write, "prompt_details.cache_read + prompt_details.cache_write"
        )
    elif total == prompt + completion + read + write:
        fresh = prompt
    else:
        raise UsageError(
            f"Usage key 'llm.token_count.total' is {total}, which is neither prompt + completion "
            f"({prompt + completion}) nor that with cached tokens on top "
            f"({prompt + completion + read + write})."
        )
    return Usage(
        uncached_input_tokens=fresh,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=_minus(completion, "completion", reasoning, "completion_details.reasoning"),
        reasoning_tokens=reasoning,
    )


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One line of a batch's results: the caller's id, the model served, the usage (None where it failed)."""

    custom_id: str
    model: str | None
    usage: Usage | None


def batch_result_from_anthropic(line: Wire) -> BatchResult:
    """Return one line of an Anthropic message batch's results JSONL.

    Only `succeeded` requests are billed; errored, cancelled and expired ones carry no usage.
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
    writes = _split_writes(
        raw,
        "cache_creation_input_tokens",
        raw.get("cache_creation") or {},
        cache_write_5m_tokens="ephemeral_5m_input_tokens",
        cache_write_1h_tokens="ephemeral_1h_input_tokens",
    )
    output = _required(raw, "output_tokens")
    thinking = _count(raw.get("output_tokens_details") or {}, "thinking_tokens")
    return Usage(
        uncached_input_tokens=_required(raw, "input_tokens"),
        cache_read_tokens=_count(raw, "cache_read_input_tokens"),
        output_tokens=_minus(output, "output_tokens", thinking, "output_tokens_details.thinking_tokens"),
        reasoning_tokens=thinking,
        fees=_server_tool_fees(raw.get("server_tool_use") or {}),
        **writes,
    )


def _server_tool_fees(uses: Wire) -> tuple[tuple[str, int], ...]:
    return add_fees(
        (key.removesuffix("_requests"), _count(uses, key)) for key in uses if key.endswith("_requests")
    )


def _inclusive(raw: Wire, *, total: str, details: str, output: str, output_details: str) -> Usage:
    """Read the shape that OpenAI's two endpoints share up to the names of its keys."""
    parts = raw.get(details) or {}
    read_key, read = f"{details}.cached_tokens", _count(parts, "cached_tokens")
    for elsewhere in ("prompt_cache_hit_tokens", "cached_tokens"):
        if not read and raw.get(elsewhere):
            read_key, read = elsewhere, _count(raw, elsewhere)
    writes = _split_writes(
        parts,
        "cache_write_tokens",
        parts.get("cache_write_tokens_details") or {},
        cache_write_30m_tokens="ttl_30m_tokens",
        cache_write_12h_tokens="ttl_12h_tokens",
    )
    reasoning = _count(raw.get(output_details) or {}, "reasoning_tokens")
    return Usage(
        uncached_input_tokens=_minus(
            _required(raw, total),
            total,
            read + sum(writes.values()),
            f"{read_key} + {details}.cache_write_tokens",
        ),
        cache_read_tokens=read,
        output_tokens=_minus(_required(raw, output), output, reasoning, f"{output_details}.reasoning_tokens"),
        reasoning_tokens=reasoning,
        **writes,
    )


def _split_writes(raw: Wire, total_key: str, split: Wire, **split_keys: str) -> dict[str, Any]:
    """Return cache writes by TTL; what a flat total has beyond its split is of unknown TTL."""
    writes = {name: _count(split, key) for name, key in split_keys.items()}
    total = raw.get(total_key)
    if total is None:
        return writes
    rest = _minus(_count(raw, total_key), total_key, sum(writes.values()), " + ".join(split_keys.values()))
    return {**writes, "cache_write_tokens": rest}


def _minus(whole: int, whole_key: str, part: int, part_key: str) -> int:
    if part > whole:
        raise UsageError(
            f"Usage key '{whole_key}' is {whole}, less than '{part_key}' ({part}), which it should include. "
            "The usage was read as another provider's shape, or it is damaged."
        )
    return whole - part


def _required(raw: Wire, key: str) -> int:
    if raw.get(key) is None:
        raise UsageError(f"Usage key '{key}' is missing, so the call is unmeasured; it is not zero.")
    return check_count(key, raw[key])


def _count(raw: Wire, key: str) -> int:
    """Return an optional count: providers leave out, or set to null, what did not occur."""
    value = raw.get(key)
    return 0 if value is None else check_count(key, value)


def _otlp_int(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _sequence(value: object) -> Sequence[Wire]:
    return value if isinstance(value, list | tuple) else ()
