"""From the usage in transcripts and logs of other tools to `Usage`: one function per shape.

Codex and LiteLLM count the whole prompt (*inclusive*); inspect_ai, Langfuse and Claude Code's results leave
the cached part out (*exclusive*). A rest below zero, and a missing or malformed count, are a `UsageError`
naming the keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tokenprof.pricing.usage import Usage, UsageError, add_fees
from tokenprof.pricing.wire_counts import Wire, less, optional_count, part, required_count, writes_by_ttl


def usage_from_codex(raw: Wire) -> Usage:
    """Return the usage of a Codex rollout's `last_token_usage` or `total_token_usage` (inclusive input)."""
    read = optional_count(raw, "cached_input_tokens")
    write = optional_count(raw, "cache_write_input_tokens")
    reasoning = optional_count(raw, "reasoning_output_tokens")
    return Usage(
        uncached_input_tokens=less(
            required_count(raw, "input_tokens"),
            "input_tokens",
            read + write,
            "cached_input_tokens + cache_write_input_tokens",
        ),
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=less(
            required_count(raw, "output_tokens"), "output_tokens", reasoning, "reasoning_output_tokens"
        ),
        reasoning_tokens=reasoning,
    )


def usage_from_inspect(raw: Wire) -> Usage:
    """Return the usage of a `ModelUsage` in an inspect_ai log (exclusive input)."""
    reasoning = optional_count(raw, "reasoning_tokens")
    return Usage(
        uncached_input_tokens=required_count(raw, "input_tokens"),
        cache_read_tokens=optional_count(raw, "input_tokens_cache_read"),
        cache_write_tokens=optional_count(raw, "input_tokens_cache_write"),
        output_tokens=less(
            required_count(raw, "output_tokens"), "output_tokens", reasoning, "reasoning_tokens"
        ),
        reasoning_tokens=reasoning,
    )


def usage_from_litellm(raw: Wire) -> Usage:
    """Return the usage of a LiteLLM response: that of a chat completion, with Anthropic's split of writes.

    The input is inclusive. Older versions name the cached parts only beside the total, as Anthropic does.
    """
    parts = part(raw, "prompt_tokens_details")
    output_parts = part(raw, "completion_tokens_details")
    read_key = "prompt_tokens_details.cached_tokens"
    read = optional_count(parts, "cached_tokens")
    if not read:
        read_key, read = "cache_read_input_tokens", optional_count(raw, "cache_read_input_tokens")
    write_key = "cache_creation_input_tokens"
    split = part(parts, "cache_creation_token_details")
    writes = writes_by_ttl(
        raw,
        write_key,
        split,
        cache_write_5m_tokens="ephemeral_5m_input_tokens",
        cache_write_1h_tokens="ephemeral_1h_input_tokens",
    )
    if raw.get(write_key) is None and not any(writes.values()):
        # If LiteLLM called OpenAI, the write count has OpenAI's own name.
        write_key = "prompt_tokens_details.cache_write_tokens"
        writes = {"cache_write_tokens": optional_count(parts, "cache_write_tokens")}
    reasoning = optional_count(output_parts, "reasoning_tokens")
    return Usage(
        uncached_input_tokens=less(
            required_count(raw, "prompt_tokens"),
            "prompt_tokens",
            read + sum(writes.values()),
            f"{read_key} + {write_key}",
        ),
        cache_read_tokens=read,
        output_tokens=less(
            required_count(raw, "completion_tokens"),
            "completion_tokens",
            reasoning,
            "completion_tokens_details.reasoning_tokens",
        ),
        reasoning_tokens=reasoning,
        audio_input_tokens=optional_count(parts, "audio_tokens"),
        audio_output_tokens=optional_count(output_parts, "audio_tokens"),
        **writes,
    )


def usage_from_claude_code_models(result: Wire) -> dict[str, Usage]:
    """Return the usage by model of a Claude Code result or an SDK's `ResultMessage` (exclusive input).

    Older versions do not split the cache writes by their time to live.
    """
    models = part(result, "modelUsage") or part(result, "model_usage")
    return {model: _of_model(raw) for model, raw in models.items() if isinstance(raw, Mapping)}


def _of_model(raw: Wire) -> Usage:
    writes = writes_by_ttl(
        raw,
        "cacheCreationInputTokens",
        raw,
        cache_write_5m_tokens="cacheCreationEphemeral5mInputTokens",
        cache_write_1h_tokens="cacheCreationEphemeral1hInputTokens",
    )
    thinking = optional_count(raw, "thinkingTokens")
    return Usage(
        uncached_input_tokens=required_count(raw, "inputTokens"),
        cache_read_tokens=optional_count(raw, "cacheReadInputTokens"),
        output_tokens=less(required_count(raw, "outputTokens"), "outputTokens", thinking, "thinkingTokens"),
        reasoning_tokens=thinking,
        fees=add_fees([("web_search", optional_count(raw, "webSearchRequests"))]),
        **writes,
    )


def rest_of(whole: Usage, sum_of_parts: Usage) -> Usage:
    """Return what a whole counts beyond the sum of its parts, class by class.

    If only the parts split cache writes by time to live, or reasoning from output, the split counts are taken
    off the whole's undivided count. Raises `UsageError` if the whole counts less than its parts.
    """
    counts = {field.name: getattr(whole, field.name) for field in fields(Usage) if field.name != "fees"}
    parts = {name: getattr(sum_of_parts, name) for name in counts}
    for flat, split in (
        ("cache_write_tokens", ("cache_write_5m_tokens", "cache_write_1h_tokens")),
        ("output_tokens", ("reasoning_tokens",)),
    ):
        for name in split:
            beyond = max(parts[name] - counts[name], 0)
            parts[name] -= beyond
            parts[flat] += beyond
    left = {name: less(count, name, parts[name], f"{name} of its parts") for name, count in counts.items()}
    fees = {name: count - dict(sum_of_parts.fees).get(name, 0) for name, count in whole.fees}
    return Usage(**left, fees=add_fees((name, max(count, 0)) for name, count in fees.items()))


_LANGFUSE_KEYS = {
    "input": "uncached_input_tokens",
    "input_text_tokens": "uncached_input_tokens",
    "input_audio_tokens": "audio_input_tokens",
    "input_cached_tokens": "cache_read_tokens",
    "input_cache_read": "cache_read_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "input_cache_creation": "cache_write_tokens",
    "input_cache_write_tokens": "cache_write_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "cache_creation_ephemeral_5m_input_tokens": "cache_write_5m_tokens",
    "cache_creation_ephemeral_1h_input_tokens": "cache_write_1h_tokens",
    "output": "output_tokens",
    "output_text_tokens": "output_tokens",
    "output_accepted_prediction_tokens": "output_tokens",
    "output_rejected_prediction_tokens": "output_tokens",
    "output_audio_tokens": "audio_output_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
    "output_reasoning": "reasoning_tokens",
}
"""Keys of Langfuse's `usageDetails` and the class that each one counts. Users may add keys of their own."""


def usage_from_langfuse(details: Wire) -> Usage:
    """Return the usage of a Langfuse observation's `usageDetails`, whose keys are meant to add up.

    If an emitter left the cached part in `input`, the total is input + output. Split cache writes are
    also counted in their sum. Raises `UsageError` for a count under an unknown key, and for a total that is
    neither input + output nor the sum of all keys.
    """
    counts = {key: optional_count(details, key) for key in details if key != "total"}
    unknown = sorted(key for key, count in counts.items() if count and key not in _LANGFUSE_KEYS)
    if unknown:
        raise UsageError(f"Usage key '{unknown[0]}' of Langfuse's usageDetails is not known.")
    if "input" not in counts or "output" not in counts:
        raise UsageError("Langfuse's usageDetails lack 'input' or 'output', so the call is unmeasured.")
    sums: dict[str, Any] = {}
    for key, count in counts.items():
        if count:
            sums[_LANGFUSE_KEYS[key]] = sums.get(_LANGFUSE_KEYS[key], 0) + count
    split = sums.get("cache_write_5m_tokens", 0) + sums.get("cache_write_1h_tokens", 0)
    if split:
        flat = sums.get("cache_write_tokens", split)
        sums["cache_write_tokens"] = less(flat, "cache_creation_input_tokens", split, "its split")
    beside = sum(sums.values()) - counts["input"] - counts["output"]
    total = details.get("total")
    if beside and total == counts["input"] + counts["output"]:
        cached = sum(count for name, count in sums.items() if name.startswith("cache_"))
        inside = sums.get("reasoning_tokens", 0)
        sums["uncached_input_tokens"] = less(counts["input"], "input", cached, "the cached parts")
        sums["output_tokens"] = less(counts["output"], "output", inside, "output_reasoning_tokens")
    elif total is not None and total != counts["input"] + counts["output"] + beside:
        raise UsageError(
            f"Usage key 'total' is {total}, which is neither input + output nor the sum of all keys "
            f"({counts['input'] + counts['output'] + beside})."
        )
    for audio, whole in (
        ("audio_input_tokens", "uncached_input_tokens"),
        ("audio_output_tokens", "output_tokens"),
    ):
        sums[whole] = sums.get(whole, 0) + sums.get(audio, 0)
    return Usage(**sums)
