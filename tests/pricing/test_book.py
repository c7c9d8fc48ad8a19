"""The price book: what it answers, what it refuses, and that its arithmetic is exact."""

import decimal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing_strategies import USAGES

from tokenprof.pricing.book import Price, PriceBook, Selectors, Unpriced, UnpricedError, default_book
from tokenprof.pricing.overlay import Overlay, Overlays, PriceRow
from tokenprof.pricing.rates import Band, total
from tokenprof.pricing.usage import CLASSES, Usage

BOOK = default_book()
NOTHING = Usage()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def priced(provider: str, model: str, moment: str, usage=NOTHING, book=BOOK, **selectors) -> Price:
    price = book.price(provider, model, at(moment), usage, Selectors(**selectors))
    assert isinstance(price, Price), price
    return price


def per_mtok(price: Price, *classes: str) -> tuple[Decimal, ...]:
    return tuple(price.rates[cls] * 10**6 for cls in classes)


def test_importing_the_package_loads_no_price_data():
    code = "import sys, tokenprof, tokenprof.pricing.book as book; print('genai_prices' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("provider", "model", "row"),
    [
        ("anthropic", "claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("anthropic", "Claude-Opus-4-8", "claude-opus-4-8"),
        ("openai", "gpt-5.2-2025-12-11", "gpt-5.2"),
        ("aws", "us.anthropic.claude-opus-4-8-v1:0", "regional.anthropic.claude-opus-4-8-v1:0"),
        ("bedrock", "global.anthropic.claude-opus-4-8-v1:0", "global.anthropic.claude-opus-4-8-v1:0"),
        (
            "aws",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("vertex", "claude-opus-4-8", "claude-opus-4-8"),
        ("fireworks", "accounts/fireworks/models/deepseek-v4-pro", "deepseek-v4-pro"),
    ],
)
def test_an_id_is_found_by_its_name_a_listed_alias_or_a_snapshot_date(provider, model, row):
    assert priced(provider, model, "2026-11-02").model == row


@pytest.mark.parametrize(
    "model", ["claude-opus-4-8-20261399", "claude-opus-4-8-2026", "claude-opus-4-8v", "claude-opus", "claude"]
)
def test_an_id_that_only_begins_like_a_known_one_is_unpriced_and_told_its_neighbours(model):
    answer = BOOK.price("anthropic", model, at("2026-11-02"), NOTHING)
    assert isinstance(answer, Unpriced)
    assert model in answer.reason


def test_neighbours_are_named():
    answer = BOOK.price("anthropic", "claude-opus-4-9", at("2026-11-02"), NOTHING)
    assert isinstance(answer, Unpriced)
    assert "anthropic/claude-opus-4-8" in answer.near


@pytest.mark.parametrize(
    ("provider", "model", "launch"),
    [
        ("anthropic", "claude-opus-4-8", "2026-05-28"),
        ("anthropic", "claude-opus-4-5-20251101", "2025-11-24"),
        ("anthropic", "claude-opus-4-6", "2026-02-05"),
        ("anthropic", "claude-3-5-sonnet-20241022", "2024-10-22"),
        ("openai", "gpt-6-sol", "2026-09-22"),
        ("openai", "gpt-5.6-sol", "2026-07-09"),
        ("openai", "gpt-4o-2024-08-06", "2024-08-06"),
        ("deepseek", "deepseek-v4-pro", "2026-04-24"),
        ("moonshotai", "kimi-k2.6", "2026-04-20"),
        ("google", "gemini-3.8-flash", "2026-09-01"),
    ],
)
def test_a_model_has_no_price_before_it_could_be_called(provider, model, launch):
    eve = at(launch) - timedelta(seconds=1)
    answer = BOOK.price(provider, model, eve, NOTHING)
    assert isinstance(answer, Unpriced)
    assert launch in answer.reason
    assert isinstance(BOOK.price(provider, model, at(launch) + timedelta(hours=12), NOTHING), Price)


@pytest.mark.parametrize(
    ("provider", "model", "eve"),
    [
        ("aws", "us.anthropic.claude-opus-4-8-v1:0", "2026-05-27"),
        ("openrouter", "anthropic/claude-opus-4.8", "2026-05-27"),
        ("vertex", "claude-opus-4-8", "2026-05-27"),
        ("fireworks", "accounts/fireworks/models/kimi-k2p6", "2026-04-19"),
        ("together", "deepseek-ai/DeepSeek-V4-Pro-0813", "2026-04-23"),
        ("azure", "gpt-5-mini", "2025-08-06"),
    ],
)
def test_a_host_has_no_price_before_the_maker_of_the_model_launched_it(provider, model, eve):
    answer = BOOK.price(provider, model, at(eve), NOTHING)
    assert isinstance(answer, Unpriced), answer
    assert "it begins on" in answer.reason
    assert isinstance(BOOK.price(provider, model, at("2026-11-02"), NOTHING), Price)


@pytest.mark.parametrize(
    ("provider", "model", "eve"),
    [
        ("mistral", "magistral-medium", "2023-12-10"),
        ("openai", "davinci-002", "2020-06-10"),
        ("aws", "meta.llama3-1-8b-instruct-v1:0", "2023-09-27"),
    ],
)
def test_no_model_has_a_price_before_its_providers_api_opened(provider, model, eve):
    answer = BOOK.price(provider, model, at(eve), NOTHING)
    assert isinstance(answer, Unpriced)
    assert "it begins on" in answer.reason


def test_a_cloud_without_a_row_of_its_own_sells_at_the_makers_list_price():
    azure, openai = (priced(provider, "gpt-6-sol", "2026-11-02") for provider in ("azure", "openai"))
    assert azure.rates == openai.rates
    assert "azure sells it at the list price of openai." in azure.notes


def test_a_model_whose_launch_nobody_noted_says_so():
    assert any("No launch date" in note for note in priced("openai", "davinci-002", "2026-11-02").notes)
    assert not priced("anthropic", "claude-opus-4-8", "2026-11-02").notes


def test_fast_mode_of_the_older_models_is_six_times_the_standard_rate():
    fast = priced("anthropic", "claude-opus-4-6", "2026-04-01", speed="fast")
    assert per_mtok(fast, "uncached_input", "output", "cache_read") == (30, 150, 3)


def test_the_long_window_of_claude_code_is_the_same_model():
    assert priced("anthropic", "claude-opus-4-8[1m]", "2026-11-02").model == "claude-opus-4-8"


def test_a_retired_model_has_no_price():
    answer = BOOK.price("deepseek", "deepseek-chat", at("2026-08-01"), NOTHING)
    assert isinstance(answer, Unpriced)
    assert "retired" in answer.reason
    assert isinstance(BOOK.price("openrouter", "deepseek/deepseek-chat", at("2026-08-01"), NOTHING), Price)


def test_a_time_in_another_zone_is_the_same_moment():
    tokyo = timezone(timedelta(hours=9))
    before = datetime(2026, 8, 21, 8, 59, tzinfo=tokyo)
    price = BOOK.price("openai", "gpt-5.6-sol", before, NOTHING)
    assert isinstance(price, Price)
    assert per_mtok(price, "uncached_input") == (5,)


def test_cache_reads_are_priced_per_model_and_at_their_own_date():
    assert per_mtok(priced("anthropic", "claude-opus-5-5", "2026-11-02"), "uncached_input", "cache_read") == (
        4,
        Decimal("0.2"),
    )
    assert per_mtok(priced("anthropic", "claude-fable-5-1", "2026-11-02"), "cache_read") == (Decimal("0.25"),)
    assert per_mtok(priced("anthropic", "claude-sonnet-5-5", "2026-10-06"), "cache_read") == (Decimal("0.2"),)
    assert per_mtok(priced("anthropic", "claude-sonnet-5-5", "2026-10-07"), "cache_read") == (Decimal("0.1"),)


@pytest.mark.parametrize(
    ("moment", "input_usd"),
    [
        ("2026-04-24T12:00", "1.74"),
        ("2026-05-01T02:00", "0.435"),  # no peak hours yet
        ("2026-08-16T15:59", "0.435"),
        ("2026-08-16T16:00", "0.66"),
        ("2026-08-22T02:00", "1.32"),  # a Saturday, before weekends were off-peak
        ("2026-08-29T02:00", "0.66"),  # a Saturday after
        ("2026-11-23T00:59", "0.66"),  # a Monday
        ("2026-11-23T01:00", "1.32"),
        ("2026-11-23T04:00", "0.66"),
        ("2026-11-23T09:59", "1.32"),
        ("2026-10-01T02:00", "0.66"),  # a public holiday in China
    ],
)
def test_deepseek_is_priced_by_its_history_and_the_hour(moment, input_usd):
    assert per_mtok(priced("deepseek", "deepseek-v4-pro", moment), "uncached_input") == (Decimal(input_usd),)


def test_the_anchor_price_of_deepseek_is_in_the_book():
    rates = priced("deepseek", "deepseek-chat", "2025-01-10")
    assert per_mtok(rates, "uncached_input", "output") == (Decimal("0.14"), Decimal("0.28"))


@pytest.mark.parametrize("tokens", [199_999, 200_000, 200_001])
def test_the_long_context_band_begins_above_its_limit_and_holds_for_the_whole_request(tokens):
    usage = Usage(cache_read_tokens=tokens - 1_000, uncached_input_tokens=1_000, output_tokens=1)
    rates = per_mtok(
        priced("anthropic", "claude-sonnet-4-6", "2026-03-01", usage), "uncached_input", "output"
    )
    assert rates == ((6, Decimal("22.5")) if tokens > 200_000 else (3, 15))
    after = per_mtok(
        priced("anthropic", "claude-sonnet-4-6", "2026-03-13", usage), "uncached_input", "output"
    )
    assert after == (3, 15)


@pytest.mark.parametrize("moment", ["2026-02-10", "2026-10-13", "2026-10-14", "2026-11-02"])
def test_a_batch_is_half_price_before_and_after_the_catalogue_knew_it(moment):
    batch = priced("anthropic", "claude-opus-4-6", moment, batch=True)
    assert per_mtok(batch, "uncached_input", "cache_read", "output") == (
        Decimal("2.5"),
        Decimal("0.25"),
        Decimal("12.5"),
    )


def test_a_service_tier_may_mean_a_batch():
    assert priced("anthropic", "claude-opus-4-8", "2026-11-02", service_tier="batch").rates == (
        priced("anthropic", "claude-opus-4-8", "2026-11-02", batch=True).rates
    )


def test_cached_input_of_an_older_openai_batch_is_left_unknown():
    batch = priced("openai", "gpt-5", "2026-05-01", batch=True)
    assert per_mtok(batch, "uncached_input", "output") == (Decimal("0.625"), 5)
    assert "cache_read" not in batch.rates


@pytest.mark.parametrize(
    ("model", "selectors"),
    [
        ("claude-opus-4-8", {"service_tier": "priority"}),
        ("claude-sonnet-5-5", {"speed": "fast"}),
        ("claude-opus-4-8", {"batch": True, "speed": "fast"}),
    ],
)
def test_a_condition_without_a_listed_rate_is_unpriced_and_not_standard(model, selectors):
    answer = BOOK.price("anthropic", model, at("2026-11-02"), NOTHING, Selectors(**selectors))
    assert isinstance(answer, Unpriced)
    assert "standard rate is not it" in answer.reason


def test_writes_are_input_where_a_provider_charges_nothing_for_them():
    usage = Usage(cache_write_tokens=1_000)
    old = priced("openai", "gpt-5", "2026-05-01", usage)
    assert old.rates["cache_write"] == old.rates["uncached_input"]
    new = priced("openai", "gpt-6-sol", "2026-11-02", usage)
    assert new.rates["cache_write"] == new.rates["uncached_input"] * Decimal("1.25")


def test_a_price_refuses_usage_of_a_class_that_it_has_no_rate_for():
    price = priced("openai", "gpt-6-sol", "2026-11-02")
    with pytest.raises(UnpricedError, match="no rate for cache_write_12h"):
        price.amounts(Usage(cache_write_12h_tokens=1))


def test_a_fee_without_a_rate_is_unknown_and_not_free():
    price = priced("anthropic", "claude-opus-4-8", "2026-11-02")
    assert price.known_amounts(Usage(fees=(("moon_trip", 1),)))["fee"] is None


def test_amounts_do_not_depend_on_the_host_process_decimal_context():
    price = priced("anthropic", "claude-opus-4-8", "2026-11-02")
    usage = Usage(uncached_input_tokens=123_456_789, cache_read_tokens=987_654_321)
    with decimal.localcontext(decimal.Context(prec=3)):
        amounts = price.amounts(usage)
        due = total(amounts.values())
    assert due == Decimal("617.283945") + Decimal("493.8271605")


def test_the_book_says_what_it_is():
    described = BOOK.describe()
    assert described.book == "genai-prices"
    assert described.as_of == "2026-11-22"
    assert "overlay_anthropic.toml" in described.overlays


OVERLAY = """
[[price]]
provider = "anthropic"
model = "claude-opus-4-8"
from = 2026-06-01
usd_per_mtok = {uncached_input = 4.5, cache_read = "0.45", cache_write_5m = "5.625", output = "22.5"}
source = "our contract of 2026-05-30"
checked = 2026-06-01

[[price]]
provider = "anthropic"
model = "in-house-model"
usd_per_mtok = {uncached_input = "0.1", output = "0.2"}
fees = {web_search = "0.005"}
source = "our own cluster"
checked = 2026-06-01

[[price]]
provider = "anthropic"
model = "in-house-model"
above_tokens = 1000
usd_per_mtok = {uncached_input = "0.3", output = "0.4"}
source = "our own cluster"
checked = 2026-06-01

[[price]]
provider = "anthropic"
model = "in-house-model"
when = {service_tier = "nightly"}
usd_per_mtok = {uncached_input = "0.01", output = "0.02"}
source = "our own cluster"
checked = 2026-06-01

[[discount]]
provider = "openai"
models = ["gpt-6-sol"]
factor = "0.8"
classes = ["uncached_input", "output"]
source = "our contract"
checked = 2026-06-01

[[alias]]
provider = "anthropic"
model = "claude-opus-4-8"
names = ["our-best-model"]
"""


@pytest.fixture
def contract(tmp_path):
    path = tmp_path / "contract.toml"
    path.write_text(OVERLAY)
    return default_book([path])


def test_a_users_rows_prevail_from_their_date_and_say_where_they_come_from(contract):
    price = priced("anthropic", "our-best-model", "2026-06-01", book=contract)
    assert per_mtok(price, "uncached_input", "reasoning", "cache_write") == (
        Decimal("4.5"),
        Decimal("22.5"),
        Decimal("5.625"),
    )
    assert price.source == "our contract of 2026-05-30"
    assert per_mtok(
        priced("anthropic", "claude-opus-4-8", "2026-05-31", book=contract), "uncached_input"
    ) == (5,)


def test_a_user_may_price_a_model_nobody_lists_with_bands_and_conditions_of_its_own(contract):
    small, large = Usage(uncached_input_tokens=1_000), Usage(uncached_input_tokens=1_001)
    assert per_mtok(priced("anthropic", "in-house-model", "2026-06-01", small, contract), "output") == (
        Decimal("0.2"),
    )
    assert per_mtok(priced("anthropic", "in-house-model", "2026-06-01", large, contract), "output") == (
        Decimal("0.4"),
    )
    nightly = priced("anthropic", "in-house-model", "2026-06-01", book=contract, service_tier="nightly")
    assert per_mtok(nightly, "output") == (Decimal("0.02"),)


def test_a_users_fee_prevails_over_the_listed_one(tmp_path):
    path = tmp_path / "fees.toml"
    path.write_text(
        """
[[fee]]
provider = "anthropic"
models = ["claude-opus-4-8"]
name = "web_search"
usd = "0.007"
source = "our contract"
checked = 2026-06-01
"""
    )
    book = default_book([path])
    assert priced("anthropic", "claude-opus-4-8", "2026-11-02", book=book).fee_rates["web_search"] == Decimal(
        "0.007"
    )
    assert priced("anthropic", "claude-opus-5", "2026-11-02", book=book).fee_rates["web_search"] == Decimal(
        "0.01"
    )


def test_a_negotiated_discount_multiplies_the_classes_it_names(contract):
    assert priced("anthropic", "in-house-model", "2026-06-01", book=contract).fee_rates[
        "web_search"
    ] == Decimal("0.005")
    price = priced("openai", "gpt-6-sol", "2026-11-02", book=contract)
    assert per_mtok(price, "uncached_input", "output", "cache_read") == (Decimal("1.6"), 8, Decimal("0.2"))
    assert "our contract" in price.source


MODELS = st.sampled_from(
    [
        ("anthropic", "claude-opus-4-8"),
        ("anthropic", "claude-haiku-5-5"),
        ("anthropic", "claude-fable-5-2"),
        ("openai", "gpt-6-sol"),
        ("openai", "gpt-5.4"),
        ("deepseek", "deepseek-v4-pro"),
    ]
)


@settings(max_examples=200)
@given(MODELS, USAGES, st.datetimes(datetime(2026, 11, 1), datetime(2026, 11, 22)))
def test_money_is_tokens_times_rate_exactly_and_never_negative(named, usage, moment):
    provider, model = named
    price = BOOK.price(provider, model, moment.replace(tzinfo=UTC), usage)
    assert isinstance(price, Price)
    for cls, amount in price.known_amounts(usage).items():
        if cls != "fee" and amount is not None:
            assert Fraction(amount) == usage.tokens_of(cls) * Fraction(price.rates.get(cls, 0))
            assert amount >= 0


RATE = st.decimals(min_value=0, max_value=1_000, places=6)
BANDS = st.dictionaries(
    st.integers(0, 400_000),
    st.fixed_dictionaries({cls: RATE for cls in CLASSES if cls != "fee"}),
    min_size=1,
    max_size=4,
)


@settings(max_examples=200)
@given(BANDS, USAGES, st.integers(0, 500_000))
def test_any_rows_price_a_request_by_its_whole_prompt_and_exactly(bands, usage, prompt_tokens):
    rows = tuple(
        PriceRow(
            provider="acme",
            model="anvil",
            start=None,
            until=None,
            when={},
            hours_utc=None,
            weekdays=frozenset(range(1, 8)),
            except_days=frozenset(),
            band=Band(above_tokens, rates),
            source="random",
            checked=date(2026, 11, 23),
        )
        for above_tokens, rates in bands.items()
    )
    book = PriceBook(BOOK.catalogue, Overlays([Overlay("random", prices=rows)]))
    request = Usage(cache_read_tokens=prompt_tokens)
    price = book.price("acme", "anvil", datetime(2026, 11, 2, tzinfo=UTC), request)
    reached = [above_tokens for above_tokens in bands if above_tokens < prompt_tokens]
    reached += [0] if 0 in bands else []
    assert isinstance(price, Price) == bool(reached)
    if not reached:
        return
    assert price.rates == bands[max(reached)]
    amounts = price.known_amounts(usage)
    for cls, rate in bands[max(reached)].items():
        assert Fraction(amounts[cls]) == usage.tokens_of(cls) * Fraction(rate)


@settings(max_examples=100)
@given(MODELS, USAGES, USAGES)
def test_two_calls_cost_what_their_sum_costs_at_one_price(named, left, right):
    price = priced(*named, "2026-11-02", left)
    shares = [price.known_amounts(usage) for usage in (left, right, left + right)]
    for cls in CLASSES:
        if all(amounts[cls] is not None for amounts in shares):
            assert shares[0][cls] + shares[1][cls] == shares[2][cls]


@settings(max_examples=100)
@given(MODELS, st.integers(0, 2_000_000), st.integers(0, 2_000_000))
def test_a_longer_prompt_never_costs_less(named, left, right):
    short, long = sorted((left, right))
    costs = [
        priced(*named, "2026-11-02", Usage(uncached_input_tokens=size)).amounts(
            Usage(uncached_input_tokens=size)
        )
        for size in (short, long)
    ]
    assert costs[0]["uncached_input"] <= costs[1]["uncached_input"]


# Rates of an independent recomputation, USD per million tokens, from the vendors' pages:
# provider, model, moment, selectors, then fresh / read / write 5m or 30m / output, and the limit above which
# the first three are multiplied by the first factor and the last by the second.
HAND = [
    ("anthropic", "claude-opus-4-8", "2026-06-15", {}, ("5", "0.5", "6.25", "25"), None),
    (
        "anthropic",
        "claude-opus-4-8",
        "2026-06-15",
        {"inference_geo": "us"},
        ("5.5", "0.55", "6.875", "27.5"),
        None,
    ),
    ("anthropic", "claude-opus-4-8", "2026-11-02", {"speed": "fast"}, ("10", "1", "12.5", "50"), None),
    ("anthropic", "claude-sonnet-4-6", "2026-02-20", {}, ("3", "0.3", "3.75", "15"), (200_000, "2", "1.5")),
    ("anthropic", "claude-sonnet-4-6", "2026-04-01", {}, ("3", "0.3", "3.75", "15"), None),
    ("anthropic", "claude-haiku-5-5", "2026-10-10", {}, ("0.1", "0.01", "0.125", "0.5"), (100_000, "5", "5")),
    ("anthropic", "claude-fable-5-1", "2026-09-02", {"batch": True}, ("5", "0.125", "6.25", "25"), None),
    ("openai", "gpt-5.6-sol", "2026-07-15", {}, ("5", "0.5", "6.25", "30"), (272_000, "2", "1.5")),
    ("openai", "gpt-5.6-sol", "2026-09-15", {}, ("4", "0.4", "5", "20"), (272_000, "2", "1.5")),
    (
        "openai",
        "gpt-6-sol",
        "2026-11-02",
        {"service_tier": "flex"},
        ("1", "0.1", "1.25", "5"),
        (272_000, "2", "1.5"),
    ),
    ("openai", "gpt-5", "2025-09-01", {}, ("1.25", "0.125", "1.25", "10"), None),
    ("deepseek", "deepseek-v4-pro", "2026-11-23T02:30", {}, ("1.32", "0.044", "1.32", "3.96"), None),
    ("deepseek", "deepseek-v4-pro", "2026-11-23T12:30", {}, ("0.66", "0.022", "0.66", "1.98"), None),
    (
        "bedrock",
        "us.anthropic.claude-opus-4-8-v1:0",
        "2026-11-02",
        {},
        ("5.5", "0.55", "6.875", "27.5"),
        None,
    ),
]


def recomputed(turn: int) -> tuple[tuple[str, str, str, dict[str, object]], Usage, Fraction]:
    """Return a call of the mixed run and its cost by hand, with rational numbers and none of our code."""
    provider, model, moment, selectors, rates, limit = HAND[turn % len(HAND)]
    fresh, read, write, output = (
        turn * 7919 % 100_003,
        turn * 104_729 % 200_003,
        turn * 1_299_709 % 50_021,
        turn % 9_973,
    )
    write_name = "cache_write_30m_tokens" if provider == "openai" else "cache_write_5m_tokens"
    usage = Usage(
        uncached_input_tokens=fresh, cache_read_tokens=read, output_tokens=output, **{write_name: write}
    )
    factors = (Fraction(1), Fraction(1))
    if limit and fresh + read + write > limit[0]:
        factors = (Fraction(limit[1]), Fraction(limit[2]))
    per_token = [Fraction(rate) / 10**6 for rate in rates]
    due = (fresh * per_token[0] + read * per_token[1] + write * per_token[2]) * factors[0]
    return (provider, model, moment, selectors), usage, due + output * per_token[3] * factors[1]


def test_ten_thousand_mixed_turns_cost_what_rational_arithmetic_says_to_the_last_decimal():
    ours, theirs, long_context = [], Fraction(0), 0
    for turn in range(10_000):
        (provider, model, moment, selectors), usage, due = recomputed(turn)
        ours.append(total(priced(provider, model, moment, usage, **selectors).amounts(usage).values()))
        assert Fraction(ours[-1]) == due
        theirs += due
        long_context += usage.input_tokens > 200_000
    assert long_context > 500
    assert Fraction(total(ours)) == theirs


def test_every_class_of_every_answer_is_a_known_class():
    for model, moment in product(BOOK.catalogue.models("anthropic"), ("2025-06-01", "2026-11-02")):
        answer = BOOK.price("anthropic", model, at(moment), NOTHING)
        if isinstance(answer, Price):
            assert set(answer.rates) <= set(CLASSES)
