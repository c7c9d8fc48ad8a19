"""The bill rows of the published analysis (bill-1 to bill-6, and the billed side of hold-1).

The article prices one agent task on Claude Opus 4.8: fifty tool calls that each re-send 200k tokens of
context from the cache, and 100k output tokens.
"""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tokenprof.pricing.book import Price, default_book
from tokenprof.pricing.rates import total
from tokenprof.pricing.usage import Usage

BOOK = default_book()
AT = datetime(2026, 11, 22, tzinfo=UTC)
NOTHING = Usage()


def price_of(model: str, usage: Usage) -> Price:
    price = BOOK.price("anthropic", model, AT, usage)
    assert isinstance(price, Price), price
    return price


def bill(model: str, usage: Usage) -> Decimal:
    return total(price_of(model, usage).amounts(usage).values())


@pytest.mark.parametrize(
    ("model", "input_usd", "output_usd"),
    [("claude-sonnet-4-6", 3, 15), ("claude-opus-4-8", 5, 25), ("claude-fable-5", 10, 50)],
)
def test_bill_1_list_prices_per_million_tokens_and_cache_hits_at_a_tenth(model, input_usd, output_usd):
    rates = price_of(model, NOTHING).rates
    assert rates["uncached_input"] * 10**6 == input_usd
    assert rates["output"] * 10**6 == output_usd
    assert rates["cache_read"] * 10 == rates["uncached_input"]


def test_bill_2_a_full_pass_over_200k_tokens_costs_a_dollar():
    assert bill("claude-opus-4-8", Usage(uncached_input_tokens=200_000)) == Decimal("1.00")


def test_bill_3_the_same_pass_from_the_cache_costs_a_tenth():
    assert bill("claude-opus-4-8", Usage(cache_read_tokens=200_000)) == Decimal("0.10")


def test_bill_4_fifty_tool_calls_cost_five_dollars():
    calls = [bill("claude-opus-4-8", Usage(cache_read_tokens=200_000))] * 50
    assert total(calls) == Decimal("5.00")


def test_bill_5_100k_output_tokens_cost_two_dollars_fifty():
    assert bill("claude-opus-4-8", Usage(output_tokens=100_000)) == Decimal("2.50")


def test_bill_6_the_task_costs_seven_fifty_and_two_thirds_of_it_is_cached_input():
    task = Usage(cache_read_tokens=50 * 200_000, output_tokens=100_000)
    # The long-context band is decided per call, so the task is priced at the rates of one call.
    amounts = price_of("claude-opus-4-8", Usage(cache_read_tokens=200_000)).amounts(task)
    assert total(amounts.values()) == Decimal("7.50")
    assert amounts["cache_read"] / total(amounts.values()) == Decimal(2) / Decimal(3)


def test_hold_1_a_second_of_held_cache_is_billed_forty_times_the_output_of_that_second():
    hit = bill("claude-opus-4-8", Usage(cache_read_tokens=200_000))
    output_of_a_second = bill("claude-opus-4-8", Usage(output_tokens=100))
    assert output_of_a_second == Decimal("0.0025")
    assert hit / output_of_a_second == 40
