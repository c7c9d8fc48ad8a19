"""The table of usage keys: how every known API, SDK and instrumentation spells a count, and what it means.

Keys are compared without case, underscores and prefixes of telemetry, so `cacheReadInputTokens` and
`gen_ai.usage.cache_read_input_tokens` are one row. Parts of the prompt's count stand under `in.`, parts of
the output's under `out.`, whatever the source calls these objects. A dialect that is missing here needs a
row, not a reader. `usage_reader` applies the table.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import StrEnum

KEYS_REMEMBERED = 2048
"""Sources have a few dozen keys each; every turn has them again."""


class Meaning(StrEnum):
    """What a count is of. Several spellings of one meaning repeat each other; they are not added."""

    PROMPT = "prompt"
    FRESH = "fresh"
    EXTRA_PROMPT = "extra_prompt"
    READ = "read"
    WRITE = "write"
    WRITE_5M = "write_5m"
    WRITE_1H = "write_1h"
    WRITE_30M = "write_30m"
    WRITE_12H = "write_12h"
    OUTPUT = "output"
    REASONING = "reasoning"
    TOTAL = "total"
    AUDIO_IN = "audio_in"
    AUDIO_OUT = "audio_out"
    IMAGE_OUT = "image_out"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True, eq=False)
class Convention:
    """What a source's keys do not show, unless the object's total contradicts it.

    `needs` are the source's names for the prompt and the output, without which a call is unmeasured.
    """

    needs: tuple[str, str]
    input_includes_cache: bool = True
    reasoning_is_beside: bool = False


ANTHROPIC = Convention(("input_tokens", "output_tokens"), input_includes_cache=False)
OPENAI_CHAT = Convention(("prompt_tokens", "completion_tokens"))
OPENAI_RESPONSES = Convention(("input_tokens", "output_tokens"))
GEMINI = Convention(("promptTokenCount", "candidatesTokenCount"), reasoning_is_beside=True)
CONVERSE = Convention(("inputTokens", "outputTokens"), input_includes_cache=False)
OTEL = Convention(("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"))
OPENINFERENCE = Convention(("llm.token_count.prompt", "llm.token_count.completion"))
CLAUDE_CODE = Convention(("input_tokens", "output_tokens"), input_includes_cache=False)
CLAUDE_CODE_RESULT = Convention(("inputTokens", "outputTokens"), input_includes_cache=False)
CODEX = Convention(("input_tokens", "output_tokens"))
INSPECT = Convention(("input_tokens", "output_tokens"), input_includes_cache=False)


PREFIXES = (
    "gen_ai.usage.details.",
    "gen_ai.response.",
    "gen_ai.usage.",
    "gen_ai.aggregated_usage.",
    "llm.usage.",
    "llm.token_count.",
    "ai.usage.",
    "anthropic.usage.",
    "openai.usage.",
    "mastra.usage.",
    "langsmith.usage.",
    "traceloop.usage.",
    "usage_metadata.",
    "usage.",
)
"""What telemetry puts in front of a key. Longer ones come before those that they begin with."""

PARTS_OF_PROMPT = (
    "prompt_tokens_details",
    "prompt_token_details",
    "input_tokens_details",
    "input_token_details",
    "prompt_details",
    "input_details",
)
PARTS_OF_OUTPUT = (
    "completion_tokens_details",
    "completion_token_details",
    "output_tokens_details",
    "output_token_details",
    "candidates_tokens_details",
    "completion_details",
    "output_details",
)

_SPELLINGS: dict[Meaning, str] = {
    # The whole prompt or, in sources that leave the cached part out, the rest of it.
    Meaning.PROMPT: """
        input_tokens prompt_tokens prompt_token_count prompt_tokens_total input billed_units.input_tokens
        prompt input_token_count prompt_eval_count input_text_token_count total_input_tokens
    """,
    Meaning.FRESH: """
        prompt_cache_miss_tokens in.no_cache_tokens in.no_cache in.uncached_tokens uncached_input_tokens
        input_no_cache_tokens input_tokens_no_cache in.cache_miss_tokens no_cache_input_tokens
    """,
    Meaning.EXTRA_PROMPT: "tool_use_prompt_token_count tool_token_count total_tool_use_tokens",
    Meaning.READ: """
        cache_read.input_tokens cache_read_input_tokens cache_read_tokens cache_read in.cached_tokens
        in.cache_read in.cache_read_tokens in.cache_read_input_tokens cached_tokens cached_input_tokens
        input_cached_tokens input_cache_read_tokens prompt_cache_hit_tokens in.cached in.cache_input
        cached_content_token_count input_tokens_cache_read input_tokens_cached num_cached_tokens
        cached_prompt_tokens prompt_cached_tokens prompt_tokens_cached in.cached_input_tokens
        in.cache_hit_tokens cache_hit_tokens in.priority_cache_read in.flex_cache_read
        cache_read_input_token_count cached_input in.cached_content_tokens total_cached_tokens
        cached_token_count
    """,
    Meaning.WRITE: """
        cache_write.input_tokens cache_creation.input_tokens cache_creation_input_tokens
        cache_write_input_tokens cache_write_tokens cache_creation_tokens cache_write in.cache_write_tokens
        in.cache_write in.cache_creation in.cache_creation_tokens in.cache_creation_input_tokens
        in.cache_write_input_tokens input_tokens_cache_write input_cache_write_tokens
        input_cache_creation_tokens cache_write_input_token_count in.cached_write_tokens
    """,
    Meaning.WRITE_5M: """
        cache_creation.ephemeral_5m_input_tokens ephemeral_5m_input_tokens in.ephemeral_5m_input_tokens
        in.cache_creation_token_details.ephemeral_5m_input_tokens cache_creation_5m_tokens
        in.cache_creation.ephemeral_5m_input_tokens cache_creation_ephemeral_5m_input_tokens
        cache_creation_token_details.ephemeral_5m_input_tokens cache_write_5m_tokens
    """,
    Meaning.WRITE_1H: """
        cache_creation.ephemeral_1h_input_tokens ephemeral_1h_input_tokens in.ephemeral_1h_input_tokens
        in.cache_creation_token_details.ephemeral_1h_input_tokens cache_creation_1h_tokens
        in.cache_creation.ephemeral_1h_input_tokens cache_creation_ephemeral_1h_input_tokens
        cache_creation_token_details.ephemeral_1h_input_tokens cache_write_1h_tokens
    """,
    Meaning.WRITE_30M: "in.cache_write_tokens_details.ttl_30m_tokens",
    Meaning.WRITE_12H: "in.cache_write_tokens_details.ttl_12h_tokens",
    Meaning.OUTPUT: """
        output_tokens completion_tokens candidates_token_count response_token_count output
        billed_units.output_tokens completion output_token_count eval_count generation_token_count
        total_output_tokens
    """,
    Meaning.REASONING: """
        reasoning.output_tokens reasoning_tokens reasoning_output_tokens out.reasoning_tokens out.reasoning
        out.thinking_tokens out.reasoning_output_tokens thoughts_token_count thinking_tokens
        output_reasoning_tokens completion_reasoning_tokens out.thoughts_tokens out.thinking
        completion_tokens_reasoning output_tokens_reasoning reasoning_token_count thoughts_tokens
        out.priority_reasoning out.flex_reasoning reasoning total_reasoning_tokens total_thought_tokens
    """,
    Meaning.TOTAL: "total_tokens total_token_count total tokens.total tokens",
    Meaning.AUDIO_IN: "in.audio_tokens in.audio audio_input_tokens input_audio_tokens prompt_audio_tokens",
    Meaning.AUDIO_OUT: "out.audio_tokens out.audio audio_output_tokens output_audio_tokens",
    Meaning.IMAGE_OUT: "out.image_tokens out.image image_output_tokens output_image_tokens",
    # Parts that have the rate of the whole, and second counts of the same tokens.
    Meaning.REPEATED: """
        in.text_tokens in.text in.image_tokens in.image in.video_tokens in.video in.priority in.flex
        out.text_tokens out.text out.video_tokens out.accepted_prediction_tokens
        out.rejected_prediction_tokens out.priority out.flex prompt_text_tokens prompt_image_tokens
        tokens.input_tokens tokens.output_tokens cache_write_tokens_details in.document_tokens
        in.cache_write_tokens_details completion_text_tokens max_tokens context_tokens
        in.cache_creation_token_details.input_tokens aggregated_tokens in.registered_tokens
    """,
}

PIECES = {
    "num_sources_used": "live_search_source",
    "num_search_queries": "search_query",
    "webSearchRequests": "web_search",
}
"""Counts, beside the tokens, of what is billed by the piece (xAI, Perplexity, Claude Code's results)."""

SEARCH_SIZE, REQUEST = "search_context_size", "request"
"""Perplexity bills each request by the size of its search, which the usage names.

Price lists have the fee of the largest one as that of a request."""

TOOL_COUNTS = {"server_tool_use": "_requests", "server_side_tool_usage_details": "_calls"}
"""Objects in which Anthropic and xAI count the tools that they ran, and how their keys end."""

WITHOUT_FEE = frozenset({"mcp"})
"""Tools for which a provider bills only the tokens that they bring."""

_WORDS = re.compile(r"cache|token|reason|thought|thinking", re.IGNORECASE)

_NOT_COUNTS = frozenset(
    {"finish", "stop", "max", "min", "budget", "limit", "limits", "per", "second", "first", "time", "latency"}
    | {"price", "cost", "costs", "duration", "request", "ms", "percent", "ratio", "rate", "enabled", "ttl"}
    | {"hash", "fingerprint", "avg", "average", "discount", "savings", "saved"}
)
"""Words of names that hold one of the words above, and count nothing that is billed."""

_UNITS = frozenset(
    {"seconds", "minutes", "characters", "images", "pages", "queries", "searches", "units", "credits"}
    | {"neurons", "classifications"}
)
"""What providers bill by beside tokens: sound by its length, pictures by the piece, units of their own."""

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def meaning_of(key: str) -> Meaning | None:
    """Return what the count under a key means; None for a spelling that the table does not have."""
    return _TABLE.get(key) or _TABLE.get(canonical(key))


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def canonical(key: str) -> str:
    """Return a key as the table spells it: without prefix, case and underscores."""
    lowered = key
    for prefix in PREFIXES:
        if lowered.startswith(prefix):
            lowered = lowered.removeprefix(prefix)
            break
    parts = [re.sub(r"[^a-z0-9]", "", part.lower()) for part in lowered.split(".")]
    parts = [_SIDES.get(part, part) if place < len(parts) - 1 else part for place, part in enumerate(parts)]
    return ".".join(parts)


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def may_be_billed(key: str) -> bool:
    """Whether a key that the table lacks sounds like tokens, a cache or reasoning."""
    return bool(_WORDS.search(key)) and not _words_of(key) & _NOT_COUNTS


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def counts_units(key: str) -> bool:
    """Whether a key of a usage object that the table lacks sounds like something billed beside tokens."""
    words = _words_of(key)
    return bool(words & _UNITS) and not words & _NOT_COUNTS


def _words_of(key: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(key)}


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def is_search_size(key: str) -> bool:
    """Whether a key names the size of a search, for which a request has its fee."""
    return key.rpartition(".")[2] == SEARCH_SIZE


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def piece_of(key: str) -> str | None:
    """Return the name of the fee that a key counts, or None."""
    last = key.rpartition(".")[2]
    if last in PIECES:
        return PIECES[last]
    for holder, ending in TOOL_COUNTS.items():
        name = last.removesuffix(ending)
        if holder in key and name != last and name not in WITHOUT_FEE:
            return name
    return None


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def may_count_more(key: str) -> bool:
    """Whether a key that is not understood may count what the others do not."""
    return (may_be_billed(key) or counts_units(key)) and not _is_part_of_cached(key)


def _is_part_of_cached(key: str) -> bool:
    """Whether a key counts the cached part's text, which the cached part has already: OpenAI Realtime's
    `cached_tokens_details.text_tokens`."""
    holder, _, last = key.lower().rpartition(".")
    return last.startswith("text") and holder.endswith(("cached_tokens_details", "cachedtokensdetails"))


_SIDES = {name.replace("_", ""): "in" for name in PARTS_OF_PROMPT} | {
    name.replace("_", ""): "out" for name in PARTS_OF_OUTPUT
}

_TABLE: dict[str, Meaning] = {
    spelling.replace("_", ""): meaning
    for meaning, spellings in _SPELLINGS.items()
    for spelling in spellings.split()
}
"""Meaning by canonical key."""

RANK = {key: place for place, key in enumerate(_TABLE)}
"""Which of several spellings of one meaning prevails: the one that stands first."""


SPLIT_WRITES = {
    Meaning.WRITE_5M: "cache_write_5m_tokens",
    Meaning.WRITE_1H: "cache_write_1h_tokens",
    Meaning.WRITE_30M: "cache_write_30m_tokens",
    Meaning.WRITE_12H: "cache_write_12h_tokens",
}


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def includes_cache(cached_key: str) -> bool | None:
    """Return whether a count of the cached part is a part of the prompt's; None if its key does not show it.

    What stands among the details of the prompt is a part of it. Anthropic's own names leave the cache out,
    and a relay may pass them on as they are.
    """
    spelled = canonical(cached_key)
    if spelled.startswith("in."):
        return True
    is_anthropics = spelled.startswith(
        ("cachereadinputtokens", "cachecreationinputtokens", "cachecreation.ephemeral")
    )
    return False if is_anthropics else None


def side_of(key: str) -> str | None:
    """Return whether a list under a key would be of parts of the prompt ("in") or of the output ("out")."""
    side = canonical(f"{key}.x").partition(".")[0]
    return side if side in ("in", "out") else None
