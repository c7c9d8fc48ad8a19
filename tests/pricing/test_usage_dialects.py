"""The table of usage keys: any spelling is read, a total decides, and an unknown key is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.pricing.normalise import merge_cumulative, usage_from_gemini, usage_from_openai_chat
from tokenprof.pricing.normalise_logs import usage_from_langfuse
from tokenprof.pricing.normalise_telemetry import read_otel, usage_from_otel
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.usage_dialects import (
    ANTHROPIC,
    CODEX,
    CONVERSE,
    GEMINI,
    INSPECT,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    OTEL,
    Convention,
)
from tokenprof.pricing.usage_reader import UsageReading, _read_with_care, read_plainly, read_usage

COUNT = st.integers(1, 10**6)

SAMPLES: dict[str, tuple[Convention, dict[str, Any]]] = {
    "anthropic": (
        ANTHROPIC,
        {
            "input_tokens": 7,
            "cache_read_input_tokens": 900,
            "cache_creation_input_tokens": 60,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 40},
            "output_tokens": 33,
        },
    ),
    "openai chat": (
        OPENAI_CHAT,
        {
            "prompt_tokens": 700,
            "completion_tokens": 90,
            "total_tokens": 790,
            "prompt_tokens_details": {"cached_tokens": 500},
            "completion_tokens_details": {"reasoning_tokens": 50},
        },
    ),
    "openai responses": (
        OPENAI_RESPONSES,
        {
            "input_tokens": 700,
            "input_tokens_details": {"cached_tokens": 500, "cache_write_tokens": 100},
            "output_tokens": 90,
            "output_tokens_details": {"reasoning_tokens": 50},
        },
    ),
    "gemini": (
        GEMINI,
        {
            "promptTokenCount": 700,
            "cachedContentTokenCount": 500,
            "candidatesTokenCount": 40,
            "thoughtsTokenCount": 50,
            "totalTokenCount": 790,
        },
    ),
    "converse": (
        CONVERSE,
        {"inputTokens": 7, "outputTokens": 33, "cacheReadInputTokens": 900, "cacheWriteInputTokens": 60},
    ),
    "otel": (
        OTEL,
        {
            "gen_ai.usage.input_tokens": 700,
            "gen_ai.usage.output_tokens": 90,
            "gen_ai.usage.cache_read.input_tokens": 500,
            "gen_ai.usage.reasoning.output_tokens": 50,
        },
    ),
    "codex": (CODEX, {"input_tokens": 700, "cached_input_tokens": 500, "output_tokens": 90}),
    "inspect": (INSPECT, {"input_tokens": 7, "input_tokens_cache_read": 900, "output_tokens": 33}),
}


def cumulative(raw: dict[str, Any], data: st.DataObject, chunks: int) -> list[dict[str, Any]]:
    """Return a usage as the chunks of a stream may report it: each field grows, or is 0, null or left out."""
    parts: list[dict[str, Any]] = [{} for _ in range(chunks)]
    for key, value in raw.items():
        if isinstance(value, dict):
            for part, inner in zip(parts, cumulative(value, data, chunks), strict=True):
                if inner:
                    part[key] = inner
            continue
        steps = sorted(data.draw(st.lists(st.integers(0, value), min_size=chunks, max_size=chunks)))
        last = data.draw(st.integers(0, chunks - 1))
        for number, (part, count) in enumerate(zip(parts, steps, strict=True)):
            if number == last:
                part[key] = value
            elif number < last:
                part[key] = data.draw(st.sampled_from([count, 0, None]))
            elif data.draw(st.booleans()):
                part[key] = data.draw(st.sampled_from([value, 0, None]))
    return parts


@pytest.mark.parametrize("dialect", SAMPLES)
@given(data=st.data(), chunks=st.integers(1, 4))
def test_any_cumulative_split_over_chunks_gives_the_usage(
    dialect: str, data: st.DataObject, chunks: int
) -> None:
    convention, raw = SAMPLES[dialect]
    merged = merge_cumulative(*cumulative(raw, data, chunks))
    assert read_usage(merged, convention) == read_usage(raw, convention)


@pytest.mark.parametrize("dialect", SAMPLES)
@given(
    word=st.sampled_from(["cache", "Token", "reason", "cached_bonus_tokens", "reasoning_extra"]),
    end=st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=6),
    count=COUNT,
    inside=st.booleans(),
)
def test_any_unknown_key_of_tokens_is_named(
    dialect: str, word: str, end: str, count: int, inside: bool
) -> None:
    convention, raw = SAMPLES[dialect]
    key = f"{word}_x{end}x"
    added = {**raw, "odd_details": {key: count}} if inside else {**raw, key: count}
    read = read_usage(added, convention)
    assert read.usage == read_usage(raw, convention).usage
    assert any(key in note for note in read.notes)


@pytest.mark.parametrize("as_written", [str, float, int])
def test_counts_may_be_text_or_floats_without_a_fraction(as_written: Any) -> None:
    raw = {"prompt_tokens": as_written(60), "completion_tokens": as_written(4)}
    assert usage_from_openai_chat(raw) == Usage(uncached_input_tokens=60, output_tokens=4)


def test_a_fraction_of_a_token_is_an_error() -> None:
    with pytest.raises(UsageError, match="completion_tokens"):
        usage_from_openai_chat({"prompt_tokens": 60, "completion_tokens": 4.5})


@given(prompt=COUNT, text=COUNT, reasoning=COUNT)
def test_the_total_says_whether_reasoning_is_inside_the_completion(
    prompt: int, text: int, reasoning: int
) -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": reasoning}}
    expected = Usage(uncached_input_tokens=prompt, output_tokens=text, reasoning_tokens=reasoning)
    inside = {"prompt_tokens": prompt, "completion_tokens": text + reasoning, **details}
    beside = {"prompt_tokens": prompt, "completion_tokens": text, **details}
    total = {"total_tokens": prompt + text + reasoning}
    assert usage_from_openai_chat(inside | total) == expected
    assert usage_from_openai_chat(beside | total) == expected


def test_a_total_that_excludes_the_cache_or_includes_it_decides_the_prompt() -> None:
    expected = Usage(uncached_input_tokens=50, cache_read_tokens=400, output_tokens=9)
    parts = {"completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 400}}
    assert usage_from_openai_chat({"prompt_tokens": 450, "total_tokens": 459, **parts}) == expected
    assert usage_from_openai_chat({"prompt_tokens": 50, "total_tokens": 459, **parts}) == expected


def test_what_only_the_total_counts_is_reasoning_and_said() -> None:
    read = read_usage({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}, OPENAI_CHAT)
    assert read.usage == Usage(uncached_input_tokens=10, output_tokens=5, reasoning_tokens=25)
    assert "total_tokens" in read.notes[0]


@pytest.mark.parametrize(
    "cached",
    [
        {"gen_ai.usage.cache_read.input_tokens": 300, "gen_ai.usage.cache_creation.input_tokens": 80},
        {"gen_ai.usage.cache_read_input_tokens": 300, "gen_ai.usage.cache_write_input_tokens": 80},
        {"gen_ai.usage.details.cache_read_tokens": 300, "gen_ai.usage.details.cache_write_tokens": 80},
        {
            "ai.usage.inputTokenDetails.cacheReadTokens": 300,
            "ai.usage.inputTokenDetails.cacheWriteTokens": 80,
        },
        {"ai.usage.cachedInputTokens": 300, "gen_ai.usage.cache_creation_input_tokens": 80},
        {"gen_ai.usage.cached_input_tokens": 300, "gen_ai.usage.cache_write_tokens": 80},
    ],
)
def test_every_instrumentations_names_of_the_cache_are_one(cached: dict[str, int]) -> None:
    span = {"gen_ai.usage.input_tokens": 400, "gen_ai.usage.output_tokens": 6, **cached}
    assert usage_from_otel(span) == Usage(
        uncached_input_tokens=20, cache_read_tokens=300, cache_write_tokens=80, output_tokens=6
    )
    assert read_otel(span).notes == ()


def test_request_parameters_and_finish_reasons_are_not_counted() -> None:
    span = {
        "gen_ai.usage.input_tokens": 4,
        "gen_ai.usage.output_tokens": 6,
        "gen_ai.request.max_tokens": 4096,
        "gen_ai.server.time_to_first_token": 0.2,
        "gen_ai.response.finish_reasons": ["stop"],
    }
    assert read_otel(span).notes == ()


def test_images_of_gemini_are_part_of_the_output() -> None:
    usage = usage_from_gemini(
        {
            "promptTokenCount": 30,
            "candidatesTokenCount": 1_300,
            "candidatesTokensDetails": [
                {"modality": "IMAGE", "tokenCount": 1_290},
                {"modality": "TEXT", "tokenCount": 10},
            ],
        }
    )
    assert (usage.output_tokens, usage.image_output_tokens) == (1_300, 1_290)


def test_langfuse_keys_say_by_their_names_what_they_are_part_of() -> None:
    details = {"input": 20, "input_cached_content": 70, "output": 5, "output_thoughts": 3, "total": 98}
    assert usage_from_langfuse(details) == Usage(
        uncached_input_tokens=20, cache_read_tokens=70, output_tokens=5, reasoning_tokens=3
    )
    searched = {"input": 20, "output": 5, "web_search_queries": 4, "total": 25}
    assert usage_from_langfuse(searched).fees == (("web_search", 4),)


PLAIN_KEYS = (
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "sources",
    "some_tokens",
    "num_search_queries",
    "search_context_size",
    "service_tier",
    "max_tokens",
)
VALUES = st.one_of(
    st.integers(-1, 40), st.sampled_from([None, 0, "standard", "7", "high", 2.0, 0.5, True, 10**16, ["a"]])
)
OBJECTS = st.fixed_dictionaries(
    {"input_tokens": st.integers(0, 40), "output_tokens": st.integers(0, 40)},
    optional={
        **dict.fromkeys(PLAIN_KEYS, VALUES),
        "cache_creation": st.dictionaries(
            st.sampled_from(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens", "other"]), VALUES
        ),
        "server_tool_use": st.dictionaries(st.sampled_from(["web_search_requests", "mcp_requests"]), VALUES),
        "prompt_tokens_details": st.one_of(
            st.lists(
                st.fixed_dictionaries({"modality": st.just("AUDIO"), "tokenCount": st.integers(0, 3)}),
                max_size=1,
            ),
            st.dictionaries(
                st.sampled_from(["cached_tokens", "cache_write_tokens", "audio_tokens", "text_tokens"]),
                VALUES,
            ),
        ),
        "output_tokens_details": st.dictionaries(
            st.sampled_from(["reasoning_tokens", "audio_tokens", "accepted_prediction_tokens"]), VALUES
        ),
    },
)


@given(
    OBJECTS,
    st.sampled_from([ANTHROPIC, CONVERSE, INSPECT, OPENAI_CHAT, OPENAI_RESPONSES, CODEX, GEMINI]),
    st.booleans(),
)
def test_an_object_that_is_read_plainly_means_what_careful_reading_finds(raw, convention, adds_up):
    if adds_up:
        raw = {**raw, "total_tokens": raw["input_tokens"] + raw["output_tokens"]}
    found = read_plainly(raw, convention)
    assert found is None or UsageReading(found) == _read_with_care(raw, convention)


def test_what_claude_code_writes_is_read_plainly():
    raw = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 90,
        "cache_read_input_tokens": 900,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 60},
        "output_tokens": 8,
        "server_tool_use": {"web_search_requests": 0},
        "service_tier": "standard",
        "iterations": [],
    }
    found = read_plainly(raw, ANTHROPIC)
    assert found == Usage(
        uncached_input_tokens=3,
        cache_read_tokens=900,
        cache_write_5m_tokens=20,
        cache_write_1h_tokens=60,
        cache_write_tokens=10,
        output_tokens=8,
    )
    assert read_plainly(raw | {"server_tool_use": {"web_search_requests": 1}}, ANTHROPIC) is None
    assert read_plainly(raw | {"cache_creation_input_tokens": 79}, ANTHROPIC) is None


def test_what_openai_answers_is_read_plainly():
    raw = {
        "prompt_tokens": 900,
        "completion_tokens": 50,
        "total_tokens": 950,
        "prompt_tokens_details": {"cached_tokens": 700, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 20, "rejected_prediction_tokens": 0},
    }
    assert read_plainly(raw, OPENAI_CHAT) == Usage(
        uncached_input_tokens=200, cache_read_tokens=700, output_tokens=30, reasoning_tokens=20
    )
    assert read_plainly(raw | {"total_tokens": 951}, OPENAI_CHAT) is None
    assert read_plainly(raw | {"prompt_tokens": 600, "total_tokens": 650}, OPENAI_CHAT) is None
    assert read_plainly(raw | {"completion_tokens": 10, "total_tokens": 910}, OPENAI_CHAT) is None
    assert read_plainly(raw | {"prompt_tokens_details": {"audio_tokens": 1}}, OPENAI_CHAT) is None
