"""Bills that other tools got wrong, each with the right dollars worked by hand.

Numbers are those of the project's list of billing cases (issue trackers and code of other tools, read in
2026-11); a test is named after its case. Amounts in comments are USD per million tokens.
"""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tokenprof.pricing.billed_pieces import pieces_of_response
from tokenprof.pricing.book import Price, Selectors, UnknownTierError, Unpriced, default_book
from tokenprof.pricing.normalise import (
    anthropic_iterations,
    usage_from_anthropic,
    usage_from_gemini,
    usage_from_openai_chat,
    usage_from_openai_responses,
    usage_from_otel,
    with_fees,
)
from tokenprof.pricing.normalise_telemetry import usage_from_openinference
from tokenprof.pricing.rates import total
from tokenprof.pricing.usage import Usage, UsageError

BOOK = default_book()
NOVEMBER = datetime(2026, 11, 2, 12, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 20, 12, tzinfo=UTC)
STANDARD = Selectors()


def price_of(model, usage, at=NOVEMBER, provider="anthropic", selectors=STANDARD) -> Price:
    price = BOOK.price(provider, model, at, usage, selectors)
    assert isinstance(price, Price), price
    return price


def bill(model, usage, at=NOVEMBER, provider="anthropic", selectors=STANDARD) -> Decimal:
    return total(price_of(model, usage, at, provider, selectors).amounts(usage).values())


def test_case_1_cached_input_is_not_added_again_whether_the_source_is_raw_or_otel():
    raw = usage_from_anthropic(
        {
            "input_tokens": 5,
            "cache_read_input_tokens": 128_955,
            "cache_creation_input_tokens": 1_253,
            "output_tokens": 0,
        }
    )
    otel = usage_from_otel(
        {
            "gen_ai.usage.input_tokens": 130_213,
            "gen_ai.usage.cache_read.input_tokens": 128_955,
            "gen_ai.usage.cache_creation.input_tokens": 1_253,
            "gen_ai.usage.output_tokens": 0,
        }
    )
    assert raw == otel
    assert raw.input_tokens == 130_213
    # Sonnet 3 / 0.3 / 3.75: 0.000015 + 0.0386865 + 0.00469875
    assert bill("claude-sonnet-4-6", raw) == Decimal("0.04340025")


def test_case_2_openai_prompt_tokens_include_the_cached_ones():
    usage = usage_from_openai_chat(
        {
            "prompt_tokens": 17_903,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 17_817},
        }
    )
    assert (usage.uncached_input_tokens, usage.input_tokens) == (86, 17_903)


def test_case_3_writes_are_subtracted_from_an_inclusive_prompt_too():
    usage = usage_from_openai_chat(
        {
            "prompt_tokens": 2_000,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 500, "cache_write_tokens": 300},
        }
    )
    assert (usage.uncached_input_tokens, usage.cache_write_tokens) == (1_200, 300)


def test_case_4_a_negative_remainder_is_an_error_and_never_clamped():
    raw = {"input_tokens": 19, "cache_read_input_tokens": 39_000, "output_tokens": 0}
    # Sonnet: 19 at 3, 39,000 at 0.3
    assert bill("claude-sonnet-4-6", usage_from_anthropic(raw)) == Decimal("0.011757")
    with pytest.raises(UsageError, match=r"'input_tokens' is 19, less than .*cached_tokens.*\(39000\)"):
        usage_from_openai_responses(
            {"input_tokens": 19, "input_tokens_details": {"cached_tokens": 39_000}, "output_tokens": 0}
        )


def test_case_5_one_hour_writes_cost_twice_the_input():
    assert bill("claude-fable-5", Usage(cache_write_1h_tokens=37_175)) == Decimal("0.7435")
    mixed = Usage(cache_write_5m_tokens=600_000, cache_write_1h_tokens=400_000)
    assert bill("claude-opus-4-8", mixed) == Decimal("7.75")


def test_case_6_the_flat_total_of_writes_and_their_split_are_counted_once():
    split = usage_from_anthropic(
        {
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_creation_input_tokens": 40_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 30_000, "ephemeral_1h_input_tokens": 10_000},
        }
    )
    assert split == Usage(cache_write_5m_tokens=30_000, cache_write_1h_tokens=10_000)
    # Opus 4.8: 30,000 at 6.25 and 10,000 at 10
    assert bill("claude-opus-4-8", split) == Decimal("0.2875")


def test_case_6_writes_without_a_split_are_priced_as_five_minute_ones_and_flagged():
    flat = usage_from_anthropic(
        {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 40_000}
    )
    assert flat == Usage(cache_write_tokens=40_000)
    assert bill("claude-opus-4-8", flat) == Decimal("0.25")
    assert any("unknown time to live" in note for note in price_of("claude-opus-4-8", flat).notes)
    assert not price_of("claude-opus-4-8", Usage(cache_write_5m_tokens=1)).notes


def test_case_7_one_hour_writes_have_a_long_context_rate():
    usage = Usage(cache_write_1h_tokens=200_001)
    assert price_of("claude-sonnet-4-6", usage, FEBRUARY).rates["cache_write_1h"] * 10**6 == 12


def test_case_8_the_limit_counts_the_whole_prompt_and_lifts_every_class():
    usage = Usage(
        uncached_input_tokens=270_000,
        cache_read_tokens=5_000,
        cache_write_30m_tokens=3_000,
        output_tokens=1_000,
    )
    # GPT-6 Sol above 272,000: 4 / 0.4 / 5 / 15
    assert bill("gpt-6-sol", usage, provider="openai") == Decimal("1.112")


def test_case_8_forty_short_calls_never_reach_the_long_context_rate():
    call = Usage(uncached_input_tokens=50_000)
    assert total([bill("gpt-6-sol", call, provider="openai")] * 40) == Decimal("4.00")


def test_case_15_an_exclusive_prompt_is_recognised_by_its_total():
    usage = usage_from_openinference(
        {
            "llm.token_count.total": 8_712,
            "llm.token_count.prompt": 3,
            "llm.token_count.completion": 442,
            "llm.token_count.prompt_details.cache_read": 7_917,
            "llm.token_count.prompt_details.cache_write": 350,
        }
    )
    assert (usage.output_tokens, usage.uncached_input_tokens) == (442, 3)
    assert bill("claude-sonnet-4-6", usage) == Decimal("0.0103266")


def test_case_15_an_inclusive_prompt_is_recognised_by_its_total():
    usage = usage_from_openinference(
        {
            "llm.token_count.total": 8_712,
            "llm.token_count.prompt": 8_270,
            "llm.token_count.completion": 442,
            "llm.token_count.prompt_details.cache_read": 7_917,
            "llm.token_count.prompt_details.cache_write": 350,
        }
    )
    assert usage.uncached_input_tokens == 3


def test_case_19_compaction_is_billed_on_top_and_other_iterations_are_not():
    raw = {
        "input_tokens": 1_000,
        "output_tokens": 200,
        "iterations": [
            {"type": "message", "input_tokens": 400, "output_tokens": 80},
            {"type": "message", "input_tokens": 600, "output_tokens": 120},
            {"type": "compaction", "input_tokens": 190_000, "output_tokens": 2_000},
        ],
    }
    usage = usage_from_anthropic(raw)
    assert usage.input_tokens + usage.all_output_tokens == 1_200 + 192_000
    # Opus 4.8: 191,000 at 5, 2,200 at 25
    assert bill("claude-opus-4-8", usage) == Decimal("1.01")


def test_case_19_iterations_of_another_model_are_listed_with_it_and_not_added():
    raw = {
        "input_tokens": 10,
        "output_tokens": 5,
        "iterations": [
            {"type": "message", "input_tokens": 7, "output_tokens": 0, "model": "claude-fable-5"},
            {"type": "fallback_message", "input_tokens": 10, "output_tokens": 5, "model": "claude-opus-4-8"},
        ],
    }
    assert usage_from_anthropic(raw) == Usage(uncached_input_tokens=10, output_tokens=5)
    assert [(share.role, share.model) for share in anthropic_iterations(raw)] == [
        ("message", "claude-fable-5"),
        ("fallback_message", "claude-opus-4-8"),
    ]


@pytest.mark.parametrize("model", ["claude-opus-4-8-foobar", "claude-opus-4-", "no-such-model", ""])
def test_case_21_a_model_without_a_row_of_its_own_is_unpriced(model):
    assert isinstance(BOOK.price("anthropic", model, NOVEMBER, Usage(uncached_input_tokens=1)), Unpriced)


def test_case_21_another_maker_s_model_has_its_maker_s_list_price_and_a_note():
    price = BOOK.price("anthropic", "gpt-4o", NOVEMBER, Usage(uncached_input_tokens=1))
    assert (price.provider, price.rates["uncached_input"]) == ("openai", Decimal("0.0000025"))
    assert any("anthropic has no row for" in note for note in price.notes)


def test_case_21_a_missing_write_rate_leaves_only_that_class_unknown():
    usage = Usage(uncached_input_tokens=1_000_000, cache_write_12h_tokens=1_000)
    price = price_of("gpt-6-sol", usage, provider="openai")
    amounts = price.known_amounts(usage)
    assert amounts["uncached_input"] == Decimal("4.00")  # 1,001,000 tokens: the long-context rate
    assert amounts["cache_write_12h"] is None
    assert price.missing(usage) == ("cache_write_12h",)


def test_case_22_the_tier_that_was_served_is_priced():
    usage = Usage(uncached_input_tokens=100_000, output_tokens=10_000)
    served_default = Selectors(service_tier="default")
    # GPT-6 Sol 2 / 10; priority 4 / 20; flex 1 / 5
    assert bill("gpt-6-sol", usage, provider="openai", selectors=served_default) == Decimal("0.30")
    priority = Selectors(service_tier="priority")
    assert bill("gpt-6-sol", usage, provider="openai", selectors=priority) == Decimal("0.60")
    assert bill("gpt-6-sol", usage, provider="openai", selectors=Selectors(service_tier="flex")) == Decimal(
        "0.15"
    )


def test_case_22_standard_speed_is_the_standard_rate_and_fast_is_twice_it():
    usage = Usage(uncached_input_tokens=100_000)
    assert bill("claude-opus-4-8", usage, selectors=Selectors(speed="standard")) == Decimal("0.50")
    assert bill("claude-opus-4-8", usage, selectors=Selectors(speed="fast")) == Decimal("1.00")


def test_case_22_us_inference_costs_a_tenth_more_on_every_token_class_and_not_on_fees():
    usage = Usage(
        uncached_input_tokens=100_000,
        cache_read_tokens=100_000,
        cache_write_5m_tokens=100_000,
        cache_write_1h_tokens=100_000,
        output_tokens=100_000,
        fees=(("web_search", 1),),
    )
    amounts = price_of("claude-opus-4-8", usage, selectors=Selectors(inference_geo="us")).amounts(usage)
    # Opus 4.8 5 / 0.5 / 6.25 / 10 / 25, each x 1.1 for 100,000 tokens
    assert [amounts[cls] for cls in ("uncached_input", "cache_read", "cache_write_5m", "cache_write_1h")] == [
        Decimal("0.55"),
        Decimal("0.055"),
        Decimal("0.6875"),
        Decimal("1.10"),
    ]
    assert (amounts["output"], amounts["fee"]) == (Decimal("2.75"), Decimal("0.01"))


@pytest.mark.parametrize("geo", [None, "", "not_available", "global"])
def test_case_22_every_other_reported_region_is_the_standard_rate(geo):
    usage = Usage(uncached_input_tokens=100_000)
    assert bill("claude-opus-4-8", usage, selectors=Selectors(inference_geo=geo)) == Decimal("0.50")


@pytest.mark.parametrize(
    "selectors",
    [Selectors(service_tier="turbo"), Selectors(speed="ludicrous"), Selectors(inference_geo="mars")],
)
def test_case_22_an_unknown_tier_is_an_error_and_not_the_standard_rate(selectors):
    with pytest.raises(UnknownTierError, match="does not know"):
        BOOK.price("anthropic", "claude-opus-4-8", NOVEMBER, Usage(), selectors)


def test_case_23_web_searches_are_a_line_of_their_own():
    usage = usage_from_anthropic(
        {
            "input_tokens": 0,
            "output_tokens": 0,
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        }
    )
    assert usage.fees == (("web_search", 2),)
    assert price_of("claude-opus-4-8", usage).amounts(usage)["fee"] == Decimal("0.02")


def test_case_23_openai_searches_are_counted_from_the_output_items():
    items = [{"type": "web_search_call"}, {"type": "message"}, {"type": "web_search_call"}]
    usage = with_fees(
        usage_from_openai_responses({"input_tokens": 0, "output_tokens": 0}),
        pieces_of_response({"output": items})[0],
    )
    assert price_of("gpt-6-sol", usage, provider="openai").amounts(usage)["fee"] == Decimal("0.02")


def test_case_24_history_is_priced_at_its_own_date():
    usage = Usage(uncached_input_tokens=100_000)
    before, after = datetime(2026, 8, 20, 23, 59, tzinfo=UTC), datetime(2026, 8, 21, tzinfo=UTC)
    assert bill("gpt-5.6-sol", usage, before, provider="openai") == Decimal("0.50")
    assert bill("gpt-5.6-sol", usage, after, provider="openai") == Decimal("0.40")


def test_gemini_thoughts_are_beside_the_candidates_unless_the_total_says_otherwise():
    beside = {
        "promptTokenCount": 100,
        "candidatesTokenCount": 40,
        "thoughtsTokenCount": 60,
        "totalTokenCount": 200,
    }
    assert usage_from_gemini(beside) == Usage(
        uncached_input_tokens=100, output_tokens=40, reasoning_tokens=60
    )
    within = {**beside, "candidatesTokenCount": 100}
    assert usage_from_gemini(within) == Usage(
        uncached_input_tokens=100, output_tokens=40, reasoning_tokens=60
    )


def test_openai_reasoning_is_inside_the_completion_and_billed_once():
    usage = usage_from_openai_chat(
        {
            "prompt_tokens": 0,
            "completion_tokens": 10_000,
            "completion_tokens_details": {"reasoning_tokens": 4_000},
        }
    )
    assert (usage.output_tokens, usage.reasoning_tokens) == (6_000, 4_000)
    assert bill("gpt-6-sol", usage, provider="openai") == Decimal("0.10")


def test_a_stream_without_usage_is_unmeasured_and_not_zero():
    with pytest.raises(UsageError, match="'prompt_tokens' is missing"):
        usage_from_openai_chat({})


def test_audio_is_priced_at_its_own_rate_and_never_as_text():
    usage = usage_from_openai_chat(
        {
            "prompt_tokens": 1_000,
            "completion_tokens": 500,
            "prompt_tokens_details": {"audio_tokens": 800, "cached_tokens": 0},
            "completion_tokens_details": {"audio_tokens": 400},
        }
    )
    price = price_of("gpt-audio", usage, provider="openai")
    amounts = price.amounts(usage)
    # Text 2.5 / 10, audio 32 / 64
    assert amounts["uncached_input"] == Decimal("0.0261")
    assert amounts["output"] == Decimal("0.0266")
    assert "uncached_input" not in price.rates
    silent = Usage(uncached_input_tokens=1_000, output_tokens=500)
    assert bill("gpt-audio", silent, provider="openai") == Decimal("0.0075")


def test_audio_beside_cached_input_is_unknown_since_nobody_says_which_was_cached():
    usage = usage_from_openai_chat(
        {
            "prompt_tokens": 1_000,
            "completion_tokens": 0,
            "prompt_tokens_details": {"audio_tokens": 300, "cached_tokens": 500},
        }
    )
    assert "uncached_input" in price_of("gpt-audio", usage, provider="openai").missing(usage)


def test_audio_at_a_model_without_a_rate_for_it_is_text_and_says_so():
    usage = usage_from_gemini(
        {
            "promptTokenCount": 1_000,
            "candidatesTokenCount": 0,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 100},
                {"modality": "AUDIO", "tokenCount": 900},
            ],
        }
    )
    assert usage.audio_input_tokens == 900
    price = price_of("gemini-3.8-flash", usage, provider="google")
    assert price.amounts(usage)["uncached_input"] == Decimal("0.00075")
    assert any("priced as text" in note for note in price.notes)


def test_gemini_parts_of_one_modality_are_added_up():
    details = [
        {"modality": "AUDIO", "tokenCount": 30},
        {"modality": "AUDIO", "tokenCount": 20},
        {"modality": "TEXT", "tokenCount": 50},
    ]
    raw = {"promptTokenCount": 100, "candidatesTokenCount": 5, "promptTokensDetails": details}
    usage = usage_from_gemini(raw)
    assert (usage.input_tokens, usage.audio_input_tokens) == (100, 50)
