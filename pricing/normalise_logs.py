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
from tokenprof.pricing.usage_dialects import CLAUDE_CODE_RESULT, CODEX, INSPECT, OPENAI_CHAT, meaning_of
from tokenprof.pricing.usage_reader import UsageReading, read_usage
from tokenprof.pricing.wire_counts import Wire, less, optional_count, part


def usage_from_codex(raw: Wire) -> Usage:
    """Return the usage of a Codex rollout's `last_token_usage` or `total_token_usage` (inclusive input)."""
    return read_usage(raw, CODEX).usage


def usage_from_inspect(raw: Wire) -> Usage:
    """Return the usage of a `ModelUsage` in an inspect_ai log (exclusive input)."""
    return read_usage(raw, INSPECT).usage


def usage_from_litellm(raw: Wire) -> Usage:
    """Return the usage of a LiteLLM response: that of a chat completion, with Anthropic's split of writes.

    The input is inclusive. Older versions name the cached parts only beside the total, as Anthropic does.
    """
    return read_usage(raw, OPENAI_CHAT).usage


def read_claude_code_models(result: Wire) -> dict[str, UsageReading]:
    """Return the usage by model of a Claude Code result or an SDK's `ResultMessage` (exclusive input).

    Older versions do not split the cache writes by their time to live. Models have the names of the API,
    which the result may decorate. Raises `UsageError` for a count that is missing or malformed.
    """
    found: dict[str, UsageReading] = {}
    for name, raw in (part(result, "modelUsage") or part(result, "model_usage")).items():
        if isinstance(raw, Mapping):
            canonical = raw.get("canonicalModel")
            model = plain_model(canonical if isinstance(canonical, str) and canonical else name)
            before, read = found.get(model, UsageReading(Usage())), read_usage(raw, CLAUDE_CODE_RESULT)
            notes = tuple(dict.fromkeys((*before.notes, *read.notes)))
            found[model] = UsageReading(before.usage + read.usage, notes)
    return found


def usage_from_claude_code_models(result: Wire) -> dict[str, Usage]:
    """Return the counts alone of `read_claude_code_models`, which says more."""
    return {model: reading.usage for model, reading in read_claude_code_models(result).items()}


def plain_model(name: str) -> str:
    """Return the API's name of a model; Claude Code marks the long window with `[1m]`."""
    return name.removesuffix("[1m]")


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


SEARCHES = ("web_search_queries", "grounding_queries", "web_search_requests", "web_searches")
"""Keys of Langfuse's `usageDetails` that count searches, which are billed by the piece."""


def usage_from_langfuse(details: Wire) -> Usage:
    """Return the usage of a Langfuse observation's `usageDetails`, whose keys are meant to add up.

    Keys are free; their names say what they are part of. If an emitter left the parts in `input` and
    `output`, the total is input + output. A split of the cache writes stands beside their sum. A total
    beyond all keys counts thinking that has no key. Details without `input` and `output` are those of an API,
    as it spells them. Raises `UsageError` for a count of tokens whose key says nothing, and for a total that
    is smaller than input + output.
    """
    return read_langfuse(details).usage


def read_langfuse(details: Wire) -> UsageReading:
    """Return what `usage_from_langfuse` does, with notes of what was not understood."""
    if details and not details.keys() & {"input", "output"}:
        return read_usage(details, OPENAI_CHAT)
    counts = {key: optional_count(details, key) for key in details if key != "total"}
    if details.get("output", 0) is not None and counts.get("input") == details.get("total"):
        # An embedding has no output, and need not say so.
        counts.setdefault("output", 0)
    if "input" not in counts or "output" not in counts:
        raise UsageError("Langfuse's usageDetails lack 'input' or 'output', so the call is unmeasured.")
    total = None if details.get("total") is None else optional_count(details, "total")
    whole = counts["input"] + counts["output"]
    strangers = _strangers(counts, total)
    notes = [
        f"Usage key '{key}' is not understood; the total leaves it out, and so does the bill."
        for key in strangers
    ]
    unknown: list[str] = []
    sums: dict[str, Any] = {}
    for key, count in counts.items():
        cls = None if key in strangers else _langfuse_class(key)
        if cls is None and count and key not in (*SEARCHES, *strangers):
            unknown.append(key)
        elif cls is not None and count:
            sums[cls] = sums.get(cls, 0) + count
    if unknown:
        side, rest = _side_of(unknown[0]), sum(counts[key] for key in unknown)
        if total == sum(sums.values()) + rest and side and len({_side_of(key) for key in unknown}) == 1:
            # The name says only which side the tokens are on; they are billed at the rate of its text.
            sums[side] = sums.get(side, 0) + rest
        elif total not in (whole, sum(sums.values())):
            raise UsageError(f"Usage key '{unknown[0]}' of Langfuse's usageDetails is not known.")
        notes += [
            f"Usage key '{key}' is not understood, so what it counts may have another price."
            for key in unknown
        ]
    split = sums.get("cache_write_5m_tokens", 0) + sums.get("cache_write_1h_tokens", 0)
    if split:
        flat = sums.get("cache_write_tokens", split)
        sums["cache_write_tokens"] = less(flat, "cache_creation_input_tokens", split, "its split")
    everything = sum(sums.values())
    audio = sums.pop("audio_input_tokens", 0), sums.pop("audio_output_tokens", 0)
    if everything != whole and total == whole:
        cached = sum(count for name, count in sums.items() if name.startswith("cache_"))
        inside = sums.get("reasoning_tokens", 0)
        sums["uncached_input_tokens"] = less(counts["input"], "input", cached, "the cached parts")
        sums["output_tokens"] = less(counts["output"], "output", inside, "output_reasoning_tokens")
    else:
        sums["uncached_input_tokens"] = sums.get("uncached_input_tokens", 0) + audio[0]
        sums["output_tokens"] = sums.get("output_tokens", 0) + audio[1]
        if total is not None and total > everything and not sums.get("reasoning_tokens"):
            sums["reasoning_tokens"] = total - everything
            notes.append(
                "Usage key 'total' counts more than all other keys; the rest is taken to be reasoning."
            )
        elif total is not None and total != everything:
            raise UsageError(
                f"Usage key 'total' is {total}, which is neither input + output nor the sum of all keys "
                f"({everything})."
            )
    fees = add_fees(("web_search", counts[key]) for key in SEARCHES if counts.get(key))
    usage = Usage(**sums, fees=fees, audio_input_tokens=audio[0], audio_output_tokens=audio[1])
    return UsageReading(usage, tuple(notes))


def _strangers(counts: Mapping[str, int], total: int | None) -> list[str]:
    """Return the keys that no dialect has and that the total leaves out, whatever their words sound like."""
    billed = {key: count for key, count in counts.items() if count and key not in SEARCHES}
    found = [key for key in billed if meaning_of(key) is None and set(key.lower().split("_")) - KNOWN_WORDS]
    rest = sum(billed.values()) - sum(billed[key] for key in found)
    return found if total == rest != counts["input"] + counts["output"] else []


def _langfuse_class(key: str) -> str | None:
    """Return the count of `Usage` that a key adds to, by the words of its name; None if they say nothing."""
    name = key.lower()
    is_output = name.startswith(("output", "completion", "candidates", "thoughts", "reasoning"))
    if "cach" in name:
        if "5m" in name or "1h" in name:
            return f"cache_write_{'5m' if '5m' in name else '1h'}_tokens"
        return "cache_write_tokens" if "creat" in name or "writ" in name else "cache_read_tokens"
    if is_output:
        if any(word in name for word in ("reason", "thought", "think")):
            return "reasoning_tokens"
        return "audio_output_tokens" if "audio" in name else _if_known(name, "output_tokens")
    if name.startswith(("input", "prompt")):
        return "audio_input_tokens" if "audio" in name else _if_known(name, "uncached_input_tokens")
    return None


def _if_known(name: str, cls: str) -> str | None:
    return cls if not set(name.replace("details", "").split("_")) - LANGFUSE_WORDS else None


def _side_of(key: str) -> str | None:
    if key.startswith("output"):
        return "output_tokens"
    return "uncached_input_tokens" if key.startswith(("input", "prompt")) else None


LANGFUSE_WORDS = frozenset(
    {"", "input", "output", "prompt", "completion", "candidates", "tokens", "token", "count", "text", "image"}
    | {"video", "document", "file", "pdf", "accepted", "rejected", "prediction", "modality", "1", "tool"}
)
"""Words of keys whose tokens have the rate of the text beside them."""

KNOWN_WORDS = LANGFUSE_WORDS | frozenset(
    {
        "cache",
        "cached",
        "read",
        "hit",
        "creation",
        "created",
        "write",
        "written",
        "5m",
        "1h",
        "ephemeral",
        "content",
    }
    | {"reasoning", "reason", "thoughts", "thought", "thinking", "audio"}
)
"""Words of keys that say what their tokens are."""
