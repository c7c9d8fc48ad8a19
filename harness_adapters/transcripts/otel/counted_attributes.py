"""The counts in the attributes of spans and log records, wherever an instrumentation keeps them.

Most write one attribute per count. Langfuse, MLflow and Braintrust write all counts into one, as JSON or as a
map. Harnesses that export logs (Codex, Gemini CLI and its relatives, OpenTelemetry's own event of a call)
report each call in a record, without the prefixes that spans have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tokenprof.pricing.normalise_logs import read_langfuse
from tokenprof.pricing.normalise_telemetry import (
    has_otel_usage,
    read_claude_code_telemetry,
    read_openinference,
    read_otel,
)
from tokenprof.pricing.usage_dialects import Meaning, may_be_billed, meaning_of
from tokenprof.pricing.usage_reader import UsageReading
from tokenprof.pricing.wire_counts import is_count
from tokenprof.record.wire_values import Wire, mapping, opened

CLAUDE_CODE_CALL = "claude_code.llm_request"

LANGFUSE_USAGE = "langfuse.observation.usage_details"

HOLDERS = (
    "gen_ai.usage",
    "llm.usage",
    "mlflow.chat.tokenUsage",
    "braintrust.metrics",
    "usage",
    "token_usage",
)
"""Attributes that may hold all counts of a call in one."""

CODEX_EVENT = "codex."


def with_single_counts(attributes: Wire) -> Wire:
    """Return attributes in which each count that one of them holds has an attribute of its own."""
    held = {name: mapping(opened(attributes[name])) for name in HOLDERS if name in attributes}
    counts = {
        f"gen_ai.usage.{key}": value for usage in held.values() for key, value in _leaves(usage).items()
    }
    return {**attributes, **counts} if counts else attributes


def usage_reader_of(span_name: object, attributes: Wire) -> Callable[[Wire], UsageReading] | None:
    """Return the function that reads a span's counts; None for a span without counts."""
    if span_name == CLAUDE_CODE_CALL:
        return read_claude_code_telemetry
    if mapping(opened(attributes.get(LANGFUSE_USAGE))):
        return _read_langfuse
    if any(key.startswith("llm.token_count.") for key in attributes):
        return read_openinference
    return read_otel if has_otel_usage(attributes) else None


def read_logged_call(attributes: Wire) -> UsageReading:
    """Return the counts of a log record. Raises UsageError for counts that cannot be right."""
    return read_otel(
        {f"gen_ai.usage.{_as_meant(key, attributes)}": value for key, value in _counts(attributes).items()}
    )


def is_logged_call(attributes: Wire) -> bool:
    """Whether a log record reports a call: it counts the prompt and the output."""
    meanings = {meaning_of(key) for key in _counts(attributes)}
    return meanings >= {Meaning.PROMPT, Meaning.OUTPUT}


def _counts(attributes: Wire) -> dict[str, object]:
    return {
        key: value
        for key, value in attributes.items()
        if is_count(value) and (meaning_of(key) is not None or may_be_billed(key))
    }


def _as_meant(key: str, attributes: Wire) -> str:
    """Return a key as the table has it. Codex's `tool_token_count` is the total of the call."""
    is_codex = str(attributes.get("event.name")).startswith(CODEX_EVENT)
    key = key.removeprefix("gen_ai.usage.")
    return "total_token_count" if is_codex and key == "tool_token_count" else key


def _read_langfuse(attributes: Wire) -> UsageReading:
    return read_langfuse(mapping(opened(attributes[LANGFUSE_USAGE])))


def _leaves(usage: Wire) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in usage.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": count for inner, count in _leaves(value).items()}
        else:
            found[key] = value
    return found
