"""From the usage in telemetry to `Usage`: one function per shape.

OpenTelemetry, OpenInference and LangChain count the whole prompt (*inclusive*); Claude Code's own telemetry
leaves the cached part out (*exclusive*). A rest below zero, and a missing or malformed count, are a
`UsageError` naming the keys. The spellings are rows of `usage_dialects`.
"""

from __future__ import annotations

from tokenprof.pricing.usage import Usage
from tokenprof.pricing.usage_dialects import (
    CLAUDE_CODE,
    OPENAI_RESPONSES,
    OPENINFERENCE,
    OTEL,
    PREFIXES,
    Meaning,
    may_be_billed,
    meaning_of,
)
from tokenprof.pricing.usage_reader import UsageReading, read_usage
from tokenprof.pricing.wire_counts import Wire, is_count


def usage_from_otel(attributes: Wire) -> Usage:
    """Return the usage of an OpenTelemetry GenAI span (inclusive input, as the convention requires).

    Reads the current names, the older `cache_creation`, and the split of cache writes in the spans of the
    Anthropic SDK. OTLP JSON writes integers as text; both forms are accepted.
    """
    return read_otel(attributes).usage


def read_otel(attributes: Wire) -> UsageReading:
    """Return what `usage_from_otel` does, with notes of what was not understood.

    The names of older conventions, and those of single instrumentations, are rows of the table.
    """
    return read_usage(_counted(attributes), OTEL)


def has_otel_usage(attributes: Wire) -> bool:
    """Whether a span has a count of the prompt or of the output, under any known name."""
    return any(
        is_count(value) and meaning_of(key) in (Meaning.PROMPT, Meaning.OUTPUT, Meaning.FRESH)
        for key, value in attributes.items()
        if key.startswith(PREFIXES)
    )


def _counted(attributes: Wire) -> dict[str, object]:
    """Return the attributes that may be counts: those of usage, and those that sound like tokens."""
    return {
        key: value
        for key, value in attributes.items()
        if is_count(value)
        and (key.startswith(PREFIXES) or (meaning_of(key) is None and may_be_billed(key)))
        # An agent's sum over its calls, and the raw counts of an API whose input may leave the cache out.
        and not key.startswith(NOT_THE_CALL_S_OWN)
    }


NOT_THE_CALL_S_OWN = (
    "gen_ai.aggregated_usage.",
    "gen_ai.usage.details.input_tokens",
    "gen_ai.usage.details.output_tokens",
)


def usage_from_openinference(attributes: Wire) -> Usage:
    """Return the usage of an OpenInference span (`llm.token_count.*`).

    The convention says that `prompt` is inclusive, but not all emitters follow it. The total decides: it is
    prompt + completion if the prompt is inclusive, and has the cached part on top if it is not.
    """
    return read_openinference(attributes).usage


def read_openinference(attributes: Wire) -> UsageReading:
    """Return what `usage_from_openinference` does, with notes of what was not understood."""
    counted = {key: value for key, value in _counted(attributes).items() if not key.startswith("gen_ai.")}
    return read_usage(counted, OPENINFERENCE)


def usage_from_claude_code_telemetry(attributes: Wire) -> Usage:
    """Return the usage of Claude Code's own spans and `api_request` events (exclusive input)."""
    return read_claude_code_telemetry(attributes).usage


def read_claude_code_telemetry(attributes: Wire) -> UsageReading:
    """Return what `usage_from_claude_code_telemetry` does, with notes of what was not understood."""
    values = {key: value for key, value in attributes.items() if key.endswith("_tokens")}
    return read_usage(values, CLAUDE_CODE)


def usage_from_langchain(raw: Wire) -> Usage:
    """Return the `usage_metadata` of a LangChain message (inclusive input)."""
    return read_usage(raw, OPENAI_RESPONSES).usage
