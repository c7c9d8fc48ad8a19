"""A run billed as if another model had taken its calls, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from one_call import one_call

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.pricing.book import Selectors
from tokenprof.pricing.usage import Usage

USAGE = Usage(
    uncached_input_tokens=1_000, cache_read_tokens=2_000, cache_write_5m_tokens=3_000, output_tokens=100
)
MADE = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Prices of an anvil, and of a hammer that is sold from November on."""
    path = tmp_path / "acme.toml"
    row = (
        '[[price]]\nprovider = "acme"\nmodel = "{}"\n{}source = "ours"\nchecked = 2026-11-01\n'
        "usd_per_mtok = {{uncached_input = 2, cache_read = 0.2, output = 8}}\n"
    )
    path.write_text(row.format("anvil", "") + row.format("hammer", "from = 2026-11-01\n"))
    return path


def served_by(name: str | None, run: Run, prices: Path) -> Analysis:
    return Analysis(run, Assumptions((prices,), model=name))


def test_the_same_tokens_are_billed_in_the_classes_of_the_other_seller(prices: Path) -> None:
    analysis = served_by("acme/anvil", Run((one_call(USAGE),)), prices)
    # No rate for writes: 4,000 fresh at $2, 2,000 read at $0.20 and 100 written at $8 a million.
    assert analysis.totals.billed_usd == Decimal("0.0092")
    assert analysis.totals.usage == Usage(4_000, 2_000, output_tokens=100)
    (turn,) = analysis.turns
    assert (turn.provider, turn.model, turn.seller) == ("acme", "anvil", None)
    assert analysis.run.warnings == ()


def test_the_seller_follows_from_the_name_of_a_model_if_it_is_not_said(prices: Path) -> None:
    sold = replace(one_call(USAGE), seller="openrouter")
    analysis = served_by("claude-haiku-4-5", Run((sold,)), prices)
    # Haiku 4.5: $1 fresh, $0.10 read, $1.25 written, $5 of output a million.
    assert analysis.totals.billed_usd == Decimal("0.00545")
    assert analysis.turns[0].provider == "anthropic"


def test_no_other_model_changes_nothing_and_a_run_without_turns_has_nothing_to_change(prices: Path) -> None:
    run = Run((one_call(USAGE),))
    assert served_by(None, run, prices).run is run
    assert served_by("nobody/nothing", Run(()), prices).run == Run(())


def test_a_model_that_came_later_is_billed_as_on_the_day_of_the_book_and_said(prices: Path) -> None:
    first = one_call(USAGE)
    second = replace(first, id="n", started_at=MADE + timedelta(minutes=7))
    analysis = served_by("acme/hammer", Run((first, second)), prices)
    assert analysis.totals.billed_usd == Decimal("0.0184")
    as_of = analysis.prices.as_of
    assert as_of is not None
    assert analysis.run.warnings == (
        f"acme/hammer had no price when this run was made, so it is billed as on {as_of}.",
    )
    began, then = (turn.started_at for turn in analysis.run.turns)
    assert began == datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    assert then - began == timedelta(minutes=7)


def test_a_call_without_counts_stays_unmeasured(prices: Path) -> None:
    run = Run((replace(one_call(USAGE), usage=None), one_call(USAGE)))
    analysis = served_by("acme/anvil", run, prices)
    assert analysis.totals.unmeasured_turns == 1
    assert [turn.model for turn in analysis.turns] == ["anvil", "anvil"]
    assert analysis.turns[0].billed_usd is None


@pytest.mark.parametrize(
    ("name", "selectors", "said"),
    [
        ("acme/anvill", Selectors(), "model acme/anvill: No price row of acme is named 'anvill'"),
        ("acme/anvil", Selectors(speed="fast"), "No rate of acme 'anvil' for speed 'fast' is known"),
        ("acme/anvil", Selectors(service_tier="gold"), "served with service_tier 'gold', which the price"),
    ],
)
def test_a_model_without_a_price_is_an_error_that_says_what_to_do(
    name: str, selectors: Selectors, said: str, prices: Path
) -> None:
    run = Run((replace(one_call(USAGE), selectors=selectors),))
    with pytest.raises(InputError, match="Add its price with --prices, or name another model") as raised:
        served_by(name, run, prices)
    assert said in str(raised.value)
