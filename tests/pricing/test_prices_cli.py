"""`tokenprof prices`, with the invariants of `check` and the comparison of `diff`."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tokenprof.commands.main import main
from tokenprof.pricing.book import default_book
from tokenprof.pricing.crosscheck import PriceMapError, disagreements, installed_map, load_map
from tokenprof.pricing.invariants import check_book

BOOK = default_book()


@pytest.fixture
def prices(capsys):
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["prices", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_show_prints_the_rates_and_where_they_stand(prices):
    code, out, _ = prices("show", "claude-opus-4-8", "--at", "2026-11-02")
    assert code == 0
    assert ["uncached_input", "5.00"] in [line.split() for line in out.splitlines()]
    assert "since: 2026-05-28" in out
    assert "genai-prices" in out


def test_show_prints_the_rates_of_what_was_served(prices):
    _, out, _ = prices(
        "show", "gpt-6-sol", "--provider", "openai", "--at", "2026-11-02", "--service-tier", "flex"
    )
    assert ["uncached_input", "1.00"] in [line.split() for line in out.splitlines()]
    _, out, _ = prices(
        "show", "gpt-6-sol", "--provider", "openai", "--at", "2026-11-02", "--prompt-tokens", "272001"
    )
    assert ["uncached_input", "4.00"] in [line.split() for line in out.splitlines()]


@pytest.mark.parametrize(
    ("words", "row"),
    [
        (["gpt-5.4"], "openai/gpt-5.4"),
        (["openai/gpt-5.4"], "openai/gpt-5.4"),
        (["gemini-2.5-flash"], "google/gemini-2.5-flash"),
        (["bedrock/us.anthropic.claude-opus-4-8-v1:0"], "aws/regional.anthropic.claude-opus-4-8-v1:0"),
    ],
)
def test_show_finds_the_seller_if_it_is_not_named(prices, words, row):
    code, out, _ = prices("show", *words, "--at", "2026-11-02")
    assert (code, out.split()[0]) == (0, row)


def test_show_says_why_a_model_is_unpriced_and_exits_with_1(prices):
    code, out, _ = prices("show", "claude-opus-4-9", "--at", "2026-11-02")
    assert code == 1
    assert "No price row of anthropic is named 'claude-opus-4-9'" in out
    assert "near: anthropic/claude-opus-4-8" in out


def test_show_of_an_unknown_tier_is_bad_input(prices):
    code, out, err = prices("show", "claude-opus-4-8", "--service-tier", "turbo")
    assert (code, out) == (2, "")
    assert "service_tier 'turbo'" in err


def test_show_with_a_wrong_overlay_is_bad_input(prices, tmp_path):
    code, _, err = prices("show", "claude-opus-4-8", "--prices", str(tmp_path / "none.toml"))
    assert code == 2
    assert "none.toml: the file cannot be read (no such file or directory)" in err


def test_diff_between_two_days_lists_what_changed(prices):
    code, out, _ = prices("diff", "--provider", "openai", "--since", "2026-08-20", "--at", "2026-08-21")
    assert code == 1
    assert "openai/gpt-5.6-sol: " in out
    assert "uncached_input 5.00 -> 4.00" in out
    code, out, _ = prices("diff", "--provider", "openai", "--since", "2026-08-21", "--at", "2026-08-22")
    assert (code, out) == (0, "No rate changed between 2026-08-21 and 2026-08-22.\n")


OTHER_MAP = {
    "sample_spec": "not a row",
    "claude-opus-4-8": {
        "litellm_provider": "anthropic",
        "input_cost_per_token": 5e-06,
        "output_cost_per_token": 2.5e-05,
        "cache_read_input_token_cost": 5e-07,
        "cache_creation_input_token_cost": 6.25e-06,
        "cache_creation_input_token_cost_above_1hr": 6.25e-06,
    },
    "deepseek/deepseek-v4-pro": {"litellm_provider": "deepseek", "input_cost_per_token": 1.32e-06},
    "gpt-5": {
        "litellm_provider": "openai",
        "input_cost_per_token": 1.25e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-07,
    },
    "1024-x-1024/gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 1},
    "gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 1, "mode": "image_generation"},
    "claude-opus-77": {"litellm_provider": "anthropic", "input_cost_per_token": 1},
    "mystery": {"litellm_provider": "elsewhere", "input_cost_per_token": 1},
}


@pytest.fixture
def other_map(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps(OTHER_MAP))
    return path


def test_disagreements_are_found_to_the_last_decimal_and_agreement_is_not_listed(other_map):
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    found = {
        (item.model, item.cls): (item.ours, item.theirs)
        for item in disagreements(BOOK, load_map(other_map), at)
    }
    assert found["claude-opus-4-8", "cache_write_1h"] == (Decimal(10), Decimal("6.25"))
    assert found["deepseek-v4-pro", "uncached_input"] == (Decimal("0.66"), Decimal("1.32"))
    assert ("claude-opus-4-8", "uncached_input") not in found
    assert {model for model, _ in found} == {"claude-opus-4-8", "deepseek-v4-pro"}


def test_diff_prints_the_disagreements_with_a_map(prices, other_map):
    code, out, _ = prices("diff", "--map", str(other_map), "--at", "2026-11-24", "--provider", "anthropic")
    assert code == 1
    assert ["anthropic", "claude-opus-4-8", "cache_write_1h", "10.00", "6.25"] in [
        line.split() for line in out.splitlines()
    ]
    assert "deepseek" not in out


def test_a_map_of_another_package_is_looked_for_and_need_not_be_there(monkeypatch, tmp_path):
    (tmp_path / "litellm").mkdir()
    (tmp_path / "litellm" / "__init__.py").write_text("raise ImportError('this package is not imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_map() is None
    there = tmp_path / "litellm" / "model_prices_and_context_window_backup.json"
    there.write_text("{}")
    assert installed_map() == there


def test_a_map_that_is_missing_is_an_error_naming_it(tmp_path):
    with pytest.raises(PriceMapError, match=r"none\.json cannot be read: No such file"):
        load_map(tmp_path / "none.json")


@pytest.mark.parametrize("usd", ["much", [1], True, float("nan"), float("inf"), -1])
def test_a_price_of_a_map_that_cannot_be_one_is_an_error_naming_the_row(usd):
    rows = {"claude-opus-4-8": {"litellm_provider": "anthropic", "input_cost_per_token": usd}}
    with pytest.raises(PriceMapError, match=r"input_cost_per_token of claude-opus-4-8 is .*; it must be"):
        list(disagreements(BOOK, rows, datetime(2026, 11, 24, 12, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is not a JSON object of rows"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_map_that_cannot_be_read_is_an_error_naming_it(tmp_path, text, message):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(PriceMapError, match=rf"broken\.json {message}"):
        load_map(path)


@pytest.mark.parametrize("day", [date(2025, 12, 1), date(2026, 6, 15), date(2026, 11, 23)])
def test_the_rows_that_ship_hold_together(day):
    at_most_today = [item for item in check_book(BOOK, day) if item.rule != "checked"]
    assert at_most_today == []


def test_check_finds_a_row_that_does_not_hold_together(prices, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(
        """
[[price]]
provider = "anthropic"
model = "claude-opus-4-8"
usd_per_mtok = {uncached_input = 5, cache_read = 6, cache_write_1h = 6.25, output = 4}
source = "a typing error"
checked = 2026-11-23

[[launch]]
provider = "anthropic"
source = "a typing error"
checked = 2026-11-23
[launch.dates]
"claude-opus-48" = 2026-05-28
"""
    )
    code, out, _ = prices("check", "--at", "2026-11-23", "--prices", str(path))
    assert code == 1
    for complaint in (
        "a cache read costs more than fresh input",
        "output costs less than input",
        "cache_write_1h is 1.25 x input, not 2 x",
        "claude-opus-48: wrong.toml: no row has this id".replace("wrong.toml", str(path)),
    ):
        assert complaint in out
    assert prices("check", "--at", "2026-11-23")[0] == 0


def test_check_finds_a_batch_and_a_long_prompt_that_cannot_cost_what_they_do(prices, tmp_path):
    row = (
        '[[price]]\nprovider = "openai"\nmodel = "anvil"\n{}usd_per_mtok = {}\nsource = "x"\n'
        "checked = 2026-11-23\n"
    )
    path = tmp_path / "wrong.toml"
    path.write_text(
        row.format("", "{uncached_input = 2, output = 8}")
        + row.format("above_tokens = 200_000\n", "{uncached_input = 1, output = 8}")
        + row.format('when = {processing = "batch"}\n', "{uncached_input = 1, output = 9}")
        + row.format('when = {speed = "fast"}\n', "{output = 9}").replace("-23", "-25")
    )
    code, out, _ = prices("check", "--at", "2026-11-23", "--prices", str(path))
    assert code == 1
    for complaint in (
        "uncached_input costs less at 250000 tokens than at 150000",
        "output costs more in a batch than outside",
        "checked in the future",
    ):
        assert complaint in out
    assert "uncached_input costs more in a batch" not in out
