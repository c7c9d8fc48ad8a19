"""Usage objects whose keys repeat, lack or contradict one another: what is billed, and the notes on it."""

from typing import Any

import pytest

from tokenprof.pricing.normalise import merge_cumulative
from tokenprof.pricing.normalise_logs import rest_of, usage_from_claude_code_models, usage_from_langfuse
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.usage_dialects import (
    ANTHROPIC,
    CODEX,
    GEMINI,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    Convention,
)
from tokenprof.pricing.usage_reader import read_usage

CHAT = {"prompt_tokens": 100, "completion_tokens": 10}
MESSAGE = {"input_tokens": 100, "output_tokens": 10}
SPLIT = "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"


def billed(raw: dict[str, Any], convention: Convention) -> tuple[dict[str, int], str]:
    reading = read_usage(raw, convention)
    return {cls: n for cls, n in reading.usage.by_class().items() if n}, " ".join(reading.notes)


def details(side: str, **counts: int) -> dict[str, Any]:
    return {f"{side}_tokens_details": counts}


@pytest.mark.parametrize(
    ("convention", "raw", "counts", "said"),
    [
        # Two counts of the cached part: the details of the prompt prevail, in either order.
        (
            OPENAI_CHAT,
            {**CHAT, "cached_tokens": 40, **details("prompt", cached_tokens=30)},
            {"uncached_input": 70, "cache_read": 30, "output": 10},
            "'cached_tokens' and 'prompt_tokens_details.cached_tokens' contradict each other",
        ),
        (
            OPENAI_CHAT,
            {**CHAT, **details("prompt", cached_tokens=30), "cached_tokens": 40},
            {"uncached_input": 70, "cache_read": 30, "output": 10},
            "contradict each other",
        ),
        # A zero is a field that a relay filled in.
        (
            OPENAI_CHAT,
            {**CHAT, **details("prompt", cached_tokens=0), "cached_tokens": 40},
            {"uncached_input": 60, "cache_read": 40, "output": 10},
            "",
        ),
        # Reasoning beside a completion that is smaller: 5 + 12, said only where no total shows it.
        (
            OPENAI_CHAT,
            {"prompt_tokens": 100, "completion_tokens": 5, **details("completion", reasoning_tokens=12)},
            {"uncached_input": 100, "output": 5, "reasoning": 12},
            "'completion_tokens' counts less than 'completion_tokens_details.reasoning_tokens', so they are",
        ),
        (
            OPENAI_CHAT,
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "total_tokens": 117,
                **details("completion", reasoning_tokens=12),
            },
            {"uncached_input": 100, "output": 5, "reasoning": 12},
            "",
        ),
        # One count is missing and the total leaves it.
        (
            OPENAI_CHAT,
            {"prompt_tokens": 100, "total_tokens": 110},
            {"uncached_input": 100, "output": 10},
            "'completion_tokens' is missing; what 'total_tokens' leaves for it is billed",
        ),
        (
            OPENAI_CHAT,
            {"completion_tokens": 10, "total_tokens": 110},
            {"uncached_input": 100, "output": 10},
            "'prompt_tokens' is missing; what 'total_tokens' leaves for it is billed",
        ),
        (OPENAI_CHAT, {"prompt_tokens": 100, "total_tokens": 100}, {"uncached_input": 100}, ""),
        # 117 = 100 + 7 thoughts + 10.
        (
            GEMINI,
            {"promptTokenCount": 100, "thoughtsTokenCount": 7, "totalTokenCount": 117},
            {"uncached_input": 100, "output": 10, "reasoning": 7},
            "'candidatesTokenCount' is missing",
        ),
        # 150 = 140 + 10, so the 40 that were read are among the 140.
        (
            ANTHROPIC,
            {"output_tokens": 10, "total_tokens": 150, "cache_read_input_tokens": 40},
            {"uncached_input": 100, "cache_read": 40, "output": 10},
            "'input_tokens' is missing",
        ),
        # A total that no reading of the counts adds up to.
        (
            OPENAI_CHAT,
            {**CHAT, "total_tokens": 150, **details("completion", reasoning_tokens=4)},
            {"uncached_input": 100, "output": 6, "reasoning": 4},
            "'total_tokens' fits no reading of the other counts",
        ),
        (OPENAI_CHAT, {**CHAT, "total_tokens": 50}, {"uncached_input": 100, "output": 10}, "fits no reading"),
        # 14 of 20 written tokens have a time to live.
        (
            ANTHROPIC,
            {
                **MESSAGE,
                "cache_creation_input_tokens": 20,
                "cache_creation": dict(zip(SPLIT, (5, 9), strict=True)),
            },
            {"uncached_input": 100, "cache_write_5m": 5, "cache_write_1h": 9, "cache_write": 6, "output": 10},
            "",
        ),
        (
            ANTHROPIC,
            {
                **MESSAGE,
                "cache_creation_input_tokens": 0,
                "cache_creation": dict(zip(SPLIT, (5, 0), strict=True)),
            },
            {"uncached_input": 100, "cache_write_5m": 5, "output": 10},
            "",
        ),
        # Anthropic's names leave the cache out: passed on by a relay, or if the prompt is smaller.
        (
            OPENAI_CHAT,
            {**MESSAGE, "cache_read_input_tokens": 30},
            {"uncached_input": 100, "cache_read": 30, "output": 10},
            "",
        ),
        (
            OPENAI_RESPONSES,
            {"input_tokens": 20, "output_tokens": 10, "cache_read_input_tokens": 30},
            {"uncached_input": 20, "cache_read": 30, "output": 10},
            "",
        ),
        (
            OPENAI_RESPONSES,
            {**MESSAGE, "cache_read_input_tokens": 30},
            {"uncached_input": 70, "cache_read": 30, "output": 10},
            "",
        ),
        # The uncached rest is counted by itself, and the prompt is not.
        (
            OPENAI_CHAT,
            {"completion_tokens": 10, "prompt_cache_miss_tokens": 60, "prompt_cache_hit_tokens": 40},
            {"uncached_input": 60, "cache_read": 40, "output": 10},
            "",
        ),
        # Thoughts beside the candidates, and tool prompts beside the prompt: 100 + 9 + 10 + 6.
        (
            GEMINI,
            {
                "promptTokenCount": 100,
                "candidatesTokenCount": 10,
                "thoughtsTokenCount": 6,
                "toolUsePromptTokenCount": 9,
                "totalTokenCount": 125,
            },
            {"uncached_input": 109, "output": 10, "reasoning": 6},
            "",
        ),
        (
            GEMINI,
            {
                "promptTokenCount": 100,
                "candidatesTokenCount": 10,
                "thoughtsTokenCount": 6,
                "totalTokenCount": 110,
            },
            {"uncached_input": 100, "output": 4, "reasoning": 6},
            "",
        ),
    ],
)
def test_what_a_usage_object_is_billed_and_which_note_it_gets(convention, raw, counts, said):
    found, notes = billed(raw, convention)
    assert found == counts
    assert said in notes
    assert bool(said) == bool(notes)


@pytest.mark.parametrize(
    ("convention", "raw", "sentence"),
    [
        (OPENAI_CHAT, {"prompt_tokens": 100}, "'completion_tokens' is missing, so the call is unmeasured"),
        (OPENAI_CHAT, {"total_tokens": 90}, "'prompt_tokens' is missing"),
        # A total below one of its parts cannot tell the other.
        (OPENAI_CHAT, {"prompt_tokens": 100, "total_tokens": 90}, "'completion_tokens' is missing"),
        (CODEX, {**MESSAGE, "reasoning_output_tokens": 12}, "'output_tokens' is 10, less than"),
        (OPENAI_CHAT, {**CHAT, **details("prompt", cached_tokens=130)}, "'prompt_tokens' is 100, less than"),
        (
            ANTHROPIC,
            {
                **MESSAGE,
                "cache_creation_input_tokens": 4,
                "cache_creation": dict(zip(SPLIT, (5, 0), strict=True)),
            },
            r"is 4, less than 'cache_creation.ephemeral_5m_input_tokens' \(5\)",
        ),
        (OPENAI_CHAT, {**CHAT, "prompt_tokens": 10**16}, "is 10000000000000000, which no call can count"),
        (OPENAI_CHAT, {**CHAT, "prompt_tokens": -1}, "must be a non-negative integer, but it is -1"),
        (OPENAI_CHAT, {**CHAT, "prompt_tokens": True}, "must be a non-negative integer, but it is True"),
        (OPENAI_CHAT, {**CHAT, "prompt_tokens": 1.5}, "must be a non-negative integer, but it is 1.5"),
        (CODEX, {**MESSAGE, "cached_input_tokens": {}}, "non-negative integer, but it is an object"),
        (CODEX, {**MESSAGE, "cached_input_tokens": [80]}, "non-negative integer, but it is a list"),
        (OPENAI_CHAT, {**CHAT, "prompt_tokens": float("nan")}, "but it is nan"),
        (OPENAI_CHAT, {**CHAT, "prompt_tokens": "many"}, "but it is a text"),
    ],
)
def test_a_usage_object_that_contradicts_itself_is_an_error_naming_its_keys(convention, raw, sentence):
    with pytest.raises(UsageError, match=sentence):
        read_usage(raw, convention)


@pytest.mark.parametrize(
    ("size", "fee"), [("low", "request_low"), ("medium", "request_medium"), ("high", "request")]
)
def test_a_request_is_billed_by_the_size_of_its_search(size: str, fee: str):
    raw = {**CHAT, "search_context_size": size, "num_search_queries": 3}
    assert read_usage(raw, OPENAI_CHAT).usage.fees == ((fee, 1), ("search_query", 3))


def test_a_total_shows_that_writes_stand_beside_a_prompt_that_holds_the_reads():
    raw = {
        "prompt_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 40},
        "cache_write_tokens": 20,
        "completion_tokens": 10,
        "total_tokens": 130,
    }
    found = read_usage(raw, OPENAI_CHAT)
    assert found.usage == Usage(60, 40, cache_write_tokens=20, output_tokens=10)
    assert found.notes == ()


def test_an_answer_that_only_the_total_counts_leaves_tool_prompts_and_thoughts_out():
    raw = {"promptTokenCount": 100, "toolUsePromptTokenCount": 9, "thoughtsTokenCount": 7}
    assert read_usage({**raw, "totalTokenCount": 126}, GEMINI).usage == Usage(
        109, output_tokens=10, reasoning_tokens=7
    )


def test_a_zero_in_text_erases_no_count_of_a_stream():
    assert merge_cumulative({"input_tokens": 5}, {"input_tokens": "0"}) == {"input_tokens": 5}


def test_a_split_of_the_whole_stays_divided():
    assert rest_of(Usage(cache_write_5m_tokens=10), Usage(cache_write_5m_tokens=4)) == Usage(
        cache_write_5m_tokens=6
    )


def test_two_names_of_one_model_are_added_up():
    counts = {"inputTokens": 3, "outputTokens": 4}
    result = {"modelUsage": {"claude-opus-4-8": counts, "claude-opus-4-8[1m]": counts}}
    assert usage_from_claude_code_models(result) == {"claude-opus-4-8": Usage(6, output_tokens=8)}


def test_audio_beside_the_input_of_langfuse_is_part_of_the_prompt():
    usage = usage_from_langfuse({"input": 10, "input_audio": 5, "output": 3, "total": 18})
    assert usage == Usage(15, output_tokens=3, audio_input_tokens=5)
