"""Rates that differ within one class, and factors and fees that meet: each worked out by hand."""

from datetime import UTC, datetime, time
from decimal import Decimal

import pytest

from tokenprof.pricing.book import PriceBook, Selectors, Unpriced, default_book
from tokenprof.pricing.list_rows import ListRow
from tokenprof.pricing.overlay import Overlays
from tokenprof.pricing.overlay_toml import parse_overlay
from tokenprof.pricing.rates import Band, Price, with_media
from tokenprof.pricing.usage import Usage

AT = datetime(2026, 11, 2, tzinfo=UTC)
SOURCE = 'source = "ours"\nchecked = 2026-06-01\n'
TEXT = Price("acme", "anvil", {"output": Decimal(1), "uncached_input": Decimal(1)}, {}, None, "ours", None)
BAND = Band(0, TEXT.rates, {}, {"output": Decimal(2)}, {"output": Decimal(3)})


@pytest.mark.parametrize(
    ("output", "audio", "images", "usd"),
    [
        (10, 0, 0, 10),
        (10, 0, 4, 6 * 1 + 4 * 3),
        (10, 3, 0, 7 * 1 + 3 * 2),
        (10, 3, 2, 5 * 1 + 3 * 2 + 2 * 3),
        (10, 0, 10, 10 * 3),
        (10, 4, 6, 4 * 2 + 6 * 3),
    ],
)
def test_text_audio_and_images_of_one_class_have_each_their_rate(output, audio, images, usd):
    usage = Usage(output_tokens=output, audio_output_tokens=audio, image_output_tokens=images)
    price = with_media(BAND, TEXT, usage)
    assert price.amounts(usage)["output"] == usd
    assert price.usd(usage) == usd


def book_with(*files: str) -> PriceBook:
    shipped = default_book()
    ours = [parse_overlay(text, f"{number}.toml") for number, text in enumerate(files)]
    return PriceBook(shipped.catalogue, Overlays([*shipped.overlays.parts, *ours]))


def factor(table: str, provider: str, model: str, value: str, when: str = "") -> str:
    return (
        f'[[{table}]]\nprovider = "{provider}"\nmodels = ["{model}"]\nfactor = {value}\n'
        + (f"when = {when}\n" if when else "")
        + SOURCE
    )


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "gpt-audio", Usage(output_tokens=100, audio_output_tokens=80)),
        ("google", "gemini-2.5-flash-image", Usage(output_tokens=100, image_output_tokens=60)),
    ],
)
def test_a_discount_holds_for_audio_and_images_too(provider, model, usage):
    listed = default_book().price(provider, model, AT, usage)
    ours = book_with(factor("discount", provider, model, "0.5")).price(provider, model, AT, usage)
    assert listed.mixed
    assert ours.amounts(usage)["output"] == listed.amounts(usage)["output"] / 2


ANVIL = (
    '[[price]]\nprovider = "acme"\nmodel = "anvil"\nusd_per_mtok = {uncached_input = 2, output = 8}\n'
    + SOURCE
)


def test_two_ways_of_being_served_are_not_multiplied_but_a_way_and_a_region_are():
    book = book_with(
        ANVIL
        + factor("multiplier", "acme", "anvil", "3", '{speed = "fast"}')
        + factor("multiplier", "acme", "anvil", "0.5", '{service_tier = "flex"}')
        + factor("multiplier", "acme", "anvil", "1.1", '{inference_geo = "us"}')
    )

    def output(**served) -> Decimal | None:
        found = book.price("acme", "anvil", AT, Usage(), Selectors(**served))
        return None if isinstance(found, Unpriced) else found.rates["output"] * 10**6

    assert output(speed="fast") == 24
    assert output(speed="fast", inference_geo="us") == Decimal("26.4")
    assert output(service_tier="flex") == 4
    assert output(service_tier="flex", speed="fast") is None


def test_the_multiplier_of_a_later_file_prevails():
    fast = '{speed = "fast"}'
    book = book_with(
        ANVIL + factor("multiplier", "acme", "anvil", "3", fast),
        factor("multiplier", "acme", "anvil", "2", fast),
    )
    price = book.price("acme", "anvil", AT, Usage(), Selectors(speed="fast"))
    assert price.rates["output"] * 10**6 == 16


def test_a_fee_for_something_else_does_not_stand_for_that_of_a_request():
    book = book_with(ANVIL.replace("source", "fees = {request = 0.01, web_search = 0.02}\nsource"))
    counted = Usage(fees=(("request", 1), ("web_search", 3)))
    # A cent for the request and two for each of three searches.
    assert book.price("acme", "anvil", AT, counted).usd(counted) == Decimal("0.07")
    for fees in ((), (("web_search", 3),)):
        refused = book.price("acme", "anvil", AT, Usage(fees=fees))
        assert isinstance(refused, Unpriced)
        assert "charges a fee per request for 'anvil'" in refused.reason
        assert refused.usd(Usage(fees=fees)) is None


@pytest.mark.parametrize(
    ("begin", "end", "holding", "not_holding"),
    [(8, 16, (8, 15), (7, 16)), (22, 6, (22, 23, 0, 5), (6, 21))],
)
def test_a_listed_window_holds_from_its_first_moment_up_to_its_last(begin, end, holding, not_holding):
    row = ListRow({}, None, (time(begin), time(end)), {})
    assert all(row.holds(AT.replace(hour=hour)) for hour in holding)
    assert not any(row.holds(AT.replace(hour=hour)) for hour in not_holding)
