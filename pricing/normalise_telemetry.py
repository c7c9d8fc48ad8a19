"""From the usage in telemetry to `Usage`: one function per shape.

OpenTelemetry, OpenInference and LangChain count the whole prompt (*inclusive*); Claude Code's own telemetry
leaves the cached part out (*exclusive*). A rest below zero, and a missing or malformed count, are a
`UsageError` naming the keys.
"""

from __future__ import annotations

from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.wire_counts import (
    Wire,
    less,
    optional_count,
    otlp_int,
    part,
    required_count,
    writes_by_ttl,
)


def usage_from_otel(attributes: Wire) -> Usage:
    """Return the usage of an OpenTelemetry GenAI span (inclusive input, as the convention requires).

    Reads the current names, the older `cache_creation`, and the split of cache writes in the spans of the
    Anthropic SDK. OTLP JSON writes integers as text; both forms are accepted.
    """
    values = {key: otlp_int(value) for key, value in attributes.items() if "usage" in key}
    read = optional_count(values, "gen_ai.usage.cache_read.input_tokens")
    write_key = "gen_ai.usage.cache_write.input_tokens"
    if values.get(write_key) is None:
        write_key = "gen_ai.usage.cache_creation.input_tokens"
    writes = writes_by_ttl(
        values,
        write_key,
        values,
        cache_write_5m_tokens="anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
        cache_write_1h_tokens="anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    )
    total = required_count(values, "gen_ai.usage.input_tokens")
    cached = read + sum(writes.values())
    output = required_count(values, "gen_ai.usage.output_tokens")
    reasoning = optional_count(values, "gen_ai.usage.reasoning.output_tokens")
    return Usage(
        uncached_input_tokens=less(
            total, "gen_ai.usage.input_tokens", cached, f"gen_ai.usage.cache_read.input_tokens + {write_key}"
        ),
        cache_read_tokens=read,
        output_tokens=less(
            output, "gen_ai.usage.output_tokens", reasoning, "gen_ai.usage.reasoning.output_tokens"
        ),
        reasoning_tokens=reasoning,
        **writes,
    )


def usage_from_openinference(attributes: Wire) -> Usage:
    """Return the usage of an OpenInference span (`llm.token_count.*`).

    The convention says that `prompt` is inclusive, but not all emitters follow it. The total decides: it is
    prompt + completion if the prompt is inclusive, and has the cached part on top if it is not. Raises
    `UsageError` if it is neither.
    """
    prefix = "llm.token_count."
    values = {
        key.removeprefix(prefix): otlp_int(value)
        for key, value in attributes.items()
        if key.startswith(prefix)
    }
    prompt, completion = required_count(values, "prompt"), required_count(values, "completion")
    read, write = (
        optional_count(values, "prompt_details.cache_read"),
        optional_count(values, "prompt_details.cache_write"),
    )
    reasoning = optional_count(values, "completion_details.reasoning")
    total = values.get("total", prompt + completion)
    if total == prompt + completion:
        fresh = less(prompt, "prompt", read + write, "prompt_details.cache_read + prompt_details.cache_write")
    elif total == prompt + completion + read + write:
        fresh = prompt
    else:
        raise UsageError(
            f"Usage key 'llm.token_count.total' is {total}, which is neither prompt + completion "
            f"({prompt + completion}) nor that plus the cached tokens "
            f"({prompt + completion + read + write})."
        )
    return Usage(
        uncached_input_tokens=fresh,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=less(completion, "completion", reasoning, "completion_details.reasoning"),
        reasoning_tokens=reasoning,
    )


def usage_from_claude_code_telemetry(attributes: Wire) -> Usage:
    """Return the usage of Claude Code's own spans and `api_request` events (exclusive input)."""
    values = {key: otlp_int(value) for key, value in attributes.items() if key.endswith("_tokens")}
    writes = writes_by_ttl(
        values,
        "cache_creation_tokens",
        values,
        cache_write_5m_tokens="cache_creation_5m_tokens",
        cache_write_1h_tokens="cache_creation_1h_tokens",
    )
    return Usage(
        uncached_input_tokens=required_count(values, "input_tokens"),
        cache_read_tokens=optional_count(values, "cache_read_tokens"),
        output_tokens=required_count(values, "output_tokens"),
        **writes,
    )


def usage_from_langchain(raw: Wire) -> Usage:
    """Return the `usage_metadata` of a LangChain message (inclusive input)."""
    parts = part(raw, "input_token_details")
    read = optional_count(parts, "cache_read")
    writes = writes_by_ttl(
        parts,
        "cache_creation",
        parts,
        cache_write_5m_tokens="ephemeral_5m_input_tokens",
        cache_write_1h_tokens="ephemeral_1h_input_tokens",
    )
    reasoning = optional_count(part(raw, "output_token_details"), "reasoning")
    return Usage(
        uncached_input_tokens=less(
            required_count(raw, "input_tokens"),
            "input_tokens",
            read + sum(writes.values()),
            "input_token_details.cache_read + input_token_details.cache_creation",
        ),
        cache_read_tokens=read,
        output_tokens=less(
            required_count(raw, "output_tokens"), "output_tokens", reasoning, "output_token_details.reasoning"
        ),
        reasoning_tokens=reasoning,
        **writes,
    )
