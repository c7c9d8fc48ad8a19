"""The rows that are kept between processes say what the installed package says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from genai_prices.data import providers

from tokenprof.pricing.catalogue import GenaiPrices
from tokenprof.pricing.list_rows import list_rows

MOMENTS = (
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2025, 9, 1, 2, 30, tzinfo=UTC),
    datetime(2026, 8, 1, 17, tzinfo=UTC),
    datetime(2026, 11, 25, 23, 59),
    datetime(2026, 11, 25, 23, 59, tzinfo=timezone(timedelta(hours=-8))),
)
CONTEXTS = ({}, {"processing": "batch"}, {"processing": "flex"}, {"processing": "priority"})


class Memory:
    def __init__(self) -> None:
        self.answer: bytes | None = None

    def __call__(self, question: str, make: Callable[[], bytes]) -> bytes:
        self.answer = make() if self.answer is None else self.answer
        return self.answer


def plain(price: object) -> tuple[object, ...]:
    tiers = tuple((tier.start, tier.price) for tier in getattr(price, "tiers", ()))
    return getattr(price, "base", price), tiers


def test_every_row_at_every_moment_is_the_package_s() -> None:
    memory = Memory()
    list_rows(memory)
    kept = list_rows(memory)
    assert kept.ids == tuple(provider.id for provider in providers)
    for provider in providers:
        rows = kept.provider(provider.id)
        assert rows is not None
        assert rows.makers == tuple(provider.fallback_model_providers or ())
        for model in {model.id: model for model in provider.models}.values():
            listed = rows.model(model.id)
            assert listed is not None
            for at in MOMENTS:
                for context in CONTEXTS:
                    theirs = model.get_prices(at, context or None).__dict__
                    ours = {key: (rate.base, rate.tiers) for key, rate in listed.prices(at, context).items()}
                    assert ours == {key: plain(price) for key, price in theirs.items() if price is not None}


def test_a_kept_catalogue_quotes_what_the_installed_one_does() -> None:
    memory = Memory()
    GenaiPrices(memory).providers()
    kept, installed = GenaiPrices(memory), GenaiPrices()
    assert (kept.version, kept.providers()) == (installed.version, installed.providers())
    at = datetime(2026, 11, 1, tzinfo=UTC)
    for provider in ("anthropic", "openai", "google", "deepseek", "aws"):
        assert kept.models(provider) == installed.models(provider) != ()
        for model in kept.models(provider):
            assert kept.quote(provider, model, at, {}) == installed.quote(provider, model, at, {})
            assert kept.resolve(provider, f"{model}-20260101") == installed.resolve(
                provider, f"{model}-20260101"
            )
            assert kept.depends_on_hour(provider, model) == installed.depends_on_hour(provider, model)
            assert kept.first_dated(provider, model) == installed.first_dated(provider, model)


@pytest.mark.parametrize("answer", [b"", b"0.2.3\nno tab", b"\xff\xfe"])
def test_bytes_that_hold_no_rows_are_read_from_the_package(answer: bytes) -> None:
    memory = Memory()
    memory.answer = answer
    rows = list_rows(memory)
    anthropic = rows.provider("anthropic")
    assert anthropic is not None
    opus = anthropic.model("claude-opus-4-1")
    assert opus is not None
    assert opus.prices(datetime(2025, 9, 1, tzinfo=UTC), {})["input_mtok"].base == Decimal(15)


def test_an_unknown_provider_or_model_has_no_rows() -> None:
    rows = list_rows()
    assert rows.provider("nobody") is None
    anthropic = rows.provider("anthropic")
    assert anthropic is not None
    assert anthropic.model("claude-9") is None
