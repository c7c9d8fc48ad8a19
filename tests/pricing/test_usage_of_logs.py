"""Usage as logs of other tools carry it: inclusive or exclusive, split or flat; numbers worked by hand."""

from dataclasses import replace

import pytest

from tokenprof.pricing.normalise_logs import (
    read_claude_code_models,
    rest_of,
    usage_from_claude_code_models,
    usage_from_langfuse,
    usage_from_litellm,
)
from tokenprof.pricing.usage import Usage, UsageError


def test_litellm_counts_the_whole_prompt_and_splits_anthropic_s_writes():
    raw = {
        "prompt_tokens": 3732,
        "completion_tokens": 20,
        "prompt_tokens_details": {
            "cached_tokens": 3000,
            "cache_creation_token_details": {
                "ephemeral_5m_input_tokens": 400,
                "ephemeral_1h_input_tokens": 32,
            },
        },
        "completion_tokens_details": {"reasoning_tokens": 8},
        "cache_creation_input_tokens": 432,
        "cache_read_input_tokens": 3000,
    }
    assert usage_from_litellm(raw) == Usage(
        uncached_input_tokens=300,
        cache_read_tokens=3000,
        cache_write_5m_tokens=400,
        cache_write_1h_tokens=32,
        output_tokens=12,
        reasoning_tokens=8,
    )


def test_litellm_s_older_form_names_the_cached_parts_beside_the_total():
    raw = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
    }
    assert usage_from_litellm(raw) == Usage(
        uncached_input_tokens=10, cache_read_tokens=60, cache_write_tokens=30, output_tokens=5
    )
    with pytest.raises(UsageError, match="'prompt_tokens' is 80, less than"):
        usage_from_litellm(raw | {"prompt_tokens": 80})


def test_litellm_on_openai_has_writes_under_openai_s_name():
    raw = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
    }
    assert usage_from_litellm(raw).cache_write_tokens == 30
    assert usage_from_litellm(raw).uncached_input_tokens == 10


def test_langfuse_keys_add_up_or_the_total_tells_that_input_holds_the_cached_part():
    """langfuse/langfuse#12306: the same call, ingested both ways, is 130,213 tokens in."""
    expected = Usage(
        uncached_input_tokens=5, cache_read_tokens=128_955, cache_write_tokens=1_253, output_tokens=10
    )
    apart = {"input": 5, "input_cache_read": 128_955, "input_cache_creation": 1_253, "output": 10}
    assert usage_from_langfuse(apart) == expected
    assert usage_from_langfuse(apart | {"total": 130_223}) == expected
    inside = apart | {"input": 130_213, "total": 130_223}
    assert usage_from_langfuse(inside) == expected


def test_langfuse_s_split_of_writes_stands_beside_their_sum_and_details_are_parts_of_input_and_output():
    details = {
        "input": 7,
        "cache_read_input_tokens": 40,
        "cache_creation_input_tokens": 30,
        "cache_creation_ephemeral_5m_input_tokens": 20,
        "cache_creation_ephemeral_1h_input_tokens": 10,
        "output": 4,
        "output_reasoning_tokens": 6,
        "output_audio_tokens": 2,
    }
    assert usage_from_langfuse(details) == Usage(
        uncached_input_tokens=7,
        cache_read_tokens=40,
        cache_write_5m_tokens=20,
        cache_write_1h_tokens=10,
        output_tokens=6,
        reasoning_tokens=6,
        audio_output_tokens=2,
    )


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"input": 5, "output": 1, "input_gold_tokens": 3}, "'input_gold_tokens'.*is not known"),
        ({"input": 5, "output": 1, "input_cache_read": 3, "total": 7}, "neither input"),
        ({"output": 1}, "lack 'input' or 'output'"),
        ({}, "lack 'input' or 'output'"),
        ({"input": 5, "output": 1, "input_cache_read": 9, "total": 6}, "'input' is 5, less than"),
    ],
)
def test_langfuse_counts_that_cannot_be_placed_are_errors(details, words):
    with pytest.raises(UsageError, match=words):
        usage_from_langfuse(details)


def test_claude_code_s_result_counts_by_model():
    opus = {
        "inputTokens": 12,
        "outputTokens": 50,
        "cacheReadInputTokens": 2000,
        "cacheCreationInputTokens": 100,
        "thinkingTokens": 20,
        "webSearchRequests": 2,
    }
    split = {"cacheCreationEphemeral5mInputTokens": 60, "cacheCreationEphemeral1hInputTokens": 40}
    found = usage_from_claude_code_models({"modelUsage": {"opus": opus, "new": opus | split}})
    assert found["opus"] == Usage(
        uncached_input_tokens=12,
        cache_read_tokens=2000,
        cache_write_tokens=100,
        output_tokens=30,
        reasoning_tokens=20,
        fees=(("web_search", 2),),
    )
    assert (found["new"].cache_write_5m_tokens, found["new"].cache_write_1h_tokens) == (60, 40)
    assert found["new"].cache_write_tokens == 0
    assert usage_from_claude_code_models({}) == {}


def test_a_count_of_claude_code_s_result_that_nobody_knows_is_named():
    counts = {"inputTokens": 12, "outputTokens": 50, "cacheLoadInputTokens": 2000, "maxOutputTokens": 64_000}
    (reading,) = read_claude_code_models({"modelUsage": {"opus": counts}}).values()
    assert reading.usage == Usage(uncached_input_tokens=12, output_tokens=50)
    (note,) = reading.notes
    assert note.startswith("Usage key 'cacheLoadInputTokens' is not understood")


def test_what_the_parts_leave_of_a_whole_is_told_class_by_class():
    whole = Usage(uncached_input_tokens=10, cache_write_tokens=100, output_tokens=50)
    told = Usage(uncached_input_tokens=4, cache_write_5m_tokens=60, output_tokens=5, reasoning_tokens=3)
    assert rest_of(whole, told) == Usage(uncached_input_tokens=6, cache_write_tokens=40, output_tokens=42)
    with pytest.raises(UsageError, match="'uncached_input_tokens' is 10, less than"):
        rest_of(whole, Usage(uncached_input_tokens=11))


def test_what_a_whole_counts_beyond_its_parts_keeps_its_fees_and_its_undivided_writes():
    whole = Usage(
        100, 50, cache_write_tokens=30, output_tokens=20, fees=(("web_fetch", 1), ("web_search", 5))
    )
    parts = Usage(
        60, 50, cache_write_5m_tokens=12, cache_write_1h_tokens=8, output_tokens=5, reasoning_tokens=9,
        fees=(("web_fetch", 3), ("web_search", 2)),
    )  # fmt: skip
    # 30 written less 12 and 8; 20 of output less 5 and 9; a fee that only the parts have is not owed back.
    assert rest_of(whole, parts) == Usage(
        40, cache_write_tokens=10, output_tokens=6, fees=(("web_search", 3),)
    )
    with pytest.raises(UsageError, match="'cache_write_tokens' is 19, less than"):
        rest_of(replace(whole, cache_write_tokens=19), parts)
