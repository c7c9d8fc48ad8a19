"""The user's price files: a mistake is a sentence that names the file, the row and the way out."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tokenprof.commands.main import main
from tokenprof.pricing.book import Price, PriceBook, Selectors, Unpriced, default_book
from tokenprof.pricing.overlay import Overlays
from tokenprof.pricing.overlay_toml import OverlayError, load_overlay, parse_overlay
from tokenprof.pricing.usage import Usage

SOURCE = 'source = "our contract"\nchecked = 2026-06-01\n'


def price_row(rates: str = "uncached_input = 2, output = 8", **keys: str) -> str:
    more = "".join(f"{key} = {value}\n" for key, value in keys.items())
    names = 'provider = "acme"\nmodel = "anvil"\n'
    return f"[[price]]\n{names}{more}usd_per_mtok = {{{rates}}}\n{SOURCE}"


def factor_row(table: str = "discount", **keys: str) -> str:
    given = {"provider": '"acme"', "models": '["anvil"]', "factor": "0.5"} | keys
    return f"[[{table}]]\n" + "".join(f"{key} = {value}\n" for key, value in given.items()) + SOURCE


def priced(text: str, prompt_tokens: int = 1, day: str = "2026-11-02", **served) -> Price | Unpriced:
    book = PriceBook(default_book().catalogue, Overlays([parse_overlay(text, "ours.toml")]))
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return book.price("acme", "anvil", at, Usage(uncached_input_tokens=prompt_tokens), Selectors(**served))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("not toml", "ours.toml is not valid TOML"),
        (f"a = {'9' * 5000}", "ours.toml is not valid TOML: Exceeds the limit"),
        (f"a = {'[' * 20_000}", "ours.toml has tables that are nested too deeply"),
        ("[[prise]]\n", "has a table 'prise', which is not one of launch, price"),
        ("[price]\n", r"write each row as a table of its own, \[\[price\]\]"),
        ("[provider_alias]\nbedrock = 1\n", 'must be a table of texts such as bedrock = "aws"'),
        (
            price_row(modell='"x"'),
            r"\[\[price\]\] number 1: there is no key 'modell'; known are provider, model",
        ),
        (price_row().replace('"anvil"', "1"), "'model' must be given as text"),
        (price_row().replace('"anvil"', '""'), "'model' must be given as text"),
        (factor_row(models='"anvil"'), "'models' must be a list of texts"),
        (factor_row(models="[1]"), "'models' must be a list of texts"),
        (price_row(fees="3"), "'fees' must be a table such as {name = value}"),
        (price_row(above_tokens="-1"), "'above_tokens' must be a whole number from 0 up"),
        (price_row(above_tokens="true"), "'above_tokens' must be a whole number from 0 up"),
        (price_row(weekdays="[0]"), r"'weekdays' must be a list of numbers from 1 \(Monday\) to 7"),
        (price_row(weekdays="[8]"), "'weekdays' must be a list of numbers"),
        (price_row(except_days='["May"]'), r"'except_days' must be a list of dates such as \[2026-05-28\]"),
        (price_row(hours_utc="[01:00:00]"), r"'hours_utc' must be two times such as \[01:00:00, 04:00:00\]"),
        (price_row(hours_utc="[1, 4]"), "'hours_utc' must be two times"),
        (price_row(**{"from": '"June"'}), "'from' must be a date such as 2026-05-28"),
        (price_row(**{"from": "2026-06-01T12:00:00"}), "'from' must be a date"),
        (price_row().replace("checked = 2026-06-01", ""), "'checked' must be a date"),
        (
            '[[launch]]\nprovider = "acme"\ndates = {anvil = 1}\n' + SOURCE,
            "'dates' must be a table of dates by",
        ),
        (
            price_row("output = -1"),
            "'output' must be a non-negative amount of at most 12 decimals, but it is",
        ),
        (price_row('output = "free"'), "'output' must be .* but it is a text"),
        (price_row("output = true"), "'output' must be .* but it is True"),
        (price_row("output = [1]"), "'output' must be .* but it is a list"),
        (price_row("output = nan"), "'output' must be .* but it is Decimal"),
        (price_row("output = inf"), "'output' must be"),
        (price_row("output = 1e400000"), "'output' must be"),
        (price_row("output = 0.0000000000001"), "'output' must be"),
        (price_row('output = "' + "0." + "1" * 70 + '"'), "'output' must be"),
        (price_row("output = 1" + "0" * 80), "'output' must be .* but it is a number of more than 40 digits"),
        (price_row("outputs = 1"), "usd_per_mtok: 'outputs' is not one of uncached_input, cache_read"),
        (price_row(when='"flex"'), "'when' must be a table of texts"),
        (price_row(when="{service_tier = 1}"), "'when' must be a table of texts"),
        (price_row(when='{tier = "flex"}'), "'when' is never met: 'tier' is not one of service_tier, speed"),
        (price_row(when='{processing = "fast"}'), "'when' is never met: processing can only be \"batch\""),
        (price_row(when='{service_tier = "batch"}'), 'never met: a batch is processing = "batch"'),
        (price_row(when='{speed = "standard"}'), 'never met: speed = "standard" is the standard rate'),
        (price_row(when='{speed = ""}'), 'never met: speed = "" is the standard rate'),
        (factor_row("multiplier"), r"a \[\[multiplier\]\] needs 'when', and a \[\[discount\]\] has none"),
        (factor_row(when='{speed = "fast"}'), r"a \[\[multiplier\]\] needs 'when'"),
        (factor_row(classes='["input"]'), "'input' is not one of uncached_input"),
        (factor_row(classes="[]"), "'classes' names no class; leave it out to mean all of them"),
        (factor_row(only_classes='"yes"'), "'only_classes' must be true or false"),
        (factor_row(factor="0.33333333333333333333333333"), "'factor' must be .* at most 12 decimals"),
    ],
)
def test_a_mistake_is_a_sentence_that_names_its_place(text, sentence):
    with pytest.raises(OverlayError, match=sentence) as error:
        parse_overlay(text, "ours.toml")
    assert str(error.value).startswith("The price overlay ours.toml")
    assert str(error.value).endswith(".")


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path):
    with pytest.raises(OverlayError, match=r"none\.toml cannot be read: No such file"):
        load_overlay(tmp_path / "none.toml")
    (tmp_path / "utf16.toml").write_text(price_row(), "utf-16")
    with pytest.raises(OverlayError, match=r"utf16\.toml is not UTF-8 text; save it as UTF-8"):
        load_overlay(tmp_path / "utf16.toml")


def test_a_command_prints_the_sentence_and_takes_it_as_bad_input(tmp_path: Path, capsys):
    path = tmp_path / "ours.toml"
    path.write_text(price_row("output = 1e400000"))
    assert main(["prices", "show", "gpt-5.4", "--prices", str(path)]) == 2
    said = capsys.readouterr().err
    assert "ours.toml, [[price]] number 1: 'output' must be" in said
    assert "Traceback" not in said


def test_amounts_may_be_texts_or_numbers_and_are_the_same():
    for written in ("0.1", '"0.1"', "1e-1", '"1E-1"', "0.100000000000"):
        price = priced(price_row(f"uncached_input = {written}"))
        # 1,000,000 tokens at $0.10 a million.
        assert price.amounts(Usage(uncached_input_tokens=10**6))["uncached_input"] == Decimal("0.1")


def test_a_class_takes_the_rate_of_its_nearest_kin_only_if_it_has_none_of_its_own():
    price = priced(price_row("output = 8, cache_write_5m = 3, cache_write_30m = 4"))
    assert price.rates["reasoning"] * 10**6 == 8
    assert price.rates["cache_write"] * 10**6 == 3
    price = priced(price_row("output = 8, reasoning = 9, cache_write_30m = 4, cache_write = 5"))
    assert (price.rates["reasoning"] * 10**6, price.rates["cache_write"] * 10**6) == (9, 5)
    # A write of an hour does not show the price of one of unknown life.
    assert "cache_write" not in priced(price_row("cache_write_1h = 4")).rates


def test_rows_for_long_prompts_alone_leave_short_ones_unpriced():
    text = price_row(above_tokens="200_000")
    assert priced(text, 200_001).rates["output"] == Decimal("0.000008")
    for tokens in (0, 1, 200_000):
        refused = priced(text, tokens)
        assert isinstance(refused, Unpriced)
        assert "are for prompts of more than 200000 tokens (our contract)" in refused.reason
        assert "Add a [[price]] row without 'above_tokens'" in refused.reason


def test_a_long_row_of_a_later_day_does_not_price_the_short_prompts_of_that_day():
    long = price_row("uncached_input = 4", above_tokens="200_000", **{"from": "2026-07-01"})
    text = price_row() + long
    assert priced(text, 1, "2026-06-30").rates["uncached_input"] * 10**6 == 2
    assert priced(text, 300_000, "2026-06-30").rates["uncached_input"] * 10**6 == 2
    assert priced(text, 300_000, "2026-07-01").rates["uncached_input"] * 10**6 == 4
    assert isinstance(priced(text, 1, "2026-07-01"), Unpriced)


@pytest.mark.parametrize(
    ("moment", "usd"),
    [
        ("2026-11-02T21:59:59", 2),
        ("2026-11-02T22:00:00", 1),  # a Monday, in the window
        ("2026-11-03T05:59:59", 1),
        ("2026-11-03T06:00:00", 2),
        ("2026-11-07T23:00:00", 2),  # a Saturday
        ("2026-11-04T23:00:00", 2),  # a day that is left out
    ],
)
def test_a_daily_window_may_pass_midnight_and_leaves_days_out(moment, usd):
    window = {
        "hours_utc": "[22:00:00, 06:00:00]",
        "weekdays": "[1, 2, 3, 4, 5]",
        "except_days": "[2026-11-04]",
    }
    text = price_row() + price_row("uncached_input = 1", **window)
    assert priced(text, 1, moment).rates["uncached_input"] * 10**6 == usd


def test_a_row_begins_and_ends_at_the_very_moment():
    text = price_row(**{"from": "2026-07-01T08:00:00Z", "until": "2026-08-01T10:00:00+02:00"})
    for moment, is_priced in (
        ("2026-07-01T07:59:59", False),
        ("2026-07-01T08:00:00", True),
        ("2026-08-01T07:59:59", True),
        ("2026-08-01T08:00:00", False),
    ):
        found = priced(text, 1, moment)
        assert isinstance(found, Price) == is_priced, moment
        if not is_priced:
            assert "No rate of acme 'anvil' is known on" in found.reason


def test_factors_apply_from_their_first_day_to_the_day_before_their_last_and_one_after_the_other():
    text = (
        price_row()
        + factor_row(factor="0.9", classes='["output"]', note='"half year"', **{"from": "2026-07-01"})
        + factor_row(factor="0.5", until="2026-08-01")
    )
    # Output at $8: half of it before August; nine tenths from July on.
    for day, output, fresh in (
        ("2026-06-30", "4", "1"),
        ("2026-07-01", "3.60", "1"),
        ("2026-07-31", "3.60", "1"),
        ("2026-08-01", "7.2", "2"),
    ):
        price = priced(text, day=day)
        assert price.rates["output"] * 10**6 == Decimal(output), day
        assert price.rates["uncached_input"] * 10**6 == Decimal(fresh), day
        assert ("half year" in price.notes) == (day >= "2026-07-01")


def test_a_multiplier_of_some_classes_leaves_the_others_unknown_if_it_says_so():
    batch = {"when": '{processing = "batch"}', "classes": '["output"]'}
    text = price_row() + factor_row("multiplier", **batch)
    assert priced(text, batch=True).rates["uncached_input"] * 10**6 == 2
    text = price_row() + factor_row("multiplier", only_classes="true", **batch)
    price = priced(text, batch=True)
    assert price.rates["output"] * 10**6 == 4
    assert "uncached_input" not in price.rates
    assert price.known_amounts(Usage(uncached_input_tokens=5))["uncached_input"] is None


def test_a_launch_may_name_the_day_from_which_a_model_cannot_be_called():
    launch = (
        '[[launch]]\nprovider = "acme"\ndates = {anvil = 2026-03-01}\nretired = {anvil = 2026-09-01}\n'
        + SOURCE
    )
    for day, is_priced in (("2026-02-28", 0), ("2026-03-01", 1), ("2026-08-31", 1), ("2026-09-01", 0)):
        assert isinstance(priced(price_row() + launch, day=day), Price) == bool(is_priced), day
    assert "it begins on 2026-03-01 (our contract)" in priced(price_row() + launch, day="2026-02-28").reason
    assert "was retired by 2026-09-01" in priced(price_row() + launch, day="2026-09-01").reason
    assert priced(price_row() + launch, day="2026-08-31").valid_from == date(2026, 3, 1)


def test_a_later_file_prevails_and_an_earlier_one_holds_where_it_is_silent():
    first = parse_overlay(price_row() + price_row("output = 6", when='{speed = "fast"}'), "first.toml")
    later = parse_overlay(price_row("output = 7", **{"from": "2026-10-01"}), "later.toml")
    book = PriceBook(default_book().catalogue, Overlays([first, later]))

    def output(day: str, **served) -> Decimal:
        at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        return book.price("acme", "anvil", at, Usage(), Selectors(**served)).rates["output"] * 10**6

    assert output("2026-09-30") == 8
    assert output("2026-10-01") == 7
    assert output("2026-10-01", speed="fast") == 6
