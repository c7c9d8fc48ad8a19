"""Usage holds disjoint counts, and the normalisers never invent or lose a token."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from pricing_strategies import COUNTS, USAGES

from tokenprof.pricing.book import Price, Selectors, default_book
from tokenprof.pricing.normalise import (
    merge_anthropic_stream,
    read_anthropic,
    usage_from_anthropic,
    usage_from_openai_responses,
    usage_from_otel,
)
from tokenprof.pricing.normalise_logs import usage_from_codex, usage_from_inspect
from tokenprof.pricing.normalise_telemetry import (
    usage_from_claude_code_telemetry,
    usage_from_langchain,
)
from tokenprof.pricing.rates import total
from tokenprof.pricing.usage import CLASSES, INPUT_CLASSES, Usage, UsageError, check_count


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None])
@pytest.mark.parametrize("name", ["cache_read_tokens", "output_tokens"])
def test_an_impossible_count_is_an_error_naming_its_key(name, value):
    with pytest.raises(UsageError, match=f"'{name}'.*{value!r}"):
        Usage(**{name: value})


def test_a_fee_is_checked_like_a_count_and_named_once():
    with pytest.raises(UsageError, match=r"fees\[web_search\]"):
        Usage(fees=(("web_search", -1),))
    with pytest.raises(UsageError, match="names a fee twice"):
        Usage(fees=(("web_search", 1), ("web_search", 2)))


def test_an_unknown_class_is_an_error_listing_the_known_ones():
    with pytest.raises(UsageError, match=r"'input'.*uncached_input"):
        Usage().tokens_of("input")


@given(USAGES, USAGES)
def test_sums_hold_class_by_class(left, right):
    both = left + right
    for cls in CLASSES:
        assert both.tokens_of(cls) == left.tokens_of(cls) + right.tokens_of(cls)
    assert both.fee_count == left.fee_count + right.fee_count
    assert list(both.by_class()) == list(CLASSES)
    assert both.input_tokens == sum(both.by_class()[cls] for cls in INPUT_CLASSES)
    assert sum(both.by_class().values()) == both.input_tokens + both.all_output_tokens


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_one_call_reported_by_each_shape_is_the_same_prompt(fresh, read, write, hour, output, thinking):
    anthropic = usage_from_anthropic(
        {
            "input_tokens": fresh,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": write + hour,
            "cache_creation": {"ephemeral_5m_input_tokens": write, "ephemeral_1h_input_tokens": hour},
            "output_tokens": output + thinking,
            "output_tokens_details": {"thinking_tokens": thinking},
        }
    )
    otel = usage_from_otel(
        {
            "gen_ai.usage.input_tokens": str(fresh + read + write + hour),
            "gen_ai.usage.cache_read.input_tokens": str(read),
            "gen_ai.usage.cache_write.input_tokens": str(write + hour),
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": str(write),
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": str(hour),
            "gen_ai.usage.output_tokens": str(output + thinking),
            "gen_ai.usage.reasoning.output_tokens": str(thinking),
        }
    )
    openai = usage_from_openai_responses(
        {
            "input_tokens": fresh + read + write + hour,
            "input_tokens_details": {
                "cached_tokens": read,
                "cache_write_tokens": write + hour,
                "cache_write_tokens_details": {"ttl_30m_tokens": write, "ttl_12h_tokens": hour},
            },
            "output_tokens": output + thinking,
            "output_tokens_details": {"reasoning_tokens": thinking},
        }
    )
    assert anthropic == otel
    assert anthropic.input_tokens == openai.input_tokens == fresh + read + write + hour
    assert anthropic.uncached_input_tokens == openai.uncached_input_tokens == fresh
    assert (openai.cache_write_30m_tokens, openai.cache_write_12h_tokens) == (write, hour)
    assert (anthropic.output_tokens, anthropic.reasoning_tokens) == (output, thinking)


@given(COUNTS, COUNTS, COUNTS)
def test_a_part_larger_than_its_whole_is_an_error_naming_both_keys(whole, excess, output):
    raw = {
        "input_tokens": whole,
        "input_tokens_details": {"cached_tokens": whole + 1 + excess},
        "output_tokens": output,
    }
    with pytest.raises(UsageError, match=r"'input_tokens'.*cached_tokens"):
        usage_from_openai_responses(raw)


def test_thinking_beyond_the_output_is_an_error_naming_both_keys():
    with pytest.raises(UsageError, match=r"'output_tokens' is 5.*thinking_tokens' \(6\)"):
        usage_from_anthropic(
            {"input_tokens": 1, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 6}}
        )


def test_a_split_beyond_the_flat_total_is_an_error_naming_both_keys():
    with pytest.raises(UsageError, match=r"'cache_creation_input_tokens' is 5.*ephemeral_5m_input_tokens"):
        usage_from_anthropic(
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "cache_creation_input_tokens": 5,
                "cache_creation": {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 0},
            }
        )


def test_what_a_flat_total_has_beyond_its_split_is_a_write_of_unknown_life():
    usage = usage_from_anthropic(
        {
            "input_tokens": 1,
            "output_tokens": 1,
            "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 10},
        }
    )
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens, usage.cache_write_tokens) == (
        30,
        10,
        10,
    )


def test_a_stream_keeps_the_split_of_its_start_and_takes_the_last_delta():
    start = {
        "input_tokens": 10,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
    }
    deltas = [{"output_tokens": 5}, {"output_tokens": 42, "input_tokens": None, "cache_read_input_tokens": 3}]
    merged = merge_anthropic_stream(start, deltas).usage
    assert usage_from_anthropic(merged) == Usage(
        uncached_input_tokens=10, cache_read_tokens=3, cache_write_5m_tokens=7, output_tokens=42
    )
    assert merge_anthropic_stream(start, []).usage["output_tokens"] == 1
    assert start["output_tokens"] == 1


def test_claude_code_telemetry_is_exclusive():
    """An `api_request` event of Claude Code 2.1.330; its own `cost_usd` is checked against the book."""
    usage = usage_from_claude_code_telemetry(
        {
            "input_tokens": 12,
            "output_tokens": "7",
            "cache_read_tokens": 2_000,
            "cache_creation_tokens": 100,
            "cache_creation_5m_tokens": 60,
            "cache_creation_1h_tokens": 40,
            "speed": "normal",
        }
    )
    assert usage == Usage(
        uncached_input_tokens=12,
        cache_read_tokens=2_000,
        cache_write_5m_tokens=60,
        cache_write_1h_tokens=40,
        output_tokens=7,
    )
    selectors = Selectors(speed="normal")
    price = default_book().price(
        "anthropic", "claude-opus-5", datetime(2026, 11, 22, tzinfo=UTC), usage, selectors
    )
    assert isinstance(price, Price)
    assert total(price.amounts(usage).values()) == Decimal("0.00201")


def test_codex_and_langchain_are_inclusive_and_inspect_is_not():
    expected = Usage(
        uncached_input_tokens=100,
        cache_read_tokens=800,
        cache_write_tokens=100,
        output_tokens=30,
        reasoning_tokens=20,
    )
    codex = {
        "input_tokens": 1_000,
        "cached_input_tokens": 800,
        "cache_write_input_tokens": 100,
        "output_tokens": 50,
        "reasoning_output_tokens": 20,
        "total_tokens": 1_050,
    }
    langchain = {
        "input_tokens": 1_000,
        "output_tokens": 50,
        "total_tokens": 1_050,
        "input_token_details": {"cache_read": 800, "cache_creation": 100},
        "output_token_details": {"reasoning": 20},
    }
    inspect = {
        "input_tokens": 100,
        "input_tokens_cache_read": 800,
        "input_tokens_cache_write": 100,
        "output_tokens": 50,
        "reasoning_tokens": 20,
        "total_tokens": 1_050,
    }
    assert (
        usage_from_codex(codex) == usage_from_langchain(langchain) == usage_from_inspect(inspect) == expected
    )
    with pytest.raises(UsageError, match="'input_tokens' is 100, less than 'cached_input_tokens"):
        usage_from_codex({**codex, "input_tokens": 100, "total_tokens": 150})
    # The total shows that this input leaves the cached part out.
    assert usage_from_codex({**codex, "input_tokens": 100}) == expected


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (-1, "-1"),
        (1.5, "1.5"),
        (True, "True"),
        ("-12.5", "'-12.5'"),
        ("what somebody wrote", "a text"),
        ({"what somebody wrote": 1}, "an object"),
        (["what somebody wrote"], "a list"),
        (-(10**50), "a number of more than 40 digits"),
    ],
)
def test_a_count_that_is_not_one_is_told_without_texts(value: object, told: str) -> None:
    with pytest.raises(UsageError) as error:
        check_count("input_tokens", value)
    assert str(error.value) == f"Usage key 'input_tokens' must be a non-negative integer, but it is {told}."


@pytest.mark.parametrize("part", ["audio_input_tokens", "audio_output_tokens", "image_output_tokens"])
def test_a_part_of_the_prompt_or_the_output_cannot_exceed_it(part):
    whole = {"uncached_input_tokens": 3, "cache_read_tokens": 2, "output_tokens": 4, "reasoning_tokens": 1}
    assert getattr(Usage(**whole, **{part: 5}), part) == 5
    with pytest.raises(UsageError, match=f"'{part}' exceeds the 5 tokens it is part of"):
        Usage(**whole, **{part: 6})


def test_an_iteration_of_an_unknown_kind_is_named_with_its_tokens_if_it_has_any():
    def notes(*iterations):
        raw = {"input_tokens": 3, "output_tokens": 4, "iterations": list(iterations)}
        return read_anthropic(raw).notes

    counts = {"input_tokens": 1_000, "cache_read_input_tokens": 500, "output_tokens": 34}
    assert notes({"type": "sub_message", "model": "m", **counts}) == (
        "1,534 tokens of an iteration of the type 'sub_message' (m) may not be in this bill, "
        "or have another price.",
    )
    assert "(model unknown)" in notes({"type": "sub_message", **counts})[0]
    assert notes({"type": "sub_message", "input_tokens": 0, "output_tokens": 0}) == ()
    assert notes({"type": "sub_message", "input_tokens": "many"}) == (
        "An iteration of the type 'sub_message' has counts that cannot be read; it may not be in this bill.",
    )
    assert notes({"type": "message", **counts}, {"type": "advisor_message", **counts}) == ()
